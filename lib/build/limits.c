#include "build/limits.h"

#include <string.h>

#include "base/clock.h"
#include "base/size.h"

const char *const limits_keys[] = {"timeout", "cpu",       "memory", "output",
                                   "files",   "processes", NULL};

static const char *duration_take(const cJSON *value, uint64_t *ret)
{
    int64_t ms = cJSON_IsString(value) ? clock_parse_duration(value->valuestring) : -1;
    if (ms <= 0)
        return "be a duration such as \"500ms\" or \"5s\"";
    *ret = (uint64_t)ms;
    return NULL;
}

static const char *size_take(const cJSON *value, uint64_t *ret)
{
    uint64_t bytes = 0;
    if (!cJSON_IsString(value) || !size_parse(value->valuestring, &bytes) || bytes == 0)
        return "be a size such as \"512K\" or \"256M\"";
    *ret = bytes;
    return NULL;
}

/* cJSON has doubles: a million is far from where they lose whole numbers. */
static const char *count_take(const cJSON *value, uint64_t *ret)
{
    double n = cJSON_IsNumber(value) ? value->valuedouble : 0;
    if (!(n >= 1 && n <= 1e6) || n != (double)(uint64_t)n)
        return "be a whole number from 1 to 1000000";
    *ret = (uint64_t)n;
    return NULL;
}

const char *limits_take(const cJSON *value, struct ml_plugin_limits *ret)
{
    const struct {
        const char *key;
        const char *(*take)(const cJSON *value, uint64_t *ret);
        uint64_t *to;
    } rows[] = {
        {"timeout", duration_take, &ret->timeout_ms}, {"cpu", duration_take, &ret->cpu_ms},
        {"memory", size_take, &ret->memory},          {"output", size_take, &ret->output},
        {"files", count_take, &ret->descriptors},     {"processes", count_take, &ret->processes},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (strcmp(value->string, rows[i].key) == 0)
            return rows[i].take(value, rows[i].to);
    return "be a limit that this version knows";
}

bool limits_any(const struct ml_plugin_limits *l)
{
    return (l->timeout_ms | l->cpu_ms | l->memory | l->output | l->descriptors | l->processes) != 0;
}

/* Reading answers. */
#include "answer.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <string.h>

void answer_free(struct answer *a)
{
    buf_free(&a->data);
}

static void copy_text(const cJSON *object, const char *key, char to[64])
{
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, key));
    snprintf(to, 64, "%s", text ? text : "");
}

static void copy_data(const cJSON *data, struct buf *ret)
{
    char *text = cJSON_IsString(data) ? NULL : cJSON_PrintUnformatted(data);
    buf_str(ret, text ? text : cJSON_GetStringValue(data));
    cJSON_free(text);
}

/* The whole text: nothing may stand behind the object but its newline. */
static cJSON *parse(const char *text)
{
    const char *end = NULL;
    cJSON *whole = cJSON_ParseWithOpts(text, &end, false);
    if (whole != NULL && (!cJSON_IsObject(whole) || strcmp(end, "\n") != 0)) {
        cJSON_Delete(whole);
        whole = NULL;
    }
    return whole;
}

bool answer_read(const char *text, struct answer *ret)
{
    cJSON *whole = parse(text);
    const cJSON *code = cJSON_GetObjectItemCaseSensitive(whole, "exit_code");
    const cJSON *data = cJSON_GetObjectItemCaseSensitive(whole, "data");
    const cJSON *errors = cJSON_GetObjectItemCaseSensitive(whole, "errors");
    bool good = cJSON_IsNumber(code) && data != NULL && cJSON_IsArray(errors);
    *ret = (struct answer){.code = good ? code->valueint : -1};
    if (good) {
        copy_text(cJSON_GetArrayItem(errors, 0), "code", ret->error);
        copy_text(cJSON_GetArrayItem(errors, 0), "outcome", ret->outcome);
        copy_data(data, &ret->data);
    }
    cJSON_Delete(whole);
    return good;
}

static const cJSON *workers(const cJSON *whole)
{
    return cJSON_GetObjectItemCaseSensitive(cJSON_GetObjectItemCaseSensitive(whole, "data"),
                                            "workers");
}

static unsigned long number(const cJSON *object, const char *key)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    return cJSON_IsNumber(item) ? (unsigned long)item->valuedouble : 0;
}

bool answer_read_counts(const char *text, const char *uuid, struct counts *ret)
{
    bool found = false;
    cJSON *whole = parse(text);
    const cJSON *each;
    *ret = (struct counts){.pid = 0};
    cJSON_ArrayForEach (each, workers(whole)) {
        const char *of = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(each, "uuid"));
        if (of == NULL || strcmp(of, uuid) != 0)
            continue;
        found = true;
        ret->pid = (pid_t)number(each, "pid");
        for (int i = 0; i < N_COUNTERS; i++)
            ret->n[i] = number(each, counter_names[i]);
    }
    cJSON_Delete(whole);
    return found;
}

int answer_count_workers(const char *text)
{
    cJSON *whole = parse(text);
    int n = cJSON_IsArray(workers(whole)) ? cJSON_GetArraySize(workers(whole)) : -1;
    cJSON_Delete(whole);
    return n;
}

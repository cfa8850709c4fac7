/* modload info: what an entry is and can do, for people who want to call it. In the core, since the
 * manifest is JSON. */
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/size.h"
#include "base/words.h"
#include "cmd/build.h"
#include "cmd/command.h"
#include "modload/install.h"

/* The doc comment line by line, so that all of it is indented. */
static void show_function(struct invocation *in, const struct ml_built_function *f,
                          const char *indent)
{
    buf_fmt(&in->text, "%s%s\n", indent, f->signature);
    const char *line = f->doc;
    while (*line != '\0') {
        size_t n = strcspn(line, "\n");
        buf_fmt(&in->text, "%s    %.*s\n", indent, (int)n, line);
        line += n + (line[n] == '\n');
    }
}

/* A function that is there and cannot be called says why: that is what somebody who asks for it
 * wants. */
static int show_one(struct invocation *in, const struct ml_bundle_info *info, const char *name)
{
    struct words_nearest nearest = {0};
    for (size_t i = 0; i < info->n_functions; i++) {
        words_consider(&nearest, name, info->functions[i].name);
        if (strcmp(info->functions[i].name, name) == 0) {
            show_function(in, &info->functions[i], "");
            put_function(&in->data, &info->functions[i]);
            return 0;
        }
    }
    ml_error_set(&in->err, ML_UNDEFINED, NULL, "%s has no function '%s'", info->name, name);
    for (size_t i = 0; i < info->n_skipped; i++)
        if (strcmp(info->skipped[i].name, name) == 0)
            ml_error_hint(&in->err, "it is not callable: %s", info->skipped[i].reason);
    if (in->err.hint[0] == '\0' && nearest.word != NULL)
        ml_error_hint(&in->err, "did you mean '%s'?", nearest.word);
    return failed(in);
}

/* JSON has every field, so that programs need not ask whether it is there; people get those that
 * say something. */
static void field(struct invocation *in, const char *name, const char *value)
{
    json_pair(&in->data, name, value);
    if (*value != '\0')
        buf_fmt(&in->text, "%-12s %s\n", name, value);
}

/* One limit, where the manifest sets it; `text` says how much in words. */
static void limit(struct invocation *in, const char *key, const char *word, uint64_t value,
                  const char *text)
{
    if (value == 0)
        return;
    bool first = in->data.out.data[in->data.out.len - 1] == '{';
    json_key(&in->data, key);
    json_uint(&in->data, value);
    buf_fmt(&in->text, "%s%s %s", first ? "limits       " : ", ", word, text);
}

static void limit_size(struct invocation *in, const char *key, uint64_t bytes)
{
    char text[SIZE_TEXT];
    size_format(bytes, text);
    limit(in, key, key, bytes, text);
}

static void limit_time(struct invocation *in, const char *key, const char *word, uint64_t ms)
{
    char text[32];
    snprintf(text, sizeof text, "%" PRIu64 " ms", ms);
    limit(in, key, word, ms, text);
}

static void limit_count(struct invocation *in, const char *key, uint64_t n)
{
    char text[32];
    snprintf(text, sizeof text, "%" PRIu64, n);
    limit(in, key, key, n, text);
}

static void show_limits(struct invocation *in, const struct ml_bundle_info *info)
{
    size_t before = in->text.len;
    json_key(&in->data, "limits");
    json_open(&in->data, '{');
    limit_time(in, "timeout_ms", "timeout", info->timeout_ms);
    limit_time(in, "cpu_ms", "cpu", info->limits.cpu_ms);
    limit_size(in, "memory", info->limits.memory);
    limit_size(in, "output", info->limits.output);
    limit_count(in, "files", info->limits.descriptors);
    limit_count(in, "processes", info->limits.processes);
    json_close(&in->data, '}');
    if (in->text.len > before)
        buf_char(&in->text, '\n');
}

static void show_capabilities(struct invocation *in, const struct ml_bundle_info *info)
{
    json_key(&in->data, "capabilities");
    json_open(&in->data, '[');
    for (size_t i = 0; i < info->n_capabilities; i++) {
        json_string(&in->data, info->capabilities[i]);
        buf_fmt(&in->text, "%-12s %s\n", i == 0 ? "capabilities" : "", info->capabilities[i]);
    }
    json_close(&in->data, ']');
}

/* Of what came from git, also part by part. */
static void show_origin(struct invocation *in, const struct ml_entry *entry)
{
    char text[2 * PATH_MAX] = "";
    struct ml_origin origin;
    ml_entry_origin(in->ctx, &entry->key, text, sizeof text, NULL); /* only for people */
    field(in, "origin", text);
    if (ml_origin_parse(text, &origin, NULL) < 0)
        return;
    field(in, "git", origin.git);
    field(in, "path", origin.path);
    field(in, "ref", origin.ref);
    field(in, "tag", origin.tag);
    field(in, "commit", origin.commit);
    field(in, "index", origin.index);
    if (origin.submodules)
        buf_fmt(&in->text, "%-12s yes\n", "submodules");
    json_key(&in->data, "submodules");
    json_bool(&in->data, origin.submodules);
    ml_origin_done(&origin);
}

/* A worker that is still starting shows as not loaded: what is asked for here is the entry, and
 * that is known. */
static void show_all(struct invocation *in, const struct ml_entry *entry,
                     const struct ml_bundle_info *info)
{
    struct ml_worker_status worker;
    char uuid[ML_UUID_SIZE];
    bool loaded = ml_worker_query(in->ctx, &entry->key, &worker, NULL) > 0;
    ml_key_to_uuid(&entry->key, uuid);
    json_open(&in->data, '{');
    field(in, "uuid", uuid);
    field(in, "name", entry->name);
    field(in, "plugin", info->name);
    field(in, "version", info->version);
    field(in, "description", info->description);
    field(in, "license", info->license);
    field(in, "bundle", info->bundle);
    show_origin(in, entry);
    buf_fmt(&in->text, "%-12s %s\n", "loaded", loaded ? "yes" : "no");
    json_key(&in->data, "loaded");
    json_bool(&in->data, loaded);
    show_capabilities(in, info);
    show_limits(in, info);
    put_functions(&in->data, info);
    json_close(&in->data, '}');
    buf_str(&in->text, "functions\n");
    for (size_t i = 0; i < info->n_functions; i++)
        show_function(in, &info->functions[i], "  ");
    if (info->n_skipped > 0)
        buf_str(&in->text, "not callable\n");
    for (size_t i = 0; i < info->n_skipped; i++)
        buf_fmt(&in->text, "  %s: %s\n", info->skipped[i].name, info->skipped[i].reason);
}

static int run(struct invocation *in)
{
    struct ml_entry entry;
    struct ml_bundle_info *info = NULL;
    int status = resolve_arg(in, in->args[0], &entry.key);
    if (status != 0)
        return status;
    if (ml_entry_read(in->ctx, &entry.key, &entry, &in->err) < 0 ||
        ml_bundle_info_read(in->ctx, entry.bundle, &info, &in->err) < 0)
        return failed(in);
    if (in->n_args > 1)
        status = show_one(in, info, in->args[1]);
    else
        show_all(in, &entry, info);
    ml_bundle_info_free(info);
    return status;
}

const struct command command_info = {
    .name = "info",
    .args = "U [F]",
    .summary = "show an entry, its functions and their comments, or one function",
    .example = "modload info math divide",
    .min_args = 1,
    .max_args = 2,
    .run = run,
};

/* What a filed bundle says about itself. The manifest was written by bundle.c and cannot have
 * changed by itself, but disks and people are what they are: every member is checked, and a wrong
 * one is called damage. */
#include <cjson/cJSON.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/scope.h"
#include "build/info.h"
#include "build/limits.h"
#include "build/strict-json.h"
#include "client/capability.h"
#include "client/context.h"

void ml_bundle_info_free(struct ml_bundle_info *info)
{
    if (info == NULL)
        return;
    for (size_t i = 0; info->functions != NULL && i < info->n_functions; i++) {
        free(info->functions[i].name);
        free(info->functions[i].signature);
        free(info->functions[i].doc);
    }
    for (size_t i = 0; info->skipped != NULL && i < info->n_skipped; i++) {
        free(info->skipped[i].name);
        free(info->skipped[i].reason);
    }
    for (size_t i = 0; info->capabilities != NULL && i < info->n_capabilities; i++)
        free(info->capabilities[i]);
    free(info->functions);
    free(info->skipped);
    free(info->capabilities);
    free(info->name);
    free(info->version);
    free(info->description);
    free(info->license);
    free(info);
}

static void info_release(struct ml_bundle_info **info)
{
    ml_bundle_info_free(*info);
}

/* -1 when the text is missing (`damaged` is set) or memory is. */
static int text_get(const cJSON *object, const char *key, char **ret, bool *damaged)
{
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(object, key);
    if (!cJSON_IsString(value)) {
        *damaged = true;
        return -1;
    }
    *ret = strdup(value->valuestring);
    return *ret ? 0 : -1;
}

static int functions_get(const cJSON *list, struct ml_bundle_info *info, bool *damaged)
{
    const cJSON *item;
    info->functions = calloc((size_t)cJSON_GetArraySize(list) + 1, sizeof *info->functions);
    if (info->functions == NULL)
        return -1;
    cJSON_ArrayForEach (item, list) {
        struct ml_built_function *fn = &info->functions[info->n_functions++];
        if (text_get(item, "name", &fn->name, damaged) < 0 ||
            text_get(item, "signature", &fn->signature, damaged) < 0 ||
            text_get(item, "doc", &fn->doc, damaged) < 0)
            return -1;
    }
    return 0;
}

static int skipped_get(const cJSON *list, struct ml_bundle_info *info, bool *damaged)
{
    const cJSON *item;
    info->skipped = calloc((size_t)cJSON_GetArraySize(list) + 1, sizeof *info->skipped);
    if (info->skipped == NULL)
        return -1;
    cJSON_ArrayForEach (item, list) {
        struct ml_skipped_function *fn = &info->skipped[info->n_skipped++];
        if (text_get(item, "name", &fn->name, damaged) < 0 ||
            text_get(item, "reason", &fn->reason, damaged) < 0)
            return -1;
    }
    return 0;
}

/* Bundles that have none, have no such key, or an object with nothing in it. */
static int limits_get(const cJSON *object, struct ml_bundle_info *info, bool *damaged)
{
    struct ml_plugin_limits l = {0};
    const cJSON *item;
    *damaged = object != NULL && !cJSON_IsObject(object);
    cJSON_ArrayForEach (item, object)
        *damaged = *damaged || limits_take(item, &l) != NULL;
    info->timeout_ms = l.timeout_ms;
    info->limits = (struct ml_limits){l.cpu_ms, l.memory, l.output, l.descriptors, l.processes};
    return *damaged ? -1 : 0;
}

/* As they were written: each is one, in order, and none covers another. */
static bool capabilities_good(const struct ml_bundle_info *info)
{
    struct capability ignored;
    const char *list[CAPABILITY_MAX];
    for (size_t i = 0; i < info->n_capabilities; i++) {
        list[i] = info->capabilities[i];
        if (capability_read(list[i], &ignored) != NULL)
            return false;
    }
    if (capabilities_normalise(list, info->n_capabilities) != info->n_capabilities)
        return false;
    for (size_t i = 0; i < info->n_capabilities; i++)
        if (list[i] != info->capabilities[i])
            return false;
    return true;
}

static int capabilities_get(const cJSON *list, struct ml_bundle_info *info, bool *damaged)
{
    const cJSON *item;
    int n = cJSON_GetArraySize(list); /* 0 of no list at all: bundles that ask for nothing */
    *damaged = (list != NULL && !cJSON_IsArray(list)) || n > CAPABILITY_MAX;
    info->capabilities = *damaged ? NULL : calloc((size_t)n + 1, sizeof *info->capabilities);
    if (info->capabilities == NULL)
        return -1;
    cJSON_ArrayForEach (item, list) {
        *damaged = !cJSON_IsString(item);
        char *text = *damaged ? NULL : strdup(item->valuestring);
        if (text == NULL)
            return -1;
        info->capabilities[info->n_capabilities++] = text;
    }
    *damaged = !capabilities_good(info);
    return *damaged ? -1 : 0;
}

static int info_fill(const cJSON *tree, struct ml_bundle_info *info, bool *damaged)
{
    const cJSON *functions = cJSON_GetObjectItemCaseSensitive(tree, "functions");
    const cJSON *skipped = cJSON_GetObjectItemCaseSensitive(tree, "skipped");
    if (!cJSON_IsArray(functions) || !cJSON_IsArray(skipped)) {
        *damaged = true;
        return -1;
    }
    if (text_get(tree, "name", &info->name, damaged) < 0 ||
        text_get(tree, "version", &info->version, damaged) < 0 ||
        text_get(tree, "description", &info->description, damaged) < 0 ||
        text_get(tree, "license", &info->license, damaged) < 0 ||
        functions_get(functions, info, damaged) < 0 ||
        limits_get(cJSON_GetObjectItemCaseSensitive(tree, "limits"), info, damaged) < 0 ||
        capabilities_get(cJSON_GetObjectItemCaseSensitive(tree, "capabilities"), info, damaged) < 0)
        return -1;
    return skipped_get(skipped, info, damaged);
}

static int bundle_damaged(const char *bundle, struct ml_error *err)
{
    ml_error_set(err, ML_REFUSED, "damaged",
                 "bundle '%s' is damaged: its manifest.json cannot be read", bundle);
    return ml_error_hint(err, "remove it from the registry, and compile its source again");
}

int info_parse(const char *bundle, const struct buf *text, struct ml_bundle_info **ret,
               struct ml_error *err)
{
    errno = 0;
    CJSON_AUTO *tree = cJSON_ParseWithLengthOpts(buf_text(text), text->len + 1, NULL, 1);
    bool out = tree == NULL && errno == ENOMEM; /* malloc(3) tells, cJSON does not */
    __attribute__((cleanup(info_release))) struct ml_bundle_info *info = calloc(1, sizeof *info);
    if (out || info == NULL)
        return ml_error_memory(err);
    bool damaged = tree == NULL;
    memcpy(info->bundle, bundle, strlen(bundle) + 1);
    if (damaged || info_fill(tree, info, &damaged) < 0)
        return damaged ? bundle_damaged(bundle, err) : ml_error_memory(err);
    *ret = steal_ptr(info);
    return 0;
}

int ml_bundle_info_read(struct ml_ctx *ctx, const char *bundle, struct ml_bundle_info **ret,
                        struct ml_error *err)
{
    struct store *store;
    BUF_AUTO text = BUF_INIT;
    if (!store_bundle_valid(bundle))
        return ml_error_set(err, ML_NO_INPUT, NULL, "'%s' is not the id of a bundle", bundle);
    if (ctx_store(ctx, false, &store, err) < 0)
        return -1;
    AUTO_CLOSE int fd = store_bundle_open(store, bundle, err);
    if (fd < 0)
        return -1;
    if (fs_read_file(fd, "manifest.json", &text, INFO_SIZE_MAX) < 0) {
        bool unread = errno_is_shortage(errno) || errno == EIO;
        return unread ? ml_error_errno(err, 0, errno, "cannot read bundle '%s'", bundle)
                      : bundle_damaged(bundle, err);
    }
    return info_parse(bundle, &text, ret, err);
}

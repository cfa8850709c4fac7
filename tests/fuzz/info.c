/* A filed bundle's manifest.json, read back. It was written by modload, but lies on a disk: it is
 * read whole, with every text there, or the bundle is called damaged. */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "modload/build.h"
#include "registry.h"

const unsigned fuzz_runs = 200;

/* ---- written again ---- */

static void functions_write(struct json *j, const struct ml_bundle_info *info)
{
    json_key(j, "functions");
    json_open(j, '[');
    for (size_t i = 0; i < info->n_functions; i++) {
        json_open(j, '{');
        json_pair(j, "name", info->functions[i].name);
        json_pair(j, "signature", info->functions[i].signature);
        json_pair(j, "doc", info->functions[i].doc);
        json_close(j, '}');
    }
    json_close(j, ']');
}

static void skipped_write(struct json *j, const struct ml_bundle_info *info)
{
    json_key(j, "skipped");
    json_open(j, '[');
    for (size_t i = 0; i < info->n_skipped; i++) {
        json_open(j, '{');
        json_pair(j, "name", info->skipped[i].name);
        json_pair(j, "reason", info->skipped[i].reason);
        json_close(j, '}');
    }
    json_close(j, ']');
}

static void capabilities_write(struct json *j, const struct ml_bundle_info *info)
{
    json_key(j, "capabilities");
    json_open(j, '[');
    for (size_t i = 0; i < info->n_capabilities; i++)
        json_string(j, info->capabilities[i]);
    json_close(j, ']');
}

/* Reads every text of it, too. */
static void info_write(struct json *j, const struct ml_bundle_info *info)
{
    json_open(j, '{');
    json_pair(j, "name", info->name);
    json_pair(j, "version", info->version);
    json_pair(j, "description", info->description);
    json_pair(j, "license", info->license);
    functions_write(j, info);
    skipped_write(j, info);
    capabilities_write(j, info);
    json_close(j, '}');
}

/* ---- read again ---- */

static struct ml_bundle_info *info_read(const void *data, size_t size, struct ml_error *err)
{
    struct ml_bundle_info *info = NULL;
    struct ml_ctx *ctx = fuzz_registry();
    fuzz_replace(fuzz_bundle(), "manifest.json", data, size);
    CHECK((ml_bundle_info_read(ctx, FUZZ_BUNDLE, &info, err) == 0) == (info != NULL));
    return info;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    JSON_AUTO first = {0};
    JSON_AUTO second = {0};
    struct ml_error err = ML_ERROR_INIT;
    struct ml_bundle_info *info = info_read(data, size, &err);
    if (info == NULL) {
        fuzz_refused(&err);
        CHECK(err.status == ML_REFUSED);
        return 0;
    }
    info_write(&first, info);
    struct ml_bundle_info *again = info_read(first.out.data, first.out.len, &err);
    CHECK(again != NULL && strcmp(again->bundle, FUZZ_BUNDLE) == 0);
    info_write(&second, again);
    CHECK(strcmp(buf_text(&first.out), buf_text(&second.out)) == 0);
    ml_bundle_info_free(info);
    ml_bundle_info_free(again);
    return 0;
}

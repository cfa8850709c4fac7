/* The symbolic link that is an entry, and the one that is a name, with any target. An entry leads
 * to a bundle's id or is damaged, a name leads to a key or to nothing, and neither keeps the other
 * entries from being found and listed. */
#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "registry.h"

const unsigned fuzz_runs = 200;

/* ---- where the links are ---- */

static char entry_link[512], name_link[512];
static char entry_target[256]; /* what it was before anybody damaged it */

static int find_links(const char *path, const struct stat *st, int type, struct FTW *at)
{
    if (type == FTW_SL || type == FTW_SLN) {
        if (strstr(path, FUZZ_UUID) != NULL)
            snprintf(entry_link, sizeof entry_link, "%s", path);
        else if (strcmp(path + at->base, "math") == 0)
            snprintf(name_link, sizeof name_link, "%s", path);
    }
    return 0;
}

static struct ml_ctx *links(void)
{
    struct ml_ctx *ctx = fuzz_registry();
    if (entry_link[0] != '\0')
        return ctx;
    nftw(fuzz_registry_path(), find_links, 16, FTW_PHYS);
    CHECK(entry_link[0] != '\0' && name_link[0] != '\0');
    CHECK(readlink(entry_link, entry_target, sizeof entry_target - 1) > 0);
    return ctx;
}

/* False for a target that no link can have. */
static bool link_set(const char *path, const char *target)
{
    CHECK(unlink(path) == 0 || errno == ENOENT);
    return symlink(target, path) == 0;
}

static const char *leaf_of(const char *target)
{
    const char *slash = strrchr(target, '/');
    return slash ? slash + 1 : target;
}

/* ---- what is promised ---- */

static int count_entry(const struct ml_entry *entry, void *arg)
{
    int *seen = arg;
    char uuid[ML_UUID_SIZE];
    ml_key_to_uuid(&entry->key, uuid);
    CHECK(store_bundle_valid(entry->bundle));
    seen[strcmp(uuid, FUZZ_UUID) != 0]++;
    return 0;
}

static void check_entry(struct ml_ctx *ctx, const char *target)
{
    struct ml_key key;
    char bundle[ML_BUNDLE_ID_SIZE];
    struct ml_error err = ML_ERROR_INIT;
    struct ml_error none = ML_ERROR_INIT;
    int seen[2] = {0}; /* the damaged one, the others */
    CHECK(ml_key_parse(FUZZ_UUID, &key, NULL) == 0);
    int status = ml_lookup(ctx, &key, bundle, &err);
    if (status == 0)
        CHECK(store_bundle_valid(bundle) && strcmp(bundle, leaf_of(target)) == 0);
    else
        fuzz_refused(&err);
    CHECK(status == 0 || err.status != ML_NO_INPUT); /* damaged is not "not registered" */
    CHECK(ml_entries(ctx, count_entry, seen, &none) == 0 && none.status == 0);
    CHECK(seen[1] == 2 && seen[0] <= 1 && (seen[0] == 1 || status < 0));
}

static void check_name(struct ml_ctx *ctx, const char *target)
{
    struct ml_key key;
    char uuid[ML_UUID_SIZE];
    struct ml_error err = ML_ERROR_INIT;
    if (ml_resolve(ctx, "math", &key, &err) == 0) {
        ml_key_to_uuid(&key, uuid);
        CHECK(strcmp(uuid, leaf_of(target)) == 0);
    } else {
        fuzz_refused(&err);
    }
    CHECK(ml_resolve(ctx, "cafe", &key, NULL) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ml_ctx *ctx = links();
    char *target = fuzz_text(data, size);
    if (link_set(entry_link, target))
        check_entry(ctx, target);
    if (link_set(name_link, target))
        check_name(ctx, target);
    CHECK(link_set(entry_link, entry_target));
    free(target);
    return 0;
}

#include "registry.h"

#include <fcntl.h>

#include "base/fs.h"

const char *registry_path(const struct place *place)
{
    return place_path(place, "home");
}

struct store *registry_open(const struct place *place)
{
    struct store *store;
    struct ml_error err = ML_ERROR_INIT;
    if (store_open(registry_path(place), true, 20000, &store, &err) < 0)
        fail_msg("cannot open a registry: %s", err.message);
    return store;
}

const char *registry_id(char c)
{
    static char ids[128][STORE_BUNDLE_SIZE];
    char *id = ids[c & 127];
    memcpy(id, "b-", 2);
    memset(id + 2, c, STORE_BUNDLE_SIZE - 3);
    return id;
}

void registry_bundle(struct store *store, const char *id, const char *name)
{
    struct store_stage stage;
    struct ml_error err = ML_ERROR_INIT;
    char line[200];
    int n = snprintf(line, sizeof line, "%s\n", name);
    if (store_stage_open(store, &stage, &err) < 0 ||
        fs_write_new(stage.fd, "name", line, (size_t)n, 0600) < 0 ||
        store_stage_commit(&stage, id, &err) < 0)
        fail_msg("cannot file a bundle: %s", err.message);
}

const char *registry_uuid(unsigned n)
{
    static char uuids[4][STORE_UUID_SIZE];
    static unsigned turn;
    char *uuid = uuids[turn++ % 4];
    snprintf(uuid, STORE_UUID_SIZE, "%08x-0000-4000-8000-%012x", n << 20 | n >> 12, n);
    return uuid;
}

int registry_change(struct store *store, const char *uuid, const char *bundle, const char *name)
{
    struct ml_error err = ML_ERROR_INIT;
    struct store_change change = {.uuid = uuid, .bundle = bundle, .name = name};
    int status = store_change_entry(store, &change, &err);
    return status < 0 ? -err.status : status;
}

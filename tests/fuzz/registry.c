#include "registry.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/scope.h"

static struct ml_ctx *registry;
static char path[512];

/* A bundle that is only as real as the registry asks for: a directory with the plugin's name. */
static void bundle_make(const char *id, const char *name)
{
    char dir[600];
    snprintf(dir, sizeof dir, "%s/bundles/%s", fuzz_registry_path(), id);
    CHECK(mkdir(dir, 0700) == 0);
    AUTO_CLOSE int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    fuzz_replace(fd, "name", (const uint8_t *)name, strlen(name));
}

static int entry_make(const char *uuid, const char *bundle, const char *name)
{
    struct ml_key key;
    CHECK(ml_key_from_uuid(uuid, &key, NULL) == 0);
    return ml_register(registry, &key, bundle, name, NULL, NULL, NULL);
}

const char *fuzz_registry_path(void)
{
    if (path[0] == '\0')
        snprintf(path, sizeof path, "%s/home", fuzz_place());
    return path;
}

/* The first registration fails, for there is no bundle, but has made the registry by then. */
struct ml_ctx *fuzz_registry(void)
{
    struct ml_ctx_options options = {.home = fuzz_registry_path()};
    if (registry != NULL)
        return registry;
    CHECK(ml_ctx_new(&options, &registry, NULL) == 0);
    CHECK(entry_make(FUZZ_UUID, FUZZ_BUNDLE, "math") < 0);
    bundle_make(FUZZ_BUNDLE, "math@1.0.0\n");
    bundle_make(FUZZ_BUNDLE2, "cafe@2.1.0-rc.1\n");
    CHECK(entry_make(FUZZ_UUID, FUZZ_BUNDLE, "math") == 0);
    CHECK(entry_make(FUZZ_UUID2, FUZZ_BUNDLE2, "cafe") == 0);
    CHECK(entry_make(FUZZ_UUID3, FUZZ_BUNDLE2, "") == 0);
    return registry;
}

int fuzz_bundle(void)
{
    static int fd = -1;
    char dir[600];
    fuzz_registry();
    snprintf(dir, sizeof dir, "%s/bundles/%s", fuzz_registry_path(), FUZZ_BUNDLE);
    if (fd < 0)
        fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CHECK(fd >= 0);
    return fd;
}

void fuzz_replace(int dirfd, const char *name, const uint8_t *data, size_t size)
{
    CHECK(unlinkat(dirfd, name, 0) == 0 || errno == ENOENT);
    AUTO_CLOSE int fd = openat(dirfd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    CHECK(fd >= 0 && fs_write_all(fd, data, size) == 0);
}

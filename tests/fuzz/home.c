#include "home.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/hash.h"
#include "base/scope.h"
#include "registry_store/internal.h"

const char *home_path(void)
{
    static char path[512];
    snprintf(path, sizeof path, "%s/own", fuzz_place());
    return path;
}

int home_clear(void)
{
    CHECK(fs_remove_tree(fuzz_place_fd(), "own") == 0 || errno == ENOENT);
    CHECK(mkdir(home_path(), 0700) == 0);
    int fd = open(home_path(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CHECK(fd >= 0);
    return fd;
}

void home_bundle(const char *id, const char *name)
{
    char path[600];
    snprintf(path, sizeof path, "%s/bundles/%s", home_path(), id);
    CHECK(mkdir(path, 0700) == 0);
    AUTO_CLOSE int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CHECK(fd >= 0);
    fuzz_replace(fd, "name", (const uint8_t *)name, strlen(name));
}

struct store *home_open(void)
{
    struct store *store;
    struct store_options options = {.create = true, .cancel_fd = -1, .command = "fuzz"};
    close(home_clear());
    CHECK(store_open(home_path(), &options, &store, NULL) == 0);
    home_bundle(FUZZ_BUNDLE, "math@1.0.0\n");
    home_bundle(FUZZ_BUNDLE2, "cafe@2.1.0-rc.1\n");
    return store;
}

struct store *home_make(void)
{
    size_t failed;
    struct store_change changes[] = {
        {.uuid = FUZZ_UUID, .bundle = FUZZ_BUNDLE, .plugin = "math@1.0.0", .name = "math"},
        {.uuid = FUZZ_UUID2, .bundle = FUZZ_BUNDLE2, .plugin = "cafe@2.1.0-rc.1", .name = "cafe"},
        {.uuid = FUZZ_UUID3, .bundle = FUZZ_BUNDLE2, .plugin = "cafe@2.1.0-rc.1", .name = ""},
    };
    struct store *store = home_open();
    CHECK(store_change(store, changes, 3, &failed, NULL) == 0);
    return store;
}

/* ---- looking at it ---- */

static void show(int fd, const char *path, struct buf *out)
{
    struct names names;
    CHECK(names_read(fd, path, &names) == 0);
    for (size_t i = 0; i < names.n; i++) {
        char one[512], target[LINK_SIZE];
        struct stat st;
        if (strcmp(names.item[i], "tmp") == 0 || strcmp(names.item[i], "locks") == 0)
            continue;
        snprintf(one, sizeof one, "%s/%s", path, names.item[i]);
        CHECK(fstatat(fd, one, &st, AT_SYMLINK_NOFOLLOW) == 0);
        buf_fmt(out, "%s %o ", one, st.st_mode);
        if (S_ISREG(st.st_mode))
            CHECK(fs_read_file(fd, one, out, 1 << 24) == 0);
        else if (S_ISLNK(st.st_mode) && fs_read_link(fd, one, target, sizeof target) >= 0)
            buf_str(out, target);
        buf_char(out, '\n');
        if (S_ISDIR(st.st_mode))
            show(fd, one, out);
    }
    names_free(&names);
}

void home_show(struct buf *out)
{
    AUTO_CLOSE int fd = open(home_path(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CHECK(fd >= 0);
    show(fd, ".", out);
    CHECK(!out->failed);
}

static int see_problem(const char *path, const char *what, bool mended, void *arg)
{
    size_t *lost = arg;
    CHECK(*path != '\0' && *what != '\0');
    *lost += strncmp(what, "is missing, and generation ", 27) == 0;
    return 0;
}

int home_check(struct store *store, bool repair, size_t *problems, struct ml_error *err)
{
    size_t lost = 0;
    struct store_check policy = {.repair = repair, .problem = see_problem, .arg = &lost};
    struct store_check_result result;
    int status = store_check(store, &policy, &result, err);
    *problems = result.problems - lost - (repair ? result.mended : 0);
    return status;
}

void line_seal(struct buf *out, const char *line)
{
    buf_fmt(out, "%s %016" PRIx64 "\n", line, hash_fnv1a(HASH_FNV1A_INIT, line, strlen(line)));
}

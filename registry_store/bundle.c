/* Bundles that are filed: found, held and named. What an id is made of is the builder's business
 * (lib/build/digest.c); here it is a name that must be well-formed before it goes into a path. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/scope.h"
#include "base/sys.h"
#include "registry_store/internal.h"

/* "b-" and 4 characters: 20 bits, enough to tell the bundles of one registry apart */
enum { BUNDLE_ID_LEN = STORE_BUNDLE_SIZE - 1, BUNDLE_PREFIX_MIN = 6 };

/* `n` counts "b-"; whatever passes has no slash and no dot. */
static bool id_text(const char *text, size_t n)
{
    return strncmp(text, "b-", 2) == 0 &&
           strspn(text + 2, "abcdefghijklmnopqrstuvwxyz234567") == n - 2;
}

bool store_bundle_valid(const char *id)
{
    return strnlen(id, STORE_BUNDLE_SIZE) == BUNDLE_ID_LEN && id_text(id, BUNDLE_ID_LEN);
}

void bundle_path(const char *id, const char *leaf, char path[PATH_SIZE])
{
    snprintf(path, PATH_SIZE, "bundles/%s%s%s", id, leaf ? "/" : "", leaf ? leaf : "");
}

/* A link in its place does not count: it could lead to what others can change. */
int bundle_is_filed(struct store *store, const char *id)
{
    char path[PATH_SIZE];
    struct stat st;
    bundle_path(id, NULL, path);
    if (fstatat(store->fd, path, &st, AT_SYMLINK_NOFOLLOW) == 0)
        return S_ISDIR(st.st_mode);
    return errno == ENOENT ? 0 : -1;
}

int store_bundle_filed(struct store *store, const char *id, struct ml_error *err)
{
    int there = store->fd < 0 ? 0 : bundle_is_filed(store, id);
    return there < 0 ? store_errno(err, "cannot look at bundle '%s'", id) : there;
}

bool store_bundle_exists(struct store *store, const char *id)
{
    return store->fd >= 0 && bundle_is_filed(store, id) > 0;
}

int store_bundle_stat(struct store *store, const char *id, struct stat *ret, struct ml_error *err)
{
    char path[PATH_SIZE];
    bundle_path(id, NULL, path);
    if (store->fd >= 0 && fstatat(store->fd, path, ret, AT_SYMLINK_NOFOLLOW) == 0)
        return 0;
    if (store->fd < 0 || errno == ENOENT)
        return bundle_missing(store, id, err);
    return store_errno(err, "cannot look at bundle '%s'", id);
}

char *store_bundle_place(const char *id, const char *path)
{
    char *place;
    return asprintf(&place, "bundles/%s/%s", id, path) < 0 ? NULL : place;
}

bool store_bundle_open_up(struct store *store, const char *id)
{
    char path[PATH_SIZE];
    struct stat st;
    bundle_path(id, NULL, path);
    return store_bundle_stat(store, id, &st, NULL) == 0 && S_ISDIR(st.st_mode) &&
           (st.st_mode & 0700) != 0700 && fchmodat(store->fd, path, 0700, 0) == 0;
}

int bundle_missing(struct store *store, const char *id, struct ml_error *err)
{
    ml_error_set(err, ML_NO_INPUT, "no_such_bundle", "there is no bundle '%s' in '%s'", id,
                 store->home);
    return ml_error_hint(err, "build it: modload compile SOURCE");
}

static int bundle_damaged(const char *id, const char *why, struct ml_error *err)
{
    ml_error_set(err, ML_REFUSED, "damaged", "bundle '%s' is damaged: %s", id, why);
    return ml_error_hint(err, "run: modload verify --repair");
}

/* gc holds an exclusive lock for the time of a rename; only if it was stopped in that very moment
 * is there something to wait for. */
enum { REMOVAL_WAIT_MS = 2000 };

/* 1 when the lock is ours and the name still leads there: gc takes a bundle away by its name, under
 * an exclusive lock, so from here on it has to let it be. 0 when it was faster, or is at it; -1. On
 * a file system without locks there is no gc either. */
static int bundle_hold(struct store *store, const char *path, int fd)
{
    struct stat held, named;
    bool locked = TEMP_FAILURE_RETRY(flock(fd, LOCK_SH | LOCK_NB)) == 0;
    if (!locked && errno != EWOULDBLOCK && errno != EOPNOTSUPP && errno != ENOLCK)
        return -1;
    bool taken_away = !locked && errno == EWOULDBLOCK;
    if (fstat(fd, &held) < 0 || fstatat(store->fd, path, &named, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? 0 : -1;
    return !taken_away && held.st_ino == named.st_ino && held.st_dev == named.st_dev;
}

/* By errno: what cannot be read need not be damaged. */
static int bundle_unread(const char *id, const char *why, struct ml_error *err)
{
    if (is_damage(errno))
        return bundle_damaged(id, why, err);
    return ml_error_errno(err, 0, errno, "cannot read bundle '%s'", id);
}

static int open_failed(const char *id, struct ml_error *err)
{
    if (errno == ENOTDIR || errno == ELOOP)
        return bundle_damaged(id, "it is no directory", err);
    return ml_error_errno(err, 0, errno, "cannot open bundle '%s'", id);
}

int store_bundle_open(struct store *store, const char *id, struct ml_error *err)
{
    int64_t deadline = clock_ms() + REMOVAL_WAIT_MS;
    char path[PATH_SIZE];
    bundle_path(id, NULL, path);
    if (store->fd < 0)
        return bundle_missing(store, id, err);
    for (;;) {
        AUTO_CLOSE int fd =
            openat(store->fd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        int held = fd < 0 ? -1 : bundle_hold(store, path, fd);
        if (held > 0)
            return steal_fd(&fd);
        if (held < 0)
            return errno == ENOENT ? bundle_missing(store, id, err) : open_failed(id, err);
        if (clock_ms() >= deadline)
            return ml_error_set(err, ML_BUSY, NULL, "bundle '%s' is being removed", id);
        clock_sleep_ms(1);
    }
}

/* A small file of its own, so that a list of entries need not parse a manifest for each. It is
 * checked like all that comes off a disk: its name may end up in a path of names/. */
int store_bundle_name(struct store *store, const char *id, char name[STORE_NAME_SIZE],
                      char version[STORE_NAME_SIZE], struct ml_error *err)
{
    AUTO_CLOSE int fd = store_bundle_open(store, id, err);
    if (fd < 0)
        return -1;
    BUF_AUTO text = BUF_INIT;
    if (fs_read_file(fd, "name", &text, 256) < 0)
        return bundle_unread(id, "its name cannot be read", err);
    text.data[strcspn(text.data, "\n")] = '\0';
    char *at = strchr(text.data, '@');
    if (at == NULL || strlen(at + 1) >= STORE_NAME_SIZE)
        return bundle_damaged(id, "its name is no name", err);
    *at = '\0';
    if (!store_name_valid(text.data))
        return bundle_damaged(id, "its name is no name", err);
    strcpy(name, text.data);
    strcpy(version, at + 1);
    return 0;
}

/* A whole id costs one look, a prefix a walk over all bundles: nobody types one in a loop. */
int store_bundle_resolve(struct store *store, const char *prefix, char id[STORE_BUNDLE_SIZE],
                         struct ml_error *err)
{
    size_t len = strnlen(prefix, STORE_BUNDLE_SIZE);
    if (len < BUNDLE_PREFIX_MIN || len > BUNDLE_ID_LEN || !id_text(prefix, len))
        return ml_error_set(err, ML_DATA, "bad_bundle", "'%s' is not a bundle id", prefix);
    if (len == BUNDLE_ID_LEN && store_bundle_exists(store, prefix)) {
        strcpy(id, prefix);
        return 0;
    }
    struct names names = {0};
    if (store->fd >= 0 && names_read(store->fd, "bundles", &names) < 0 && errno != ENOENT)
        return store_errno(err, "cannot read the bundles of '%s'", store->home);
    size_t found = 0;
    for (size_t i = 0; i < names.n; i++)
        if (strncmp(names.item[i], prefix, len) == 0 && store_bundle_valid(names.item[i]) &&
            found++ == 0)
            strcpy(id, names.item[i]);
    names_free(&names);
    if (found == 1)
        return 0;
    if (found == 0)
        return bundle_missing(store, prefix, err);
    ml_error_set(err, ML_DATA, "ambiguous", "'%s' stands for %zu bundles", prefix, found);
    return ml_error_hint(err, "give more of its characters");
}

int store_each_bundle(struct store *store, int (*each)(const char *id, void *arg), void *arg,
                      struct ml_error *err)
{
    struct names names = {0};
    int status = 0;
    if (store->fd >= 0 && names_read(store->fd, "bundles", &names) < 0 && errno != ENOENT)
        return store_errno(err, "cannot read the bundles of '%s'", store->home);
    for (size_t i = 0; i < names.n && status == 0; i++)
        if (store_bundle_valid(names.item[i]))
            status = each(names.item[i], arg);
    names_free(&names);
    return status;
}

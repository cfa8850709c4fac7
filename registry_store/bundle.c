/* Bundles: made in a stage, filed by one rename, never changed after that. What an id is made of is
 * the builder's business (lib/build/digest.c); here it is a name that must be well-formed before it
 * goes into a path. A bundle that is there is taken for whole: it could not be renamed into place
 * before it was, and its object is checked again each time it is mapped. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/fs.h"
#include "base/scope.h"
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

/* `id` must be valid: ENTRY_PATH_SIZE then suffices for every leaf that we have. */
static void bundle_path(const char *id, const char *leaf, char path[ENTRY_PATH_SIZE])
{
    snprintf(path, ENTRY_PATH_SIZE, "bundles/%s%s%s", id, leaf ? "/" : "", leaf ? leaf : "");
}

/* A link in its place does not count: it could lead to what others can change. */
bool store_bundle_exists(struct store *store, const char *id)
{
    char path[ENTRY_PATH_SIZE];
    struct stat st;
    bundle_path(id, NULL, path);
    return store->fd >= 0 && fstatat(store->fd, path, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
           S_ISDIR(st.st_mode);
}

int bundle_missing(struct store *store, const char *id, struct ml_error *err)
{
    ml_error_set(err, ML_NO_INPUT, "no_such_bundle", "there is no bundle '%s' in '%s'", id,
                 store->home);
    return ml_error_hint(err, "build it: modload compile SOURCE");
}

/* O_PATH: it needs no read permission and reads nothing; it is a place to open files beneath. */
int store_bundle_open(struct store *store, const char *id, struct ml_error *err)
{
    char path[ENTRY_PATH_SIZE];
    bundle_path(id, NULL, path);
    if (store->fd < 0)
        return bundle_missing(store, id, err);
    int fd = openat(store->fd, path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd >= 0)
        return fd;
    if (errno == ENOENT)
        return bundle_missing(store, id, err);
    return ml_error_errno(err, 0, errno, "cannot open bundle '%s'", id);
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
        return ml_error_errno(err, ML_REFUSED, errno,
                              "bundle '%s' is damaged: cannot read its name", id);
    text.data[strcspn(text.data, "\n")] = '\0';
    char *at = strchr(text.data, '@');
    if (at == NULL || strlen(at + 1) >= STORE_NAME_SIZE)
        return ml_error_set(err, ML_REFUSED, "damaged",
                            "bundle '%s' is damaged: its name is no name", id);
    *at = '\0';
    if (!store_name_valid(text.data))
        return ml_error_set(err, ML_REFUSED, "damaged",
                            "bundle '%s' is damaged: its name is no name", id);
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
        return ml_error_errno(err, 0, errno, "cannot read the bundles of '%s'", store->home);
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

/* ---- stages ---- */

/* Between the mkdir and the flock a sweep may have taken the directory for litter: then another
 * one. -1 with EAGAIN says so. The look at the name comes last: with the lock held and the name
 * still there no sweep can take it any more. */
static int stage_try(struct store *store, int tmp, struct store_stage *stage)
{
    fs_random_name(stage->name, sizeof stage->name, "");
    if (mkdirat(tmp, stage->name, 0700) < 0)
        return -1;
    AUTO_CLOSE int fd = openat(tmp, stage->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    struct stat st;
    if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0 || fstatat(tmp, stage->name, &st, 0) < 0) {
        bool swept = errno == ENOENT || errno == EWOULDBLOCK;
        errno = swept ? EAGAIN : errno;
        return -1;
    }
    stage->store = store;
    stage->fd = steal_fd(&fd);
    return 0;
}

/* Ends: each turn needs a sweep that came in that very moment. */
int store_stage_open(struct store *store, struct store_stage *ret, struct ml_error *err)
{
    AUTO_CLOSE int tmp = openat(store->fd, "tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int status = -1;
    if (tmp >= 0)
        do
            status = stage_try(store, tmp, ret);
        while (status < 0 && errno == EAGAIN);
    if (status < 0)
        return ml_error_errno(err, ML_CANT_CREATE, errno, "cannot make a directory in '%s/tmp'",
                              store->home);
    return 0;
}

/* The compiler and the linker take paths only. */
char *store_stage_path(const struct store_stage *stage)
{
    char *path;
    return asprintf(&path, "%s/tmp/%s", stage->store->home, stage->name) < 0 ? NULL : path;
}

/* The lock is let go last: until then no sweep meddles. After a commit the name is gone, and
 * nothing is removed. */
void store_stage_drop(struct store_stage *stage)
{
    if (stage->store == NULL)
        return;
    AUTO_CLOSE int tmp = openat(stage->store->fd, "tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (tmp >= 0)
        fs_remove_tree(tmp,
                       stage->name); /* what cannot be removed now is swept by the next build */
    close(stage->fd);
    *stage = (struct store_stage){.fd = -1};
}

static int settle_tree(int dirfd, const char *path);

/* Makes one thing in a stage read-only and durable. Only files and directories belong there. 0400
 * is no defence against the owner; it keeps accidents out, such as an editor that opens the wrong
 * file. A link could lead out of the bundle, so it is an error and not passed over. */
static int settle(int dirfd, const char *name)
{
    struct stat st;
    if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return -1;
    if (S_ISDIR(st.st_mode))
        return settle_tree(dirfd, name);
    if (!S_ISREG(st.st_mode)) {
        errno = EINVAL;
        return -1;
    }
    AUTO_CLOSE int fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    return fd < 0 || fchmod(fd, 0400) < 0 || fsync(fd) < 0 ? -1 : 0;
}

/* Children before the directory, so that when it is synced all its names lead to something durable.
 * Directories stay 0700: the owner must be able to remove them. */
static int settle_tree(int dirfd, const char *path)
{
    AUTO_CLOSE int fd = openat(dirfd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    struct names names;
    if (fd < 0 || names_read(fd, ".", &names) < 0)
        return -1;
    int status = 0;
    for (size_t i = 0; i < names.n && status == 0; i++)
        status = settle(fd, names.item[i]);
    int saved = errno;
    names_free(&names);
    errno = saved;
    return status < 0 || fchmod(fd, 0700) < 0 || fsync(fd) < 0 ? -1 : 0;
}

/* 1 when it was renamed into place, 0 when the place was taken. RENAME_NOREPLACE, since rename(2)
 * would put ours over an empty directory. That the place is taken means that somebody else has
 * built the same: the id says so. */
static int stage_rename(struct store_stage *stage, const char *id, unsigned how)
{
    char from[ENTRY_PATH_SIZE], to[ENTRY_PATH_SIZE];
    int home = stage->store->fd;
    snprintf(from, sizeof from, "tmp/%s", stage->name);
    bundle_path(id, NULL, to);
    if (renameat2(home, from, home, to, how) == 0)
        return fs_sync_dir(home, "bundles") < 0 ? -1 : 1;
    return errno == EEXIST ? 0 : -1;
}

static int stage_file(struct store_stage *stage, const char *id, unsigned how, struct ml_error *err)
{
    int filed = settle_tree(stage->fd, ".") < 0 ? -1 : stage_rename(stage, id, how);
    if (filed < 0)
        ml_error_errno(err, ML_CANT_CREATE, errno, "cannot file bundle '%s'", id);
    store_stage_drop(stage);
    return filed;
}

/* The sync comes before the rename: a name that is there after a power cut must lead to whole
 * files. */
int store_stage_commit(struct store_stage *stage, const char *id, struct ml_error *err)
{
    return stage_file(stage, id, RENAME_NOREPLACE, err);
}

/* After the exchange the stage's name leads to the damaged one: dropping the stage removes it. */
int store_stage_replace(struct store_stage *stage, const char *id, struct ml_error *err)
{
    return stage_file(stage, id, RENAME_EXCHANGE, err) < 0 ? -1 : 0;
}

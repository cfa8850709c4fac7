/* Bundles in the making: a directory in tmp/, filed by one rename, never changed after that. A
 * bundle that is there was whole when it was renamed into place. Whether it still is, is for those
 * to find out who have another one (build/sound.h): theirs takes its place then, by an exchange. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/fs.h"
#include "base/scope.h"
#include "base/sys.h"
#include "registry_store/internal.h"

/* Between the mkdir and the flock a sweep may have taken the directory for litter: then another
 * one. -1 with EAGAIN says so. The look at the name comes last: with the lock held and the name
 * still there no sweep can take it any more. A shared lock does: a sweep asks for an exclusive one,
 * and once the bundle is filed it is the lock of one who uses it. */
static int stage_try(struct store *store, int tmp, struct store_stage *stage)
{
    fs_random_name(stage->name, sizeof stage->name, "");
    if (mkdirat(tmp, stage->name, 0700) < 0)
        return -1;
    AUTO_CLOSE int fd = openat(tmp, stage->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    struct stat st;
    if (fd < 0 || flock(fd, LOCK_SH | LOCK_NB) < 0 || fstatat(tmp, stage->name, &st, 0) < 0) {
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
    *ret = (struct store_stage){.fd = -1};
    if (tmp >= 0)
        do
            status = stage_try(store, tmp, ret);
        while (status < 0 && errno == EAGAIN);
    if (status == 0)
        return 0;
    bool read_only = errno == EROFS || errno == EACCES || errno == EPERM;
    ml_error_errno(err, ML_CANT_CREATE, errno, "cannot make a directory in '%s/tmp'", store->home);
    return read_only ? hint_read_only(err) : -1;
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
        fs_remove_tree(tmp, stage->name); /* what cannot be removed now is swept later */
    if (stage->fd >= 0)
        close(stage->fd);
    *stage = (struct store_stage){.fd = -1, .filed = stage->filed};
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
    return fd < 0 || fchmod(fd, 0400) < 0 || fs_sync(fd) < 0 ? -1 : 0;
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
    return status < 0 || fchmod(fd, 0700) < 0 || fs_sync(fd) < 0 ? -1 : 0;
}

/* 1 when it was renamed into place, 0 when the place was taken. RENAME_NOREPLACE, since rename(2)
 * would put ours over an empty directory. That the place is taken means that somebody else has
 * built the same: the id says so. */
static int stage_rename(struct store_stage *stage, const char *id, unsigned how)
{
    char from[PATH_SIZE], to[PATH_SIZE];
    int home = stage->store->fd;
    snprintf(from, sizeof from, "tmp/%s", stage->name);
    bundle_path(id, NULL, to);
    if (sys_renameat2(home, from, home, to, how) < 0)
        return errno == EEXIST ? 0 : -1;
    stage->filed = true;
    return fs_sync_dir(home, "bundles") < 0 ? -1 : 1;
}

static int error_pass(struct ml_error *err, const struct ml_error *why)
{
    if (err != NULL)
        *err = *why;
    return -1;
}

static int stage_file(struct store_stage *stage, const char *id, unsigned how, struct ml_error *err)
{
    int filed = settle_tree(stage->fd, ".") < 0 ? -1 : stage_rename(stage, id, how);
    if (filed < 0)
        return ml_error_errno(err, ML_CANT_CREATE, errno, "cannot file bundle '%s'", id);
    return filed;
}

/* The sync comes before the rename: a name that is there after a power cut must lead to whole
 * files. */
int store_stage_commit(struct store_stage *stage, const char *id, int *hold, struct ml_error *err)
{
    struct ml_error why = ML_ERROR_INIT;
    *hold = -1;
    for (;;) {
        int filed = stage_file(stage, id, RENAME_NOREPLACE, err);
        if (filed > 0) {
            *hold = steal_fd(&stage->fd);
            stage->store = NULL;
        } else if (filed == 0) {
            *hold = store_bundle_open(stage->store, id, &why);
            if (*hold < 0 && why.status == ML_NO_INPUT)
                continue; /* it was there, and is gone by now: ours takes its place */
            filed = *hold < 0 ? error_pass(err, &why) : 0;
        }
        store_stage_drop(stage);
        return filed;
    }
}

/* After the exchange the stage's name leads to the damaged one: dropping the stage removes it. */
int store_stage_replace(struct store_stage *stage, const char *id, int *hold, struct ml_error *err)
{
    int filed = stage_file(stage, id, RENAME_EXCHANGE, err);
    if (filed > 0)
        *hold = steal_fd(&stage->fd);
    store_stage_drop(stage);
    return filed < 0 ? -1 : 0;
}

int store_stage_settle(struct store_stage *stage, const char *path, struct ml_error *err)
{
    if (settle_tree(stage->fd, path) == 0)
        return 0;
    return ml_error_errno(err, ML_CANT_CREATE, errno, "cannot settle '%s'", path);
}

/* A part of the stage, opened and locked, is filed by a rename: 1, or -1 with errno. */
static int part_file(struct store_stage *stage, const char *path, const char *id, unsigned how,
                     int *hold)
{
    char to[PATH_SIZE];
    AUTO_CLOSE int fd = openat(stage->fd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    bundle_path(id, NULL, to);
    if (fd < 0 || flock(fd, LOCK_SH | LOCK_NB) < 0 ||
        sys_renameat2(stage->fd, path, stage->store->fd, to, how) < 0)
        return -1;
    *hold = steal_fd(&fd);
    return 1;
}

int store_stage_file_over(struct store_stage *stage, const char *path, const char *id, int *hold,
                          struct ml_error *err)
{
    if (part_file(stage, path, id, RENAME_EXCHANGE, hold) > 0)
        return 0;
    return ml_error_errno(err, ML_CANT_CREATE, errno, "cannot file bundle '%s'", id);
}

int store_stage_file(struct store_stage *stage, const char *path, const char *id, int *hold,
                     struct ml_error *err)
{
    struct ml_error why = ML_ERROR_INIT;
    for (;;) {
        if (part_file(stage, path, id, RENAME_NOREPLACE, hold) > 0)
            return 1;
        if (errno != EEXIST)
            return ml_error_errno(err, ML_CANT_CREATE, errno, "cannot file bundle '%s'", id);
        *hold = store_bundle_open(stage->store, id, &why);
        if (*hold >= 0)
            return 0;
        if (why.status != ML_NO_INPUT)
            return error_pass(err, &why);
    }
}

int store_bundles_sync(struct store *store, struct ml_error *err)
{
    if (fs_sync_dir(store->fd, "bundles") == 0)
        return 0;
    return ml_error_errno(err, ML_IO, errno, "cannot file what came");
}

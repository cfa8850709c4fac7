/* Repositories that were fetched are kept for the next time, and nobody asks for most of them
 * again. What is in the directory, and its locks, lib/fetch/cache.h says. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fs.h"
#include "base/scope.h"
#include "base/xdg.h"
#include "modload/modload.h"

enum { ID_DIGITS = 64 };

struct look {
    const char *path; /* of the directory */
    int fd;
    int64_t unused_ms;
    bool dry_run;
    struct ml_cache_result *result;
};

static bool is_repository(const struct dirent *entry)
{
    return strlen(entry->d_name) == ID_DIGITS &&
           strspn(entry->d_name, "0123456789abcdef") == ID_DIGITS;
}

/* What cannot be looked at does not count. */
static uint64_t bytes_of(char *path)
{
    char *const paths[] = {path, NULL};
    uint64_t bytes = 0;
    FTS *tree = fts_open(paths, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
    for (const FTSENT *e; tree != NULL && (e = fts_read(tree)) != NULL;)
        if (e->fts_info == FTS_F)
            bytes += (uint64_t)e->fts_statp->st_size;
    if (tree != NULL)
        fts_close(tree);
    return bytes;
}

/* Who uses a repository sets the time of its lock. */
static bool is_unused(int lock, int64_t unused_ms)
{
    struct stat st;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (fstat(lock, &st) < 0)
        return false;
    int64_t age_ms = ((int64_t)now.tv_sec - st.st_mtim.tv_sec) * 1000 +
                     (now.tv_nsec - st.st_mtim.tv_nsec) / 1000000;
    return age_ms >= unused_ms;
}

static int repository_look(struct look *l, const char *name, struct ml_error *err)
{
    char lock_name[ID_DIGITS + 8];
    AUTO_FREE char *path = NULL;
    snprintf(lock_name, sizeof lock_name, "%s.lock", name);
    AUTO_CLOSE int lock = openat(l->fd, lock_name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (lock < 0)
        return ml_error_errno(err, 0, errno, "cannot open '%s/%s'", l->path, lock_name);
    bool locked = flock(lock, LOCK_EX | LOCK_NB) == 0; /* first: nobody uses it from here on */
    if (!is_unused(lock, l->unused_ms))
        return 0;
    if (!locked) {
        l->result->in_use++;
        return 0;
    }
    if (asprintf(&path, "%s/%s", l->path, name) < 0)
        return ml_error_memory(err);
    uint64_t bytes = bytes_of(path);
    if (!l->dry_run && fs_remove_tree(l->fd, name) < 0)
        return ml_error_errno(err, ML_IO, errno, "cannot remove '%s'", path);
    l->result->repositories++;
    l->result->bytes += bytes;
    return 0;
}

int ml_cache_gc(int64_t unused_ms, bool dry_run, struct ml_cache_result *ret, struct ml_error *err)
{
    AUTO_FREE char *path = xdg_path(XDG_CACHE, "git");
    *ret = (struct ml_cache_result){.repositories = 0};
    if (path == NULL)
        return errno == ENOENT ? 0 : ml_error_memory(err);
    AUTO_CLOSEDIR DIR *dir = opendir(path);
    if (dir == NULL)
        return errno == ENOENT ? 0 : ml_error_errno(err, 0, errno, "cannot open '%s'", path);
    struct look look = {path, dirfd(dir), unused_ms, dry_run, ret};
    int status = 0;
    for (struct dirent *e; status == 0 && (errno = 0, e = readdir(dir)) != NULL;)
        if (is_repository(e))
            status = repository_look(&look, e->d_name, err);
    if (status == 0 && errno != 0)
        return ml_error_errno(err, ML_IO, errno, "cannot read '%s'", path);
    return status;
}

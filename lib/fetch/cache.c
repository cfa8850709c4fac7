/* What is in a cache decides what is built and run later: it is ours alone, or it is not used. */
#include "fetch/cache.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/sha.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/scope.h"
#include "base/xdg.h"

void cache_close(struct cache *cache)
{
    scope_close(&cache->lock);
    scope_close(&cache->base);
    *cache = (struct cache)CACHE_INIT;
}

/* The path of the directory of caches. The caller frees it; null with an error. */
static char *base_path(const char *given, struct ml_error *err)
{
    char *path = given != NULL ? strdup(given) : xdg_path(XDG_CACHE, "git");
    if (path == NULL && given == NULL && errno == ENOENT) {
        ml_error_set(err, ML_CONFIG, "no_cache",
                     "cannot tell where to keep what is fetched: HOME is not set");
        ml_error_hint(err, "set XDG_CACHE_HOME to a directory of yours");
    } else if (path == NULL) {
        ml_error_memory(err);
    }
    return path;
}

int cache_owner_check(int fd, const char *path, const char *what, struct ml_error *err)
{
    struct stat st;
    if (fstat(fd, &st) < 0)
        return ml_error_errno(err, 0, errno, "cannot look at '%s'", path);
    if (st.st_uid == geteuid() && (st.st_mode & 022) == 0)
        return 0;
    ml_error_set(err, ML_REFUSED, "refused_cache", "'%s', where %s are kept, is not yours alone",
                 path, what);
    return ml_error_hint(err, "chown and chmod 700 it");
}

static int base_open(const char *path, struct cache *cache, struct ml_error *err)
{
    if (fs_mkdir_parents(path, 0700) < 0)
        return ml_error_errno(err, ML_CANT_CREATE, errno, "cannot make '%s'", path);
    cache->base = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (cache->base < 0)
        return ml_error_errno(err, 0, errno, "cannot open '%s'", path);
    return cache_owner_check(cache->base, path, "repositories", err);
}

static void name_make(const char *url, char name[65])
{
    unsigned char digest[SHA256_DIGEST_LENGTH];
    SHA256((const unsigned char *)url, strlen(url), digest);
    for (size_t i = 0; i < sizeof digest; i++)
        snprintf(name + 2 * i, 3, "%02x", digest[i]);
}

static int lock_take(struct cache *cache, int64_t wait_ms, int cancel_fd, struct ml_error *err)
{
    char name[80];
    snprintf(name, sizeof name, "%s.lock", cache->name);
    cache->lock = openat(cache->base, name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (cache->lock < 0)
        return ml_error_errno(err, ML_CANT_CREATE, errno, "cannot make '%s'", name);
    if (fs_lock(cache->lock, wait_ms, cancel_fd) == 0) {
        futimens(cache->lock, NULL); /* when it was used, for ml_cache_gc(): no matter if not */
        return 0;
    }
    if (errno == ECANCELED)
        return ml_error_set(err, ML_SIGNAL + SIGINT, "cancelled", "it was cancelled");
    if (errno != EWOULDBLOCK)
        return ml_error_errno(err, 0, errno, "cannot lock '%s'", name);
    ml_error_set(err, ML_BUSY, NULL, "another modload is fetching it, and has not come to an end");
    return ml_error_hint(err, "try again when it has");
}

static int dir_make(const struct cache *cache, struct ml_error *err)
{
    if (fs_mkdir(cache->base, cache->name, 0700) < 0)
        return ml_error_errno(err, ML_CANT_CREATE, errno, "cannot make '%s'", cache->path);
    return 0;
}

int cache_open(const char *dir, const char *url, int64_t wait_ms, int cancel_fd, struct cache *ret,
               struct ml_error *err)
{
    CACHE_AUTO cache = CACHE_INIT;
    AUTO_FREE char *base = base_path(dir, err);
    AUTO_FREE char *real = NULL;
    if (base == NULL || base_open(base, &cache, err) < 0)
        return -1;
    name_make(url, cache.name);
    real = realpath(base, NULL);
    if (real == NULL || snprintf(cache.path, sizeof cache.path, "%s/%s", real, cache.name) >=
                            (int)sizeof cache.path)
        return ml_error_errno(err, 0, real ? ENAMETOOLONG : errno, "cannot open '%s'", base);
    if (lock_take(&cache, wait_ms, cancel_fd, err) < 0 || dir_make(&cache, err) < 0)
        return -1;
    *ret = cache;
    cache = (struct cache)CACHE_INIT;
    return 0;
}

/* ---- mirrors ---- */

static int look_failed(const char *path, const char *name, struct ml_error *err)
{
    return ml_error_errno(err, 0, errno, "cannot look at '%s/%s'", path, name);
}

/* Whoever can write there has a say in what is built and run later: that may be us and root, and
 * nobody else. `*st` says what it is; 1, 0 when it is not there, -1. */
static int one_check(int dirfd, const char *at, const char *path, const char *name, struct stat *st,
                     struct ml_error *err)
{
    if (fstatat(dirfd, at, st, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? 0 : look_failed(path, name, err);
    bool ours = st->st_uid == geteuid() || st->st_uid == 0;
    if (ours && (st->st_mode & 022) == 0 && (S_ISDIR(st->st_mode) || S_ISREG(st->st_mode)))
        return 1;
    ml_error_set(err, ML_REFUSED, "refused_cache",
                 "the mirror '%s' can be written to by others than you and root ('%s')", path,
                 name);
    return ml_error_hint(err, "chmod -R go-w it, or make one of your own: modload mirror DIR");
}

static int names_check(int dirfd, const char *const *names, const char *path, struct ml_error *err)
{
    struct stat st;
    for (; *names != NULL; names++)
        if (one_check(dirfd, *names, path, *names, &st, err) < 0)
            return -1;
    return 0;
}

/* Directories in one another: a ref's name is a path, and refs/heads/main is two. */
enum { REFS_DEPTH_MAX = 64 };

static int refs_check(int parent, const char *at, const char *path, const char *name, int depth,
                      struct ml_error *err)
{
    struct dirent *entry;
    struct stat st;
    int status = 0;
    if (depth > REFS_DEPTH_MAX)
        return ml_error_set(err, ML_REFUSED, "refused_cache",
                            "the mirror '%s' has refs that are nested too deeply", path);
    int fd = openat(parent, at, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    AUTO_CLOSEDIR DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (dir == NULL && fd >= 0)
        close(fd);
    if (dir == NULL)
        return errno == ENOENT ? 0 : look_failed(path, name, err);
    while (status == 0 && (errno = 0, entry = readdir(dir)) != NULL) {
        BUF_AUTO inner = BUF_INIT;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        buf_fmt(&inner, "%s/%s", name, entry->d_name);
        int there = one_check(fd, entry->d_name, path, buf_text(&inner), &st, err);
        status = there < 0 ? -1 : 0;
        if (there > 0 && S_ISDIR(st.st_mode))
            status = refs_check(fd, entry->d_name, path, buf_text(&inner), depth + 1, err);
    }
    return status == 0 && errno != 0 ? look_failed(path, name, err) : status;
}

/* What makes git look for objects and refs in another place, which is not looked at here. */
static int detour_check(int dirfd, const char *path, struct ml_error *err)
{
    static const char *const names[] = {"commondir", "objects/info/alternates", NULL};
    struct stat st;
    for (const char *const *name = names; *name != NULL; name++) {
        if (fstatat(dirfd, *name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
            ml_error_set(err, ML_REFUSED, "refused_cache",
                         "the mirror '%s' leads to another repository ('%s')", path, *name);
            return ml_error_hint(err, "make one of your own: modload mirror DIR");
        }
        if (errno != ENOENT)
            return look_failed(path, *name, err);
    }
    return 0;
}

/* In a repository it is these that say what is there: git tells an object by its content. */
static int mirror_check(int dirfd, const char *path, struct ml_error *err)
{
    static const char *const parts[] = {".",           "HEAD", "config", "objects",
                                        "packed-refs", "refs", NULL};
    if (names_check(dirfd, parts, path, err) < 0 || detour_check(dirfd, path, err) < 0)
        return -1;
    return refs_check(dirfd, "refs", path, "refs", 0, err);
}

static int no_mirror(const char *dir, struct ml_error *err)
{
    ml_error_errno(err, errno == ENOENT ? ML_NO_INPUT : 0, errno, "cannot open the mirror '%s'",
                   dir);
    return ml_error_hint(err, "make it where there is a network: modload mirror DIR SRC");
}

static int mirror_open(struct cache *cache, const char *path, struct ml_error *err)
{
    static const char *const self[] = {".", NULL};
    cache->base = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (cache->base < 0)
        return no_mirror(path, err);
    if (names_check(cache->base, self, path, err) < 0)
        return -1;
    AUTO_CLOSE int dir =
        openat(cache->base, cache->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (dir >= 0)
        return mirror_check(dir, cache->path, err);
    if (errno == ENOENT)
        return ml_error_set(err, ML_NO_INPUT, "not_cached", "it is not in the mirror '%s'", path);
    return ml_error_errno(err, 0, errno, "cannot open '%s'", cache->path);
}

/* No lock, which would be something to write: a fetch adds files and renames them into place, so
 * that who reads meanwhile sees what was there before or after. */
int cache_open_mirror(const char *dir, const char *url, struct cache *ret, struct ml_error *err)
{
    CACHE_AUTO cache = CACHE_INIT;
    AUTO_FREE char *real = realpath(dir, NULL);
    name_make(url, cache.name);
    if (real == NULL)
        return no_mirror(dir, err);
    if (snprintf(cache.path, sizeof cache.path, "%s/%s", real, cache.name) >=
        (int)sizeof cache.path)
        return ml_error_errno(err, 0, ENAMETOOLONG, "cannot open the mirror '%s'", dir);
    if (mirror_open(&cache, real, err) < 0)
        return -1;
    *ret = cache;
    cache = (struct cache)CACHE_INIT;
    return 0;
}

int cache_reset(const struct cache *cache, struct ml_error *err)
{
    if (fs_remove_tree(cache->base, cache->name) < 0)
        return ml_error_errno(err, ML_IO, errno, "cannot remove '%s'", cache->path);
    return dir_make(cache, err);
}

/* Where repositories are kept between fetches: DIR/<SHA-256 of the URL>, a bare repository each,
 * and beside it <...>.lock, which is never removed, and whose time is that of the last use. All of
 * it can be removed while nobody fetches; ml_cache_gc() (lib/client/fetched.c) goes by the locks.
 */
#ifndef FETCH_CACHE_H
#define FETCH_CACHE_H

#include <limits.h>
#include <stdint.h>

#include "modload/error.h"

struct cache {
    int base;            /* the directory of caches */
    int lock;            /* an flock on it is held */
    char name[65];       /* of this one in it */
    char path[PATH_MAX]; /* absolute */
};

#define CACHE_INIT                                                                                 \
    {                                                                                              \
        .base = -1, .lock = -1                                                                     \
    }
#define CACHE_AUTO __attribute__((cleanup(cache_close))) struct cache
void cache_close(struct cache *cache);

/* Opens the cache of one URL, made if it is missing, and locks it. `dir` is where caches are; null:
 * as fetch_request.cache says. 0; -1 and the errors of fetch_source(). */
int cache_open(const char *dir, const char *url, int64_t wait_ms, int cancel_fd, struct cache *ret,
               struct ml_error *err);

/* The same of a mirror (fetch_request.mirror): nothing is made or locked, and it may belong to
 * root. ML_NO_INPUT, "not_cached": it does not have this one. */
int cache_open_mirror(const char *dir, const char *url, struct cache *ret, struct ml_error *err);

/* Whether a directory is ours alone: what is in it decides what is built and run later. `what` is
 * kept there: "repositories". 0; -1 and ML_REFUSED ("refused_cache"), ML_IO. */
int cache_owner_check(int fd, const char *path, const char *what, struct ml_error *err);

/* Makes it anew, empty. */
int cache_reset(const struct cache *cache, struct ml_error *err);

#endif

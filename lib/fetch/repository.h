/* Fetching one repository, which may be the one that was asked for, or one of its submodules. */
#ifndef FETCH_REPOSITORY_H
#define FETCH_REPOSITORY_H

#include "fetch/message.h"

/* A clone of what is refused is refused as well, as long as git's own directory is in it. */
#define FETCH_AS_DIRECTORY "remove its .git, and give the directory"

struct fetching {
    const struct fetch_request *request;
    const char *base;       /* what differs from that commit; null: an export */
    const char *at;         /* of a submodule: where it is in all that is exported; else "" */
    struct fetch_used used; /* by those before it */
    int out_dirfd;          /* its own directory; -1: none */
    struct fetch_modules *modules; /* of this repository alone, paths and URLs as it has them; null:
                                      they are refused */
};

/* One after the other: the cache's lock is not held when this returns, so that repositories which
 * are submodules of each other do not wait for each other. 0; -1 and the errors of fetch_source(),
 * with what it left behind. */
int fetch_repository(const struct fetching *f, struct fetch_result *ret, struct ml_error *err);

/* Fetches the submodules of what was fetched by `f`, and those of these, and adds what they are to
 * request->modules and `*ret`. 0; -1. */
int fetch_modules(const struct fetching *f, struct fetch_result *ret, struct ml_error *err);

#endif

/* Submodules: each is a repository of its own, fetched as every other, one after the other. Which
 * there are is found on the way, so what is in request->modules is a queue as well. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "archive/beneath.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/scope.h"
#include "fetch/gitmodules.h"
#include "fetch/repository.h"

struct queue {
    const struct fetch_request *request;
    struct fetch_limits limits;
    int64_t deadline_ms; /* for all of them */
    int out_dirfd;
    struct fetch_modules *own; /* of the repository that was fetched last */
    unsigned depth[FETCH_MODULES_MAX];
    struct fetch_result *total;
};

/* ---- what was found ---- */

static int too_many(struct ml_error *err, const char *what, int limit)
{
    ml_error_set(err, ML_LIMIT, "too_many_submodules", "it has more than %d submodules%s", limit,
                 what);
    return ml_error_hint(err, "one directory of it: --path DIR; or clone it with what it "
                              "needs, " FETCH_AS_DIRECTORY);
}

static int path_join(const char *at, const char *path, char ret[FETCH_MODULE_PATH_SIZE],
                     struct ml_error *err)
{
    int n = snprintf(ret, FETCH_MODULE_PATH_SIZE, "%s%s%s", at, *at ? "/" : "", path);
    if (n < FETCH_MODULE_PATH_SIZE)
        return 0;
    return ml_error_set(err, ML_REFUSED, "refused_submodule",
                        "the path of submodule '%.200s' is longer than any", ret);
}

/* Puts what one repository has behind those that there are. */
static int found_add(struct queue *q, const struct source *super, const char *at, unsigned depth,
                     struct ml_error *err)
{
    struct fetch_modules *all = q->request->modules;
    AUTO_FREE struct source *source = malloc(sizeof *source);
    if (source == NULL)
        return ml_error_memory(err);
    if (q->own->n > 0 && depth == FETCH_MODULES_DEPTH_MAX)
        return too_many(err, " in one another", FETCH_MODULES_DEPTH_MAX);
    for (size_t i = 0; i < q->own->n; i++) {
        const struct fetch_module *one = &q->own->list[i];
        if (all->n == FETCH_MODULES_MAX)
            return too_many(err, "", FETCH_MODULES_MAX);
        struct fetch_module *added = &all->list[all->n];
        if (path_join(at, one->path, added->path, err) < 0)
            return -1;
        if (gitmodules_source(super, one->url, source, err) < 0)
            return ml_error_wrap(err, "submodule '%.200s'", added->path);
        strcpy(added->url, source->url);
        strcpy(added->commit, one->commit);
        q->depth[all->n++] = depth + 1;
    }
    return 0;
}

/* ---- one of them ---- */

static int no_such_commit(const struct fetch_module *module, struct ml_error *err)
{
    ml_error_set(err, ML_NO_INPUT, "no_such_commit",
                 "'%.300s' does not have commit %.12s, or no branch and no tag of it does",
                 module->url, module->commit);
    return ml_error_hint(err, "ask its author to push it: others cannot get it either");
}

static int module_failed(const struct fetch_module *module, bool mirror, struct ml_error *err)
{
    if (err == NULL)
        return -1;
    if (strcmp(err->code, "no_such_ref") == 0)
        no_such_commit(module, err);
    if (mirror && strcmp(err->code, "not_cached") == 0)
        ml_error_hint(err, "fill the mirror where there is a network: modload mirror --submodules "
                           "DIR SRC");
    return ml_error_wrap(err, "submodule '%.200s'", module->path);
}

/* Each has come within the limit for one. */
static int received_check(const struct queue *q, struct ml_error *err)
{
    if (q->total->received <= q->limits.pack_bytes)
        return 0;
    ml_error_set(err, ML_LIMIT, "repository_too_large",
                 "with it there are more than %llu MiB of objects",
                 (unsigned long long)q->limits.pack_bytes >> 20);
    return ml_error_hint(err, "if you trust it, try again: what has come is kept");
}

static int module_take(struct queue *q, const struct fetch_module *module, struct source *source,
                       struct ml_error *err)
{
    struct fetch_request request = *q->request;
    struct fetch_result result = {0}, *total = q->total;
    struct fetching f = {.request = &request,
                         .at = module->path,
                         .used = {total->files, total->bytes},
                         .modules = q->own};
    AUTO_CLOSE int dirfd = q->out_dirfd < 0 ? -1 : beneath_open(q->out_dirfd, module->path);
    if (q->out_dirfd >= 0 && dirfd < 0)
        return ml_error_errno(err, 0, errno, "cannot open '%.200s'", module->path);
    f.out_dirfd = dirfd;
    request.source = source;
    request.subdir = request.since = NULL;
    request.deadline_ms = q->deadline_ms;
    if (source_ref_parse(module->commit, source, err) < 0 || fetch_repository(&f, &result, err) < 0)
        return -1;
    total->received += result.received;
    total->files += result.files;
    total->bytes += result.bytes;
    return received_check(q, err);
}

static int each_module(struct queue *q, struct ml_error *err)
{
    struct fetch_modules *all = q->request->modules;
    AUTO_FREE struct source *source = malloc(sizeof *source);
    AUTO_FREE char *again = malloc(FETCH_MODULE_URL_SIZE + 1);
    if (source == NULL || again == NULL)
        return ml_error_memory(err);
    for (size_t i = 0; i < all->n; i++) {
        const struct fetch_module *module = &all->list[i];
        snprintf(again, FETCH_MODULE_URL_SIZE + 1, "%s@", module->url);
        if (source_parse(again, source, err) < 0)
            return -1;
        if (module_take(q, module, source, err) < 0)
            return module_failed(module, q->request->mirror, err);
        if (found_add(q, source, module->path, q->depth[i], err) < 0)
            return -1;
    }
    return 0;
}

int fetch_modules(const struct fetching *f, struct fetch_result *ret, struct ml_error *err)
{
    static const struct fetch_limits usual = FETCH_LIMITS_INIT;
    const struct fetch_request *request = f->request;
    struct ml_error problem = ML_ERROR_INIT;
    struct queue q = {.request = request,
                      .limits = request->limits ? *request->limits : usual,
                      .out_dirfd = f->out_dirfd,
                      .own = f->modules,
                      .total = ret};
    int64_t ours = clock_ms() + q.limits.time_ms;
    q.deadline_ms =
        request->deadline_ms < 0 || ours < request->deadline_ms ? ours : request->deadline_ms;
    if (found_add(&q, request->source, "", 0, &problem) == 0 && each_module(&q, &problem) == 0)
        return 0;
    ml_error_wrap(&problem, "cannot fetch '%.200s'", request->source->url);
    if (err != NULL)
        *err = problem;
    return -1;
}

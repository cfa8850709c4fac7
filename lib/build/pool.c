/* Several builds at once. One at a time needs no thread. Each thread has a context of its own: one
 * is for one thread at a time. What they hold passes to the caller's context at the end, so no gc
 * takes a bundle away before it is registered. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/limit.h"
#include "base/scope.h"
#include "client/context.h"
#include "modload/build.h"

enum { THREADS_MAX = 256 };

struct pool {
    struct ml_build_job *job;
    size_t n;
    atomic_size_t next;
};

struct worker {
    struct pool *pool;
    struct ml_ctx *ctx;
    pthread_t thread;
};

static void work_with(struct pool *pool, struct ml_ctx *ctx)
{
    size_t i;
    while ((i = atomic_fetch_add(&pool->next, 1)) < pool->n) {
        struct ml_build_job *job = &pool->job[i];
        if (job->info != NULL)
            continue;
        if (ml_build(ctx, &job->request, &job->info, &job->err) < 0)
            job->info = NULL;
    }
}

static void *work(void *arg)
{
    struct worker *w = arg;
    work_with(w->pool, w->ctx);
    return NULL;
}

static int worker_begin(struct worker *w, struct ml_ctx *ctx, struct pool *pool)
{
    const struct ml_ctx_options options = {
        .home = ctx->home, .wait_ms = ctx->wait_ms, .command = ctx->command};
    w->pool = pool;
    if (ml_ctx_new(&options, &w->ctx, NULL) < 0)
        return -1;
    ml_ctx_cancel_on(w->ctx, ctx->cancel_fd);
    if (pthread_create(&w->thread, NULL, work, w) == 0)
        return 0;
    ml_ctx_free(w->ctx);
    return -1;
}

static int worker_end(struct worker *w, struct ml_ctx *ctx, struct ml_error *err)
{
    int status = 0;
    pthread_join(w->thread, NULL);
    for (; w->ctx->n_holds > 0 && status == 0; w->ctx->n_holds--)
        status = ctx_hold(ctx, w->ctx->hold[w->ctx->n_holds - 1], err);
    ml_ctx_free(w->ctx);
    return status;
}

static int count_failed(const struct ml_build_job *jobs, size_t n)
{
    int failed = 0;
    for (size_t i = 0; i < n; i++)
        failed += jobs[i].info == NULL;
    return failed;
}

/* What keeps every build from being made is one error, not one for each. */
static int place_check(struct ml_ctx *ctx, struct ml_error *err)
{
    struct store *store;
    struct store_stage stage;
    if (ctx_store(ctx, true, &store, err) < 0 || store_stage_open(store, &stage, err) < 0)
        return -1;
    store_stage_drop(&stage);
    return 0;
}

int ml_build_all(struct ml_ctx *ctx, struct ml_build_job *jobs, size_t n, unsigned at_once,
                 struct ml_error *err)
{
    struct pool pool = {.job = jobs, .n = n};
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    size_t want = at_once > 0 ? at_once : processors > 0 ? (size_t)processors : 1, begun = 0;
    want = want > n ? n : want;
    want = want > THREADS_MAX ? THREADS_MAX : want;
    if (n == 0)
        return 0;
    if (place_check(ctx, err) < 0)
        return -1;
    limit_files_raise(); /* each bundle that is held is an open descriptor */
    if (want == 1) {
        work_with(&pool, ctx);
        return count_failed(jobs, n);
    }
    AUTO_FREE struct worker *workers = calloc(want, sizeof *workers);
    if (workers == NULL)
        return ml_error_memory(err);
    while (begun < want && worker_begin(&workers[begun], ctx, &pool) == 0)
        begun++;
    if (begun == 0) /* fewer than asked for will do */
        return ml_error_set(err, ML_LIMIT, NULL, "cannot start a thread for the builds");
    int status = 0;
    for (size_t i = 0; i < begun; i++)
        if (worker_end(&workers[i], ctx, err) < 0)
            status = -1;
    return status < 0 ? -1 : count_failed(jobs, n);
}

/* Several packages at once: most of the time each waits for a server. What a store does is for one
 * thread, so directories are made before the threads begin. */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/limit.h"
#include "base/scope.h"
#include "client/context.h"
#include "install/package.h"

enum { AT_ONCE = 8, THREADS_MAX = 64 };

/* ---- work for threads ---- */

struct work {
    void (*each)(void *arg, size_t i);
    void *arg;
    size_t n;
    atomic_size_t next;
};

static void *work_on(void *arg)
{
    struct work *work = arg;
    size_t i;
    while ((i = atomic_fetch_add(&work->next, 1)) < work->n)
        work->each(work->arg, i);
    return NULL;
}

/* This thread takes part, so that fewer threads than were asked for will do. */
static void work_all(struct work *work, unsigned at_once)
{
    pthread_t thread[THREADS_MAX];
    size_t want = at_once > 0 ? at_once : AT_ONCE, begun = 0;
    want = want < work->n ? want : work->n;
    want = want < THREADS_MAX ? want : THREADS_MAX;
    while (begun + 1 < want && pthread_create(&thread[begun], NULL, work_on, work) == 0)
        begun++;
    work_on(work);
    for (size_t i = 0; i < begun; i++)
        pthread_join(thread[i], NULL);
}

/* ---- packages ---- */

struct pool {
    struct ml_package_job *job;
    struct package_plan *plan;
    struct ml_package **package; /* null: its plan failed */
    size_t n;
};

static void pool_free(struct pool *pool)
{
    for (size_t i = 0; pool->package != NULL && i < pool->n; i++)
        ml_package_free(pool->package[i]);
    free(pool->package);
    free(pool->plan);
}

static void take(void *arg, size_t i)
{
    struct pool *pool = arg;
    struct ml_package_job *job = &pool->job[i];
    if (pool->package[i] != NULL &&
        package_take(pool->package[i], &pool->plan[i], &job->request, &job->err) == 0)
        job->package = steal_ptr(pool->package[i]);
}

/* 0, also when what the job asks for is wrong; -1 when no job could be begun. */
static int prepare(struct pool *pool, size_t i, struct store *store, struct ml_error *err)
{
    struct ml_package_job *job = &pool->job[i];
    job->package = NULL;
    job->err = (struct ml_error)ML_ERROR_INIT;
    if (package_plan(&job->request, &pool->plan[i], &job->err) < 0)
        return 0;
    struct ml_package *package = calloc(1, sizeof *package);
    if (package == NULL)
        return ml_error_memory(err);
    package->stage.fd = -1;
    pool->package[i] = package;
    return pool->plan[i].kind == PACKAGE_DIRECTORY ? 0
                                                   : store_stage_open(store, &package->stage, err);
}

static int prepare_all(struct pool *pool, struct ml_ctx *ctx, struct ml_error *err)
{
    struct store *store;
    pool->plan = calloc(pool->n, sizeof *pool->plan);
    pool->package = calloc(pool->n, sizeof(void *));
    if (pool->plan == NULL || pool->package == NULL)
        return ml_error_memory(err);
    if (ctx_store(ctx, true, &store, err) < 0)
        return -1;
    for (size_t i = 0; i < pool->n; i++)
        if (prepare(pool, i, store, err) < 0)
            return -1;
    return 0;
}

int ml_package_fetch_all(struct ml_ctx *ctx, struct ml_package_job *jobs, size_t n,
                         unsigned at_once, struct ml_error *err)
{
    __attribute__((cleanup(pool_free))) struct pool pool = {.job = jobs, .n = n};
    int failed = 0;
    if (n == 0)
        return 0;
    limit_files_raise(); /* each package is an open directory */
    if (prepare_all(&pool, ctx, err) < 0)
        return -1;
    struct work work = {.each = take, .arg = &pool, .n = n};
    work_all(&work, at_once);
    for (size_t i = 0; i < n; i++)
        failed += jobs[i].package == NULL;
    return failed;
}

int ml_package_fetch(struct ml_ctx *ctx, const struct ml_package_request *request,
                     struct ml_package **ret, struct ml_error *err)
{
    struct ml_package_job job = {.request = *request};
    int failed = ml_package_fetch_all(ctx, &job, 1, 1, err);
    if (failed == 0)
        *ret = job.package;
    else if (failed > 0 && err != NULL)
        *err = job.err;
    return failed == 0 ? 0 : -1;
}

/* ---- versions ---- */

struct questions {
    const struct ml_package_request *how;
    struct ml_versions_job *job;
};

static void ask(void *arg, size_t i)
{
    struct questions *q = arg;
    struct ml_versions_job *job = &q->job[i];
    job->err = (struct ml_error)ML_ERROR_INIT;
    ml_package_versions(job->origin, q->how, &job->versions, &job->err);
}

int ml_package_versions_all(const struct ml_package_request *how, struct ml_versions_job *jobs,
                            size_t n, unsigned at_once)
{
    struct questions questions = {how, jobs};
    struct work work = {.each = ask, .arg = &questions, .n = n};
    int failed = 0;
    work_all(&work, at_once);
    for (size_t i = 0; i < n; i++)
        failed += jobs[i].err.status != 0;
    return failed;
}

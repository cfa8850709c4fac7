/* modload release: ends workers and the calls in them. They are collected first and ended then: a
 * walk that ends what it walks over would ask some of them while they go. */
#include <stdlib.h>

#include "base/error.h"
#include "cmd/command.h"

struct all {
    struct ml_error *err;
    struct ml_key *key;
    size_t n;
};

/* -1 when memory is out, which ends the walk. */
static int collect(const struct ml_worker_status *worker, void *arg)
{
    struct all *all = arg;
    struct ml_key *more = realloc(all->key, (all->n + 1) * sizeof *more);
    if (more == NULL)
        return ml_error_memory(all->err);
    all->key = more;
    all->key[all->n++] = worker->key;
    return 0;
}

/* It returns when the worker is gone, so that a load that follows starts a new one. */
static int release_one(struct invocation *in, const struct ml_key *key)
{
    char uuid[ML_UUID_SIZE];
    if (ml_release(in->ctx, key, ML_RELEASE_NOW, &in->err) < 0)
        return failed(in);
    ml_key_to_uuid(key, uuid);
    json_string(&in->data, uuid);
    return 0;
}

/* One that has left by itself since we looked is as gone as it should be. What those left that died
 * goes as well. */
static void release_all(struct invocation *in, struct failures *failures)
{
    struct all all = {.err = &in->err};
    if (ml_workers(in->ctx, collect, &all, &in->err) < 0)
        failures_add(failures, in);
    for (size_t i = 0; i < all.n; i++)
        if (release_one(in, &all.key[i]) == 0)
            failures->done++;
        else if (in->err.status != ML_NOT_LOADED)
            failures_add(failures, in);
        else
            in->err = (struct ml_error)ML_ERROR_INIT;
    free(all.key);
    if (ml_release_lost(in->ctx, &in->err) < 0)
        failures_add(failures, in);
    if (ml_sweep(in->ctx, 0, &in->err) < 0)
        failures_add(failures, in);
}

static void release_args(struct invocation *in, struct failures *failures)
{
    for (int i = 0; i < in->n_args; i++) {
        struct ml_key key;
        if (resolve_arg(in, in->args[i], &key) == 0 && release_one(in, &key) == 0)
            failures->done++;
        else
            failures_add(failures, in);
    }
}

static int run(struct invocation *in)
{
    struct failures failures = {0};
    bool all = option_given(in, "all");
    if (all == (in->n_args > 0))
        return usage_error(in, "release: give keys, or --all");
    json_open(&in->data, '{');
    json_key(&in->data, "released");
    json_open(&in->data, '[');
    if (all)
        release_all(in, &failures);
    else
        release_args(in, &failures);
    json_close(&in->data, ']');
    json_close(&in->data, '}');
    return failures_end(&failures, in);
}

static const struct command_option options[] = {
    {'a', "all", NULL, "release every worker of this registry"},
    {0},
};

const struct command command_release = {
    .name = "release",
    .args = "U...|--all",
    .summary = "end the worker of an entry",
    .help =
        "Returns when the worker and its calls are gone, and its log with them. Callers that "
        "were waiting get 'not\n"
        "loaded' at once. One that does not answer, does not go or is still starting is killed. "
        "Exit 69 when there was\n"
        "none; what one that died has left, goes then.",
    .example = "modload release math",
    .options = options,
    .max_args = -1,
    .run = run,
};

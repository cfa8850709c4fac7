/* modload loaded: yes or no, for `if` in a shell. A name that nobody has is a no. A worker that
 * does not answer is there all the same; one that is still starting is neither: try again. */
#include "cmd/command.h"

static int run(struct invocation *in)
{
    struct ml_key key;
    struct ml_worker_status worker;
    int loaded = ml_resolve(in->ctx, in->args[0], &key, &in->err);
    if (loaded == 0)
        loaded = ml_worker_query(in->ctx, &key, &worker, &in->err);
    if (loaded < 0 && in->err.status != ML_NO_INPUT)
        return failed(in);
    in->err = (struct ml_error)ML_ERROR_INIT; /* "no" is an answer */
    json_open(&in->data, '{');
    json_key(&in->data, "loaded");
    json_bool(&in->data, loaded > 0);
    json_close(&in->data, '}');
    return loaded > 0 ? 0 : ML_FAILED;
}

const struct command command_loaded = {
    .name = "loaded",
    .args = "U",
    .summary = "say by the exit code whether an entry has a worker",
    .help =
        "0 is yes, 1 is no, 75 is not yet: it is starting; prints nothing. The worker itself is "
        "asked: a dead one is\n"
        "never a yes. One that does not answer is there: calls of it wait, 'modload release' ends "
        "it.",
    .example = "modload loaded math || modload load math",
    .min_args = 1,
    .max_args = 1,
    .run = run,
};

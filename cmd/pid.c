/* modload pid: the process id, as the kernel tells who holds the worker's lock. No file has it, so
 * it cannot be that of a process that has long gone and whose number somebody else got; and the
 * worker is not believed, since a plugin may speak for it. */
#include "base/error.h"
#include "cmd/command.h"

static int run(struct invocation *in)
{
    struct ml_key key;
    struct ml_worker_status worker;
    int status = resolve_arg(in, in->args[0], &key);
    if (status != 0)
        return status;
    int loaded = ml_worker_query(in->ctx, &key, &worker, &in->err);
    if (loaded < 0)
        return failed(in);
    if (loaded == 0) {
        ml_error_set(&in->err, ML_NOT_LOADED, NULL, "'%s' is not loaded", in->args[0]);
        ml_error_hint(&in->err, "load it: modload load %s", in->args[0]);
        return failed(in);
    }
    buf_fmt(&in->text, "%d\n", (int)worker.pid);
    json_open(&in->data, '{');
    json_key(&in->data, "pid");
    json_int(&in->data, worker.pid);
    json_close(&in->data, '}');
    return 0;
}

const struct command command_pid = {
    .name = "pid",
    .args = "U",
    .summary = "print the process id of an entry's worker",
    .help = "As the kernel tells it of the worker's lock, so also of one that does not answer. "
            "Exit 69 when there is none,\n"
            "75 while it is starting.",
    .example = "modload pid math",
    .min_args = 1,
    .max_args = 1,
    .run = run,
};

/* modload load: starts workers, one entry after the other. */
#include "base/error.h"
#include "cmd/command.h"

/* The time limit is for each of them. What was loaded before a failure stays loaded: to load it
 * again is no error, so the command can simply be given again. */
static int load_one(struct invocation *in, const char *word, int64_t timeout_ms)
{
    struct ml_key key;
    pid_t pid;
    char uuid[ML_UUID_SIZE];
    int status = resolve_arg(in, word, &key);
    if (status != 0)
        return status;
    int started = ml_load(in->ctx, &key, timeout_ms, watch_signals(in), &pid, &in->err);
    if (started < 0) {
        ml_error_wrap(&in->err, "cannot load '%s'", word);
        return failed_or_signalled(in);
    }
    ml_key_to_uuid(&key, uuid);
    json_open(&in->data, '{');
    json_pair(&in->data, "uuid", uuid);
    json_key(&in->data, "pid");
    json_int(&in->data, pid);
    json_key(&in->data, "started");
    json_bool(&in->data, started);
    json_close(&in->data, '}');
    return 0;
}

static int run(struct invocation *in)
{
    int64_t timeout_ms;
    if (option_duration(in, "timeout", DEFAULT_TIMEOUT_MS, &timeout_ms) < 0)
        return ML_USAGE;
    struct failures failures = {0};
    json_open(&in->data, '{');
    json_key(&in->data, "workers");
    json_open(&in->data, '[');
    for (int i = 0; i < in->n_args; i++)
        if (load_one(in, in->args[i], timeout_ms) == 0)
            failures.done++;
        else
            failures_add(&failures, in);
    json_close(&in->data, ']');
    json_close(&in->data, '}');
    return failures_end(&failures, in);
}

static const struct command_option options[] = {OPTION_TIMEOUT, {0}};

const struct command command_load = {
    .name = "load",
    .args = "U...",
    .summary = "start the worker of an entry, if it has none",
    .help = "Any number of loads at once give one worker. It returns when the plugin is mapped and "
            "its constructors\n"
            "have run, within the time limit.",
    .example = "modload load math",
    .options = options,
    .min_args = 1,
    .max_args = -1,
    .run = run,
};

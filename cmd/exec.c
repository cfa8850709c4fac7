/* modload exec: one call of an entry that is loaded, and the command whose speed counts. It loads
 * nothing, so that a script can tell "not loaded" (69) from a slow start. */
#include "cmd/command.h"

static int run(struct invocation *in)
{
    struct ml_key key;
    int64_t timeout_ms;
    if (option_duration(in, "timeout", DEFAULT_TIMEOUT_MS, &timeout_ms) < 0)
        return ML_USAGE;
    int status = resolve_arg(in, in->args[0], &key);
    if (status != 0)
        return status;
    return call_and_answer(in, &key, in->args + 1, in->n_args - 1, timeout_ms);
}

static const struct command_option options[] = {OPTION_TIMEOUT, {0}};

const struct command command_exec = {
    .name = "exec",
    .args = "U F [ARG...]",
    .summary = "call a function of a loaded entry",
    .help = "The call runs in a process of its own, with this command's stdin, stdout and stderr. "
            "Its result goes to\n"
            "stdout: strings and bytes raw, numbers in the shortest form that reads back the same. "
            "With --json\n"
            "the result is the object's \"data\", and what the function prints goes to stderr.\n"
            "Everything behind F belongs to the call: -1 is a number there. 'modload exec --help U "
            "F' shows F.\n"
            "Exit: 0 done, 1 the function failed, 65 bad argument, 69 not loaded, 124 timed out, "
            "127 no such\n"
            "function, 128+n it died of signal n, 130 interrupted.",
    .example = "modload exec -t 500ms math add 2 3",
    .options = options,
    .min_args = 2,
    .max_args = -1,
    .call_args = 2,
    .run = run,
};

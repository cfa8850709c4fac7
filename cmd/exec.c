/* modload exec: one call of an entry that is loaded, and the command whose speed counts. It loads
 * nothing, so that a script can tell "not loaded" (69) from a slow start. */
#include "cmd/command.h"

static int run(struct invocation *in)
{
    struct ml_key key;
    struct call_options options;
    if (option_call(in, &options) < 0)
        return ML_USAGE;
    bool batch = option_given(in, "batch");
    if (batch && in->want_json)
        return usage_error(in, "--batch answers in lines of JSON already, without --json");
    if (batch ? in->n_args != 1 : in->n_args < 2)
        return usage_error(in, "exec: too %s arguments", batch ? "many" : "few");
    int status = resolve_arg(in, in->args[0], &key);
    if (status != 0)
        return status;
    if (batch)
        return batch_run(in, &key, &options);
    return call_and_answer(in, &key, in->args + 1, in->n_args - 1, &options);
}

static const struct command_option option_rows[] = {
    OPTION_TIMEOUT,
    OPTIONS_LIMITS,
    {0, "batch", NULL, "read calls from stdin and answer on stdout, a line of JSON each"},
    {0},
};

const struct command command_exec = {
    .name = "exec",
    .args = "U F [ARG...]",
    .summary = "call a function of a loaded entry",
    .help =
        "The call runs in a process of its own, with this command's stdin, stdout and stderr. "
        "Its result goes to\n"
        "stdout: strings and bytes raw, numbers in the shortest form that reads back the same. "
        "With --json\n"
        "the result is the object's \"data\", and what the function prints goes to stderr.\n"
        "Everything behind F belongs to the call: -1 is a number there. 'modload exec --help U "
        "F' shows F.\n"
        "\n"
        "With --batch, and U alone, each line of stdin is a call: {\"call\": \"add\", \"args\": "
        "[2, 3], \"id\": 1}.\n"
        "It is answered in order by {\"id\":1,\"status\":\"ok\",\"data\":5}, or "
        "{\"id\":1,\"status\":\"error\",\"error\":{...}}.\n"
        "The calls run in one process until one crashes, which costs that line alone; what "
        "they print goes to\n"
        "stderr. The first 20 crashes are told with a backtrace, others with their place. Exit: 0, "
        "or 1 when a line\n"
        "failed.\n"
        "\n"
        "Limits go before those of the plugin's modload.json; 0 is no limit. They count for the "
        "call with all\n"
        "processes that it starts; with --batch for the process in which the calls run, but "
        "--cpu for each call. A\n"
        "plugin's own timeout counts where -t is not given and it is shorter than the 5s.\n"
        "\n"
        "Exit: 0 done, 1 the function failed, 65 bad argument, 69 not loaded, 71 over a "
        "limit, 124 timed out,\n"
        "127 no such function, 128+n it died of signal n, 130 interrupted.",
    .example = "modload exec -t 500ms math add 2 3",
    .options = option_rows,
    .min_args = 1,
    .max_args = -1,
    .call_args = 2,
    .run = run,
};

/* modload cancel: ends calls, not the worker. */
#include <inttypes.h>
#include <string.h>

#include "base/error.h"
#include "base/number.h"
#include "cmd/command.h"

static int show(const struct ml_running *call, void *arg)
{
    struct json *data = arg;
    json_uint(data, call->number);
    return 0;
}

/* Digits alone, as ps shows them: a number that is read wrongly ends somebody's call. */
static int parse_number(struct invocation *in, const char *text, uint64_t *ret)
{
    bool digits = text[strspn(text, "0123456789")] == '\0';
    if (digits && number_parse_uint(text, 64, ret) == NUMBER_OK && *ret > 0)
        return 0;
    ml_error_set(&in->err, ML_USAGE, NULL, "call: '%s' is not a whole number from 1 on", text);
    return usage_hint(in);
}

static int nothing_runs(struct invocation *in, uint64_t number)
{
    const char *word = in->args[0];
    if (number > 0)
        ml_error_set(&in->err, ML_NOT_LOADED, "no_such_call",
                     "no call %" PRIu64 " runs in the worker of '%s'", number, word);
    else
        ml_error_set(&in->err, ML_NOT_LOADED, "no_such_call", "no call runs in the worker of '%s'",
                     word);
    ml_error_hint(&in->err, "see what does: modload ps --calls");
    return failed(in);
}

static int run(struct invocation *in)
{
    struct ml_key key;
    uint64_t number = 0;
    if (in->n_args > 1 && parse_number(in, in->args[1], &number) < 0)
        return ML_USAGE;
    int status = resolve_arg(in, in->args[0], &key);
    if (status != 0)
        return status;
    json_open(&in->data, '{');
    json_key(&in->data, "cancelled");
    json_open(&in->data, '[');
    int n = ml_cancel(in->ctx, &key, number, show, &in->data, &in->err);
    if (n <= 0)
        return n < 0 ? failed(in) : nothing_runs(in, number);
    json_close(&in->data, ']');
    json_close(&in->data, '}');
    return 0;
}

const struct command command_cancel = {
    .name = "cancel",
    .args = "U [CALL]",
    .summary = "end calls that run in an entry's worker",
    .help = "CALL is a number that 'modload ps --calls' shows; without it, all that run. Returns "
            "when they are over, with\n"
            "all that they had started. Their callers get 'cancelled' (130), the worker stays. Of "
            "a session, such as that\n"
            "of 'exec --batch', the call that it is at is ended, and the next one goes on. Exit 69 "
            "when there is no worker,\n"
            "or no such call.",
    .example = "modload cancel math 12",
    .min_args = 1,
    .max_args = 2,
    .run = run,
};

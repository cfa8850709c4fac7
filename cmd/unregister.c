/* modload unregister: takes an entry out. Doing it twice is no error, so that a script can clean up
 * without looking first. */
#include "cmd/command.h"

static int run(struct invocation *in)
{
    struct ml_key key;
    int changed = ml_resolve(in->ctx, in->args[0], &key, &in->err);
    if (changed == 0)
        changed = ml_unregister(in->ctx, &key, &in->err);
    if (changed < 0 && in->err.status != ML_NO_INPUT)
        return failed(in);
    if (changed < 0) {
        in->err = (struct ml_error)ML_ERROR_INIT; /* what is not there need not be taken out */
        changed = 0;
    }
    if (!changed)
        note("nothing is registered as '%s'", in->args[0]);
    json_open(&in->data, '{');
    json_key(&in->data, "changed");
    json_bool(&in->data, changed);
    json_close(&in->data, '}');
    return 0;
}

static const struct command_option options[] = {OPTION_WAIT, {0}};

const struct command command_unregister = {
    .name = "unregister",
    .args = "U",
    .summary = "take an entry out of the registry",
    .help = "A running worker goes on: 'modload release U' ends it. A key that is not registered "
            "is fine.",
    .example = "modload unregister math",
    .options = options,
    .min_args = 1,
    .max_args = 1,
    .run = run,
};

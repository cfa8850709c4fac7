/* modload registered: yes or no, for `if` in a shell. Only "nothing is registered so" is a no: a
 * registry that cannot be read is an error, and a word that could not be a key is one too. */
#include "cmd/command.h"

static int run(struct invocation *in)
{
    struct ml_key key;
    char bundle[ML_BUNDLE_ID_SIZE];
    bool yes = ml_resolve(in->ctx, in->args[0], &key, &in->err) == 0 &&
               ml_lookup(in->ctx, &key, bundle, &in->err) == 0;
    if (!yes && in->err.status != ML_NO_INPUT)
        return failed(in);
    in->err = (struct ml_error)ML_ERROR_INIT; /* "no" is an answer */
    json_open(&in->data, '{');
    json_key(&in->data, "registered");
    json_bool(&in->data, yes);
    json_close(&in->data, '}');
    return yes ? 0 : ML_FAILED;
}

const struct command command_registered = {
    .name = "registered",
    .args = "U",
    .summary = "say by the exit code whether an entry is registered",
    .help = "0 is yes, 1 is no; prints nothing.",
    .example = "modload registered math && echo yes",
    .min_args = 1,
    .max_args = 1,
    .run = run,
};

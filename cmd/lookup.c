/* modload lookup: the bundle behind a key, without asking any worker: a worker may still run an
 * earlier one. */
#include "cmd/command.h"

static int run(struct invocation *in)
{
    struct ml_key key;
    char bundle[ML_BUNDLE_ID_SIZE], uuid[ML_UUID_SIZE];
    int status = resolve_arg(in, in->args[0], &key);
    if (status != 0)
        return status;
    if (ml_lookup(in->ctx, &key, bundle, &in->err) < 0)
        return failed(in);
    ml_key_to_uuid(&key, uuid);
    buf_fmt(&in->text, "%s\n", bundle);
    json_open(&in->data, '{');
    json_pair(&in->data, "uuid", uuid);
    json_pair(&in->data, "bundle", bundle);
    json_close(&in->data, '}');
    return 0;
}

const struct command command_lookup = {
    .name = "lookup",
    .args = "U",
    .summary = "print the bundle that an entry points at",
    .help = "Takes no lock and never waits.",
    .example = "modload lookup math",
    .min_args = 1,
    .max_args = 1,
    .run = run,
};

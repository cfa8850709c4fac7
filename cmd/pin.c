/* modload pin, unpin: generations that gc has to leave alone. */
#include "cmd/command.h"

static int pin_or_not(struct invocation *in, bool pin)
{
    struct ml_key key;
    unsigned long generation = 0;
    char uuid[ML_UUID_SIZE];
    if (in->n_args > 1 && count_parse(in, "generation", in->args[1], &generation) < 0)
        return ML_USAGE;
    if (ml_resolve_removed(in->ctx, in->args[0], &key, &in->err) < 0)
        return failed(in);
    int changed = ml_pin(in->ctx, &key, generation, pin, &generation, &in->err);
    if (changed < 0)
        return failed(in);
    ml_key_to_uuid(&key, uuid);
    if (!changed)
        note("generation %lu of %s %s", generation, uuid,
             pin ? "is pinned already" : "was not pinned");
    json_open(&in->data, '{');
    json_pair(&in->data, "uuid", uuid);
    json_key(&in->data, "generation");
    json_uint(&in->data, generation);
    json_key(&in->data, "changed");
    json_bool(&in->data, changed);
    json_close(&in->data, '}');
    return 0;
}

static int run_pin(struct invocation *in)
{
    return pin_or_not(in, true);
}

static int run_unpin(struct invocation *in)
{
    return pin_or_not(in, false);
}

static const struct command_option options[] = {OPTION_WAIT, {0}};

const struct command command_pin = {
    .name = "pin",
    .args = "U [N]",
    .summary = "keep a generation from gc",
    .help = "N is a number that 'modload history U' shows; without it, the current one.",
    .example = "modload pin math 3",
    .options = options,
    .min_args = 1,
    .max_args = 2,
    .run = run_pin,
};

const struct command command_unpin = {
    .name = "unpin",
    .args = "U [N]",
    .summary = "let gc have a generation again",
    .help = "N is a number that 'modload history U' shows; without it, the current one.",
    .example = "modload unpin math 3",
    .options = options,
    .min_args = 1,
    .max_args = 2,
    .run = run_unpin,
};

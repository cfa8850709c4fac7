/* modload rollback: an entry is again what it was. */
#include "cmd/command.h"

static int run(struct invocation *in)
{
    struct ml_key key;
    struct ml_register_result result;
    unsigned long generation = 0;
    char uuid[ML_UUID_SIZE];
    if (in->n_args > 1 && count_parse(in, "generation", in->args[1], &generation) < 0)
        return ML_USAGE;
    if (ml_resolve_removed(in->ctx, in->args[0], &key, &in->err) < 0 ||
        ml_rollback(in->ctx, &key, generation, &result, &in->err) < 0)
        return failed(in);
    ml_key_to_uuid(&key, uuid);
    if (!result.changed)
        note("%s is registered as %s already", uuid, result.bundle);
    if (result.name_taken)
        note("the name that %s had belongs to another entry: it has none", uuid);
    buf_fmt(&in->text, "%s\n", result.bundle);
    json_open(&in->data, '{');
    json_pair(&in->data, "uuid", uuid);
    json_pair(&in->data, "bundle", result.bundle);
    json_pair(&in->data, "name", result.name);
    json_pair(&in->data, "version", result.version);
    json_key(&in->data, "generation");
    json_uint(&in->data, result.generation);
    json_key(&in->data, "changed");
    json_bool(&in->data, result.changed);
    json_close(&in->data, '}');
    return 0;
}

static const struct command_option options[] = {OPTION_WAIT, {0}};

const struct command command_rollback = {
    .name = "rollback",
    .args = "U [N]",
    .summary = "go back to an earlier generation, or bring an entry back",
    .help = "N is a number that 'modload history U' shows; without it, the one before: twice goes "
            "two steps\n"
            "back. What comes back is a new generation, so this can be undone as well. An entry "
            "that was\n"
            "taken out is brought back. Prints the bundle. A worker goes on with what it has.",
    .example = "modload rollback math 3",
    .options = options,
    .min_args = 1,
    .max_args = 2,
    .run = run,
};

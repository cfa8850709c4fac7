/* modload export: a registry, or part of it, in one file. */
#include <stdlib.h>

#include "base/error.h"
#include "base/scope.h"
#include "cmd/command.h"
#include "cmd/file.h"
#include "modload/transfer.h"

static int take_keys(struct invocation *in, struct ml_key *keys)
{
    for (int i = 1; i < in->n_args; i++)
        if (ml_resolve_removed(in->ctx, in->args[i], &keys[i - 1], &in->err) < 0)
            return failed(in);
    return 0;
}

static int write_to(struct invocation *in, int fd, const char *label, void *arg)
{
    size_t n = (size_t)in->n_args - 1;
    AUTO_FREE struct ml_key *keys = calloc(n + 1, sizeof *keys);
    if (keys == NULL)
        return ml_error_memory(&in->err), failed(in);
    int status = take_keys(in, keys);
    if (status != 0)
        return status;
    return ml_export(in->ctx, keys, n, fd, label, arg, &in->err) < 0 ? failed(in) : 0;
}

static int run(struct invocation *in)
{
    struct ml_transfer_result done;
    int status = file_write(in, in->args[0], 0600, write_to, &done);
    if (status != 0)
        return status;
    note("exported %zu entr%s and %zu bundle%s", done.entries, done.entries == 1 ? "y" : "ies",
         done.bundles, done.bundles == 1 ? "" : "s");
    json_open(&in->data, '{');
    json_key(&in->data, "entries");
    json_uint(&in->data, done.entries);
    json_key(&in->data, "bundles");
    json_uint(&in->data, done.bundles);
    json_close(&in->data, '}');
    return 0;
}

static const struct command_option options[] = {OPTION_WAIT, {0}};

const struct command command_export = {
    .name = "export",
    .args = "FILE|- [U...]",
    .summary = "write the registry, or some entries, to one file",
    .help = "Entries with their history, and the bundles of all their generations, as tar.zst. The "
            "same\n"
            "content gives the same bytes. 'modload import' takes it over on another machine.",
    .example = "modload export plugins.tar.zst math text",
    .options = options,
    .min_args = 1,
    .max_args = -1,
    .run = run,
};

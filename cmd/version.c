/* modload version: of the program, and of the ABI that its bundles and workers share, since that
 * one says whether what was built can still be loaded. */
#include "cmd/command.h"
#include "modload/abi.h"

static int run(struct invocation *in)
{
    buf_fmt(&in->text, "modload %s (plugin ABI %u)\n", ML_VERSION, ML_ABI_VERSION);
    json_open(&in->data, '{');
    json_pair(&in->data, "version", ML_VERSION);
    json_key(&in->data, "plugin_abi");
    json_uint(&in->data, ML_ABI_VERSION);
    json_close(&in->data, '}');
    return 0;
}

const struct command command_version = {
    .name = "version",
    .args = "",
    .summary = "print the version",
    .example = "modload version",
    .bare = true,
    .run = run,
};

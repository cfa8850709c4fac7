/* modload pack: what an entry points at, in one file for another machine. */
#include "base/error.h"
#include "cmd/command.h"
#include "cmd/file.h"
#include "modload/transfer.h"

struct wanted {
    struct ml_key key;
    bool binary;
    struct ml_packed done;
};

static int write_to(struct invocation *in, int fd, const char *label, void *arg)
{
    struct wanted *w = arg;
    int status = ml_pack(in->ctx, &w->key, w->binary, fd, label, &w->done, &in->err);
    return status < 0 ? failed(in) : 0;
}

static int run(struct invocation *in)
{
    struct wanted w = {.binary = option_given(in, "binary")};
    const char *file = option_value(in, "output", NULL);
    if (file == NULL)
        return usage_error(in, "pack: no file: -o FILE, or -o - for standard output");
    int status = resolve_arg(in, in->args[0], &w.key);
    if (status == 0)
        status = file_write(in, file, 0666, write_to, &w); /* it is made to be passed on */
    if (status != 0)
        return status;
    note("packed %s %s, %s (%s)", w.done.name, w.done.version,
         w.binary ? "with what was built" : "to be built where it goes", w.done.bundle);
    json_open(&in->data, '{');
    json_pair(&in->data, "bundle", w.done.bundle);
    json_pair(&in->data, "name", w.done.name);
    json_pair(&in->data, "version", w.done.version);
    json_key(&in->data, "binary");
    json_bool(&in->data, w.binary);
    json_close(&in->data, '}');
    return 0;
}

static const struct command_option options[] = {
    {'o', "output", "FILE", "where to; - is standard output"},
    {0, "binary", NULL,
     "with what was built, for a machine of the same kind: no compiler is needed"},
    {0},
};

const struct command command_pack = {
    .name = "pack",
    .args = "U -o FILE",
    .summary = "write an entry's plugin to one file, to be taken elsewhere",
    .help =
        "The bundle that the entry points at, as tar.zst: its sources, the headers that are not "
        "the system's, and how\n"
        "it was built. The same content gives the same bytes. What takes a source takes such a "
        "file: compile,\n"
        "register, run. No network is needed, and with --binary no compiler, where plugin ABI "
        "and machine are the\n"
        "same; elsewhere it is built from its sources. Of an object that was not built here the "
        "object is packed.",
    .example = "modload pack math -o math.pack",
    .options = options,
    .min_args = 1,
    .max_args = 1,
    .run = run,
};

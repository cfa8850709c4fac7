/* modload compile: builds and files, and registers nothing. */
#include "cmd/build.h"
#include "cmd/command.h"

/* One line: the bundle, the plugin, what it can do. For scripts that read it with `read`: the id is
 * the first word. */
static void show_line(struct invocation *in, const struct ml_bundle_info *info)
{
    buf_fmt(&in->text, "%s  %s  ", info->bundle, info->name);
    for (size_t i = 0; i < info->n_functions; i++)
        buf_fmt(&in->text, "%s%s", i ? ", " : "", info->functions[i].signature);
    buf_char(&in->text, '\n');
}

/* --name is the plugin's own name here, part of the bundle; in register it is the entry's. */
static int run(struct invocation *in)
{
    struct ml_bundle_info *info = NULL;
    int status =
        build_from(in, in->args, (size_t)in->n_args, option_value(in, "name", NULL), NULL, &info);
    if (status != 0)
        return status;
    note_skipped(info);
    show_line(in, info);
    json_open(&in->data, '{');
    json_pair(&in->data, "bundle", info->bundle);
    json_pair(&in->data, "name", info->name);
    json_pair(&in->data, "version", info->version);
    put_functions(&in->data, info);
    json_close(&in->data, '}');
    ml_bundle_info_free(info);
    return 0;
}

static const struct command_option options[] = {
    BUILD_OPTIONS,
    {0, "object", NULL, "standard input is a shared object, not C"},
    {'n', "name", "NAME", "the plugin's name (default: its own, or the file's)"},
    OPTION_WAIT,
    {0},
};

const struct command command_compile = {
    .name = "compile",
    .args = "SOURCE...|DIR|ARCHIVE|PACK|FILE.so|-|-e TEXT",
    .summary = "build a bundle from C sources, or from a shared object",
    .help = "An archive (tar, alone or in gzip, xz or zstd, or zip; told by its content) is built "
            "like the directory that\n"
            "is in it. One that holds more than plain files and directories is refused.\n"
            "Prints the bundle's id, the plugin's name and its functions; nothing is registered. "
            "Functions that\n"
            "cannot be called are told on stderr, with the reason. $CC, else cc, does the "
            "compiling; what it\n"
            "says comes out as it says it, and a build that fails is exit 65 and leaves nothing "
            "behind.\n"
            "The compiler is confined: no network, no home directory, no files but the sources, -I "
            "and the system's;\n"
            "a source that reads others is exit 77. MODLOAD_BUILD_DIRS=/path:... lets it use "
            "more.",
    .example = "modload compile math.c",
    .options = options,
    .max_args = -1,
    .run = run,
};

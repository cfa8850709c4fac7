/* modload import: takes over what export wrote. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/scope.h"
#include "cmd/command.h"
#include "modload/transfer.h"

static int run(struct invocation *in)
{
    struct ml_transfer_result done;
    AUTO_CLOSE int fd = open(in->args[0], O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    struct stat st;
    if (fd < 0) {
        ml_error_errno(&in->err, errno == ENOENT ? ML_NO_INPUT : 0, errno, "cannot open '%s'",
                       in->args[0]);
        ml_error_hint(&in->err, "give the file that 'modload export FILE' has written");
        return failed(in);
    }
    if (fstat(fd, &st) == 0 && !S_ISREG(st.st_mode)) {
        ml_error_set(&in->err, ML_DATA, "not_an_export", "'%s' is no plain file", in->args[0]);
        ml_error_hint(&in->err, "an import is read more than once: put it into a file first");
        return failed(in);
    }
    int cancel = watch_signals(in);
    ml_ctx_cancel_on(in->ctx, cancel);
    if (ml_import(in->ctx, fd, in->args[0], cancel, &done, &in->err) < 0) {
        if (strcmp(in->err.code, "not_an_archive") == 0)
            ml_error_hint(&in->err, "give the file that 'modload export FILE' has written");
        return failed_or_signalled(in);
    }
    note("imported %zu entr%s, %zu of them new or changed, and %zu new bundle%s", done.entries,
         done.entries == 1 ? "y" : "ies", done.changed, done.bundles, done.bundles == 1 ? "" : "s");
    if (done.replaced > 0)
        note("replaced %zu bundle%s that %s damaged here", done.replaced,
             done.replaced == 1 ? "" : "s", done.replaced == 1 ? "was" : "were");
    json_open(&in->data, '{');
    json_key(&in->data, "entries");
    json_uint(&in->data, done.entries);
    json_key(&in->data, "changed");
    json_uint(&in->data, done.changed);
    json_key(&in->data, "bundles");
    json_uint(&in->data, done.bundles);
    json_key(&in->data, "replaced");
    json_uint(&in->data, done.replaced);
    json_close(&in->data, '}');
    return 0;
}

static const struct command_option options[] = {OPTION_WAIT, {0}};

const struct command command_import = {
    .name = "import",
    .args = "FILE",
    .summary = "take over entries and bundles that export wrote",
    .help =
        "All of it or nothing, after every digest was checked. An entry that is here already "
        "gets what is\n"
        "current in the file as a new generation; one that is not comes with its history. A bundle "
        "that is\n"
        "here and damaged is replaced by the one in the file.",
    .example = "modload import plugins.tar.zst",
    .options = options,
    .min_args = 1,
    .max_args = 1,
    .run = run,
};

/* modload import: takes over what export wrote. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/scope.h"
#include "cmd/command.h"
#include "modload/transfer.h"

enum { NAMES_SHOWN = 10 };

static void tell_names(const struct ml_transfer_result *done)
{
    for (size_t i = 0; i < done->n_names_taken && i < NAMES_SHOWN; i++) {
        char uuid[ML_UUID_SIZE];
        ml_key_to_uuid(&done->names_taken[i].key, uuid);
        note("the name '%s' belongs to another entry: %s has none", done->names_taken[i].name,
             uuid);
    }
    if (done->n_names_taken > NAMES_SHOWN)
        note("so do %zu more; --json names them all", done->n_names_taken - NAMES_SHOWN);
}

static void tell(const struct ml_transfer_result *done)
{
    note("imported %zu entr%s, %zu of them new or changed, and %zu new bundle%s", done->entries,
         done->entries == 1 ? "y" : "ies", done->changed, done->bundles,
         done->bundles == 1 ? "" : "s");
    if (done->replaced > 0)
        note("replaced %zu bundle%s that %s damaged here", done->replaced,
             done->replaced == 1 ? "" : "s", done->replaced == 1 ? "was" : "were");
    tell_names(done);
}

static void answer(struct json *data, const struct ml_transfer_result *done)
{
    json_open(data, '{');
    json_key(data, "entries");
    json_uint(data, done->entries);
    json_key(data, "changed");
    json_uint(data, done->changed);
    json_key(data, "bundles");
    json_uint(data, done->bundles);
    json_key(data, "replaced");
    json_uint(data, done->replaced);
    json_key(data, "names_taken");
    json_open(data, '[');
    for (size_t i = 0; i < done->n_names_taken; i++) {
        char uuid[ML_UUID_SIZE];
        ml_key_to_uuid(&done->names_taken[i].key, uuid);
        json_open(data, '{');
        json_pair(data, "uuid", uuid);
        json_pair(data, "name", done->names_taken[i].name);
        json_close(data, '}');
    }
    json_close(data, ']');
    json_close(data, '}');
}

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
    tell(&done);
    answer(&in->data, &done);
    ml_transfer_result_done(&done);
    return 0;
}

static const struct command_option options[] = {OPTION_WAIT, {0}};

const struct command command_import = {
    .name = "import",
    .args = "FILE",
    .summary = "take over entries and bundles that export wrote",
    .help = "All of it or nothing, after every digest was checked. An entry that is here already "
            "gets what is\n"
            "current in the file as a new generation; one that is not comes with its history. A "
            "name that another\n"
            "entry has here is left out, and told: 'names_taken' in --json. A bundle that is here "
            "and damaged is\n"
            "replaced by the one in the file.",
    .example = "modload import plugins.tar.zst",
    .options = options,
    .min_args = 1,
    .max_args = 1,
    .run = run,
};

/* modload export: a registry, or part of it, in one file. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fs.h"
#include "base/scope.h"
#include "cmd/command.h"
#include "modload/transfer.h"

static int take_keys(struct invocation *in, struct ml_key *keys)
{
    for (int i = 1; i < in->n_args; i++)
        if (ml_resolve_removed(in->ctx, in->args[i], &keys[i - 1], &in->err) < 0)
            return failed(in);
    return 0;
}

static int write_to(struct invocation *in, int fd, const char *label,
                    struct ml_transfer_result *done)
{
    size_t n = (size_t)in->n_args - 1;
    AUTO_FREE struct ml_key *keys = calloc(n + 1, sizeof *keys);
    if (keys == NULL)
        return ml_error_memory(&in->err), failed(in);
    int status = take_keys(in, keys);
    if (status != 0)
        return status;
    return ml_export(in->ctx, keys, n, fd, label, done, &in->err) < 0 ? failed(in) : 0;
}

/* What is no plain file is written to, not replaced: a pipe, a device, a link. /dev/stdout is one.
 */
static int write_into(struct invocation *in, const char *file, struct ml_transfer_result *done)
{
    AUTO_CLOSE int fd = open(file, O_WRONLY | O_CREAT | O_TRUNC | O_NOCTTY | O_CLOEXEC, 0600);
    if (fd >= 0)
        return write_to(in, fd, file, done);
    ml_error_errno(&in->err, ML_CANT_CREATE, errno, "cannot open '%s'", file);
    return failed(in);
}

/* Without a name, where the file system knows that: who is killed leaves nothing behind. */
static int temp_open(const char *dir, const char *temp)
{
    int fd = open(dir, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
    if (fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR))
        fd = open(temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    return fd;
}

/* A name beside the file first (link(2) replaces nothing), then the file's own. */
static int temp_publish(int fd, const char *dir, const char *temp, const char *file)
{
    char self[32];
    snprintf(self, sizeof self, "/proc/self/fd/%d", fd);
    if (fs_sync(fd) < 0 ||
        (access(temp, F_OK) < 0 && linkat(AT_FDCWD, self, AT_FDCWD, temp, AT_SYMLINK_FOLLOW) < 0) ||
        rename(temp, file) < 0)
        return -1;
    return fs_sync_dir(AT_FDCWD, dir);
}

/* A file of that name is replaced by a whole one, or stays. */
static int write_file(struct invocation *in, const char *file, struct ml_transfer_result *done)
{
    char name[24];
    AUTO_FREE char *temp = NULL;
    const char *slash = strrchr(file, '/');
    AUTO_FREE char *dir = slash ? strndup(file, (size_t)(slash - file + 1)) : strdup("./");
    fs_random_name(name, sizeof name, ".");
    if (dir == NULL || asprintf(&temp, "%s%s", dir, name) < 0)
        return ml_error_memory(&in->err), failed(in);
    AUTO_CLOSE int fd = temp_open(dir, temp);
    if (fd < 0) {
        ml_error_errno(&in->err, ML_CANT_CREATE, errno, "cannot make '%s'", file);
        return failed(in);
    }
    int status = write_to(in, fd, file, done);
    if (status == 0 && temp_publish(fd, dir, temp, file) < 0) {
        ml_error_errno(&in->err, 0, errno, "cannot write '%s'", file);
        status = failed(in);
    }
    if (status != 0)
        unlink(temp);
    return status;
}

static bool is_other(const char *file)
{
    struct stat st;
    return lstat(file, &st) == 0 && !S_ISREG(st.st_mode);
}

static int write_out(struct invocation *in, const char *file, struct ml_transfer_result *done)
{
    if (strcmp(file, "-") == 0)
        return write_to(in, STDOUT_FILENO, "standard output", done);
    return is_other(file) ? write_into(in, file, done) : write_file(in, file, done);
}

static int run(struct invocation *in)
{
    struct ml_transfer_result done;
    bool dash = strcmp(in->args[0], "-") == 0;
    if (dash && (in->want_json || isatty(STDOUT_FILENO)))
        return usage_error(in, "export: an archive does not go to a terminal, nor beside --json");
    int status = write_out(in, in->args[0], &done);
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

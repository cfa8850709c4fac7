/* A file that a command makes: whole, or as it was. */
#include "cmd/file.h"

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

/* What is no plain file is written to, not replaced: a pipe, a device, a link. /dev/stdout is one.
 */
static int write_into(struct invocation *in, const char *file, mode_t mode, file_writer *write,
                      void *arg)
{
    AUTO_CLOSE int fd = open(file, O_WRONLY | O_CREAT | O_TRUNC | O_NOCTTY | O_CLOEXEC, mode);
    if (fd >= 0)
        return write(in, fd, file, arg);
    ml_error_errno(&in->err, ML_CANT_CREATE, errno, "cannot open '%s'", file);
    return failed(in);
}

/* Without a name, where the file system knows that: who is killed leaves nothing behind. */
static int temp_open(const char *dir, const char *temp, mode_t mode)
{
    int fd = open(dir, O_TMPFILE | O_WRONLY | O_CLOEXEC, mode);
    if (fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR))
        fd = open(temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
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
static int write_file(struct invocation *in, const char *file, mode_t mode, file_writer *write,
                      void *arg)
{
    char name[24];
    AUTO_FREE char *temp = NULL;
    const char *slash = strrchr(file, '/');
    AUTO_FREE char *dir = slash ? strndup(file, (size_t)(slash - file + 1)) : strdup("./");
    fs_random_name(name, sizeof name, ".");
    if (dir == NULL || asprintf(&temp, "%s%s", dir, name) < 0)
        return ml_error_memory(&in->err), failed(in);
    AUTO_CLOSE int fd = temp_open(dir, temp, mode);
    if (fd < 0) {
        ml_error_errno(&in->err, ML_CANT_CREATE, errno, "cannot make '%s'", file);
        return failed(in);
    }
    int status = write(in, fd, file, arg);
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

int file_write(struct invocation *in, const char *file, mode_t mode, file_writer *write, void *arg)
{
    bool dash = strcmp(file, "-") == 0;
    if (dash && (in->want_json || isatty(STDOUT_FILENO)))
        return usage_error(in, "%s: an archive does not go to a terminal, nor beside --json",
                           in->command->name);
    if (dash)
        return write(in, STDOUT_FILENO, "standard output", arg);
    return is_other(file) ? write_into(in, file, mode, write, arg)
                          : write_file(in, file, mode, write, arg);
}

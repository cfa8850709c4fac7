/* The lock's file lies among the user's own: what is made beside it for a moment has a name that
 * tells whose it is, and is swept by the next one who may write. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/fs.h"
#include "base/scope.h"
#include "project/lock.h"

#define TEMP_PREFIX "." LOCK_FILE "."
enum { TEMP_SIZE = sizeof TEMP_PREFIX + 16 };

int lock_read(struct arena *a, int dirfd, const char *label, struct buf *text, struct lock *ret,
              struct ml_error *err)
{
    *ret = (struct lock){0};
    if (fs_read_file(dirfd, LOCK_FILE, text, LOCK_SIZE_MAX) == 0)
        return lock_parse(a, label, buf_text(text), text->len, ret, err) < 0 ? -1 : 1;
    if (errno == ENOENT)
        return 0;
    if (errno == EFBIG)
        return ml_error_set(err, ML_CONFIG, NULL, "%s: it is larger than %d MiB", label,
                            LOCK_SIZE_MAX >> 20);
    return ml_error_errno(err, 0, errno, "cannot read '%s'", label);
}

/* A file system that has no such locks is none that keeps anybody from working: two that change
 * the same lock there write it whole, each, and the later one stays. */
int lock_hold(int dirfd, const char *label, int64_t wait_ms, int cancel_fd, struct ml_error *err)
{
    if (fs_lock(dirfd, wait_ms, cancel_fd) == 0 || errno == EBADF || errno == ENOLCK ||
        errno == EOPNOTSUPP)
        return 0;
    if (errno == ECANCELED)
        return ml_error_set(err, ML_SIGNAL + SIGINT, "cancelled",
                            "interrupted while another modload changed '%s'", label);
    if (errno != EWOULDBLOCK)
        return ml_error_errno(err, 0, errno, "cannot lock the directory of '%s'", label);
    ml_error_set(err, ML_BUSY, NULL, "another modload is changing '%s'", label);
    return ml_error_hint(err, "try again, or wait longer: --wait 60s");
}

static bool is_temp(const char *name)
{
    size_t n = sizeof TEMP_PREFIX - 1;
    return strncmp(name, TEMP_PREFIX, n) == 0 && strlen(name) == n + 16 &&
           strspn(name + n, "0123456789abcdef") == 16;
}

/* What cannot be removed now is swept later. */
static void sweep(int dirfd)
{
    int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    AUTO_CLOSEDIR DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    struct dirent *e;
    if (dir == NULL && fd >= 0)
        close(fd);
    while (dir != NULL && (e = readdir(dir)) != NULL)
        if (is_temp(e->d_name))
            unlinkat(dirfd, e->d_name, 0);
}

static int replace(int dirfd, const struct buf *text)
{
    char temp[TEMP_SIZE];
    fs_random_name(temp, sizeof temp, TEMP_PREFIX);
    if (fs_write_new(dirfd, temp, buf_text(text), text->len, 0666) < 0)
        return -1;
    if (renameat(dirfd, temp, dirfd, LOCK_FILE) == 0)
        return fs_sync_dir(dirfd, ".");
    int saved = errno;
    unlinkat(dirfd, temp, 0);
    errno = saved;
    return -1;
}

int lock_save(int dirfd, const char *label, const struct lock *lock, const char *old,
              struct ml_error *err)
{
    BUF_AUTO text = BUF_INIT;
    lock_write(&text, lock);
    if (text.failed)
        return ml_error_memory(err);
    if (old != NULL && strcmp(old, buf_text(&text)) == 0)
        return 0;
    sweep(dirfd);
    if (replace(dirfd, &text) < 0)
        return ml_error_errno(err, ML_CANT_CREATE, errno, "cannot write '%s'", label);
    return 1;
}

int lock_put_back(int dirfd, const char *label, const struct buf *old, struct ml_error *err)
{
    int status = old != NULL                          ? replace(dirfd, old)
                 : unlinkat(dirfd, LOCK_FILE, 0) == 0 ? fs_sync_dir(dirfd, ".")
                                                      : -1;
    if (status < 0)
        return ml_error_errno(err, ML_CANT_CREATE, errno, "cannot write '%s'", label);
    return 0;
}

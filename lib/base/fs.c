/* Files beneath a directory handle. A path string can be made to mean something else between two
 * looks at it (CVE-2025-46415 and its siblings were that); a handle cannot, so whoever calls holds
 * one, and links at the end of a path are not followed where something is made, changed or
 * removed. */
#include "base/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/scope.h"

/* write(2) may take less than it is given: on a pipe, on a full disk, and above 0x7ffff000 bytes
 * always. */
int fs_write_all(int fd, const void *data, size_t n)
{
    const char *p = data;
    while (n > 0) {
        ssize_t done = write(fd, p, n);
        if (done < 0 && errno == EAGAIN) {
            /* Somebody who shares the pipe or terminal made it non-blocking: that is no error. */
            struct pollfd room = {.fd = fd, .events = POLLOUT};
            poll(&room, 1, -1);
            continue;
        }
        if (done < 0 && errno != EINTR)
            return -1;
        if (done > 0) {
            p += done;
            n -= (size_t)done;
        }
    }
    return 0;
}

int fs_sync(int fd)
{
    int status;
    do
        status = fsync(fd);
    while (status < 0 && errno == EINTR);
    return status;
}

int fs_close(int fd)
{
    return close(fd) < 0 && errno != EINTR ? -1 : 0;
}

/* Reads on until there is nothing left instead of trusting st_size, which is 0 for all of /proc and
 * may be outdated for a file that grows. At most one block more than `max` is held when it gives
 * up. */
int fs_read_all(int fd, struct buf *out, size_t max)
{
    size_t total = 0;
    for (;;) {
        if (!buf_reserve(out, 65536)) {
            errno = ENOMEM;
            return -1;
        }
        ssize_t n = read(fd, out->data + out->len, out->cap - out->len - 1);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        out->len += (size_t)n;
        out->data[out->len] = '\0';
        total += (size_t)n;
        if (n == 0)
            return 0;
        if (total > max) {
            errno = EFBIG;
            return -1;
        }
    }
}

/* O_NONBLOCK, or an open of a FIFO would wait for a writer that never comes; O_NOCTTY, or a
 * terminal could become ours. Neither means anything for a regular file. */
int fs_read_file(int dirfd, const char *path, struct buf *out, size_t max)
{
    AUTO_CLOSE int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0)
        return -1;
    if (!S_ISREG(st.st_mode)) {
        errno = EINVAL;
        return -1;
    }
    return fs_read_all(fd, out, max);
}

/* The error of close(2) counts: on NFS, and with a quota, that is where a write fails at last.
 * After a failed fsync nothing is tried again: a second one would succeed without the data being
 * there (Rebello et al., "Can Applications Recover from fsync Failures?", USENIX ATC 2020). */
int fs_write_new(int dirfd, const char *path, const void *data, size_t n, mode_t mode)
{
    AUTO_CLOSE int fd =
        openat(dirfd, path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
    if (fd < 0)
        return -1;
    if (fs_write_all(fd, data, n) < 0 || fs_sync(fd) < 0)
        goto fail;
    if (fs_close(steal_fd(&fd)) == 0)
        return 0;
fail:;
    int saved = errno;
    unlinkat(dirfd, path, 0);
    errno = saved;
    return -1;
}

/* Moves `temp` over `path` for good; on failure nothing of it remains. rename(2) is atomic for
 * those who look, but is on the disk only when the directory is. */
static int replace_finish(int dirfd, const char *temp, const char *path)
{
    if (renameat(dirfd, temp, dirfd, path) < 0) {
        int saved = errno;
        unlinkat(dirfd, temp, 0);
        errno = saved;
        return -1;
    }
    char parent[PATH_MAX];
    const char *slash = strrchr(path, '/');
    snprintf(parent, sizeof parent, "%.*s", slash ? (int)(slash - path) : 1, slash ? path : ".");
    return fs_sync_dir(dirfd, parent);
}

/* Names in a temporary directory come from nowhere but the random numbers of the kernel: one that
 * is made from its target's would be one that others can make first. */
static void temp_name(const char *temp_dir, char *temp, size_t size)
{
    char name[24];
    fs_random_name(name, sizeof name, "");
    snprintf(temp, size, "%s/%s", temp_dir, name);
}

int fs_replace_file(int dirfd, const char *temp_dir, const char *path, const void *data, size_t n,
                    mode_t mode)
{
    char temp[PATH_MAX];
    temp_name(temp_dir, temp, sizeof temp);
    if (fs_write_new(dirfd, temp, data, n, mode) < 0)
        return -1;
    return replace_finish(dirfd, temp, path);
}

int fs_replace_link(int dirfd, const char *temp_dir, const char *path, const char *target)
{
    char temp[PATH_MAX];
    temp_name(temp_dir, temp, sizeof temp);
    if (symlinkat(target, dirfd, temp) < 0)
        return -1;
    if (renameat(dirfd, temp, dirfd, path) == 0)
        return 0;
    int saved = errno;
    unlinkat(dirfd, temp, 0);
    errno = saved;
    return -1;
}

int fs_mkdir(int dirfd, const char *path, mode_t mode)
{
    if (mkdirat(dirfd, path, mode) == 0)
        return 1;
    return errno == EEXIST ? 0 : -1;
}

/* What is put into it later is durable only if it is. The parent is synced by way of "..", which is
 * it whatever links led here. */
static int mkdir_synced(const char *path, mode_t mode)
{
    int made = fs_mkdir(AT_FDCWD, path, mode);
    if (made <= 0)
        return made;
    AUTO_CLOSE int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? -1 : fs_sync_dir(fd, "..");
}

/* Makes the first missing one and all behind it. Each may be there already, or be made by somebody
 * else meanwhile; what lies at the end is the caller's to check. */
int fs_mkdir_parents(const char *path, mode_t mode)
{
    if (*path == '\0') {
        errno = ENOENT;
        return -1;
    }
    AUTO_FREE char *copy = strdup(path);
    if (copy == NULL)
        return -1;
    for (char *p = copy + 1; *p != '\0'; p++) {
        if (*p != '/')
            continue;
        *p = '\0';
        if (mkdir_synced(copy, mode) < 0)
            return -1;
        *p = '/';
    }
    return mkdir_synced(copy, mode);
}

int fs_sync_dir(int dirfd, const char *path)
{
    AUTO_CLOSE int fd = openat(dirfd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? -1 : fs_sync(fd);
}

/* Takes `fd` over, as fdopendir(3) does. readdir's own error ends the loop as its end does: the
 * rmdir that follows then fails with ENOTEMPTY, which is the truth. */
static int remove_children(int fd)
{
    DIR *dir = fdopendir(fd);
    if (dir == NULL) {
        close(fd);
        return -1;
    }
    int status = 0;
    struct dirent *e;
    while (status == 0 && (e = readdir(dir)) != NULL)
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            status = fs_remove_tree(dirfd(dir), e->d_name);
    int saved = errno;
    closedir(dir);
    errno = saved;
    return status;
}

/* unlinkat first, and the kernel says whether it was a directory: no look that could be outdated.
 * EISDIR is Linux's answer, EPERM that of POSIX. A directory is opened with O_NOFOLLOW, so one that
 * is replaced by a link in between is not walked into. */
int fs_remove_tree(int dirfd, const char *path)
{
    if (unlinkat(dirfd, path, 0) == 0 || errno == ENOENT)
        return 0;
    if (errno != EISDIR && errno != EPERM)
        return -1;
    int fd = openat(dirfd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return -1;
    if (remove_children(fd) < 0)
        return -1;
    return unlinkat(dirfd, path, AT_REMOVEDIR) == 0 || errno == ENOENT ? 0 : -1;
}

/* Up to 256 bytes never come short (getrandom(2)); EINTR only while the pool is not ready yet. */
void fs_random(void *data, size_t n)
{
    while (getrandom(data, n, 0) != (ssize_t)n)
        if (errno != EINTR)
            abort();
}

void fs_random_name(char *name, size_t size, const char *prefix)
{
    uint64_t random;
    fs_random(&random, sizeof random);
    snprintf(name, size, "%s%016llx", prefix, (unsigned long long)random);
}

/* readlink(2) neither adds a NUL nor tells that it cut the target: a full buffer may be either, and
 * is taken for cut. */
ssize_t fs_read_link(int dirfd, const char *path, char *target, size_t size)
{
    ssize_t n = readlinkat(dirfd, path, target, size);
    if (n < 0)
        return -1;
    if ((size_t)n >= size) {
        errno = ENAMETOOLONG;
        return -1;
    }
    target[n] = '\0';
    return n;
}

/* Tries with pauses of 1 to 16 ms: at the start, since most locks are held for one change; never
 * longer, since nothing wakes us. */
int fs_lock(int fd, int64_t wait_ms, int cancel_fd)
{
    struct pollfd cancel = {.fd = cancel_fd, .events = POLLIN};
    int64_t deadline = clock_ms() + wait_ms;
    for (int pause = 1;; pause = pause < 16 ? pause * 2 : 16) {
        if (flock(fd, LOCK_EX | LOCK_NB) == 0)
            return 0;
        if (errno != EWOULDBLOCK && errno != EINTR)
            return -1;
        if (clock_ms() >= deadline) {
            errno = EWOULDBLOCK;
            return -1;
        }
        /* flock has no time limit of its own, and a library sets no timers that raise signals. */
        if (poll(&cancel, 1, pause) > 0) {
            errno = ECANCELED;
            return -1;
        }
    }
}

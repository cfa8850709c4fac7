/* Files, beneath a directory handle. Every descriptor made here is close-on-exec. */
#ifndef BASE_FS_H
#define BASE_FS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "modload/error.h"

/* Writes all of `data`, going on after short writes, EINTR, and EAGAIN. 0, or -1 with errno. */
int fs_write_all(int fd, const void *data, size_t n);

/* fsync(2), which waits again when it was interrupted. 0, or -1 with errno: then it is not known
 * what of the file is on the disk, and a second try would not tell either. */
int fs_sync(int fd);

/* close(2) of a file that was written, whose error may be one of writing. The descriptor is gone in
 * any case (Linux), so that an interruption is no error. 0, or -1 with errno. */
int fs_close(int fd);

/* Reads up to `max` bytes until the end of the file into `out`. 0, or -1 with errno; EFBIG when
 * there is more than `max`. */
int fs_read_all(int fd, struct buf *out, size_t max);

/* The whole of `dirfd`/`path`, which must be a regular file. 0, or -1 with errno (EINVAL when it is
 * another kind of file). Never blocks on a FIFO. */
int fs_read_file(int dirfd, const char *path, struct buf *out, size_t max);

/* Writes a new file, and syncs it to the disk; it must not exist. 0, or -1 with errno. */
int fs_write_new(int dirfd, const char *path, const void *data, size_t n, mode_t mode);

/* Replaces `path` by a file with this content, whole or not at all, durable when it returns: new
 * file, fsync, rename, fsync of the directory. `temp_dir` holds the new file until then: a
 * directory on the same file system, where litter of a killed process does no harm. 0, or -1 with
 * errno. */
int fs_replace_file(int dirfd, const char *temp_dir, const char *path, const void *data, size_t n,
                    mode_t mode);

/* The same for a symbolic link to `target`, but durable only when its directory is synced: a link
 * cannot be synced by itself. */
int fs_replace_link(int dirfd, const char *temp_dir, const char *path, const char *target);

/* Makes a directory unless it is there. 1 when it was made, 0 when it was there, -1 with errno. */
int fs_mkdir(int dirfd, const char *path, mode_t mode);

/* Makes `path` and its missing parents with `mode`, each durable. 0, or -1 with errno. */
int fs_mkdir_parents(const char *path, mode_t mode);

/* fsync of a directory beneath `dirfd` ("." for itself). 0, or -1 with errno. */
int fs_sync_dir(int dirfd, const char *path);

/* Removes `path` and everything in it, following no link. Missing is fine. 0, or -1 with errno. */
int fs_remove_tree(int dirfd, const char *path);

/* `n` random bytes, 256 at most, of the kernel (getrandom(2)). Ends the process by abort(3) where
 * that gives none, which takes a filter of system calls: nobody could go on without. Any thread. */
void fs_random(void *data, size_t n);

/* A name that nobody can guess: `prefix` and 16 random hex digits. `size` >= strlen(prefix) + 17.
 */
void fs_random_name(char *name, size_t size, const char *prefix);

/* Reads a symbolic link into `target`. Its length, or -1 with errno; ENAMETOOLONG if it does not
 * fit. */
ssize_t fs_read_link(int dirfd, const char *path, char *target, size_t size);

/* Takes an exclusive flock on `fd`, trying for at most `wait_ms` milliseconds, or until `cancel_fd`
 * becomes readable (-1: none). 0; -1 with EWOULDBLOCK when somebody else still has it, with
 * ECANCELED when it was cancelled. */
int fs_lock(int fd, int64_t wait_ms, int cancel_fd);

#endif

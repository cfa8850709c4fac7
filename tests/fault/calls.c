/* The table of system calls, and what can be learned of one from outside. Errnos are those that the
 * manual (section 2) or Linux's file systems give for a call that is made rightly: EIO and ENOMEM
 * nearly everywhere, the full disk where something grows, EINTR where a call may sleep. */
#include "calls.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define C CALL_CHANGES
#define R CALL_ROOM

static const struct call_info table[] = {
    {SYS_openat, "openat", ON_AT, CALL_OPENS, {EIO, ENOMEM, EMFILE}},
    {SYS_read, "read", ON_FD, CALL_COUNTS | CALL_RETRIES, {EIO, EINTR}},
    {SYS_pread64, "pread64", ON_FD, CALL_COUNTS | CALL_RETRIES, {EIO, EINTR}},
    {SYS_write, "write", ON_FD, C | R | CALL_COUNTS | CALL_RETRIES, {EIO, ENOSPC, EDQUOT, EINTR}},
    {SYS_pwrite64, "pwrite64", ON_FD, C | R | CALL_COUNTS | CALL_RETRIES, {EIO, ENOSPC, EINTR}},
    {SYS_writev, "writev", ON_FD, C | R | CALL_RETRIES, {EIO, ENOSPC, EDQUOT, EINTR}},
    {SYS_pwritev, "pwritev", ON_FD, C | R | CALL_RETRIES, {EIO, ENOSPC, EDQUOT, EINTR}},
    {SYS_sendfile, "sendfile", ON_FD, C | R | CALL_RETRIES, {EIO, ENOMEM}},
    {SYS_copy_file_range, "copy_file_range", ON_NOTHING, C | R, {EIO, ENOSPC, ENOMEM, EXDEV}},
    {SYS_ftruncate, "ftruncate", ON_FD, C | CALL_RETRIES, {EIO, EINTR}},
    {SYS_fallocate, "fallocate", ON_FD, C | R | CALL_RETRIES, {EIO, ENOSPC, EOPNOTSUPP, EINTR}},
    {SYS_fsync, "fsync", ON_FD, C | R | CALL_RETRIES, {EIO, ENOSPC, EDQUOT, EINTR}},
    {SYS_fdatasync, "fdatasync", ON_FD, C | R | CALL_RETRIES, {EIO, ENOSPC, EDQUOT, EINTR}},
    {SYS_syncfs, "syncfs", ON_FD, C | R, {EIO, ENOSPC, EDQUOT}},
    {SYS_sync, "sync", ON_NOTHING, C, {0}},
    {SYS_fchmod, "fchmod", ON_FD, C, {EIO}},
    {SYS_fchmodat, "fchmodat", ON_AT, C, {EIO, ENOMEM}},
    {SYS_renameat, "renameat", ON_AT, C | R, {EIO, ENOSPC, ENOMEM, EDQUOT}},
    {SYS_renameat2, "renameat2", ON_AT, C | R, {EIO, ENOSPC, ENOMEM, EDQUOT}},
    {SYS_linkat, "linkat", ON_AT, C | R, {EIO, ENOSPC, ENOMEM, EDQUOT}},
    {SYS_symlinkat, "symlinkat", ON_SECOND, C | R, {EIO, ENOSPC, ENOMEM, EDQUOT}},
    {SYS_mkdirat, "mkdirat", ON_AT, C | R, {EIO, ENOSPC, ENOMEM, EDQUOT}},
    {SYS_unlinkat, "unlinkat", ON_AT, C, {EIO, ENOMEM}},
#ifdef SYS_open
    {SYS_open, "open", ON_PATH, CALL_OPENS, {EIO, ENOMEM, EMFILE}},
    {SYS_rename, "rename", ON_PATH, C | R, {EIO, ENOSPC, ENOMEM, EDQUOT}},
    {SYS_link, "link", ON_PATH, C | R, {EIO, ENOSPC, ENOMEM, EDQUOT}},
    {SYS_symlink, "symlink", ON_PATH_TO, C | R, {EIO, ENOSPC, ENOMEM, EDQUOT}},
    {SYS_mkdir, "mkdir", ON_PATH, C | R, {EIO, ENOSPC, ENOMEM, EDQUOT}},
    {SYS_rmdir, "rmdir", ON_PATH, C, {EIO, ENOMEM}},
    {SYS_unlink, "unlink", ON_PATH, C, {EIO, ENOMEM}},
    {SYS_chmod, "chmod", ON_PATH, C, {EIO, ENOMEM}},
    {SYS_readlink, "readlink", ON_PATH, 0, {EIO, ENOMEM}},
    {SYS_access, "access", ON_PATH, 0, {EIO, ENOMEM}},
    {SYS_pipe, "pipe", ON_NOTHING, 0, {EMFILE, ENFILE}},
    {SYS_fork, "fork", ON_NOTHING, 0, {EAGAIN, ENOMEM}},
    {SYS_vfork, "vfork", ON_NOTHING, 0, {EAGAIN, ENOMEM}},
    {SYS_poll, "poll", ON_NOTHING, CALL_RETRIES, {EINTR, ENOMEM}},
#endif
    {SYS_flock, "flock", ON_FD, CALL_LOCKS, {ENOLCK}},
    {SYS_close, "close", ON_FD, CALL_CLOSES | CALL_RETRIES, {EIO, ENOSPC, EDQUOT, EINTR}},
    {SYS_readlinkat, "readlinkat", ON_AT, 0, {EIO, ENOMEM}},
    {SYS_newfstatat, "newfstatat", ON_AT, 0, {EIO, ENOMEM}},
    {SYS_fstat, "fstat", ON_FD, 0, {EIO, ENOMEM}},
    {SYS_statx, "statx", ON_AT, 0, {EIO, ENOMEM}},
    {SYS_faccessat, "faccessat", ON_AT, 0, {EIO, ENOMEM}},
    {SYS_faccessat2, "faccessat2", ON_AT, 0, {EIO, ENOMEM}},
    {SYS_getdents64, "getdents64", ON_FD, 0, {EIO, ENOMEM}},
    {SYS_pipe2, "pipe2", ON_NOTHING, 0, {EMFILE, ENFILE}},
    {SYS_dup3, "dup3", ON_NOTHING, 0, {EMFILE}},
    {SYS_pidfd_open, "pidfd_open", ON_NOTHING, 0, {EMFILE, ENOMEM}},
    {SYS_signalfd4, "signalfd4", ON_NOTHING, 0, {EMFILE, ENOMEM}},
    {SYS_clone, "clone", ON_NOTHING, 0, {EAGAIN, ENOMEM}},
    {SYS_clone3, "clone3", ON_NOTHING, 0, {EAGAIN, ENOMEM}},
    {SYS_execve, "execve", ON_PATH, CALL_EXECS, {EIO, ENOMEM}},
    {SYS_ppoll, "ppoll", ON_NOTHING, CALL_RETRIES, {EINTR, ENOMEM}},
    {SYS_wait4, "wait4", ON_NOTHING, CALL_RETRIES, {EINTR}},
    {SYS_waitid, "waitid", ON_NOTHING, CALL_RETRIES, {EINTR}},
    {SYS_getrandom, "getrandom", ON_NOTHING, CALL_RETRIES, {EINTR}},
    {SYS_socket, "socket", ON_NOTHING, 0, {EMFILE, ENOMEM}},
    {SYS_mmap, "mmap", ON_NOTHING, CALL_MEMORY, {ENOMEM}},
    {SYS_mremap, "mremap", ON_NOTHING, CALL_MEMORY, {ENOMEM}},
    {SYS_brk, "brk", ON_NOTHING, CALL_MEMORY | CALL_BRK, {ENOMEM}},
};
#undef C
#undef R

const struct call_info *call_find(long number)
{
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (table[i].number == number)
            return &table[i];
    return NULL;
}

_Static_assert(sizeof table / sizeof *table <= N_CALLS, "N_CALLS");

int call_index(const struct call_info *info)
{
    return (int)(info - table);
}

const char *call_name(const struct call *call)
{
    return call->info ? call->info->name : "?";
}

int call_open_flags(const struct call *call)
{
    if (call->info == NULL || (call->info->does & CALL_OPENS) == 0)
        return 0;
    return (int)call->arg[call->info->on == ON_AT ? 2 : 1];
}

bool call_changes(const struct call *call)
{
    if (call->info == NULL)
        return false;
    if ((call->info->does & CALL_CHANGES) != 0)
        return true;
    int flags = call_open_flags(call);
    return (flags & O_ACCMODE) != O_RDONLY || (flags & (O_CREAT | O_TRUNC)) != 0;
}

bool call_needs_room(const struct call *call)
{
    if (call->info == NULL)
        return false;
    return (call->info->does & CALL_ROOM) != 0 || (call_open_flags(call) & O_EXCL) != 0;
}

/* ---- what lies in its memory, and where its descriptors lead ---- */

/* By pages: the text may end before one that cannot be read. */
bool call_text(const struct call *call, int arg, char *text, size_t size)
{
    uint64_t at = call->arg[arg];
    size_t done = 0;
    while (done < size) {
        size_t part = 4096 - (at + done) % 4096;
        part = part < size - done ? part : size - done;
        struct iovec here = {text + done, part};
        struct iovec there = {(void *)(uintptr_t)(at + done), part};
        ssize_t n = process_vm_readv(call->pid, &here, 1, &there, 1, 0);
        if (n <= 0)
            return false;
        if (memchr(text + done, '\0', (size_t)n) != NULL)
            return true;
        done += (size_t)n;
    }
    return false;
}

static bool link_path(const char *link, char *path, size_t size)
{
    ssize_t n = readlink(link, path, size);
    if (n < 0 || (size_t)n >= size)
        return false;
    path[n] = '\0';
    return path[0] == '/';
}

bool call_fd_path(const struct call *call, int fd, char *path, size_t size)
{
    char link[64];
    snprintf(link, sizeof link, "/proc/%d/fd/%d", call->pid, fd);
    if (fd == AT_FDCWD)
        snprintf(link, sizeof link, "/proc/%d/cwd", call->pid);
    return link_path(link, path, size);
}

/* Takes out "." and ".." by the letters alone: the registry's own paths have no links in them. */
static void path_clean(char *path)
{
    char *out = path;
    for (const char *p = path; *p != '\0';) {
        size_t n = strcspn(p + 1, "/");
        if (n == 2 && strncmp(p + 1, "..", 2) == 0) {
            while (out > path && *--out != '/')
                continue;
        } else if (n > 0 && !(n == 1 && p[1] == '.')) {
            memmove(out, p, n + 1);
            out += n + 1;
        }
        p += n + 1;
    }
    *out = '\0';
}

/* The directory only matters to a path that is relative. */
static bool path_at(const struct call *call, int dir_arg, int path_arg, char *path, size_t size)
{
    char text[PATH_MAX];
    if (!call_text(call, path_arg, text, sizeof text))
        return false;
    int dir = dir_arg < 0 ? AT_FDCWD : (int)call->arg[dir_arg];
    if (text[0] == '/')
        path[0] = '\0';
    else if (!call_fd_path(call, dir, path, size))
        return false;
    size_t n = strlen(path);
    if ((size_t)snprintf(path + n, size - n, "/%s", text) >= size - n)
        return false;
    path_clean(path);
    return true;
}

bool call_path(const struct call *call, int which, char *path, size_t size)
{
    if (call->info == NULL)
        return false;
    switch (call->info->on) {
    case ON_FD:
        return call_fd_path(call, (int)call->arg[0], path, size);
    case ON_AT:
        return path_at(call, which ? 2 : 0, which ? 3 : 1, path, size);
    case ON_SECOND:
        return path_at(call, 1, 2, path, size);
    case ON_PATH:
        return path_at(call, -1, which, path, size);
    case ON_PATH_TO:
        return path_at(call, -1, 1, path, size);
    default:
        return false;
    }
}

/* ---- errnos ---- */

static const struct {
    int value;
    const char *name;
} errnos[] = {
    {EIO, "EIO"},       {ENOSPC, "ENOSPC"}, {ENOMEM, "ENOMEM"},         {EDQUOT, "EDQUOT"},
    {EINTR, "EINTR"},   {EMFILE, "EMFILE"}, {ENFILE, "ENFILE"},         {EROFS, "EROFS"},
    {EAGAIN, "EAGAIN"}, {EXDEV, "EXDEV"},   {EOPNOTSUPP, "EOPNOTSUPP"}, {ENOLCK, "ENOLCK"},
};

const char *errno_name(int errnum)
{
    for (size_t i = 0; i < sizeof errnos / sizeof *errnos; i++)
        if (errnos[i].value == errnum)
            return errnos[i].name;
    return "?";
}

int errno_value(const char *name)
{
    for (size_t i = 0; i < sizeof errnos / sizeof *errnos; i++)
        if (strcmp(errnos[i].name, name) == 0)
            return errnos[i].value;
    return 0;
}

/* Which process a worker is, whatever it says, and the end of one that cannot be talked to. Its own
 * word for its pid is not to be had, and no file has it; the kernel tells who holds its lock file,
 * or, where it is of a version that did not see to that yet, who has it open. */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/proc.h"
#include "base/scope.h"
#include "client/outcome.h"
#include "client/start.h"

enum {
    END_MS = 2000,      /* between SIGKILL and the end of its last descriptor */
    FAIR_NS = 20000000, /* of a processor: many times what an answer takes */
};

/* Who has a record lock on this byte of a file, by the kernel's own word. 0: nobody; -1: it is not
 * a process's but an open file's (fcntl(2), F_GETLK). */
static pid_t holder_of(int lock_fd, off_t at)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = at, .l_len = 1};
    return fcntl(lock_fd, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK ? lock.l_pid : 0;
}

/* Unlike flock it is not inherited, so it is the worker, or the keeper, itself. */
static pid_t holder(int lock_fd)
{
    return holder_of(lock_fd, LOCK_ALIVE);
}

static int open_lock(struct ml_ctx *ctx, const char *uuid, enum run_file file)
{
    char name[RUN_NAME_SIZE];
    run_file_name(uuid, file, name);
    return openat(ctx->run_fd, name, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
}

/* The number is asked for again once there is a pidfd: a process that still holds the lock is the
 * one that held it before, and so the one that the pidfd stands for. */
int run_holder(struct ml_ctx *ctx, const char *uuid, enum run_file file)
{
    AUTO_CLOSE int lock_fd = open_lock(ctx, uuid, file);
    pid_t pid = lock_fd < 0 ? 0 : holder(lock_fd);
    AUTO_CLOSE int pidfd = pid > 0 ? (int)syscall(SYS_pidfd_open, pid, 0) : -1;
    return pidfd >= 0 && holder(lock_fd) == pid ? steal_fd(&pidfd) : -1;
}

int worker_pidfd(struct ml_ctx *ctx, const char *uuid)
{
    return run_holder(ctx, uuid, RUN_LOCK);
}

int worker_pid(struct ml_ctx *ctx, const char *uuid, pid_t *ret)
{
    AUTO_CLOSE int lock_fd = open_lock(ctx, uuid, RUN_LOCK);
    *ret = lock_fd < 0 ? 0 : holder(lock_fd);
    if (*ret > 0)
        return 1;
    return lock_fd < 0 || flock(lock_fd, LOCK_SH | LOCK_NB) == 0 ? 0 : -1;
}

/* ---- whether it is ready ---- */

/* A lock of an open file that the worker does not inherit, since it is another one than that of the
 * flock: it is there exactly as long as the starter is at it, however that one ends. A process's
 * own lock would be lost as soon as another thread of it closes the file. */
int worker_mark_start(struct ml_ctx *ctx, const char *uuid, struct ml_error *err)
{
    struct flock lock = {
        .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = LOCK_STARTING, .l_len = 1};
    AUTO_CLOSE int fd = open_lock(ctx, uuid, RUN_LOCK);
    if (fd < 0 || fcntl(fd, F_OFD_SETLK, &lock) < 0)
        return ml_error_errno(err, ML_IO, errno, "cannot lock the lock file of %s", uuid);
    return steal_fd(&fd);
}

bool worker_starting(struct ml_ctx *ctx, const char *uuid)
{
    AUTO_CLOSE int fd = open_lock(ctx, uuid, RUN_LOCK);
    return fd >= 0 && holder_of(fd, LOCK_STARTING) == -1;
}

/* ---- whether it can run ---- */

/* Field 1 of schedstat, ns (Documentation/scheduler/sched-stats.rst). It and the state are those of
 * the first thread, which is the one that answers. */
static bool read_share(pid_t pid, struct worker_share *ret)
{
    char path[64];
    unsigned long long ran;
    struct proc_stat stat;
    BUF_AUTO sched = BUF_INIT;
    snprintf(path, sizeof path, "/proc/%d/schedstat", (int)pid);
    if (!proc_stat_read(pid, &stat) || fs_read_file(AT_FDCWD, path, &sched, 256) < 0 ||
        sscanf(buf_text(&sched), "%llu", &ran) != 1)
        return false;
    *ret = (struct worker_share){.ran_ns = ran, .seen_ns = ran, .state = stat.state};
    return true;
}

bool worker_share(struct ml_ctx *ctx, const char *uuid, struct worker_share *ret)
{
    AUTO_CLOSE int lock_fd = open_lock(ctx, uuid, RUN_LOCK);
    pid_t pid = lock_fd < 0 ? 0 : holder(lock_fd);
    return pid > 0 && read_share(pid, ret) && holder(lock_fd) == pid;
}

/* 'R' waits for a processor, 'D' for a page or a disk; and one that sleeps again has run only just
 * now, and may have answered as we gave up. */
bool worker_starves(struct ml_ctx *ctx, const char *uuid, struct worker_share *share)
{
    struct worker_share now;
    if (!worker_share(ctx, uuid, &now) || now.ran_ns - share->ran_ns > FAIR_NS)
        return false;
    bool ran = now.ran_ns != share->seen_ns;
    share->seen_ns = now.ran_ns;
    return now.state == 'R' || now.state == 'D' || (now.state == 'S' && ran);
}

/* ---- of any version ---- */

/* Starters and those who only look have the file open as well: it must be a worker's program. */
static bool is_worker(pid_t pid)
{
    char path[64], program[4096];
    snprintf(path, sizeof path, "/proc/%d/exe", (int)pid);
    ssize_t n = fs_read_link(AT_FDCWD, path, program, sizeof program);
    const char *name = n < 0 ? NULL : strrchr(program, '/');
    return name != NULL && strncmp(name, "/modload-worker", 15) == 0;
}

static bool has_open(pid_t pid, const struct stat *file)
{
    char path[64];
    struct dirent *e;
    struct stat st;
    snprintf(path, sizeof path, "/proc/%d/fd", (int)pid);
    AUTO_CLOSEDIR DIR *dir = opendir(path);
    while (dir != NULL && (e = readdir(dir)) != NULL)
        if (isdigit((unsigned char)e->d_name[0]) && fstatat(dirfd(dir), e->d_name, &st, 0) == 0 &&
            st.st_dev == file->st_dev && st.st_ino == file->st_ino)
            return true;
    return false;
}

/* Kills `pid` if it is a worker that has `file` open. The pidfd first, and a look at whether it has
 * ended last: what was looked at in between was then the process that it stands for, and not
 * another one with its number. */
static void kill_holder(pid_t pid, const struct stat *file)
{
    AUTO_CLOSE int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    struct pollfd ended = {.fd = pidfd, .events = POLLIN};
    if (pidfd < 0 || !is_worker(pid) || !has_open(pid, file) || poll(&ended, 1, 0) != 0)
        return;
    syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
    poll(&ended, 1, END_MS);
}

int worker_end(struct ml_ctx *ctx, const char *uuid, struct ml_error *err)
{
    char name[RUN_NAME_SIZE];
    struct stat file;
    struct dirent *e;
    run_file_name(uuid, RUN_LOCK, name);
    AUTO_CLOSE int lock = openat(ctx->run_fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    AUTO_CLOSEDIR DIR *proc = opendir("/proc");
    if (proc == NULL)
        return ml_error_errno(err, 0, errno, "cannot look for the worker of %s", uuid);
    if (lock < 0 || fstat(lock, &file) < 0)
        return 0; /* it has just gone */
    bool killed = worker_kill(ctx, uuid);
    while (!killed && (e = readdir(proc)) != NULL)
        if (isdigit((unsigned char)e->d_name[0]))
            kill_holder((pid_t)strtol(e->d_name, NULL, 10), &file);
    if (flock(lock, LOCK_SH | LOCK_NB) == 0)
        return 0;
    return ml_error_set(err, ML_BUSY, NULL, "cannot end the worker of %s", uuid);
}

/* Which process a worker is, whatever it says, and the end of one that cannot be talked to. Its own
 * word for its pid is not believed, and no file has it; the kernel tells who holds its lock file,
 * or, where nobody does as a worker should, who has it open. */
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
    END_MS = 2000,   /* between SIGKILL and the end of its last descriptor */
    OTHERS_MS = 100, /* how long others may keep the lock of a worker that has gone */
    PAUSE_MS = 16,   /* between two looks, at most */
    AGAIN_MS = 10,   /* what one that was only just woken needs to sleep again */
    CHILDREN_SIZE = 1 << 16,
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
static int pidfd_of(int lock_fd)
{
    pid_t pid = holder(lock_fd);
    AUTO_CLOSE int pidfd = pid > 0 ? (int)syscall(SYS_pidfd_open, pid, 0) : -1;
    return pidfd >= 0 && holder(lock_fd) == pid ? steal_fd(&pidfd) : -1;
}

int run_holder(struct ml_ctx *ctx, const char *uuid, enum run_file file)
{
    AUTO_CLOSE int lock_fd = open_lock(ctx, uuid, file);
    return lock_fd < 0 ? -1 : pidfd_of(lock_fd);
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

/* Kills the process that holds the record lock. False when there is none. */
static bool kill_holder(int lock_fd)
{
    AUTO_CLOSE int pidfd = pidfd_of(lock_fd);
    struct pollfd ended = {.fd = pidfd, .events = POLLIN};
    int64_t deadline = clock_ms() + END_MS;
    if (pidfd < 0 || syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0) < 0)
        return false;
    while (poll(&ended, 1, clock_poll_timeout(deadline)) < 0 && errno == EINTR)
        continue;
    return true;
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
    if (fd >= 0)
        kill_holder(fd); /* a worker that has let go of the flock is none */
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

/* Fields 1 and 2 of schedstat, ns (Documentation/scheduler/sched-stats.rst), and the state: all of
 * the first thread, which is the one that answers. 'R' waits for a processor, 'D' for a page or a
 * disk. */
static bool add_share(pid_t pid, struct worker_share *sum)
{
    char path[64];
    unsigned long long ran, delay;
    struct proc_stat stat;
    BUF_AUTO sched = BUF_INIT;
    snprintf(path, sizeof path, "/proc/%d/schedstat", (int)pid);
    if (!proc_stat_read(pid, &stat) || fs_read_file(AT_FDCWD, path, &sched, 256) < 0 ||
        sscanf(buf_text(&sched), "%llu %llu", &ran, &delay) != 2)
        return false;
    sum->ran_ns += ran;
    sum->delay_ns += delay;
    sum->waits = sum->waits || stat.state == 'R' || stat.state == 'D';
    return true;
}

/* Its supervisors: what one of them has to end may be more than the machine can do at once. */
static void add_children(pid_t pid, struct worker_share *sum)
{
    char path[96];
    BUF_AUTO children = BUF_INIT;
    snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)pid, (int)pid);
    if (fs_read_file(AT_FDCWD, path, &children, CHILDREN_SIZE) < 0)
        return;
    char *p = children.data, *end;
    for (long child; p != NULL && (child = strtol(p, &end, 10)) > 0; p = end)
        add_share((pid_t)child, sum);
}

bool worker_share(struct ml_ctx *ctx, const char *uuid, struct worker_share *ret)
{
    AUTO_CLOSE int lock_fd = open_lock(ctx, uuid, RUN_LOCK);
    pid_t pid = lock_fd < 0 ? 0 : holder(lock_fd);
    *ret = (struct worker_share){.at_ms = clock_ms()};
    if (pid <= 0 || !add_share(pid, ret))
        return false;
    add_children(pid, ret);
    return holder(lock_fd) == pid;
}

/* A child that has ended in between makes the sum smaller. */
static int64_t grown_ms(uint64_t before_ns, uint64_t now_ns)
{
    return now_ns > before_ns ? (int64_t)((now_ns - before_ns) / 1000000) : 0;
}

/* The kernel counts how long one has waited when it runs at last; one that would run now, and has
 * not, is seen as it is. Twice: our own question, or the end of it, may only just have woken it. */
bool worker_starves(struct ml_ctx *ctx, const char *uuid, struct worker_share *share)
{
    struct worker_share before = *share;
    if (!worker_share(ctx, uuid, share))
        return false;
    int64_t wall_ms = before.at_ms == 0 ? 0 : share->at_ms - before.at_ms;
    if (wall_ms > 0 && grown_ms(before.delay_ns, share->delay_ns) * 2 >= wall_ms)
        return true;
    if (!share->waits || (wall_ms > 0 && grown_ms(before.ran_ns, share->ran_ns) * 2 > wall_ms))
        return false;
    clock_sleep_ms(AGAIN_MS);
    return worker_share(ctx, uuid, share) && share->waits;
}

/* ---- its end ---- */

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
static bool kill_user(pid_t pid, const struct stat *file)
{
    AUTO_CLOSE int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    struct pollfd ended = {.fd = pidfd, .events = POLLIN};
    if (pidfd < 0 || !is_worker(pid) || !has_open(pid, file) || poll(&ended, 1, 0) != 0)
        return false;
    syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
    poll(&ended, 1, END_MS);
    return true;
}

/* Who keeps the flock without the record lock: a worker of a version that had none, one whose
 * plugin has dropped it, or what a plugin has forked in its worker. */
static bool kill_users(int lock_fd)
{
    struct stat file;
    struct dirent *e;
    bool killed = false;
    AUTO_CLOSEDIR DIR *proc = opendir("/proc");
    if (proc == NULL || fstat(lock_fd, &file) < 0)
        return false;
    while ((e = readdir(proc)) != NULL)
        if (isdigit((unsigned char)e->d_name[0]))
            killed = kill_user((pid_t)strtol(e->d_name, NULL, 10), &file) || killed;
    return killed;
}

static bool is_held(int lock_fd)
{
    if (holder(lock_fd) != 0 || flock(lock_fd, LOCK_SH | LOCK_NB) < 0)
        return true;
    flock(lock_fd, LOCK_UN);
    return false;
}

/* Others may have the flock for a moment: who looks whether there is a worker, and the next worker
 * in the place of one that has just gone. So the long way is taken when it stays. */
int worker_end_at(int lock_fd, int64_t patience_ms, const char *uuid, struct ml_error *err)
{
    int64_t begun = clock_ms();
    int ended = 0;
    for (int pause = 1; is_held(lock_fd); pause = pause < PAUSE_MS ? pause * 2 : PAUSE_MS) {
        int64_t passed = clock_ms() - begun - patience_ms;
        if (passed >= END_MS)
            return ml_error_set(err, ML_BUSY, NULL, "cannot end the worker of %s", uuid);
        if ((passed >= 0 && kill_holder(lock_fd)) || (passed >= OTHERS_MS && kill_users(lock_fd)))
            ended = 1;
        else
            clock_sleep_ms(pause);
    }
    return ended;
}

int worker_lock_file(struct ml_ctx *ctx, const char *uuid)
{
    return open_lock(ctx, uuid, RUN_LOCK);
}

int worker_end(struct ml_ctx *ctx, const char *uuid, struct ml_error *err)
{
    AUTO_CLOSE int lock_fd = open_lock(ctx, uuid, RUN_LOCK);
    return lock_fd < 0 ? 0 : worker_end_at(lock_fd, 0, uuid, err);
}

/* A worker of this directory whose lock file has no name any more. proc(5) tells so by the link of
 * its descriptor. */
static bool is_lost(pid_t pid, const struct stat *run_dir)
{
    static const char ending[] = ".lock (deleted)";
    char path[64], file[4096];
    struct dirent *e;
    if (!is_worker(pid) || !has_open(pid, run_dir))
        return false;
    snprintf(path, sizeof path, "/proc/%d/fd", (int)pid);
    AUTO_CLOSEDIR DIR *dir = opendir(path);
    while (dir != NULL && (e = readdir(dir)) != NULL) {
        ssize_t n = fs_read_link(dirfd(dir), e->d_name, file, sizeof file);
        if (n > (ssize_t)sizeof ending &&
            strcmp(file + n - (ssize_t)(sizeof ending - 1), ending) == 0)
            return true;
    }
    return false;
}

int ml_release_lost(struct ml_ctx *ctx, struct ml_error *err)
{
    struct stat run_dir;
    struct dirent *e;
    int n = 0, there = ctx_runtime(ctx, false, err);
    if (there <= 0)
        return there;
    AUTO_CLOSEDIR DIR *proc = opendir("/proc");
    if (proc == NULL || fstat(ctx->run_fd, &run_dir) < 0)
        return ml_error_errno(err, 0, errno, "cannot look for workers");
    while ((e = readdir(proc)) != NULL) {
        pid_t pid = isdigit((unsigned char)e->d_name[0]) ? (pid_t)strtol(e->d_name, NULL, 10) : 0;
        n += pid > 0 && is_lost(pid, &run_dir) && kill_user(pid, &run_dir);
    }
    return n;
}

bool worker_alive(struct ml_ctx *ctx, const char *uuid)
{
    AUTO_CLOSE int lock_fd = open_lock(ctx, uuid, RUN_LOCK);
    for (int pause = 1; lock_fd >= 0 && is_held(lock_fd); pause *= 2) {
        if (holder(lock_fd) > 0 || pause > PAUSE_MS)
            return true;
        clock_sleep_ms(pause);
    }
    return false;
}

/* Programs as children. Two processes are forked for each: the program, which leads a group of its
 * own, and a guard in the same group, which waits for our death and kills it. PR_SET_PDEATHSIG
 * alone would not do: it is cleared by fork, so it reaches the program and none of what that has
 * started. */
#include "base/child.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/scope.h"
#include "base/sys.h"

extern char **environ;

/* access(2) asks with the real uid, which is the effective one here: modload is never setuid. */
static bool is_program(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

int child_find_program(const char *name, char *path, size_t size)
{
    if (strchr(name, '/') != NULL)
        return snprintf(path, size, "%s", name) < (int)size ? 0 : (errno = ENAMETOOLONG, -1);
    const char *dirs = getenv("PATH");
    if (dirs == NULL)
        dirs = "/usr/local/bin:/usr/bin:/bin";
    for (const char *dir = dirs; *dir != '\0' && *name != '\0';) {
        int len = (int)strcspn(dir, ":");
        /* A relative directory would mean whatever happens to lie where the user stands. */
        if (*dir == '/' && snprintf(path, size, "%.*s/%s", len, dir, name) < (int)size &&
            is_program(path))
            return 0;
        dir += len + (dir[len] == ':');
    }
    errno = ENOENT;
    return -1;
}

/* ---- in the child: async-signal-safe calls only, since other threads may have held locks ---- */

/* Soft and hard: what a plugin's build starts cannot raise it again. */
static void limit(int resource, uint64_t value)
{
    struct rlimit lim = {value, value};
    setrlimit(resource, &lim);
}

/* Puts the three descriptors in place. They are moved out of the way first: one of them may itself
 * be a number below 3 that belongs elsewhere. */
static int child_stdio(const int stdio[3])
{
    int fds[3];
    for (int i = 0; i < 3; i++) {
        fds[i] = stdio[i] >= 0 ? fcntl(stdio[i], F_DUPFD_CLOEXEC, 3)
                               : open("/dev/null", i == 0 ? O_RDONLY : O_WRONLY);
        if (fds[i] >= 0 && fds[i] < 3)
            fds[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, 3);
        if (fds[i] < 0)
            return -1;
    }
    for (int i = 0; i < 3; i++)
        if (dup2(fds[i], i) < 0)
            return -1;
    return 0;
}

/* Handlers are reset by exec, what is ignored is not: a build under nohup, or of a caller that
 * ignores SIGPIPE, would behave otherwise than one by hand. SIGKILL and SIGSTOP refuse, and so do
 * those that the C library keeps for itself (32 and on), and that is fine. */
static void child_signals(void)
{
    sigset_t none;
    sigemptyset(&none);
    for (int i = 1; i < NSIG; i++)
        signal(i, SIG_DFL);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Negative in the report: that which confines the program has failed, not the program. */
static _Noreturn void child_report(int report, int errnum)
{
    while (write(report, &errnum, sizeof errnum) < 0 && errno == EINTR)
        continue;
    _exit(127);
}

/* Whatever fails before the program runs is told to the parent by its errno. The group first: until
 * then a signal from the terminal would reach both. The descriptors that are left, our caller's own
 * too, are closed by exec, which CLOEXEC on all of them does without a loop. It does not go on
 * before it has a guard: what it starts would outlive us. */
static _Noreturn void child_run(const struct child_spec *spec, const char *path, pid_t parent,
                                int report, const int go[2])
{
    char byte;
    report = fcntl(report, F_DUPFD_CLOEXEC, 3); /* out of the way of child_stdio() */
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) /* it died before the line above took effect */
        _exit(127);
    close(go[1]); /* so that our parent's death is an end of file */
    if (TEMP_FAILURE_RETRY(read(go[0], &byte, 1)) != 1)
        _exit(127);
    child_signals();
    limit(RLIMIT_CORE, 0);
    if (spec->max_file_size > 0)
        limit(RLIMIT_FSIZE, spec->max_file_size);
    if ((spec->cwd_fd < 0 || fchdir(spec->cwd_fd) == 0) && child_stdio(spec->stdio) == 0) {
        sys_close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);
        if (spec->before != NULL && spec->before(spec->before_arg) < 0)
            child_report(report, -errno);
        if (spec->body == NULL)
            execve(path, (char *const *)spec->argv, spec->env ? (char *const *)spec->env : environ);
        else if (sys_close_range(3, ~0U, 0) == 0)
            _exit(spec->body(spec->body_arg));
    }
    child_report(report, errno);
}

/* Only the lifeline stays open here: any other descriptor would keep somebody's pipe or lock alive.
 * All signals are blocked: Ctrl-C at the terminal must not end the guard before the group. The end
 * of the lifeline is our death, or child_close(). That it kills its own group only when it is in it
 * covers a setpgid that failed, where the group would be ours. */
static _Noreturn void guard_run(pid_t group, int lifeline)
{
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    setpgid(0, group);
    if (dup2(lifeline, 0) < 0)
        _exit(127);
    sys_close_range(1, ~0U, 0);
    char byte;
    while (read(0, &byte, 1) < 0 && errno == EINTR)
        continue;
    if (getpgrp() == group)
        kill(0, SIGKILL);
    _exit(127);
}

/* ---- in the parent ---- */

static void child_close(struct child *child)
{
    scope_close(&child->pidfd);
    scope_close(&child->lifeline);
    *child = (struct child)CHILD_INIT;
}

static void reap(pid_t pid, int *status)
{
    while (waitpid(pid, status, 0) < 0 && errno == EINTR)
        continue;
}

/* Until the program is reaped its number, and with it the group's, is nobody else's. So the kill
 * comes before the wait. The program is named on its own as well: it may have left its group. */
static int child_reap(struct child *child)
{
    int status = 0;
    kill(-child->pid, SIGKILL);
    kill(child->pid, SIGKILL);
    if (child->guard > 0) {
        kill(child->guard, SIGKILL); /* it may not have joined the group yet */
        reap(child->guard, NULL);
    }
    reap(child->pid, &status);
    child_close(child);
    return status;
}

void child_kill(struct child *child)
{
    if (child->pid > 0)
        child_reap(child);
    child_close(child);
}

/* Forks the program and its guard. -1 with errno. The guard comes second, since it needs the group;
 * until then the program has not begun, and dies with us. What was started by the time of a failure
 * is the caller's to kill. */
static int child_fork(const struct child_spec *spec, const char *path, int report, int lifeline,
                      struct child *child)
{
    pid_t self = getpid();
    int go[2];
    if (pipe2(go, O_CLOEXEC) < 0)
        return -1;
    AUTO_CLOSE int go_in = go[0], go_out = go[1];
    child->pid = fork();
    if (child->pid == 0)
        child_run(spec, path, self, report, (int[]){go_in, go_out});
    if (child->pid < 0) {
        child->pid = 0;
        return -1;
    }
    setpgid(child->pid, child->pid); /* both sides do: whoever comes first */
    child->cancel_fd = spec->cancel_fd;
    child->pidfd = (int)syscall(SYS_pidfd_open, child->pid, 0u);
    if (child->pidfd < 0)
        return -1;
    child->guard = fork();
    if (child->guard == 0)
        guard_run(child->pid, lifeline);
    return child->guard < 0 || TEMP_FAILURE_RETRY(write(go_out, "", 1)) < 0 ? -1 : 0;
}

/* What exec reported: 0 when it went well and the pipe was closed by it. */
static int exec_errno(int report)
{
    int errnum = 0;
    ssize_t n;
    do
        n = read(report, &errnum, sizeof errnum);
    while (n < 0 && errno == EINTR);
    return n == (ssize_t)sizeof errnum ? errnum : 0;
}

/* The report pipe is closed by a successful exec, or before a function runs, so an empty one means
 * success. */
int child_start(const struct child_spec *spec, struct child *ret, struct ml_error *err)
{
    char path[PATH_MAX];
    const char *name = spec->body ? "a copy of this program" : spec->argv[0];
    if (spec->body == NULL && child_find_program(name, path, sizeof path) < 0)
        return ml_error_errno(err, 0, errno, "cannot run '%s'", name);
    int report[2], line[2];
    if (pipe2(report, O_CLOEXEC) < 0)
        return ml_error_errno(err, ML_LIMIT, errno, "cannot make a pipe");
    AUTO_CLOSE int report_in = report[0], report_out = report[1];
    if (pipe2(line, O_CLOEXEC) < 0)
        return ml_error_errno(err, ML_LIMIT, errno, "cannot make a pipe");
    AUTO_CLOSE int line_in = line[0];
    CHILD_AUTO child = CHILD_INIT;
    child.lifeline = line[1];
    if (child_fork(spec, path, report_out, line_in, &child) < 0)
        return ml_error_errno(err, ML_LIMIT, errno, "cannot start '%s'", name);
    close(steal_fd(&report_out));
    int errnum = exec_errno(report_in);
    if (errnum < 0) {
        errno = -errnum;
        return ml_error_set(err, ML_LIMIT, "not_confined", "cannot confine '%s': %m", name);
    }
    if (errnum != 0)
        return ml_error_errno(err, 0, errnum, "cannot run '%s'", name);
    *ret = child;
    child = (struct child)CHILD_INIT;
    return 0;
}

/* The pidfd becomes readable when the program ends; the zombie that it leaves keeps its number from
 * being reused until the group is killed. */
int child_wait(struct child *child, int64_t deadline_ms, struct child_end *ret,
               struct ml_error *err)
{
    struct pollfd p[2] = {{.fd = child->pidfd, .events = POLLIN},
                          {.fd = child->cancel_fd, .events = POLLIN}};
    int n;
    do
        n = poll(p, 2, clock_poll_timeout(deadline_ms));
    while (n < 0 && errno == EINTR);
    if (n < 0) {
        int errnum = errno;
        child_kill(child);
        return ml_error_errno(err, 0, errnum, "cannot wait for a program");
    }
    if (p[0].revents == 0) {
        child_kill(child);
        return ml_error_set(err, ML_TIMEOUT, NULL, "the program did not end in time");
    }
    int status = child_reap(child);
    *ret = (struct child_end){WIFEXITED(status) ? WEXITSTATUS(status) : 0,
                              WIFSIGNALED(status) ? WTERMSIG(status) : 0};
    return 0;
}

/* Waits until there is something to read. 1; 0 when the deadline is here; -1 with errno. When the
 * program itself has ended, whatever it left running is killed, since that may hold the pipe open
 * for ever.
 */
static int capture_poll(const struct child *child, struct pollfd ready[3], int64_t deadline_ms)
{
    for (;;) {
        int n = poll(ready, 3, clock_poll_timeout(deadline_ms));
        if (n < 0 && errno != EINTR)
            return -1;
        if (n == 0 || (n > 0 && ready[2].revents != 0))
            return 0;
        if (n > 0 && ready[1].revents != 0) {
            kill(-child->pid, SIGKILL);
            ready[1].fd = -1;
        }
        if (n > 0 && ready[0].revents != 0)
            return 1;
    }
}

/* Reads until nobody holds the pipe any more. The limit is on what comes, not on what is kept: a
 * program that prints without end is cut off, and killed by the caller's scope. */
static int capture_read(const struct child *child, int fd, int64_t deadline_ms, struct buf *out,
                        size_t max, struct ml_error *err)
{
    struct pollfd ready[3] = {{.fd = fd, .events = POLLIN},
                              {.fd = child->pidfd, .events = POLLIN},
                              {.fd = child->cancel_fd, .events = POLLIN}};
    char block[16384];
    int more;
    for (size_t total = 0; (more = capture_poll(child, ready, deadline_ms)) > 0;) {
        ssize_t got = read(fd, block, sizeof block);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return ml_error_errno(err, ML_IO, errno, "cannot read a program's output");
        if (got == 0)
            return out->failed ? ml_error_memory(err) : 0;
        total += (size_t)got;
        if (total > max)
            return ml_error_set(err, ML_LIMIT, NULL, "a program wrote more than %zu bytes", max);
        buf_add(out, block, (size_t)got);
    }
    if (more < 0)
        return ml_error_errno(err, 0, errno, "cannot wait for a program");
    return ml_error_set(err, ML_TIMEOUT, NULL, "the program did not end in time");
}

int child_capture(const struct child_spec *spec, int64_t deadline_ms, struct buf *out, size_t max,
                  struct child_end *ret, struct ml_error *err)
{
    int fds[2];
    if (pipe2(fds, O_CLOEXEC) < 0)
        return ml_error_errno(err, ML_LIMIT, errno, "cannot make a pipe");
    AUTO_CLOSE int in = fds[0], out_end = fds[1];
    struct child_spec piped = *spec;
    piped.stdio[1] = out_end;
    CHILD_AUTO child = CHILD_INIT;
    if (child_start(&piped, &child, err) < 0)
        return -1;
    close(steal_fd(&out_end));
    if (capture_read(&child, in, deadline_ms, out, max, err) < 0)
        return -1;
    return child_wait(&child, deadline_ms, ret, err);
}

const char *child_end_text(const struct child_end *end, char *text, size_t size)
{
    if (end->signal != 0)
        snprintf(text, size, "was killed by signal %d (%s)", end->signal, strsignal(end->signal));
    else
        snprintf(text, size, "exited with status %d", end->code);
    return text;
}

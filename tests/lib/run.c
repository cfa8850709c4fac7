/* Running programs. SIGCHLD stays blocked and is waited for, which gives every wait a limit of time
 * without a handler. */
#include "run.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "report.h"

/* A command under test takes milliseconds, a compiler a tenth of a second: what takes this long
 * hangs. What was killed needs no time but the kernel's. */
enum { RUN_LIMIT_MS = 30000, SETTLE_LIMIT_MS = 10000, OUTPUT_MAX = 1 << 20 };

static int output[2] = {-1, -1}; /* where programs write 1 and 2 */

void ended_free(struct ended *e)
{
    buf_free(&e->out);
    buf_free(&e->err);
}

const char *ended_text(const struct ended *e, char text[64])
{
    if (e->hung)
        snprintf(text, 64, "did not end");
    else if (e->signal)
        snprintf(text, 64, "died of signal %d", e->signal);
    else
        snprintf(text, 64, "exited with %d", e->code);
    return text;
}

void run_init(void)
{
    sigset_t chld;
    sigemptyset(&chld);
    sigaddset(&chld, SIGCHLD);
    sigprocmask(SIG_BLOCK, &chld, NULL);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
}

/* New files each time: what an earlier command has left, a call whose caller was killed, may write
 * to those that it was given for some time yet. */
static void make_output(void)
{
    for (int i = 0; i < 2; i++) {
        if (output[i] >= 0)
            close(output[i]);
        output[i] = memfd_create("output", MFD_CLOEXEC);
        if (output[i] < 0)
            give_up("cannot make a file for output: %s", strerror(errno));
    }
}

/* ---- in the child ---- */

/* From above the three: none of them may hit one that is still to be moved. */
static void child_stdio(const int given[3])
{
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    const int usual[3] = {null, output[0], output[1]};
    int high[3];
    for (int i = 0; i < 3; i++)
        if ((high[i] = fcntl(given[i] >= 0 ? given[i] : usual[i], F_DUPFD_CLOEXEC, 3)) < 0)
            _exit(126);
    for (int i = 0; i < 3; i++)
        if (dup2(high[i], i) < 0)
            _exit(126);
}

static _Noreturn void child_start(const char *const *argv, const struct run_how *how)
{
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    child_stdio(how->stdio);
    if (how->preload != NULL)
        setenv("LD_PRELOAD", how->preload, 1);
    if (how->traced && ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
        _exit(126);
    if (how->traced)
        raise(SIGSTOP);
    execv(argv[0], (char *const *)argv);
    _exit(126);
}

/* ---- in the parent ---- */

pid_t run_start(const char *const *argv, const struct run_how *how)
{
    make_output();
    pid_t pid = fork();
    if (pid < 0)
        give_up("cannot fork: %s", strerror(errno));
    if (pid == 0)
        child_start(argv, how);
    return pid;
}

static void wait_for_child_signal(int64_t deadline_ms)
{
    sigset_t chld;
    sigemptyset(&chld);
    sigaddset(&chld, SIGCHLD);
    int64_t left = deadline_ms - clock_ms();
    left = left > 0 ? left : 0;
    const struct timespec limit = {left / 1000, left % 1000 * 1000000};
    sigtimedwait(&chld, NULL, &limit);
}

int64_t run_deadline(void)
{
    return clock_ms() + RUN_LIMIT_MS;
}

/* The signal may be an old one, or stand for several: so each turn looks first. */
bool run_wait(pid_t pid, int *status, int64_t deadline_ms)
{
    for (;;) {
        pid_t got = waitpid(pid, status, WNOHANG);
        if (got > 0)
            return true;
        if (got < 0 && errno != EINTR)
            give_up("cannot wait for process %d: %s", (int)pid, strerror(errno));
        if (clock_ms() >= deadline_ms)
            return false;
        wait_for_child_signal(deadline_ms);
    }
}

static void output_read(int fd, struct buf *ret)
{
    lseek(fd, 0, SEEK_SET);
    buf_reset(ret);
    if (fs_read_all(fd, ret, OUTPUT_MAX) < 0)
        give_up("cannot read the output: %s", strerror(errno));
}

void run_collect(int status, struct ended *ret)
{
    ret->code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    ret->signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    ret->hung = false;
    output_read(output[0], &ret->out);
    output_read(output[1], &ret->err);
}

/* Children that are still running, among them those whose parent died. How many were killed. */
static int kill_children(void)
{
    char path[64], *end;
    BUF_AUTO text = BUF_INIT;
    int n = 0;
    snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
    if (fs_read_file(AT_FDCWD, path, &text, 1 << 16) < 0)
        return 0;
    for (const char *p = buf_text(&text); *p != '\0'; p = *end ? end + 1 : end) {
        pid_t pid = (pid_t)strtol(p, &end, 10);
        if (end == p)
            break;
        kill(pid, SIGKILL);
        n++;
    }
    return n;
}

int run_settle(void)
{
    int64_t deadline = clock_ms() + SETTLE_LIMIT_MS;
    for (int killed = 0;;) {
        pid_t pid = waitpid(-1, NULL, WNOHANG | __WALL);
        if (pid < 0 && errno == ECHILD)
            return killed;
        if (pid == 0 && clock_ms() >= deadline)
            killed += kill_children();
        if (pid == 0)
            wait_for_child_signal(killed ? clock_ms() + 100 : deadline);
    }
}

int run_as(const char *const *argv, const struct run_how *how, struct ended *ret)
{
    int status;
    pid_t pid = run_start(argv, how);
    int64_t deadline = how->limit_ms > 0 ? clock_ms() + how->limit_ms : run_deadline();
    bool in_time = run_wait(pid, &status, deadline);
    if (!in_time) {
        kill(pid, SIGKILL);
        run_wait(pid, &status, run_deadline());
    }
    run_collect(status, ret);
    ret->hung = !in_time;
    return ret->code == 0 ? 0 : -1;
}

int run(const char *const *argv, struct ended *ret)
{
    const struct run_how plain = RUN_PLAIN;
    return run_as(argv, &plain, ret);
}

/* A process of its own, so that a client that does not read holds up the output and nothing else:
 * the supervisor must not wait for anybody. */
#include "worker/pump.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"

/* What it tells by its exit status. */
enum { DRY = 0, OVER = 1 };

enum { BLOCK = 1 << 16, ABOVE = 16 }; /* descriptors are moved there, out of each other's way */

/* One turn of what is ready. -1 when there is more than `*left`. What is within it is written. */
static int copy(int *from, int to, uint64_t *left)
{
    char block[BLOCK];
    ssize_t n = read(*from, block, sizeof block);
    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return 0;
    size_t take = n <= 0 ? 0 : (uint64_t)n < *left ? (size_t)n : (size_t)*left;
    if (n <= 0 || fs_write_all(to, block, take) < 0) {
        close(*from);
        *from = -1;
    }
    *left -= take;
    return n > 0 && (size_t)n > take ? -1 : 0;
}

static int run(int from[2], const int to[2], uint64_t limit)
{
    while (from[0] >= 0 || from[1] >= 0) {
        struct pollfd p[2] = {{.fd = from[0], .events = POLLIN}, {.fd = from[1], .events = POLLIN}};
        if (poll(p, 2, -1) < 0)
            continue; /* EINTR */
        for (int i = 0; i < 2; i++)
            if (p[i].revents != 0 && copy(&from[i], to[i], &limit) < 0)
                return OVER;
    }
    return DRY;
}

/* Keeps four descriptors and none besides: the client's connection is closed when it is closed by
 * the supervisor. getppid again, since a parent that died before the prctl sends no signal. */
static _Noreturn void become_pump(pid_t parent, const int from[2], const int to[2], uint64_t limit)
{
    int fds[4] = {from[0], from[1], to[0], to[1]};
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(DRY);
    signal(SIGPIPE, SIG_IGN);
    for (int i = 0; i < 4; i++)
        if ((fds[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, ABOVE)) < 0)
            _exit(DRY);
    for (int i = 0; i < 4; i++)
        if (dup2(fds[i], i) < 0)
            _exit(DRY);
    close_range(4, ~0U, 0);
    _exit(run((int[]){0, 1}, (int[]){2, 3}, limit));
}

int pump_start(struct pump *pump, const int from[2], const int to[2], uint64_t limit)
{
    pid_t self = getpid();
    *pump = (struct pump)PUMP_INIT;
    pid_t pid = fork();
    if (pid == 0)
        become_pump(self, from, to, limit);
    if (pid < 0)
        return -1;
    pump->pid = pid;
    pump->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (pump->pidfd >= 0)
        return 0;
    kill(pid, SIGKILL); /* our child, and not waited for */
    waitpid(pid, NULL, __WALL);
    *pump = (struct pump)PUMP_INIT;
    return -1;
}

void pump_reap(struct pump *pump)
{
    siginfo_t end = {0};
    while (waitid(P_PIDFD, (id_t)pump->pidfd, &end, WEXITED | __WALL) < 0 && errno == EINTR)
        ;
    close(pump->pidfd);
    *pump = (struct pump){0, -1, end.si_code == CLD_EXITED && end.si_status == OVER};
}

void pump_end(struct pump *pump, int patience_ms)
{
    int64_t deadline = clock_ms() + patience_ms;
    struct pollfd p = {.fd = pump->pidfd, .events = POLLIN};
    if (pump->pid == 0)
        return;
    while (poll(&p, 1, clock_poll_timeout(deadline)) < 0)
        ; /* EINTR */
    syscall(SYS_pidfd_send_signal, pump->pidfd, SIGKILL, NULL, 0);
    pump_reap(pump);
}

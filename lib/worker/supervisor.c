/* The supervisor: owns one call from before its client until nothing of it is left. It runs no
 * plugin code after its fork and decides alone: how the call ended is what the kernel says, and
 * what it returned is what lies in the report, checked. While the function runs, the client's
 * connection is open here and nowhere else, so nobody can answer in our place. */
#include "worker/supervisor.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/scope.h"
#include "client/wire.h"
#include "worker/call.h"
#include "worker/tree.h"

enum { ANSWER_MS = 10000 }; /* how long a client may take to fetch its answer */

/* Why a call ended. */
enum ending { ENDED_ITSELF, ENDED_TIMEOUT, ENDED_CANCELLED, ENDED_RELEASED };

struct supervised {
    struct worker_counters *counters;
    struct call_report *report;
    pid_t pid;
    int pidfd;
    int conn; /* the client; -1 until there is one */
    int lifeline;
    uint32_t timeout_ms;
    siginfo_t end;
};

/* ---- making the call process ---- */

/* 64 MiB of address space that cost nothing until they are written to: MAP_NORESERVE, and the
 * kernel gives pages as they are touched. Shared, since it is made before the fork. */
static struct call_report *share_report(void)
{
    void *p = mmap(NULL, sizeof(struct call_report), PROT_READ | PROT_WRITE,
                   MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return p == MAP_FAILED ? NULL : p;
}

/* The call dies with its supervisor; a session of its own keeps its signals to itself, and a
 * terminal that it gets as its input from taking it for a background job. getppid again, since a
 * supervisor that died before the prctl sends no signal (prctl(2)). */
static _Noreturn void become_call(const struct supervisor_setup *setup, struct supervised *s,
                                  pid_t parent, int channel)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(1);
    setsid();
    munmap(setup->counters, sizeof *setup->counters); /* not for a plugin to write to */
    close(setup->lifeline);
    struct call_setup call = {setup->object, s->report, setup->listener, setup->taken, channel};
    call_run(&call);
}

/* Forks the call. The channel to it, or -1. The pidfd is opened while the child cannot have been
 * reaped, so it is the child's. A failure leaves `s->pid` for the caller to kill. */
static int fork_call(const struct supervisor_setup *setup, struct supervised *s)
{
    int pair[2];
    pid_t self = getpid();
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return -1;
    s->pid = fork();
    if (s->pid == 0) {
        close(pair[0]);
        become_call(setup, s, self, pair[1]);
    }
    close(pair[1]);
    close(setup->listener);
    close(setup->taken);
    s->pidfd = s->pid < 0 ? -1 : (int)syscall(SYS_pidfd_open, s->pid, 0);
    return s->pidfd < 0 ? -1 : pair[0];
}

/* ---- seeing it through ---- */

/* Takes the connection and the time limit from the call. -1 when the call ended without one: its
 * end of the channel was closed. */
static int receive_begin(struct supervised *s, int channel)
{
    struct call_begin begin;
    struct iovec iov = {&begin, sizeof begin};
    union {
        struct cmsghdr align;
        char space[CMSG_SPACE(sizeof(int))];
    } control;
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = control.space,
                         .msg_controllen = sizeof control.space};
    if (recvmsg(channel, &msg, MSG_CMSG_CLOEXEC) != (ssize_t)sizeof begin)
        return -1;
    struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
    if (c == NULL || c->cmsg_type != SCM_RIGHTS || c->cmsg_len != CMSG_LEN(sizeof(int)))
        return -1;
    memcpy(&s->conn, CMSG_DATA(c), sizeof s->conn);
    s->timeout_ms = begin.timeout_ms;
    return 0;
}

/* Until the call has a client. -1 when it ended without one, or the worker has gone. No limit: a
 * spare may wait for its client for days. */
static int wait_begin(struct supervised *s, int channel)
{
    struct pollfd p[2] = {{.fd = channel, .events = POLLIN}, {.fd = s->lifeline, .events = POLLIN}};
    while (poll(p, 2, -1) < 0)
        if (errno != EINTR)
            return -1;
    return p[0].revents & POLLIN ? receive_begin(s, channel) : -1;
}

/* The end of the call is looked at first: when several things come at once, a result that is there
 * counts more than the reason for which it would have been thrown away. POLLRDHUP, not POLLIN: what
 * a client sends is of no interest, only that it stopped. */
static enum ending wait_end(struct supervised *s)
{
    int64_t deadline = s->timeout_ms > 0 ? clock_ms() + s->timeout_ms : -1;
    struct pollfd p[3] = {{.fd = s->pidfd, .events = POLLIN},
                          {.fd = s->conn, .events = POLLRDHUP},
                          {.fd = s->lifeline, .events = POLLIN}};
    int n;
    while ((n = poll(p, 3, clock_poll_timeout(deadline))) < 0 && errno == EINTR)
        ;
    if (p[0].revents != 0 && waitid(P_PIDFD, (id_t)s->pidfd, &s->end, WEXITED | __WALL) == 0)
        return ENDED_ITSELF;
    if (n == 0)
        return ENDED_TIMEOUT;
    return p[1].revents != 0 ? ENDED_CANCELLED : ENDED_RELEASED;
}

/* ---- saying how it ended ---- */

/* A call that ended without a report: crashed, or exited under modload. */
static void explain_end(const siginfo_t *end, struct ml_error *err)
{
    if (end->si_code == CLD_EXITED) {
        ml_error_set(err, ML_FAILED, "exited", "it ended its process: exit status %d",
                     end->si_status);
        ml_error_hint(err, "a function must return, or call ml_fail");
    } else {
        ml_error_set(err, ML_SIGNAL + end->si_status, "plugin_error", "it crashed: SIG%s (%s)",
                     sigabbrev_np(end->si_status), strsignal(end->si_status));
    }
    snprintf(err->outcome, sizeof err->outcome, "plugin_error");
}

/* Only for calls that left no report. A timeout is one whatever signal ended it. */
static void explain(enum ending ending, const struct supervised *s, struct ml_error *err)
{
    switch (ending) {
    case ENDED_ITSELF:
        explain_end(&s->end, err);
        return;
    case ENDED_TIMEOUT:
        ml_error_set(err, ML_TIMEOUT, NULL, "took longer than %u ms", s->timeout_ms);
        ml_error_hint(err, "give it more time: -t 30s, or -t 0 for no limit");
        snprintf(err->outcome, sizeof err->outcome, "timeout");
        return;
    case ENDED_CANCELLED:
        ml_error_set(err, ML_SIGNAL + SIGINT, "cancelled", "cancelled");
        snprintf(err->outcome, sizeof err->outcome, "cancelled");
        return;
    case ENDED_RELEASED:
        ml_error_set(err, ML_NOT_LOADED, "worker_gone", "the worker was released during the call");
        snprintf(err->outcome, sizeof err->outcome, "not_loaded");
        return;
    }
}

/* By outcome, which is what the caller was told: a call that was refused before the plugin was
 * entered is "rejected", one whose worker was released "cancelled". */
static void count(struct worker_counters *c, const struct ml_error *err, bool ok)
{
    _Atomic uint64_t *which = ok                                          ? &c->ok
                              : err->status == ML_TIMEOUT                 ? &c->timeouts
                              : strcmp(err->outcome, "cancelled") == 0    ? &c->cancelled
                              : strcmp(err->outcome, "not_loaded") == 0   ? &c->cancelled
                              : strcmp(err->outcome, "plugin_error") != 0 ? &c->rejected
                              : err->status > ML_SIGNAL                   ? &c->crashes
                                                                          : &c->errors;
    atomic_fetch_add(which, 1);
    atomic_fetch_add(&c->calls, 1);
}

/* The report that the call left, looked at before it is passed on: a plugin may have written there.
 * An error of the plugin's own is a good report too: only what is not an OUTCOME at all is thrown
 * away. */
static bool report_usable(const struct call_report *report, struct buf *payload,
                          struct ml_value *value, struct ml_error *err)
{
    if (!atomic_load(&report->done) || report->length > sizeof report->payload)
        return false;
    /* Not the report's memory itself, which whoever outlives the call could still change. */
    buf_add(payload, report->payload, report->length);
    if (payload->failed)
        return false;
    err->status = 0;
    return wire_get_outcome(payload, value, err) == 0 || err->status != ML_PROTOCOL;
}

/* The time limit on sending is for a client that is stopped, or that hangs: it must not keep a
 * supervisor for ever. A client that has gone is no failure of ours. */
static void answer(struct supervised *s, enum ending ending)
{
    BUF_AUTO payload = BUF_INIT;
    struct ml_error err = ML_ERROR_INIT;
    struct ml_value value = {0};
    if (ending != ENDED_ITSELF || !report_usable(s->report, &payload, &value, &err)) {
        buf_reset(&payload);
        explain(ending, s, &err);
        wire_put_error(&payload, &err);
    }
    count(s->counters, &err, err.status == 0);
    ml_value_done(&value);
    struct timeval patience = {ANSWER_MS / 1000, 0};
    setsockopt(s->conn, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    wire_send(s->conn, WIRE_OUTCOME, payload.data, payload.len, NULL, 0); /* if it is still there */
    close(s->conn); /* what tells the client that all is over: exit would get to it last, 80 us
                       later */
}

/* The call itself goes first, so that it cannot start more; then the tree, also when the call
 * returned well, for it may have left processes behind. Only then is there an answer, which so
 * means that nothing is left. */
_Noreturn void supervisor_run(const struct supervisor_setup *setup)
{
    struct supervised s = {.counters = setup->counters,
                           .report = share_report(),
                           .conn = -1,
                           .lifeline = setup->lifeline};
    tree_adopt();
    int channel = s.report ? fork_call(setup, &s) : -1;
    if (channel < 0 || wait_begin(&s, channel) < 0) {
        if (s.pid > 0)
            kill(s.pid, SIGKILL); /* our child, not yet waited for */
        _exit(1);
    }
    enum ending ending = wait_end(&s);
    if (ending != ENDED_ITSELF)
        syscall(SYS_pidfd_send_signal, s.pidfd, SIGKILL, NULL, 0);
    tree_end(NULL, 0);
    answer(&s, ending);
    _exit(0);
}

/* The supervisor: owns one call, or a session's, from before its client until nothing of it is
 * left. It runs no plugin code after its fork and decides alone: how the call ended is what the
 * kernel says, and what it returned is what lies in the report, checked. While the function runs,
 * the client's connection is open here and nowhere else, so nobody can answer in our place. */
#include "worker/supervisor.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/ring.h"
#include "base/scope.h"
#include "base/signal-word.h"
#include "worker/record.h"
#include "worker/tree.h"

enum {
    ANSWER_MS = 10000, /* how long a client may take to fetch its answer */
    LAST_MS = 100,     /* what is left of the output has for its way when the call was ended */
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

/* From here on a supervisor only waits, and what wakes it is its client, or its call, with work of
 * their own left: as SCHED_BATCH (sched(7)) it lets them go on with it rather than take their
 * processor, which costs a short call 6 % of its time. Who gave its worker another policy knows
 * why. */
static void yield_to_clients(struct supervised *s)
{
    const struct sched_param none = {0};
    s->yields =
        sched_getscheduler(0) == SCHED_OTHER && sched_setscheduler(0, SCHED_BATCH, &none) == 0;
}

/* The call dies with its supervisor; a session of its own keeps its signals to itself, and a
 * terminal that it gets as its input from taking it for a background job. getppid again, since a
 * supervisor that died before the prctl sends no signal (prctl(2)). What the plugin must not write
 * to is unmapped. */
static _Noreturn void become_call(struct supervised *s, pid_t parent, supervisor_body body)
{
    const struct sched_param normal = {0};
    sigset_t none;
    sigemptyset(&none);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(1);
    if (s->yields)
        sched_setscheduler(0, SCHED_OTHER, &normal);
    setsid();
    sigaction(SIGCHLD, &s->setup->child_action, NULL);
    sigprocmask(SIG_SETMASK, &none, NULL);
    munmap(s->setup->counters, sizeof *s->setup->counters);
    slot_keep(s->setup->slots, s->setup->slot);
    close(s->setup->lifeline);
    close(s->signals);
    body(s);
}

/* The pidfd is opened while the child cannot have been reaped, so it is the child's. */
int supervisor_fork(struct supervised *s, supervisor_body body)
{
    pid_t self = getpid();
    s->pid = fork();
    if (s->pid == 0)
        become_call(s, self, body);
    s->pidfd = s->pid < 0 ? -1 : (int)syscall(SYS_pidfd_open, s->pid, 0);
    return s->pidfd < 0 ? -1 : 0;
}

static _Noreturn void wait_for_client(struct supervised *s)
{
    close(s->channel);
    call_run(&s->call);
}

/* Forks the call that waits for a client. */
static int fork_spare(struct supervised *s)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return -1;
    s->channel = pair[0];
    s->call.supervisor = pair[1];
    int status = supervisor_fork(s, wait_for_client);
    yield_to_clients(s);
    close(pair[1]);
    close(s->setup->listener);
    return status;
}

/* Until the call has a client. -1 when it ended without one, or the worker has gone. No limit: a
 * spare may wait for its client for days. */
static int wait_begin(struct supervised *s)
{
    struct pollfd p[2] = {{.fd = s->channel, .events = POLLIN},
                          {.fd = s->setup->lifeline, .events = POLLIN}};
    while (poll(p, 2, -1) < 0)
        if (errno != EINTR)
            return -1;
    return p[0].revents & POLLIN ? handover_receive(s->channel, &s->handover, s->fds) : -1;
}

/* ---- ending it ---- */

/* The call itself first, so that it cannot start more; then the tree, also when the call returned
 * well, for it may have left processes behind. */
void supervisor_end_call(struct supervised *s)
{
    syscall(SYS_pidfd_send_signal, s->pidfd, SIGKILL, NULL, 0);
    tree_end(&s->pump.pid, s->pump.pid != 0);
    close(s->pidfd);
    s->pid = 0;
    s->pidfd = -1;
}

/* ---- saying how it ended ---- */

/* What the worker has said before it went away is looked at, and not taken: all its supervisors
 * have this end. */
static bool was_released(int lifeline)
{
    char byte;
    return recv(lifeline, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 1;
}

/* Only for calls that left no report that holds. */
static void explain(enum call_end is, const struct supervised *s, struct ml_error *err)
{
    char word[SIGNAL_WORD];
    int n = s->end.si_status;
    switch (is) {
    case CALL_LATE:
        call_error_set(err, is, 0, "took longer than %u ms", s->timeout_ms);
        ml_error_hint(err, "give it more time: -t 30s, or -t 0 for no limit");
        return;
    case CALL_OVER_LIMIT:
        limits_explain(&s->limits, s->over, err);
        return;
    case CALL_CANCELLED:
        call_error_set(err, is, 0, "cancelled");
        return;
    case CALL_WORKER_GONE:
        call_error_set(err, is, 0, "the worker %s during the call",
                       was_released(s->setup->lifeline) ? "was released" : "died");
        return;
    case CALL_EXITED:
        call_error_set(err, is, 0, "it ended its process: exit status %d", n);
        ml_error_hint(err, "a function must return, or call ml_fail");
        break;
    case CALL_CRASHED:
        call_error_set(err, is, n, "it crashed: %s (%s)", signal_word(n, word), strsignal(n));
        break;
    default:
        call_error_set(err, CALL_BAD_REPORT, 0, "it left an outcome that is none");
        ml_error_hint(err, "a function must not write where it has no memory of its own");
        break;
    }
    crash_explain(&s->report->crash, &s->end, err);
}

/* A call that was refused before the plugin was entered is "rejected". */
static void count(struct worker_counters *c, enum call_end is)
{
    _Atomic uint64_t *const which[N_CALL_ENDS] = {
        [CALL_OK] = &c->ok,
        [CALL_FAILED] = &c->errors,
        [CALL_EXITED] = &c->errors,
        [CALL_BAD_REPORT] = &c->errors,
        [CALL_CRASHED] = &c->crashes,
        [CALL_OVER_LIMIT] = &c->errors,
        [CALL_LATE] = &c->timeouts,
        [CALL_UNDEFINED] = &c->rejected,
        [CALL_BAD_ARGUMENT] = &c->rejected,
        [CALL_NOT_LOADED] = &c->rejected,
        [CALL_WORKER_GONE] = &c->cancelled,
        [CALL_CANCELLED] = &c->cancelled,
    };
    atomic_fetch_add(which[is], 1);
    atomic_fetch_add(&c->calls, 1);
}

/* The report that the call left, looked at before it is passed on: a plugin may have written
 * there. `*err` is what it says. */
static bool report_read(struct call_report *report, struct buf *payload, struct ml_error *err)
{
    struct ml_value value = {0};
    uint32_t length = *(volatile uint32_t *)&report->length;
    if (atomic_load(&report->done) != 1 || length > sizeof report->payload)
        return false;
    /* Not the report's memory itself, which whoever outlives the call could still change. */
    buf_add(payload, report->payload, length);
    if (payload->failed)
        return false;
    int status = wire_get_outcome(payload, &value, err);
    ml_value_done(&value);
    return status == 0 || call_end_of(err) != N_CALL_ENDS;
}

void supervisor_outcome(struct supervised *s, enum ending ending, struct buf *payload)
{
    struct ml_error err = ML_ERROR_INIT;
    struct call_facts facts = {.ending = ending, .end = &s->end};
    if (ending == ENDED_ITSELF && report_read(s->report, payload, &err))
        facts.report = &err;
    enum call_end is = call_classify(&facts);
    if (ending == ENDED_ITSELF && !call_classes[is].its_own) {
        s->over =
            limits_guess(&s->limits, &s->report->crash, &s->used, s->fds[HANDOVER_CHANNEL] >= 0);
        facts.ending = s->over != LIMIT_NONE ? ENDED_LIMIT : ending;
        is = call_classify(&facts);
    }
    if (facts.ending != ENDED_ITSELF || !call_classes[is].its_own) {
        buf_reset(payload);
        explain(is, s, &err);
        wire_put_error(payload, &err);
        if (facts.ending == ENDED_ITSELF)
            crash_put(&s->report->crash, &s->end, payload);
    }
    count(s->setup->counters, is);
    record_call(s->setup->lifeline, s->call.slot->function, &err);
}

/* ---- one call ---- */

/* A function that is through in a few microseconds is waited for without sleeping, as long as it
 * takes to be woken up. */
static bool is_done(struct supervised *s)
{
    if (s->setup->may_spin)
        ring_look(&s->report->done, 0);
    return atomic_load(&s->report->done) == 1; /* anything else was written by the plugin */
}

bool supervisor_cancelled(struct supervised *s)
{
    struct signalfd_siginfo info;
    bool by_worker = false;
    while (read(s->signals, &info, sizeof info) == (ssize_t)sizeof info)
        by_worker = by_worker || (pid_t)info.ssi_pid == getppid();
    return by_worker;
}

/* By number, since waitid(3) does not tell what was used. Nobody but us waits for it; but its end
 * must not be waited for for ever should somebody have. */
int supervisor_reap(struct supervised *s)
{
    if (syscall(SYS_waitid, P_PIDFD, s->pidfd, &s->end, WEXITED | __WALL, &s->used) == 0)
        return 0;
    s->end = (siginfo_t){0};
    return errno == ECHILD ? 0 : -1;
}

static enum ending over(struct supervised *s, enum limit which)
{
    s->over = which;
    return ENDED_LIMIT;
}

/* Whether one of the limits for which we have to look is exceeded, if it is time to look. */
static bool looked_over(struct supervised *s, int64_t *look)
{
    if (*look < 0 || clock_ms() < *look)
        return false;
    s->over = limits_look(&s->limits, &s->watch, 0, s->pump.pid);
    *look = clock_ms() + LIMITS_LOOK_MS;
    return s->over != LIMIT_NONE;
}

static bool passed(int64_t deadline)
{
    return deadline >= 0 && clock_ms() >= deadline;
}

/* Until the call has ended; or, when it is no more, until its output has. The end of the call is
 * looked at first: when several things come at once, a result that is there counts more than the
 * reason for which it would have been thrown away. POLLRDHUP, not POLLIN: what a client sends is of
 * no interest, only that it stopped. */
static enum ending wait_end(struct supervised *s, int64_t deadline)
{
    int64_t look =
        s->pidfd >= 0 && limits_need_looks(&s->limits) ? clock_ms() + LIMITS_LOOK_MS : -1;
    while (s->pidfd >= 0 || s->pump.pidfd >= 0) {
        struct pollfd p[5] = {{.fd = s->pidfd, .events = POLLIN},
                              {.fd = s->fds[HANDOVER_CONN], .events = POLLRDHUP},
                              {.fd = s->setup->lifeline, .events = POLLIN},
                              {.fd = s->signals, .events = POLLIN},
                              {.fd = s->pump.pidfd, .events = POLLIN}};
        int64_t wake = look >= 0 && (deadline < 0 || look < deadline) ? look : deadline;
        if (poll(p, 5, clock_poll_timeout(wake)) < 0)
            continue; /* EINTR */
        if (p[0].revents != 0 && supervisor_reap(s) == 0)
            return ENDED_ITSELF;
        if (p[4].revents != 0)
            pump_reap(&s->pump);
        if (s->pump.over)
            return over(s, LIMIT_OUTPUT);
        if (passed(deadline))
            return ENDED_TIMEOUT;
        if (p[2].revents != 0)
            return ENDED_RELEASED;
        if (p[1].revents != 0 || (p[3].revents != 0 && supervisor_cancelled(s)))
            return ENDED_CANCELLED;
        if (looked_over(s, &look))
            return ENDED_LIMIT;
    }
    return ENDED_ITSELF;
}

/* ---- its output ---- */

int supervisor_pump(struct supervised *s, int pumped[2])
{
    int status = pump_start(&s->pump, pumped, s->fds + HANDOVER_STDIO + 1, s->limits.output);
    for (int i = 0; i < 2; i++)
        close(steal_fd(&pumped[i]));
    return status;
}

/* What a call has printed belongs before its outcome, and it may turn out only now that it was too
 * much. Nobody who could write is left. */
enum ending supervisor_drain(struct supervised *s, enum ending ending, int64_t deadline)
{
    bool calm = ending == ENDED_ITSELF || ending == ENDED_LIMIT;
    enum ending cut = calm ? wait_end(s, deadline) : ENDED_ITSELF;
    pump_end(&s->pump, calm ? 0 : LAST_MS);
    s->pump.over = false;
    return ending == ENDED_ITSELF ? cut : ending;
}

void supervisor_tell_worker(struct supervised *s)
{
    const char *what = s->handover.call.last ? TAKEN_LAST : TAKEN;
    if (s->handover.told++ == 0 && write(s->setup->taken, what, 1) < 0)
        _exit(1); /* the worker is gone, and ends us */
}

/* The time limit on sending is for a client that is stopped, or that hangs: it must not keep a
 * supervisor for ever. A client that has gone is no failure of ours. Closing is what tells the
 * client that all is over: exit would get to it last, 80 us later. */
static void answer(struct supervised *s, enum ending ending)
{
    int conn = s->fds[HANDOVER_CONN];
    BUF_AUTO payload = BUF_INIT;
    struct timeval patience = {ANSWER_MS / 1000, 0};
    supervisor_outcome(s, ending, &payload);
    setsockopt(conn, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    wire_send(conn, WIRE_OUTCOME, payload.data, payload.len, NULL, 0); /* if it is still there */
    close(conn);
}

/* There is an answer when nothing of the call is left. A call whose report is whole need not be
 * waited for: it is killed, and where it has no descendants that is all. Its own end, 100 us of
 * giving memory back, then goes on beside the client's. */
static void see_call_through(struct supervised *s, const struct tree_watch *watch)
{
    enum ending ending = ENDED_ITSELF;
    const struct wire_call *call = &s->handover.call;
    s->timeout_ms = limits_timeout(s->setup->object, call->timeout_ms, call->timeout_default);
    bool done = is_done(s);
    int64_t deadline = s->timeout_ms > 0 ? clock_ms() + s->timeout_ms : -1;
    if (done)
        syscall(SYS_pidfd_send_signal, s->pidfd, SIGKILL, NULL, 0);
    if (!done || !tree_alone(watch, s->pid)) {
        supervisor_tell_worker(s);
        ending = done ? ENDED_ITSELF : wait_end(s, deadline);
        supervisor_end_call(s);
        ending = supervisor_drain(s, ending, deadline);
    }
    answer(s, ending);
    supervisor_tell_worker(s);
    if (s->pid > 0)
        supervisor_end_call(s);
}

/* ---- */

static int prepare(struct supervised *s, const struct supervisor_setup *setup)
{
    sigset_t cancel;
    /* A plugin may have stopped us. When the worker dies, we have to see that, and end the call. */
    prctl(PR_SET_PDEATHSIG, SIGCONT);
    s->setup = setup;
    s->report = share_report();
    s->call = (struct call_setup){
        .object = setup->object,
        .report = s->report,
        .slot = slot_at(setup->slots, setup->slot),
        .listener = setup->listener,
        .taken = setup->taken,
        .may_spin = setup->may_spin,
    };
    sigemptyset(&cancel);
    sigaddset(&cancel, SIGTERM);
    s->signals = signalfd(-1, &cancel, SFD_CLOEXEC | SFD_NONBLOCK);
    tree_adopt();
    return s->report == NULL || s->signals < 0 ? -1 : 0;
}

_Noreturn void supervisor_run(const struct supervisor_setup *setup)
{
    struct supervised s = {.pidfd = -1, .pump = PUMP_INIT};
    struct tree_watch watch;
    if (prepare(&s, setup) < 0 || fork_spare(&s) < 0)
        _exit(1);
    tree_watch(&watch, s.pid);
    if (wait_begin(&s) < 0) {
        kill(s.pid, SIGKILL); /* our child, not yet waited for */
        _exit(1);
    }
    limits_merge(setup->object, &s.handover.call.limits, &s.limits);
    if (s.limits.output != 0 && supervisor_pump(&s, s.fds + HANDOVER_OUTPUT) < 0) {
        supervisor_end_call(&s); /* no process to be had: its client sees the connection close */
        _exit(1);
    }
    if (s.fds[HANDOVER_CHANNEL] >= 0)
        supervisor_watch(&s);
    else
        see_call_through(&s, &watch);
    _exit(0);
}

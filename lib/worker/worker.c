/* The worker's loop. One thread and one poll: signals come through a signalfd, calls say by a pipe
 * that they were taken, questions come in through the control socket. The plugin is mapped here and
 * never run here; calls inherit it by fork, which is what makes them cheap. One supervisor with its
 * call waits at the call socket (the spare), so that a client need not wait for two forks. */
#include "worker/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/scope.h"
#include "client/context.h"
#include "client/start.h"
#include "client/wire.h"
#include "worker/supervisor.h"
#include "worker/tree.h"

enum {
    CONNS = 32,       /* questions at once; the oldest gives way */
    CONTROL_MS = 500, /* a question is one small frame */
    LEAVE_MS = 2000,  /* what supervisors have to end their calls and say so */
    RETRY_MS = 50,    /* between two tries to make a spare, when processes are short */
    QUIET_MS = 5,     /* how long a call may have the processors to itself before a spare is made */
    POLL_FIXED = 4,
};

struct worker {
    const struct worker_setup *setup;
    struct worker_counters *counters;
    int64_t started;
    int taken[2];    /* calls write a byte when they take a client */
    int lifeline[2]; /* supervisors hold the reading end */
    int signals;     /* signalfd: SIGCHLD, SIGTERM */
    pid_t spare;     /* the supervisor whose call waits for a client; 0: none */
    int64_t due;     /* when to make one at the latest; -1: there is one, or none is wanted */
    bool scarce;     /* making one has just failed, or it died unused: not before `due`, then */
    pid_t *supervisor;
    size_t n_supervisors, cap_supervisors;
    int conn[CONNS];
    size_t n_conns;
    int leaving_for; /* the connection that asked us to leave; -1: none */
    bool draining, leave;
};

/* ---- supervisors ---- */

/* What a supervisor inherits and must not keep: with a copy of the lock or the lifeline, the worker
 * would look alive after its death. The signal mask goes back to none: a call that inherited a
 * blocked SIGTERM would not be ended by it. */
static void drop_worker(struct worker *w)
{
    sigset_t none;
    sigemptyset(&none);
    close(w->setup->control);
    close(w->setup->run_dir);
    close(WORKER_FD_LOCK);
    close(w->taken[0]);
    close(w->lifeline[1]);
    close(w->signals);
    for (size_t i = 0; i < w->n_conns; i++)
        close(w->conn[i]);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Who is a supervisor of ours, so that tree_end() can tell them from what fell to us. */
static bool remember(struct worker *w, pid_t pid)
{
    if (w->n_supervisors == w->cap_supervisors) {
        size_t cap = w->cap_supervisors ? w->cap_supervisors * 2 : 16;
        pid_t *more = realloc(w->supervisor, cap * sizeof *more);
        if (more == NULL)
            return false;
        w->supervisor = more;
        w->cap_supervisors = cap;
    }
    w->supervisor[w->n_supervisors++] = pid;
    return true;
}

/* A fork that fails, or a list that cannot grow, leaves us without a spare and is tried again after
 * RETRY_MS. A supervisor that could not be remembered still serves its one call: it is not
 * killed. */
static void make_spare(struct worker *w)
{
    pid_t pid = fork();
    if (pid == 0) {
        drop_worker(w);
        struct supervisor_setup setup = {w->setup->object, w->counters, w->setup->call, w->taken[1],
                                         w->lifeline[0]};
        supervisor_run(&setup);
    }
    w->scarce = pid < 0 || !remember(w, pid);
    w->spare = w->scarce ? 0 : pid;
    w->due = w->scarce ? clock_ms() + RETRY_MS : -1;
}

/* The spare has taken a client. Making the next one at once would take a processor, and the caches,
 * from the call that somebody waits for; when it has ended, or somebody else waits, there is time.
 * One byte per call, but several may have come: the last of them took the spare. */
static void take_in_taken(struct worker *w)
{
    char bytes[64];
    if (read(w->taken[0], bytes, sizeof bytes) > 0) {
        w->spare = 0;
        w->due = w->draining ? -1 : clock_ms() + QUIET_MS;
    }
}

static void forget(struct worker *w, pid_t pid)
{
    for (size_t i = 0; i < w->n_supervisors; i++)
        if (w->supervisor[i] == pid)
            w->supervisor[i--] = w->supervisor[--w->n_supervisors];
}

/* Takes in supervisors that have ended. One that was killed may have left descendants, which then
 * fell to us; a spare that died before it had a client is replaced, but not in a tight loop. */
static void take_in_dead(struct worker *w)
{
    bool orphans = false;
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG | WUNTRACED | __WALL)) > 0) {
        if (WIFSTOPPED(status)) {
            /* Only a plugin does that. A stopped supervisor keeps no deadline, so its call ends
             * with it. */
            kill(pid, SIGKILL); /* our child, and not reaped: the number is still its own */
            continue;
        }
        orphans = orphans || WIFSIGNALED(status);
        forget(w, pid);
        if (pid == w->spare) {
            w->spare = 0;
            w->scarce = true;
            w->due = w->draining ? -1 : clock_ms() + RETRY_MS;
        } else if (w->due >= 0 && !w->scarce) {
            w->due = 0;
        }
    }
    if (orphans)
        tree_end(w->supervisor, w->n_supervisors);
}

/* SIGCHLD does not queue (signal(7)): one may stand for many, so all that have ended are taken
 * in. */
static void take_in_signals(struct worker *w)
{
    struct signalfd_siginfo info;
    while (read(w->signals, &info, sizeof info) == (ssize_t)sizeof info)
        if (info.ssi_signo == SIGTERM)
            w->leave = true;
    take_in_taken(w); /* first: a spare that took a client and is through already is no spare */
    take_in_dead(w);
}

/* ---- questions ---- */

/* The second field of statm, in pages (proc(5)). 0 when it cannot be read: no question is worth
 * failing for that. */
static uint64_t resident_kib(void)
{
    BUF_AUTO text = BUF_INIT;
    unsigned long pages;
    if (fs_read_file(AT_FDCWD, "/proc/self/statm", &text, 256) < 0 ||
        sscanf(buf_text(&text), "%*u %lu", &pages) != 1)
        return 0;
    return pages * (unsigned long)sysconf(_SC_PAGESIZE) / 1024;
}

/* A send that fails is the client's affair: it has gone, or does not read. */
static void answer_query(struct worker *w, int conn)
{
    struct worker_counters *c = w->counters;
    const struct ml_descriptor *d = w->setup->object->descriptor;
    struct wire_status s = {
        .pid = getpid(),
        .draining = w->draining,
        .uptime_ms = (uint64_t)(clock_ms() - w->started),
        .calls = c->calls,
        .ok = c->ok,
        .errors = c->errors,
        .crashes = c->crashes,
        .timeouts = c->timeouts,
        .cancelled = c->cancelled,
        .rejected = c->rejected,
        .memory_kib = resident_kib(),
    };
    snprintf(s.bundle, sizeof s.bundle, "%s", w->setup->bundle);
    snprintf(s.plugin, sizeof s.plugin, "%s", d->name);
    snprintf(s.version, sizeof s.version, "%s", d->plugin_version);
    wire_send(conn, WIRE_STATUS, &s, sizeof s, NULL, 0);
}

/* From now on nobody connects, the waiting spare goes, and who is in the queue learns that their
 * call never began: they may safely try again. shutdown makes the spare's accept4 fail with EINVAL;
 * what had queued can still be accepted here. Connections that come later are refused, as if there
 * were no worker. */
static void turn_away_new(struct worker *w)
{
    BUF_AUTO payload = BUF_INIT;
    struct ml_error err = ML_ERROR_INIT;
    w->draining = true;
    w->due = -1;
    ml_error_set(&err, ML_NOT_LOADED, "not_loaded", "%s was released before the call began",
                 w->setup->uuid);
    ml_error_hint(&err, "load it again: modload load %s", w->setup->uuid);
    strcpy(err.outcome, "not_loaded");
    wire_put_error(&payload, &err);
    shutdown(w->setup->call, SHUT_RD);
    for (int conn; (conn = accept4(w->setup->call, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0;
         close(conn))
        wire_send(conn, WIRE_OUTCOME, payload.data, payload.len, NULL, 0);
}

/* Order is kept: the first is the oldest, which gives way when there are too many. */
static void drop_conn(struct worker *w, size_t i)
{
    if (w->conn[i] == w->leaving_for)
        w->leaving_for = -1;
    close(w->conn[i]);
    memmove(w->conn + i, w->conn + i + 1, (--w->n_conns - i) * sizeof *w->conn);
}

/* The send timeout keeps a client that does not read from holding up the worker; for one that does
 * not write CONTROL_MS does. */
static void accept_conn(struct worker *w)
{
    struct ucred peer;
    socklen_t size = sizeof peer;
    AUTO_CLOSE int conn = accept4(w->setup->control, NULL, NULL, SOCK_CLOEXEC);
    if (conn < 0 || getsockopt(conn, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0 ||
        peer.uid != geteuid())
        return;
    struct timeval patience = {.tv_usec = CONTROL_MS * 1000};
    setsockopt(conn, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    if (w->n_conns == CONNS)
        drop_conn(w, 0);
    w->conn[w->n_conns++] = steal_fd(&conn);
}

/* Answers one question. False when the connection is through. One that says what we do not know is
 * dropped without an answer. The one that asks for a release is kept: it hears LEAVING last of
 * all. */
static bool serve_conn(struct worker *w, int conn)
{
    struct wire_head head;
    BUF_AUTO payload = BUF_INIT;
    int got = wire_receive(conn, &head, &payload, NULL, NULL, -1, clock_ms() + CONTROL_MS);
    if (got > 0 && head.type == WIRE_QUERY) {
        answer_query(w, conn);
        return true;
    }
    uint32_t mode = ML_RELEASE_NOW;
    if (got > 0 && head.type == WIRE_RELEASE && payload.len == sizeof mode) {
        memcpy(&mode, payload.data, sizeof mode);
        w->leaving_for = conn;
        w->leave = w->leave || mode != ML_RELEASE_DRAIN;
        turn_away_new(w);
        return true;
    }
    return false;
}

/* ---- the loop ---- */

/* One round. The bytes of calls are read before signals are, and connections are served from the
 * last to the first, since dropping one moves those behind it. The call socket is watched only
 * while a spare is due: then a client that waits has one made at once. */
static void turn(struct worker *w)
{
    struct pollfd p[POLL_FIXED + CONNS] = {{.fd = w->signals, .events = POLLIN},
                                           {.fd = w->taken[0], .events = POLLIN},
                                           {.fd = w->setup->control, .events = POLLIN},
                                           {.fd = -1, .events = POLLIN}};
    if (w->due >= 0 && !w->scarce)
        p[3].fd = w->setup->call; /* somebody waits, and there is no spare */
    size_t n = w->n_conns;
    for (size_t i = 0; i < n; i++)
        p[POLL_FIXED + i] = (struct pollfd){.fd = w->conn[i], .events = POLLIN};
    if (poll(p, POLL_FIXED + n, clock_poll_timeout(w->due)) < 0)
        return;
    if (p[1].revents != 0)
        take_in_taken(w);
    if (p[0].revents != 0)
        take_in_signals(w);
    for (size_t i = n; i-- > 0;)
        if (p[POLL_FIXED + i].revents != 0 && !serve_conn(w, w->conn[i]))
            drop_conn(w, i);
    if (p[2].revents != 0)
        accept_conn(w);
    if (w->draining && w->n_supervisors == 0)
        w->leave = true;
    if (w->due >= 0 && (p[3].revents != 0 || clock_ms() >= w->due))
        make_spare(w);
}

/* Supervisors end their calls and tell the clients; what outlives LEAVE_MS is killed here. The lock
 * file goes last, while the lock is still held: whoever opens it in between gets a ghost, which
 * take_lock() of client/worker.c tells by its inode. LEAVING is sent when all that is done: the
 * client waits for our end after it. */
static _Noreturn void leave(struct worker *w)
{
    turn_away_new(w);
    close(w->lifeline[1]); /* every supervisor ends its call, and tells its client why */
    close(w->setup->call);
    int64_t deadline = clock_ms() + LEAVE_MS;
    while (w->n_supervisors > 0 && clock_ms() < deadline) {
        struct pollfd p = {.fd = w->signals, .events = POLLIN};
        struct signalfd_siginfo info;
        take_in_dead(w);
        if (w->n_supervisors > 0 && poll(&p, 1, clock_poll_timeout(deadline)) > 0 &&
            read(w->signals, &info, sizeof info) < 0)
            break;
    }
    tree_end(NULL, 0);
    for (enum run_file file = RUN_CALL; (int)file >= RUN_LOCK; file--) {
        char name[RUN_NAME_SIZE];
        run_file_name(w->setup->uuid, file, name);
        unlinkat(w->setup->run_dir, name, 0);
    }
    if (w->leaving_for >= 0)
        wire_send(w->leaving_for, WIRE_LEAVING, NULL, 0, NULL, 0);
    _exit(0);
}

/* Signals are blocked before the first child exists, so that no SIGCHLD is lost. */
static int open_channels(struct worker *w)
{
    sigset_t watched;
    sigemptyset(&watched);
    sigaddset(&watched, SIGCHLD);
    sigaddset(&watched, SIGTERM);
    sigprocmask(SIG_BLOCK, &watched, NULL);
    w->signals = signalfd(-1, &watched, SFD_CLOEXEC | SFD_NONBLOCK);
    w->counters =
        mmap(NULL, sizeof *w->counters, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (w->signals < 0 || w->counters == MAP_FAILED || pipe2(w->taken, O_CLOEXEC) < 0 ||
        pipe2(w->lifeline, O_CLOEXEC) < 0)
        return -1;
    /* Only the reading end: a call that could not say that it was taken must not go on as if it
     * had. */
    return fcntl(w->taken[0], F_SETFL, O_NONBLOCK);
}

/* READY before the first spare: the starter need not wait for its fork, and a client that comes at
 * once waits in the socket's queue. */
_Noreturn void worker_run(const struct worker_setup *setup)
{
    struct worker w = {.setup = setup, .started = clock_ms(), .due = -1, .leaving_for = -1};
    BUF_AUTO payload = BUF_INIT;
    struct ml_value ready = {.type = ML_VALUE_NONE};
    if (open_channels(&w) < 0)
        _exit(1);
    prctl(PR_SET_PDEATHSIG, 0); /* from now on it lives without whoever started it */
    wire_put_value(&payload, &ready);
    wire_send(setup->ready, WIRE_OUTCOME, payload.data, payload.len, NULL, 0);
    close(setup->ready);
    make_spare(&w);
    while (!w.leave)
        turn(&w);
    leave(&w);
}

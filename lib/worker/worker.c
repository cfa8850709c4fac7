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
#include "base/scope.h"
#include "base/signal-word.h"
#include "client/context.h"
#include "client/start.h"
#include "client/wire.h"
#include "worker/state.h"
#include "worker/tree.h"

enum {
    RETRY_MS = 50, /* between two tries to make a spare, when processes are short */
    REST_MS = 500, /* ... and how long who is to be released waits for that */
    QUIET_MS = 5,  /* how long a call may have the processors to itself before a spare is made */
    POLL_FIXED = 6,
};

int worker_show(int lock_fd)
{
    struct flock alive = {
        .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = LOCK_ALIVE, .l_len = 1};
    return fcntl(lock_fd, F_SETLK, &alive);
}

/* ---- supervisors ---- */

/* What a supervisor inherits and must not keep: with a copy of the lock or the lifeline, the worker
 * would look alive after its death. Every signal stays blocked: the handlers are the plugin's. */
static void drop_worker(struct worker *w)
{
    sigset_t all;
    sigfillset(&all);
    close(w->control);
    close(w->setup->run_dir);
    close(w->lock);
    close(WORKER_FD_BUNDLE);
    close(w->log.fd);
    close(w->log.old_fd);
    close(w->setup->output);
    close(w->taken[0]);
    close(w->lifeline[1]);
    close(w->signals);
    for (size_t i = 0; i < w->n_conns; i++)
        close(w->conn[i]);
    sigprocmask(SIG_SETMASK, &all, NULL);
}

/* A slot that nobody has; SLOTS when there is none. The table is searched once per call, and is
 * found in its beginning. */
static size_t free_slot(const struct worker *w)
{
    size_t i = 0;
    while (i < SLOTS && w->slot_used[i])
        i++;
    return i;
}

/* Who is a supervisor of ours, so that tree_end() can tell them from what fell to us. */
static bool make_room(struct worker *w)
{
    if (w->n_supervisors < w->cap_supervisors)
        return true;
    size_t cap = w->cap_supervisors ? w->cap_supervisors * 2 : 16;
    pid_t *pids = realloc(w->supervisor, cap * sizeof *pids);
    if (pids != NULL)
        w->supervisor = pids;
    struct post *posts = realloc(w->post, cap * sizeof *posts);
    if (posts != NULL)
        w->post = posts;
    if (pids == NULL || posts == NULL)
        return false;
    w->cap_supervisors = cap;
    return true;
}

/* None beside another, which would be forgotten; and none while we leave or hand over: it could
 * take a client who shall go to the next worker. */
int64_t worker_spare_due(const struct worker *w, int64_t in_ms)
{
    return w->spare != 0 || w->draining || w->giving != KEEPING ? -1 : clock_ms() + in_ms;
}

/* The spare has taken a client. Making the next one at once would take a processor, and the caches,
 * from the call that somebody waits for; when it has ended, or somebody else waits, there is time.
 * One byte per call, but several may have come: the last of them took the spare. */
static void take_in_taken(struct worker *w)
{
    char bytes[64];
    ssize_t n = read(w->taken[0], bytes, sizeof bytes);
    if (n > 0) {
        w->spare = 0;
        w->used = clock_ms();
        w->rests = bytes[n - 1] == *TAKEN_LAST;
        w->due = worker_spare_due(w, w->rests ? REST_MS : QUIET_MS);
    }
}

/* What the calls of a session have counted is kept, and the slot is somebody else's. */
static void clear_slot(struct worker *w, size_t i)
{
    struct slot *slot = slot_at(w->slots, i);
    struct worker_counters *c = w->counters;
    uint64_t ok = slot->ok, errors = slot->errors, rejected = slot->rejected;
    c->ok += ok;
    c->errors += errors;
    c->rejected += rejected;
    c->calls += ok + errors + rejected;
    memset(slot, 0, sizeof *slot);
    w->slot_used[i] = w->slot_late[i] = false;
}

/* Whether it was one. A supervisor that was killed could not count the call that it had. */
static bool forget(struct worker *w, pid_t pid, bool killed)
{
    for (size_t i = 0; i < w->n_supervisors; i++) {
        if (w->supervisor[i] != pid)
            continue;
        size_t slot = w->post[i].slot;
        if (killed && slot_at(w->slots, slot)->client != 0) {
            if (w->slot_late[slot])
                w->counters->timeouts++;
            else
                w->counters->cancelled++;
            w->counters->calls++;
        }
        clear_slot(w, slot);
        w->supervisor[i] = w->supervisor[--w->n_supervisors];
        w->post[i] = w->post[w->n_supervisors];
        return true;
    }
    return false;
}

/* Takes in supervisors that have ended. One that was killed may have left descendants, which then
 * fell to us; a spare that died before it had a client is replaced, but not in a tight loop. */
static void take_in_dead(struct worker *w)
{
    bool orphans = false;
    int status;
    pid_t pid;
    char word[SIGNAL_WORD];
    while ((pid = waitpid(-1, &status, WNOHANG | WUNTRACED | __WALL)) > 0) {
        if (WIFSTOPPED(status)) {
            /* Only a plugin does that. A stopped supervisor keeps no deadline, so its call ends
             * with it. */
            kill(pid, SIGKILL); /* our child, and not reaped: the number is still its own */
            continue;
        }
        orphans = orphans || WIFSIGNALED(status);
        bool known = forget(w, pid, WIFSIGNALED(status));
        if (known && pid != w->spare)
            w->used = clock_ms();
        if (known && WIFSIGNALED(status))
            log_fmt(&w->log, "call", "its supervisor died of %s",
                    signal_word(WTERMSIG(status), word));
        if (pid == w->spare) {
            w->spare = 0;
            w->scarce = true;
            w->due = worker_spare_due(w, RETRY_MS);
        } else if (w->due >= 0 && !w->scarce && !w->rests) {
            w->due = 0;
        }
    }
    if (orphans)
        tree_end(w->supervisor, w->n_supervisors);
}

/* Children of a process that ignores SIGCHLD vanish when they end (waitpid(2)), and a handler would
 * be the plugin's: what it has set, in a constructor or a thread, is for its calls. Setting the
 * default discards a SIGCHLD that is pending (sigaction(3p)): so who has ended is asked for. */
static void keep_children(struct worker *w)
{
    const struct sigaction plain = {.sa_handler = SIG_DFL};
    struct sigaction found;
    if (sigaction(SIGCHLD, NULL, &found) < 0 ||
        (found.sa_handler == SIG_DFL && (found.sa_flags & SA_NOCLDWAIT) == 0))
        return;
    w->child_action = found;
    sigaction(SIGCHLD, &plain, NULL);
    take_in_dead(w);
}

/* A fork that fails, a list that cannot grow, or too many calls at once leave us without a spare;
 * it is tried again after RETRY_MS. */
static void make_spare(struct worker *w)
{
    keep_children(w);
    size_t slot = free_slot(w);
    pid_t pid = slot < SLOTS && make_room(w) ? fork() : -1;
    if (pid == 0) {
        drop_worker(w);
        struct supervisor_setup setup = {w->setup->object, w->counters, w->slots,       slot,
                                         w->call,          w->taken[1], w->lifeline[0], w->may_spin,
                                         w->child_action};
        supervisor_run(&setup);
    }
    w->rests = false;
    w->scarce = pid < 0;
    w->spare = w->scarce ? 0 : pid;
    w->due = w->scarce ? clock_ms() + RETRY_MS : -1;
    if (w->scarce)
        return;
    w->slot_used[slot] = true;
    w->post[w->n_supervisors] = (struct post){.number = ++w->last_number, .slot = (uint16_t)slot};
    w->supervisor[w->n_supervisors++] = pid;
}

/* SIGCHLD does not queue (signal(7)): one may stand for many, so all that have ended are taken
 * in. */
static void take_in_signals(struct worker *w)
{
    struct signalfd_siginfo info;
    while (read(w->signals, &info, sizeof info) == (ssize_t)sizeof info)
        if (info.ssi_signo == SIGTERM) {
            w->leave = true;
            w->why = "SIGTERM";
        }
    take_in_taken(w); /* first: a spare that took a client and is through already is no spare */
    take_in_dead(w);
}

/* ---- the loop ---- */

/* The earlier of two times, either of which may be none (negative). */
static int64_t sooner(int64_t a, int64_t b)
{
    return a < 0 || (b >= 0 && b < a) ? b : a;
}

bool worker_idle(const struct worker *w)
{
    return w->n_supervisors == (w->spare != 0);
}

/* When it is time to leave for want of calls; -1: not by itself. Not while another worker is
 * about to take our place. */
static int64_t idle_end(const struct worker *w)
{
    bool may = w->setup->idle_ms > 0 && !w->draining && w->turn < 0 && worker_idle(w);
    return may ? w->used + w->setup->idle_ms : -1;
}

/* Whether the last call of a worker that takes no more has ended. Calls of the worker before us
 * count as well: their supervisors, and that worker, hold our end of the lifeline, which nobody
 * does when we let go of it too. */
static bool drained(struct worker *w)
{
    struct pollfd p = {.fd = w->lifeline[1]};
    if (!w->draining || w->n_supervisors > 0)
        return false;
    if (w->replaced)
        return true;
    if (w->lifeline[0] >= 0)
        close(steal_fd(&w->lifeline[0]));
    return poll(&p, 1, 0) > 0 && (p.revents & POLLHUP) != 0;
}

/* Whether to leave since nobody can get to us any more. Asked before each question, so that who has
 * got here all the same is not told that all is well. */
static bool is_lost(struct worker *w)
{
    if (w->replaced || !names_lost(w) || w->draining)
        return false;
    w->leave = w->lost = true;
    w->why = "its files were taken away";
    return true;
}

/* What the control socket and the `n` connections from it have. They are served from the last to
 * the first, since dropping one moves those behind it. False: we are lost, and leave. */
static bool take_in_questions(struct worker *w, const struct pollfd *p, size_t n)
{
    bool asked = p[2].revents != 0 || clock_ms() >= w->look;
    for (size_t i = 0; i < n; i++)
        asked = asked || p[POLL_FIXED + i].revents != 0;
    if (asked && is_lost(w))
        return false;
    for (size_t i = n; i-- > 0;)
        if (p[POLL_FIXED + i].revents != 0)
            control_serve(w, i);
    if (p[2].revents != 0)
        control_accept(w);
    return true;
}

/* One round. The bytes of calls are read before signals are. The call socket is watched only
 * while a spare is due: then a client that waits has one made at once. */
static void turn(struct worker *w)
{
    struct pollfd p[POLL_FIXED + CONNS] = {{.fd = w->signals, .events = POLLIN},
                                           {.fd = w->taken[0], .events = POLLIN},
                                           {.fd = w->control, .events = POLLIN},
                                           {.fd = -1, .events = POLLIN},
                                           {.fd = w->lifeline[!w->replaced], .events = POLLIN},
                                           {.fd = w->setup->output, .events = POLLIN}};
    if (w->due >= 0 && !w->scarce)
        p[3].fd = w->call; /* somebody waits, and there is no spare */
    size_t n = w->n_conns;
    for (size_t i = 0; i < n; i++)
        p[POLL_FIXED + i] = (struct pollfd){.fd = w->conn[i], .events = POLLIN};
    int64_t wake = sooner(sooner(w->due, w->giving == KEEPING ? -1 : w->give_until),
                          sooner(sooner(idle_end(w), w->part_until), w->replaced ? -1 : w->look));
    if (poll(p, POLL_FIXED + n, clock_poll_timeout(wake)) < 0)
        return;
    if (p[1].revents != 0)
        take_in_taken(w);
    if (p[0].revents != 0)
        take_in_signals(w);
    if (p[4].revents != 0 && !w->replaced)
        record_take_calls(w);
    if (p[5].revents != 0)
        record_take_output(w);
    record_go_on(w);
    if (!take_in_questions(w, p, n))
        return;
    replace_go_on(w);
    if (idle_end(w) >= 0 && clock_ms() >= idle_end(w)) {
        w->why = "idle";
        control_turn_away(w); /* a call that the spare takes in this moment runs to its end */
    }
    if (drained(w) || (w->replaced && p[4].revents != 0))
        w->leave = true; /* the last call has ended, or the worker in our place has */
    if (w->due >= 0 && (p[3].revents != 0 || clock_ms() >= w->due))
        make_spare(w);
}

/* Supervisors end their calls and tell the clients; what outlives LEAVE_MS is killed here. */
static void end_calls(struct worker *w)
{
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
}

/* The worker whose place we took, should it have calls left, ends them when it sees that we leave.
 * It may itself have to kill some, and then takes LEAVE_MS. */
static void wait_predecessors(struct worker *w)
{
    struct pollfd p = {.fd = w->lifeline[1]};
    if (w->lifeline[0] >= 0)
        close(w->lifeline[0]);
    poll(&p, 1, 2 * LEAVE_MS);
}

/* The lock file goes last, while the lock is still held: whoever opens it in between gets a ghost,
 * which worker_lock() of client/load.c tells by its inode. Of one that has lost a name the others
 * stay, as of one that was killed: they may be another's already. The log goes when somebody has
 * released the worker; when it leaves for another reason, somebody may want to know which. */
static void remove_files(const struct worker *w)
{
    for (enum run_file file = w->released ? RUN_LOG_OLD : RUN_CALL; (int)file >= RUN_LOCK; file--) {
        char name[RUN_NAME_SIZE];
        run_file_name(w->setup->uuid, file, name);
        unlinkat(w->setup->run_dir, name, 0);
    }
}

/* By the end of the lifeline every supervisor learns that it is to end its call, and by what is
 * said before that this is no accident; it tells its client why. LEAVING is sent when all is done:
 * the client waits for our end after it. */
static _Noreturn void leave(struct worker *w)
{
    control_turn_away(w);
    if (!w->replaced) {
        close(w->call);
        send(w->lifeline[1], LIFELINE_RELEASED, 1, MSG_DONTWAIT | MSG_NOSIGNAL);
        shutdown(w->lifeline[1], SHUT_WR);
    }
    end_calls(w);
    if (!w->replaced)
        wait_predecessors(w);
    record_end(w);
    if (!w->replaced && !w->lost)
        remove_files(w);
    if (w->leaving_for >= 0)
        wire_send(w->leaving_for, WIRE_LEAVING, NULL, 0, NULL, 0);
    _exit(0);
}

/* Both have been blocked since before the plugin was mapped. */
static int open_channels(struct worker *w)
{
    sigset_t watched;
    sigemptyset(&watched);
    sigaddset(&watched, SIGCHLD);
    sigaddset(&watched, SIGTERM);
    w->signals = signalfd(-1, &watched, SFD_CLOEXEC | SFD_NONBLOCK);
    w->counters =
        mmap(NULL, sizeof *w->counters, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    w->slots = slot_table();
    w->may_spin = channel_may_spin();
    if (w->signals < 0 || w->counters == MAP_FAILED || w->slots == NULL ||
        pipe2(w->taken, O_CLOEXEC) < 0 ||
        socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, w->lifeline) < 0)
        return -1;
    /* Only the reading end: a call that could not say that it was taken must not go on as if it
     * had. */
    return fcntl(w->taken[0], F_SETFL, O_NONBLOCK);
}

static void say_ready(const struct worker *w)
{
    BUF_AUTO payload = BUF_INIT;
    struct ml_value ready = {.type = ML_VALUE_NONE};
    wire_put_value(&payload, &ready);
    wire_send(w->setup->ready, WIRE_OUTCOME, payload.data, payload.len, NULL, 0);
}

/* One that shall replace another waits here until it may, in the hands of its starter still. */
static void take_place(struct worker *w)
{
    BUF_AUTO payload = BUF_INIT;
    struct ml_error err = ML_ERROR_INIT;
    say_ready(w);
    if (replace_take(w, &err) == 0)
        return;
    log_fmt(&w->log, "fail", "%s", err.message);
    wire_put_error(&payload, &err);
    wire_send(w->setup->ready, WIRE_OUTCOME, payload.data, payload.len, NULL, 0);
    _exit(1);
}

/* READY before the first spare: the starter need not wait for its fork, and a client that comes at
 * once waits in the socket's queue. */
_Noreturn void worker_run(const struct worker_setup *setup)
{
    struct worker w = {.setup = setup,
                       .lock = setup->lock,
                       .control = setup->control,
                       .call = setup->call,
                       .log = {setup->log, setup->log_old},
                       .part_until = -1,
                       .due = -1,
                       .leaving_for = -1,
                       .turn = -1};
    if (open_channels(&w) < 0)
        _exit(1);
    if (setup->replaces)
        take_place(&w);
    prctl(PR_SET_PDEATHSIG, 0); /* from now on it lives without whoever started it */
    names_note(&w);
    w.started = w.used = clock_ms();
    say_ready(&w);
    close(setup->ready);
    log_fmt(&w.log, "start", "pid %d: %s@%s, %s%s", (int)getpid(), setup->object->descriptor->name,
            setup->object->descriptor->plugin_version, setup->bundle,
            setup->replaces ? ", in the place of another one" : "");
    make_spare(&w);
    while (!w.leave)
        turn(&w);
    leave(&w);
}

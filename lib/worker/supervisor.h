/* The supervisor: the short-lived process that owns one call, or the calls of one session. */
#ifndef WORKER_SUPERVISOR_H
#define WORKER_SUPERVISOR_H

#include <signal.h>

#include "base/call-end.h"
#include "modload/modload.h"
#include "worker/call.h"
#include "worker/handover.h"
#include "worker/limits.h"
#include "worker/object.h"
#include "worker/pump.h"

/* Counters in memory that the worker shares with all its supervisors. */
struct worker_counters {
    _Atomic uint64_t calls, ok, errors, crashes, timeouts, cancelled, rejected;
};

/* What the worker says on the lifeline when somebody has released it. */
#define LIFELINE_RELEASED "r"

struct supervisor_setup {
    const struct object *object;
    struct worker_counters *counters;
    void *slots; /* the table, of which number `slot` is ours */
    size_t slot;
    int listener; /* the worker's call socket */
    int taken;    /* a byte there tells the worker that its spare has a client */
    int lifeline; /* its other end is the worker's: an end of file there ends the call, and so does
                     what it says before it leaves, which stays there for all who have this end */
    bool may_spin;
    struct sigaction child_action; /* the plugin's for SIGCHLD, which calls get back */
};

/* Makes the call process, waits until it has a client, and sees it through: starts the clock, ends
 * what it left, counts, answers the client. Ends the process. */
_Noreturn void supervisor_run(const struct supervisor_setup *setup);

/* ---- what the two kinds of supervision share ---- */

struct supervised {
    const struct supervisor_setup *setup;
    struct call_report *report;
    struct call_setup call;
    pid_t pid; /* of the call, until it is waited for */
    int pidfd;
    int channel; /* the call says there that it has a client */
    int signals; /* signalfd of SIGTERM: `modload cancel` */
    struct handover handover;
    int fds[HANDOVER_FDS];
    uint32_t timeout_ms; /* of the call that runs */
    siginfo_t end;       /* of the call; all 0 where somebody else has taken it in */
    struct rusage used;  /* by the call's own process, when it has ended */
    struct ml_limits limits;
    enum limit over; /* the limit that ENDED_LIMIT stands for */
    struct limits_watch watch;
    struct pump pump; /* where the output is limited */
    bool yields;      /* it is SCHED_BATCH, which its calls are not to inherit */
};

typedef void (*supervisor_body)(struct supervised *s) __attribute__((noreturn));

/* Forks a call process, which runs `body`. -1 when there is none. */
int supervisor_fork(struct supervised *s, supervisor_body body);

/* Tells the worker that its spare is taken, if it was not told. */
void supervisor_tell_worker(struct supervised *s);

/* Takes in the signals that have come. True when the worker sent one: `modload cancel`. What others
 * send, the plugin above all, is ignored. */
bool supervisor_cancelled(struct supervised *s);

/* Kills the call, if it lives, and ends everything that it has started. */
void supervisor_end_call(struct supervised *s);

/* Starts what goes between the call and its client where the output is limited, with the reading
 * ends of the call's two pipes, which are closed. -1 when it cannot. */
int supervisor_pump(struct supervised *s, int pumped[2]);

/* Takes in the call's own process, when it has ended. 0; -1: it has not. */
int supervisor_reap(struct supervised *s);

/* Waits until what a call has printed is with its client, or somebody wants an end: until
 * `deadline` when it ended by itself or by a limit, else for a moment. How it has ended, now that
 * this is known as well. */
enum ending supervisor_drain(struct supervised *s, enum ending ending, int64_t deadline);

/* The OUTCOME payload of a call that has ended so: its own report, if there is one that can be
 * used. Counts it. */
void supervisor_outcome(struct supervised *s, enum ending ending, struct buf *payload);

/* Sees a session through. */
void supervisor_watch(struct supervised *s);

#endif

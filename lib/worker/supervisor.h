/* The supervisor: the short-lived process that owns one call. */
#ifndef WORKER_SUPERVISOR_H
#define WORKER_SUPERVISOR_H

#include "modload/modload.h"
#include "worker/object.h"

/* Counters in memory that the worker shares with all its supervisors. */
struct worker_counters {
    _Atomic uint64_t calls, ok, errors, crashes, timeouts, cancelled, rejected;
};

struct supervisor_setup {
    const struct object *object;
    struct worker_counters *counters;
    int listener; /* the worker's call socket */
    int taken;    /* for the call: see struct call_setup */
    int lifeline; /* its other end is the worker's: an end of file there ends the call */
};

/* Makes the call process, waits until it has a client, and sees it through: starts the clock, ends
 * what it left, counts, answers the client. Ends the process. */
_Noreturn void supervisor_run(const struct supervisor_setup *setup);

#endif

/* The call: the process in which a plugin's functions run. */
#ifndef WORKER_CALL_H
#define WORKER_CALL_H

#include <stdatomic.h>
#include <stdint.h>

#include "client/channel.h"
#include "client/wire.h"
#include "worker/crash.h"
#include "worker/object.h"
#include "worker/slot.h"

/* What the call leaves for its supervisor in memory that both share: an OUTCOME payload. The call
 * holds no descriptor that leads to the client, so a function that writes to every descriptor, or
 * closes them all, neither forges an answer nor loses one. */
struct call_report {
    _Atomic uint32_t done; /* 1 when `payload` is whole */
    uint32_t length;
    char payload[WIRE_MAX];
    struct crash_record crash; /* of a call that did not get so far */
};

/* What the worker is told when its spare is taken, in one byte; the second: by the last client. */
#define TAKEN      "t"
#define TAKEN_LAST "l"

struct call_setup {
    const struct object *object;
    struct call_report *report;
    struct slot *slot; /* this call's own */
    int listener;      /* the worker's call socket */
    int taken;         /* a byte there tells the worker that its spare has a client */
    int supervisor;    /* takes one struct handover with the connection */
    bool may_spin;
};

/* Waits for a client, runs its call, or the calls of its session, and ends the process. Exit status
 * 0 whatever the outcome. */
_Noreturn void call_run(const struct call_setup *setup);

/* Runs the calls of a session, in a process that takes over from one that crashed. Standard input,
 * output and error are in place. */
_Noreturn void call_serve(const struct call_setup *setup, const struct ml_limits *limits,
                          struct channel *channel);

#endif

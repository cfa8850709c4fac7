/* The call: the process in which a plugin's function runs. */
#ifndef WORKER_CALL_H
#define WORKER_CALL_H

#include <stdatomic.h>
#include <stdint.h>

#include "client/wire.h"
#include "modload/plugin.h"
#include "worker/object.h"

/* What the call leaves for its supervisor in memory that both share: an OUTCOME payload. The call
 * holds no descriptor that leads to the client, so a function that writes to every descriptor, or
 * closes them all, neither forges an answer nor loses one. */
struct call_report {
    _Atomic uint32_t done; /* 1 when `payload` is whole */
    uint32_t length;
    char payload[WIRE_MAX];
};

/* From the call to its supervisor, with the client's connection: the clock starts. */
struct call_begin {
    uint32_t timeout_ms;
};

struct call_setup {
    const struct object *object;
    struct call_report *report;
    int listener; /* the worker's call socket */
    int taken; /* one byte goes there when a client was accepted: the worker makes another spare */
    int supervisor; /* takes one struct call_begin with the connection */
};

/* What a plugin finds of its host. Its functions may be called in a call only. */
extern const struct ml_host call_host;

/* Waits for a client, runs its call and ends the process. Exit status 0 whatever the outcome. */
_Noreturn void call_run(const struct call_setup *setup);

#endif

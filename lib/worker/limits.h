/* What a call may use, and what becomes of one that uses more. */
#ifndef WORKER_LIMITS_H
#define WORKER_LIMITS_H

#include <signal.h>
#include <stdbool.h>
#include <sys/resource.h>

#include "client/wire.h"
#include "worker/crash.h"
#include "worker/object.h"

enum limit {
    LIMIT_NONE,
    LIMIT_MEMORY,
    LIMIT_CPU,
    LIMIT_OUTPUT,
    LIMIT_FILES,
    LIMIT_PROCESSES,
};

/* What the client asks for, else what the plugin says. 0 is no limit then. */
void limits_merge(const struct object *object, const struct ml_limits *asked,
                  struct ml_limits *ret);

/* The same for the time limit, where the client leaves it to the plugin. */
uint32_t limits_timeout(const struct object *object, uint32_t timeout_ms, uint32_t is_default);

/* Whether a call with these has to be looked at now and then. */
bool limits_need_looks(const struct ml_limits *limits);

/* ---- in the call ---- */

/* Lets the kernel hold this process, and all that it starts, to what is somewhat more: against what
 * happens between two looks. Not the time of processors in a session, where each call has its own.
 * What cannot be set is left to the looks. */
void limits_confine(const struct ml_limits *limits, bool session);

/* A function has failed, with `errnum` in errno: if it had come up against a limit, that is why. */
void limits_excuse(const struct ml_limits *limits, int errnum, struct ml_error *err);

/* Whether this process can have no more descriptors. Async-signal-safe. */
bool limits_descriptors_out(void);

/* ---- in the supervisor ---- */

enum { LIMITS_LOOK_MS = 5 };

/* From one look to the next. */
struct limits_watch {
    uint64_t call;    /* the call of a session that runs, by its number */
    uint64_t seen_ms; /* all time of processors, as of the last look */
    uint64_t used_ms; /* by this call */
};

/* Looks at what the processes beneath this one use, but the child `except`. Which limit they are
 * over. `call` is which call of a session it is; its time of processors begins with its first
 * look. */
enum limit limits_look(const struct ml_limits *limits, struct limits_watch *watch, uint64_t call,
                       pid_t except);

/* Which limit it was that a call died of, going by what is left of it; NONE: no limit. */
enum limit limits_guess(const struct ml_limits *limits, const struct crash_record *crash,
                        const struct rusage *used, bool session);

/* Says that a call has gone over one. */
void limits_explain(const struct ml_limits *limits, enum limit which, struct ml_error *err);

#endif

/* What is known of a call that crashed: taken down by the call itself when the signal comes, in
 * memory that it shares with its supervisor, and told by that one when the call is dead. */
#ifndef WORKER_CRASH_H
#define WORKER_CRASH_H

#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "client/wire-crash.h"

struct crash_record {
    _Atomic uint32_t whole;   /* 1 when the rest is */
    struct wire_crash head;   /* without objects */
    int32_t errnum;           /* errno */
    uint32_t descriptors_out; /* 1: it could have no more */
    char stack[WIRE_STACK_MAX];
};

/* Sets the handlers of this process and of all that it forks, with a stack of their own. Until
 * crash_record_in() they do nothing but let the process die as it would without them. Before any
 * plugin is mapped: one that sets its own shall win. 0; -1 and ML_LIMIT. */
int crash_watch(struct ml_error *err);

/* Notes what is mapped where, once all is: supervisors tell it with every crash. */
void crash_note_objects(const char *bundle);

/* From here on a crash of this process, not of its children, goes into `record`. For the call. */
void crash_record_in(struct crash_record *record);

/* Copies up to `max` bytes that can be read from `at` on, whatever is there. How many. All three
 * are multiples of 8. Async-signal-safe. */
size_t crash_copy(char *to, uint64_t at, size_t max);

/* For the supervisor, when the call has ended: what its record says, as far as it can be true.
 * Adds to the message which address it was; puts a CRASH behind the failure in `payload`. */
void crash_explain(const struct crash_record *record, const siginfo_t *end, struct ml_error *err);
void crash_put(const struct crash_record *record, const siginfo_t *end, struct buf *payload);

#endif

/* What goes on in one supervisor and its call, in memory that the worker shares with them: one page
 * each, and a call keeps none but its own. What a call writes there its plugin can write as well:
 * it is shown to people, and decides nothing. */
#ifndef WORKER_SLOT_H
#define WORKER_SLOT_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "client/wire.h"

enum { SLOTS = WIRE_RUNNING_MAX, SLOT_TEXT = WIRE_FUNCTION };

struct slot {
    /* Written by the call before it is the plugin's: who called (SO_PEERCRED), since when
     * (clock_ms); 0: nobody. Whether it is a session. */
    _Atomic int32_t client;
    _Atomic int64_t since_ms;
    _Atomic uint32_t session;
    /* Written by the call: calls of a session that have ended well, failed, or were refused. */
    _Atomic uint64_t ok, errors, rejected;
    _Atomic uint64_t counted; /* the number of the last of these */
    /* Written by the call, not atomic: read with care, ended by us. */
    char function[SLOT_TEXT];
};

_Static_assert(sizeof(struct slot) <= 4096, "a slot fits into the smallest page there is");

/* The table: null when memory is out. */
void *slot_table(void);
struct slot *slot_at(void *table, size_t i);

/* Unmaps all but one from this process. */
void slot_keep(void *table, size_t i);

/* Unmaps it: a call that has nothing more to say there. */
void slot_drop(struct slot *slot);

/* Says which function runs: as much of its name as there is room for. */
void slot_name(struct slot *slot, const char *function);

#endif

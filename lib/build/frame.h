/* From an address in the code of a process to the functions that it belongs to, with file and line.
 */
#ifndef BUILD_FRAME_H
#define BUILD_FRAME_H

#include <elfutils/libdwfl.h>

#include "build/arena.h"
#include "client/wire-crash.h"
#include "modload/build.h"

enum { FRAMES_MAX = 64 };

struct frames {
    struct arena *a;
    Dwfl *dwfl; /* knows the files that could be found */
    const struct wire_crash_view *crash;
    struct ml_frame *items;
    size_t n;
    bool whole; /* the last one was called by modload itself */
};

/* Whether the address lies in a file that was mapped. */
bool frames_known(const struct frames *frames, uint64_t pc);

/* Adds what the address belongs to: a function, before it those that were inlined there. False
 * where the backtrace ends: what follows is modload's own, or there are too many. */
bool frames_add(struct frames *frames, uint64_t pc);

#endif

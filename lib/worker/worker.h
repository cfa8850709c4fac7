/* The worker: the resident process of one loaded entry. It keeps a spare supervisor and call
 * waiting at the call socket, answers questions at the control socket, and never runs a plugin's
 * function itself. */
#ifndef WORKER_WORKER_H
#define WORKER_WORKER_H

#include "worker/object.h"

struct worker_setup {
    const char *uuid;
    const char *bundle;
    const struct object *object;
    int control, call, ready, run_dir;
};

/* Says that it is ready, and serves until it is told to leave (RELEASE, SIGTERM). Then every call
 * is ended, the socket and lock files are removed, and the process exits. */
_Noreturn void worker_run(const struct worker_setup *setup);

#endif

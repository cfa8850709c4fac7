/* The worker: the resident process of one loaded entry. It keeps a spare supervisor and call
 * waiting at the call socket, answers questions at the control socket, and never runs a plugin's
 * function itself. */
#ifndef WORKER_WORKER_H
#define WORKER_WORKER_H

#include <stdbool.h>

#include "worker/object.h"

struct worker_setup {
    const char *uuid;
    const char *bundle;
    const struct object *object;
    int lock, control, call, ready, run_dir, log, log_old;
    int output;      /* what this process writes to its standard output and error comes out here */
    int64_t idle_ms; /* how long without a call until it leaves; 0: for ever */
    bool replaces;   /* takes the first three over from another worker, when it is told to */
};

/* A record lock on the lock file, beside the flock: by it the kernel tells others which process the
 * worker is. -1 with errno. */
int worker_show(int lock_fd);

/* Says that it is ready, and serves until it is told to leave (RELEASE, SIGTERM). Then every call
 * is ended, the socket and lock files are removed, and the process exits. One that gave its place
 * to another lets its calls end, and leaves the files to that one. */
_Noreturn void worker_run(const struct worker_setup *setup);

#endif

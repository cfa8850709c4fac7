/* Starting a worker: what the starter hands to it. */
#ifndef CLIENT_START_H
#define CLIENT_START_H

#include "client/context.h"

/* The descriptors that a worker is born with. Its arguments are the UUID, the bundle's id and
 * the pid of its starter. */
enum worker_fd {
    WORKER_FD_LOCK = 3, /* flock on the worker's lock file: alive = held */
    WORKER_FD_CONTROL,  /* listens for questions */
    WORKER_FD_CALL,     /* listens for calls */
    WORKER_FD_READY,    /* takes one OUTCOME: the plugin is mapped, or why not */
    WORKER_FD_BUNDLE,   /* the bundle's directory */
    WORKER_FD_RUN, /* the directory of its socket and lock files, which it removes when it leaves */
    WORKER_FD_END,
};

/* How long a start may take, and what gives it up. */
struct start_limits {
    int64_t timeout_ms; /* 0: none */
    int cancel_fd;      /* readable = give up; -1: none */
};

/* Starts a worker whose lock file is `lock_fd`, already locked, and waits until it is ready. On
 * failure nothing of it is left. */
int worker_start(struct ml_ctx *ctx, const char *uuid, int lock_fd,
                 const struct start_limits *limits, pid_t *pid, struct ml_error *err);

/* Removes what a worker that did not leave by itself has left in the run-time directory. The caller
 * holds its lock: it is dead, and nobody is starting another. */
void worker_remove_files(struct ml_ctx *ctx, const char *uuid);

/* Asks the worker of `uuid` and waits for its answer until `deadline`. 1; 2 when it is draining; 0
 * when there is none; -1: there is one, and it does not answer. `*conn`, unless null, is the
 * connection, and the caller's. */
int worker_query(struct ml_ctx *ctx, const char *uuid, int64_t deadline,
                 struct ml_worker_status *status, int *conn, struct ml_error *err);

#endif

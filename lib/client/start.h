/* Starting a worker: what the starter hands to it. */
#ifndef CLIENT_START_H
#define CLIENT_START_H

#include "client/context.h"
#include "client/log.h"

/* The descriptors that a worker is born with. Its arguments are the UUID, the bundle's id, the pid
 * of its starter, "load" or "reload", and after how many milliseconds without a call it leaves (0:
 * never). With "reload" the first three are /dev/null until it takes them over from the worker
 * whose place it takes. */
enum worker_fd {
    WORKER_FD_LOCK = 3, /* flock on the worker's lock file: alive = held */
    WORKER_FD_CONTROL,  /* listens for questions */
    WORKER_FD_CALL,     /* listens for calls */
    WORKER_FD_READY,    /* takes an OUTCOME: the plugin is mapped, or why not */
    WORKER_FD_BUNDLE,   /* the bundle's directory */
    WORKER_FD_RUN, /* the directory of its socket and lock files, which it removes when it leaves */
    WORKER_FD_LOG, /* client/log.h */
    WORKER_FD_LOG_OLD,
    WORKER_FD_OUTPUT, /* where what it writes to its standard output and error can be read */
    WORKER_FD_END,
};

/* Bytes of the lock file, beside the flock, with record locks on them: of the process that is the
 * worker, and of whoever is just starting one. */
enum { LOCK_ALIVE = 0, LOCK_STARTING = 1 };

/* A worker runs no plugin code after its start: it answers within this, or it is stopped. */
enum { WORKER_QUERY_MS = 2000 };

/* Opens a worker's log, making it where there is none. The caller closes it: log_close(). */
int run_log_open(struct ml_ctx *ctx, const char *uuid, struct log *ret, struct ml_error *err);

/* How long the old and the new worker may take over sockets and lock, once both are ready: in the
 * old one's eyes, and in the new one's, which must not give up first. */
enum { SWITCH_MS = 5000, SWITCH_WAIT_MS = 6000 };

/* Starts a worker whose lock file is `lock_fd`, already locked, and waits until it is ready. On
 * failure nothing of it is left. */
int worker_start(struct ml_ctx *ctx, const char *uuid, int lock_fd, const struct ml_start *how,
                 pid_t *pid, struct ml_error *err);

/* Starts a worker that takes the place of another one: `old` is a connection to that one's control
 * socket, on which it has said that it is our turn. 0; 1 when the old one went away meanwhile; 2:
 * it has not handed over what it has in SWITCH_MS; -1. In these three nothing of the new one is
 * left. */
int worker_replace(struct ml_ctx *ctx, const char *uuid, int old, const struct ml_start *how,
                   pid_t *pid, struct ml_error *err);

/* Takes the lock of a worker: 1; 0 when another process has it; -1. */
int worker_lock(struct ml_ctx *ctx, const char *uuid, int *ret_fd, struct ml_error *err);

/* Says that a worker is being started, for as long as the descriptor that it returns is open: who
 * watches over it is the starter, with a deadline of his own. The caller has the flock. -1. */
int worker_mark_start(struct ml_ctx *ctx, const char *uuid, struct ml_error *err);

/* Whether somebody says so. */
bool worker_starting(struct ml_ctx *ctx, const char *uuid);

/* Kills the worker of `uuid`, in whatever state and of whichever version it is, and waits for its
 * end: who holds its lock, by the kernel's word, and then whichever worker keeps the lock file
 * open. 1; 0 when there is none; -1: it is still there. */
int worker_end(struct ml_ctx *ctx, const char *uuid, struct ml_error *err);

/* The same, if it has not gone by itself in so many milliseconds, by a descriptor of the lock file,
 * which finds it also when the name has gone. */
int worker_lock_file(struct ml_ctx *ctx, const char *uuid);
int worker_end_at(int lock_fd, int64_t patience_ms, const char *uuid, struct ml_error *err);

/* Whether somebody holds the worker's lock, whether he answers or not. */
bool worker_alive(struct ml_ctx *ctx, const char *uuid);

/* Removes files of a worker from the run-time directory, from `last` down to the lock. The caller
 * holds that: the worker is dead, and nobody is starting another. */
void worker_remove_files(struct ml_ctx *ctx, const char *uuid, enum run_file last);

/* Adds the UUIDs, each with its NUL, of the files in the run-time directory whose names end so
 * (null: however), in no order. */
int run_list(struct ml_ctx *ctx, const char *ending, struct buf *ret, struct ml_error *err);

/* Removes what a worker has left, if it has gone; its log only if nothing was written there for so
 * long. */
void worker_sweep(struct ml_ctx *ctx, const char *uuid, int64_t log_age_ms);

/* A pidfd of the process that has a record lock on a file of `uuid`, by the kernel's word; -1:
 * nobody has. */
int run_holder(struct ml_ctx *ctx, const char *uuid, enum run_file file);

/* That of the worker. -1: there is none, or another one is just taking its place. */
int worker_pidfd(struct ml_ctx *ctx, const char *uuid);

/* Its process, for people: 1; 0 when there is no worker; -1: there is one that the kernel does not
 * tell, since another one is just taking its place. */
int worker_pid(struct ml_ctx *ctx, const char *uuid, pid_t *ret);

/* What a worker and its supervisors have had of the processors. */
struct worker_share {
    uint64_t ran_ns, delay_ns; /* the time that they had, and for which they had to wait */
    int64_t at_ms;             /* when that was (clock_ms); 0: never */
    bool waits;                /* one of them would run, or waits for a disk */
};

/* False: there is none, or the kernel does not tell. */
bool worker_share(struct ml_ctx *ctx, const char *uuid, struct worker_share *ret);

/* Whether one of them would run, and they had less than half of a processor since they were looked
 * at last, or had to wait for half of that time: the kernel's word, which a plugin cannot put into
 * its mouth. `*share` is what there is now; zeroed, there was no look before. */
bool worker_starves(struct ml_ctx *ctx, const char *uuid, struct worker_share *share);

/* How a worker is asked. */
struct query {
    int64_t deadline;
    int cancel_fd; /* gives it up when it can be read; -1: nothing does */
    bool use;      /* takes this for a call, as far as its being idle is concerned */
};

/* Asks the worker of `uuid` and waits for its answer. 1; 2 when it is draining; 0 when there is
 * none; -1: there is one, and it does not answer. `*conn`, unless null, is the connection, and the
 * caller's. */
int worker_query(struct ml_ctx *ctx, const char *uuid, const struct query *query,
                 struct ml_worker_status *status, int *conn, struct ml_error *err);

/* The same, for WORKER_QUERY_MS at most. WORKER_HANGS, and `*err`: it does not answer, or makes no
 * sense, and has no excuse: it is not starting or leaving, and it did not lack a processor. Then it
 * may be ended. -1 and ML_BUSY: ask again. */
enum { WORKER_HANGS = -2 };
int worker_ask(struct ml_ctx *ctx, const char *uuid, const struct query *query,
               struct ml_worker_status *status, int *conn, struct ml_error *err);

/* Whether an errno of a control socket means that nobody listens: it is missing, or was left by a
 * worker that is dead. */
bool worker_nobody(int errnum);

/* Says from errno why there is no answer. There is a worker, since its socket took us, so it is
 * never "not loaded". -1. */
int worker_no_answer(const char *uuid, struct ml_error *err);

/* The same words as of a call, but another hint: who asks wants to know what there is. -1. */
int worker_not_loaded(const char *uuid, struct ml_error *err);

#endif

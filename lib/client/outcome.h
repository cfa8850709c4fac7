/* What exec and sessions say about calls, in the same words. */
#ifndef CLIENT_OUTCOME_H
#define CLIENT_OUTCOME_H

#include "client/context.h"
#include "client/start.h"

enum {
    GRACE_MS = 200,    /* what a worker has, past the deadline, to say that it passed */
    LACKING_MS = 3000, /* ... at most, where it lacks a processor */
    CANCEL_MS = 1000,  /* ... and after a cancel, to end what runs */
};

/* Connects to the call socket of a worker. A descriptor; or -1 and ML_NOT_LOADED, ML_BUSY. */
int call_connect(struct ml_ctx *ctx, const char *uuid, struct ml_error *err);

/* The others return -1 and set the error's outcome. */

/* Nobody took the connection: the call has not begun. Whoever reads the code may safely try
 * again. */
int outcome_not_loaded(const char *uuid, struct ml_error *err);

/* The call may have begun, and may have done what it does: to try again is for the caller to
 * decide. */
int outcome_gone(const char *uuid, struct ml_error *err);
int outcome_cancelled(struct ml_error *err);

/* What has come of it that there was no answer in time. Begins zeroed. */
struct patience {
    struct worker_share share;
    int64_t until; /* how long to bear with a lack of processors; 0: not begun */
    bool told;     /* the worker has ended the call's supervisor, as it says */
    bool silent;   /* there is no deadline, nobody has taken the call, and the worker hangs */
};

/* The deadline and GRACE_MS have passed without a word. How long to wait on: GRACE_MS again, as
 * long as the worker or a supervisor of it would run and does not get to it, up to LACKING_MS; and
 * once more when the worker was told, and says, that the call has been ended with its supervisor.
 * 0: it does not answer, or it was all in vain. */
int64_t outcome_patience(struct ml_ctx *ctx, const char *uuid, int64_t timeout_ms,
                         struct patience *patience);

/* Waits for an answer on `fd`, with the time limit of a call (0: none) and the patience above. 1:
 * there is something to read, which has until `*deadline` (clock_ms; -1: none) to come whole; 0: it
 * is late; -1 with errno, ECANCELED among them. */
int outcome_await(struct ml_ctx *ctx, const char *uuid, int fd, int cancel_fd, int64_t timeout_ms,
                  struct patience *patience, int64_t *deadline);

/* The supervisor was killed, since it did not end its call in time. */
int outcome_overdue(const char *uuid, int64_t timeout_ms, struct ml_error *err);

/* The worker is stopped, or in the hands of its plugin. It is killed, unless it is still starting:
 * that is for its starter to watch, and whoever gives up earlier has only had less patience. One
 * that keeps a call without a time limit waiting is not killed either: ML_BUSY. */
int outcome_late(struct ml_ctx *ctx, const char *uuid, int64_t timeout_ms,
                 const struct patience *patience, struct ml_error *err);

/* What wire_receive() said, in words: but ETIMEDOUT. */
int outcome_receive_failed(const char *uuid, int errnum, struct ml_error *err);

/* Puts in front of a plugin's own failure which function it was. */
void outcome_context(const char *function, const char *uuid, struct ml_error *err);

#endif

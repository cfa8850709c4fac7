/* What exec and sessions say about calls, in the same words. */
#ifndef CLIENT_OUTCOME_H
#define CLIENT_OUTCOME_H

#include "client/context.h"

enum {
    GRACE_MS = 200,   /* what a worker has, past the deadline, to say that it passed */
    ENDING_MS = 3000, /* ... and, where the worker itself answers, to end what the call started */
    CANCEL_MS = 1000, /* ... and after a cancel, to end what runs */
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

/* The deadline and GRACE_MS have passed without a word. How long to wait on. At first, a worker
 * that answers a question within GRACE_MS has ENDING_MS: its supervisor may be at what the call
 * has started, a fork bomb on a busy machine. For as long as such a machine does not let the worker
 * run, up to ENDING_MS, that it is silent is not held against it. Then (`step` 1) the worker is
 * told to kill the supervisor, and has as long again. 0: it does not answer, or it was all in vain.
 */
int64_t outcome_patience(struct ml_ctx *ctx, const char *uuid, int step);

/* The supervisor was killed, since it did not end its call in time. */
int outcome_overdue(const char *uuid, int64_t timeout_ms, struct ml_error *err);

/* The worker is stopped, or in the hands of its plugin. It is killed, unless it is still starting:
 * that is for its starter to watch, and whoever gives up earlier has only had less patience. */
int outcome_late(struct ml_ctx *ctx, const char *uuid, int64_t timeout_ms, struct ml_error *err);

/* What wire_receive() said, in words: but ETIMEDOUT. */
int outcome_receive_failed(const char *uuid, int errnum, struct ml_error *err);

/* Puts in front of a plugin's own failure which function it was. */
void outcome_context(const char *function, const char *uuid, struct ml_error *err);

#endif

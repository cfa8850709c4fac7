/* The ends of calls that the client itself has to put into words; and the end of a worker that says
 * nothing any more. */
#include "client/outcome.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/scope.h"
#include "client/start.h"
#include "client/wire.h"

static int outcome_set(struct ml_error *err, const char *outcome)
{
    if (err != NULL)
        snprintf(err->outcome, sizeof err->outcome, "%s", outcome);
    return -1;
}

int outcome_not_loaded(const char *uuid, struct ml_error *err)
{
    ml_error_set(err, ML_NOT_LOADED, NULL, "%s is not loaded", uuid);
    ml_error_hint(err, "load it: modload load %s", uuid);
    return outcome_set(err, "not_loaded");
}

int outcome_gone(const char *uuid, struct ml_error *err)
{
    ml_error_set(err, ML_NOT_LOADED, "worker_gone",
                 "the worker of %s, or the supervisor of the call, went away during it", uuid);
    ml_error_hint(err, "load it again: modload load %s", uuid);
    return outcome_set(err, "not_loaded");
}

int outcome_cancelled(struct ml_error *err)
{
    ml_error_set(err, ML_SIGNAL + SIGINT, "cancelled", "the call was cancelled");
    return outcome_set(err, "cancelled");
}

/* A worker that answers nothing for GRACE_MS hangs, unless it could not: on a machine that is busy,
 * it may not have had a processor, or not its pages, for so long. */
static int ask(struct ml_ctx *ctx, const char *uuid, int *conn)
{
    int64_t give_up = clock_ms() + ENDING_MS;
    struct worker_share share;
    bool known = worker_share(ctx, uuid, &share);
    for (;;) {
        struct ml_worker_status status;
        struct query query = {.deadline = clock_ms() + GRACE_MS, .cancel_fd = -1};
        int got = worker_query(ctx, uuid, &query, &status, conn, NULL);
        if (got >= 0 || !known || clock_ms() >= give_up || !worker_starves(ctx, uuid, &share))
            return got;
    }
}

int64_t outcome_patience(struct ml_ctx *ctx, const char *uuid, int step)
{
    AUTO_CLOSE int conn = -1;
    if (step > 1 || ask(ctx, uuid, &conn) <= 0)
        return 0;
    if (step == 1 && wire_send(conn, WIRE_LATE, NULL, 0, NULL, 0) < 0)
        return 0;
    return ENDING_MS;
}

int outcome_overdue(const char *uuid, int64_t timeout_ms, struct ml_error *err)
{
    ml_error_set(err, ML_TIMEOUT, NULL,
                 "took longer than %lld ms, and its supervisor did not end it",
                 (long long)timeout_ms);
    ml_error_hint(err, "give it more time: -t 30s; or end its worker: modload release %s", uuid);
    return outcome_set(err, "timeout");
}

int outcome_late(struct ml_ctx *ctx, const char *uuid, int64_t timeout_ms, struct ml_error *err)
{
    if (worker_starting(ctx, uuid)) {
        ml_error_set(err, ML_TIMEOUT, NULL,
                     "took longer than %lld ms: its worker is still starting",
                     (long long)timeout_ms);
        ml_error_hint(err, "wait until it is loaded: modload load %s", uuid);
        return outcome_set(err, "timeout");
    }
    bool killed = worker_end(ctx, uuid, NULL) > 0;
    ml_error_set(err, ML_TIMEOUT, NULL, "the worker of %s did not answer within %lld ms%s", uuid,
                 (long long)timeout_ms, killed ? ", and was killed" : "");
    if (killed)
        ml_error_hint(err, "load it again: modload load %s", uuid);
    else
        ml_error_hint(err, "start it anew: modload reload %s", uuid);
    return outcome_set(err, "timeout");
}

/* A connection that broke counts as a worker that has gone. */
int outcome_receive_failed(const char *uuid, int errnum, struct ml_error *err)
{
    switch (errnum) {
    case EPROTONOSUPPORT:
        ml_error_set(err, ML_PROTOCOL, NULL, "the worker of %s is of another version of modload",
                     uuid);
        return ml_error_hint(err, "start it anew: modload reload %s", uuid);
    case EPROTO:
    case EMSGSIZE:
        return ml_error_set(err, ML_PROTOCOL, NULL, "the worker of %s sent an answer that is none",
                            uuid);
    case ENOMEM:
        return ml_error_memory(err);
    default:
        return outcome_gone(uuid, err);
    }
}

/* "divide: division_by_zero: cannot divide 1 by zero": which function, and the word that it failed
 * with. "exited" is modload's own word, not the function's, and adds nothing to its message. */
void outcome_context(const char *function, const char *uuid, struct ml_error *err)
{
    if (err == NULL)
        return;
    if (strcmp(err->outcome, "undefined_function") == 0 && err->hint[0] == '\0')
        ml_error_hint(err, "see what it has: modload info %s", uuid);
    bool failed = strcmp(err->outcome, "plugin_error") == 0;
    if (failed && err->status == ML_FAILED && strcmp(err->code, "exited") != 0)
        ml_error_wrap(err, "%s", err->code);
    if (failed || strcmp(err->outcome, "timeout") == 0 || strcmp(err->outcome, "cancelled") == 0)
        ml_error_wrap(err, "%s", function);
}

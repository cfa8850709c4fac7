/* The ends of calls that the client itself has to put into words; and the end of a worker that says
 * nothing any more. */
#include "client/outcome.h"

#include <errno.h>
#include <linux/sockios.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/call-end.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/scope.h"
#include "client/start.h"
#include "client/wire.h"

int outcome_not_loaded(const char *uuid, struct ml_error *err)
{
    call_error_set(err, CALL_NOT_LOADED, 0, "%s is not loaded", uuid);
    return ml_error_hint(err, "load it: modload load %s", uuid);
}

int outcome_gone(const char *uuid, struct ml_error *err)
{
    call_error_set(err, CALL_WORKER_GONE, 0,
                   "the worker of %s, or the supervisor of the call, went away during it", uuid);
    return ml_error_hint(err, "load it again: modload load %s", uuid);
}

int outcome_cancelled(struct ml_error *err)
{
    return call_error_set(err, CALL_CANCELLED, 0, "the call was cancelled");
}

/* ---- waiting ---- */

/* Has the worker end what is late, and waits until it has: its second answer comes when nothing of
 * the call is left. 1, also when it has died; -1: it does not answer. */
static int tell_late(struct ml_ctx *ctx, const char *uuid, int64_t timeout_ms)
{
    static const enum wire_type words[] = {WIRE_LATE, WIRE_QUERY};
    uint32_t limit = timeout_ms > UINT32_MAX ? UINT32_MAX : (uint32_t)timeout_ms;
    AUTO_CLOSE int conn = run_connect(ctx, uuid, RUN_CONTROL);
    int got = conn < 0 ? -1 : 1;
    for (size_t i = 0; i < 2 && got > 0; i++) {
        struct wire_head head;
        BUF_AUTO answer = BUF_INIT;
        size_t size = words[i] == WIRE_LATE ? sizeof limit : 0;
        got = wire_send(conn, words[i], &limit, size, NULL, 0) < 0
                  ? -1
                  : wire_receive(conn, &head, &answer, NULL, NULL, -1, clock_ms() + GRACE_MS);
    }
    return got >= 0 || worker_nobody(errno) ? 1 : -1;
}

int64_t outcome_patience(struct ml_ctx *ctx, const char *uuid, int64_t timeout_ms,
                         struct patience *p)
{
    if (worker_starting(ctx, uuid))
        return 0;
    if (p->until == 0)
        p->until = clock_ms() + LACKING_MS;
    if (worker_starves(ctx, uuid, &p->share) && clock_ms() < p->until)
        return GRACE_MS;
    if (p->told)
        return 0;
    if (tell_late(ctx, uuid, timeout_ms) < 0)
        return worker_starves(ctx, uuid, &p->share) && clock_ms() < p->until ? GRACE_MS : 0;
    p->told = true;
    p->until = clock_ms() + LACKING_MS;
    return GRACE_MS;
}

/* What we have sent and nobody has read: the call of a connection that waits is not taken yet
 * (unix(7), SIOCOUTQ). */
static bool is_taken(int fd)
{
    int unread;
    return ioctl(fd, SIOCOUTQ, &unread) < 0 || unread == 0;
}

static bool hangs(struct ml_ctx *ctx, const char *uuid, int cancel_fd)
{
    struct ml_worker_status status;
    const struct query query = {clock_ms() + 2L * WORKER_QUERY_MS, cancel_fd, false};
    return worker_ask(ctx, uuid, &query, &status, NULL, NULL) == WORKER_HANGS;
}

/* Without a time limit a call may take for ever, but has to be taken. */
int outcome_await(struct ml_ctx *ctx, const char *uuid, int fd, int cancel_fd, int64_t timeout_ms,
                  struct patience *patience, int64_t *deadline)
{
    struct pollfd p[2] = {{.fd = fd, .events = POLLIN}, {.fd = cancel_fd, .events = POLLIN}};
    bool taken = false;
    int64_t until = timeout_ms > 0 ? clock_ms() + timeout_ms + GRACE_MS : -1;
    for (;;) {
        int n = poll(
            p, 2, clock_poll_timeout(until < 0 && !taken ? clock_ms() + WORKER_QUERY_MS : until));
        if (n < 0 && errno != EINTR)
            return -1;
        if (n > 0 && p[1].revents != 0) {
            errno = ECANCELED;
            return -1;
        }
        if (n > 0) {
            *deadline = until < 0 || until > clock_ms() + GRACE_MS ? until : clock_ms() + GRACE_MS;
            return 1;
        }
        if (n < 0)
            continue;
        if (until >= 0) {
            int64_t more = outcome_patience(ctx, uuid, timeout_ms, patience);
            if (more == 0)
                return 0;
            until = clock_ms() + more;
        } else if (!(taken = is_taken(fd)) && hangs(ctx, uuid, cancel_fd)) {
            patience->silent = true;
            return 0;
        }
    }
}

/* ---- words ---- */

int outcome_overdue(const char *uuid, int64_t timeout_ms, struct ml_error *err)
{
    call_error_set(err, CALL_LATE, 0, "took longer than %lld ms, and its supervisor did not end it",
                   (long long)timeout_ms);
    return ml_error_hint(err, "give it more time: -t 30s; or end its worker: modload release %s",
                         uuid);
}

int outcome_late(struct ml_ctx *ctx, const char *uuid, int64_t timeout_ms,
                 const struct patience *patience, struct ml_error *err)
{
    if (patience->silent) {
        ml_error_set(err, ML_BUSY, NULL, "the worker of %s does not answer", uuid);
        return ml_error_hint(err, "end it: modload release %s", uuid);
    }
    if (worker_starting(ctx, uuid)) {
        call_error_set(err, CALL_LATE, 0, "took longer than %lld ms: its worker is still starting",
                       (long long)timeout_ms);
        return ml_error_hint(err, "wait until it is loaded: modload load %s", uuid);
    }
    bool killed = worker_end(ctx, uuid, NULL) > 0;
    call_error_set(err, CALL_LATE, 0, "the worker of %s did not answer within %lld ms%s", uuid,
                   (long long)timeout_ms, killed ? ", and was killed" : "");
    if (killed)
        return ml_error_hint(err, "load it again: modload load %s", uuid);
    return ml_error_hint(err, "start it anew: modload reload %s", uuid);
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
    enum call_end is = call_end_of(err);
    if (is == CALL_UNDEFINED && err->hint[0] == '\0')
        ml_error_hint(err, "see what it has: modload info %s", uuid);
    if (is == CALL_FAILED && strcmp(err->code, call_classes[CALL_EXITED].code) != 0)
        ml_error_wrap(err, "%s", err->code);
    if (is == CALL_FAILED || is == CALL_CRASHED || is == CALL_OVER_LIMIT || is == CALL_LATE ||
        is == CALL_CANCELLED)
        ml_error_wrap(err, "%s", function);
}

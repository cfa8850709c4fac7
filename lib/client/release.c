/* The end of a worker on somebody's word: it is asked to go, and ended if it does not. */
#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/scope.h"
#include "client/keeper.h"
#include "client/start.h"
#include "client/wire.h"

enum {
    RELEASE_MS = 10000,
    /* Past its last call a worker needs a moment to go; for calls of others nobody waits. */
    DRAIN_MS = 250,
    GONE_MS = 2000, /* between a worker's last word, or its connection's end, and its own */
    TAIL_MS = 200,  /* in which one that takes away its files is about to end */
};

static int64_t deadline_in(int64_t ms)
{
    return clock_ms() + ms;
}

/* When its word comes it waits for our end; then for its own. 0 when it is gone; 1: it drains; -1
 * with errno: it has not gone in time, or makes no sense; ECONNRESET: it went for another reason.
 */
static int wait_gone(int conn, int pidfd, enum ml_release_mode mode)
{
    struct wire_head head;
    BUF_AUTO answer = BUF_INIT;
    int64_t deadline = deadline_in(mode == ML_RELEASE_DRAIN ? DRAIN_MS : RELEASE_MS);
    int got = wire_receive(conn, &head, &answer, NULL, NULL, -1, deadline);
    if (got < 0 && errno == ETIMEDOUT && mode == ML_RELEASE_DRAIN)
        return 1;
    bool says = got > 0 && head.type == WIRE_LEAVING;
    int why = says                               ? ETIMEDOUT
              : got > 0                          ? EPROTO
              : got < 0 && !worker_nobody(errno) ? errno
                                                 : ECONNRESET;
    struct pollfd p = {.fd = pidfd >= 0 ? pidfd : conn, .events = POLLIN};
    if (says || why == ECONNRESET) {
        deadline = deadline_in(GONE_MS);
        while ((got = poll(&p, 1, clock_poll_timeout(deadline))) < 0 && errno == EINTR)
            continue;
        if (got > 0 && says)
            return 0;
        why = got > 0 ? ECONNRESET : ETIMEDOUT;
    }
    errno = why;
    return -1;
}

/* Asks the worker to go. 0, 1 and -1 as ml_release(); WORKER_HANGS: it has not gone. */
static int ask_to_leave(struct ml_ctx *ctx, const char *uuid, enum ml_release_mode mode,
                        struct ml_error *err)
{
    uint32_t wanted = mode;
    struct ml_worker_status status;
    AUTO_CLOSE int conn = -1;
    int there;
    int64_t deadline = deadline_in(mode == ML_RELEASE_DRAIN ? WORKER_QUERY_MS : RELEASE_MS);
    const struct query query = {deadline, -1, false};
    if (worker_starting(ctx, uuid)) {
        worker_not_loaded(uuid, err);
        return mode == ML_RELEASE_DRAIN ? -1 : WORKER_HANGS;
    }
    while ((there = worker_ask(ctx, uuid, &query, &status, &conn, err)) == -1 &&
           err->status == ML_BUSY && clock_ms() < deadline)
        continue;
    if (there == -1 && err->status == ML_BUSY)
        return WORKER_HANGS;
    if (there <= 0)
        return there < 0 ? there : worker_not_loaded(uuid, err);
    AUTO_CLOSE int pidfd = worker_pidfd(ctx, uuid);
    if (wire_send(conn, WIRE_RELEASE, &wanted, sizeof wanted, NULL, 0) < 0 && !worker_nobody(errno))
        return worker_no_answer(uuid, err);
    int gone = wait_gone(conn, pidfd, mode);
    if (gone >= 0)
        return gone;
    if (errno == ECONNRESET)
        return worker_not_loaded(uuid, err);
    worker_no_answer(uuid, err);
    return WORKER_HANGS;
}

/* The keeper first: what it had started after the question would live on. One connection for
 * question and order: both reach the same worker, even if another one is started meanwhile. One
 * that does not go is ended, whatever it says; by the lock file that was there before, for it may
 * have taken away the name. Its files go with it. After a call that was only to be cleared up
 * after, its log stays: why there was nothing to release is of interest. */
int ml_release(struct ml_ctx *ctx, const struct ml_key *key, enum ml_release_mode mode,
               struct ml_error *err)
{
    char uuid[ML_UUID_SIZE];
    struct ml_error why = ML_ERROR_INIT;
    ml_key_to_uuid(key, uuid);
    int there = ctx_runtime(ctx, false, err);
    if (there <= 0)
        return there < 0 ? -1 : worker_not_loaded(uuid, err);
    bool kept = keeper_end(ctx, uuid);
    AUTO_CLOSE int lock = worker_lock_file(ctx, uuid);
    int status = ask_to_leave(ctx, uuid, mode, &why);
    bool other_version = status == -1 && why.status == ML_PROTOCOL;
    if (mode == ML_RELEASE_NOW && !other_version && lock >= 0) {
        int ended = worker_end_at(lock, status == WORKER_HANGS ? 0 : TAIL_MS, uuid, &why);
        status = ended > 0 ? 0 : ended < 0 ? -1 : status;
    }
    if (status != 1)
        worker_sweep(ctx, uuid, mode == ML_RELEASE_DRAIN ? INT64_MAX : 0);
    if (kept && why.status == ML_NOT_LOADED)
        status = 0; /* there was something to be released: a start that was due */
    if (status < 0 && err != NULL)
        *err = why;
    return status < 0 ? -1 : status;
}

/* One call: a connection, a frame, three descriptors, an answer. */
#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/scope.h"
#include "client/outcome.h"
#include "client/wire-crash.h"
#include "client/wire.h"

/* The payload of a CALL (client/wire.h). Built whole before anything is connected, so that
 * arguments that are too large cost the worker nothing. */
static int put_call(struct buf *frame, const struct ml_call *call, struct ml_error *err)
{
    struct wire_call head = {.n = (uint32_t)call->n_args + 1,
                             .timeout_default = call->timeout_default,
                             .last = call->last,
                             .limits = call->limits};
    head.timeout_ms = call->timeout_ms > UINT32_MAX ? UINT32_MAX : (uint32_t)call->timeout_ms;
    buf_add(frame, &head, sizeof head);
    buf_add(frame, call->function, strlen(call->function) + 1);
    for (size_t i = 0; i < call->n_args; i++)
        buf_add(frame, call->args[i], strlen(call->args[i]) + 1);
    if (frame->failed)
        return ml_error_memory(err);
    if (frame->len > WIRE_DATA_MAX)
        return ml_error_set(err, ML_DATA, "too_large", "the arguments are larger than %d MiB",
                            WIRE_DATA_MAX >> 20);
    return 0;
}

/* Tells the supervisor to end the call, and hears it out: it answers when nothing of the call is
 * left. */
static int cancel(int fd, struct wire_head *head, struct buf *answer)
{
    shutdown(fd, SHUT_WR);
    return wire_receive(fd, head, answer, NULL, NULL, -1, clock_ms() + CANCEL_MS);
}

/* The supervisor closes the connection when the call's last process is gone. Without it the next
 * command could still meet descendants of this one. CANCEL_MS bounds it: a supervisor that hangs,
 * or goes on to write, must not hang us, and the answer is here already. */
static void wait_closed(int fd)
{
    char bytes[256];
    struct pollfd p = {.fd = fd, .events = POLLIN};
    int64_t deadline = clock_ms() + CANCEL_MS;
    while (clock_ms() < deadline && poll(&p, 1, clock_poll_timeout(deadline)) > 0 &&
           recv(fd, bytes, sizeof bytes, MSG_DONTWAIT) > 0)
        continue;
}

/* Once the client has cancelled, an OUTCOME that comes all the same is what counts: the call may
 * have ended in that very moment, and then its result is true. */
static int receive_outcome(struct ml_ctx *ctx, int fd, const char *uuid, const struct ml_call *call,
                           struct ml_value *result, struct ml_error *err)
{
    struct wire_head head;
    struct patience patience = {0};
    int64_t deadline;
    BUF_AUTO answer = BUF_INIT;
    int got = outcome_await(ctx, uuid, fd, call->cancel_fd, call->timeout_ms, &patience, &deadline);
    if (got > 0)
        got = wire_receive(fd, &head, &answer, NULL, NULL, call->cancel_fd, deadline);
    else if (got == 0)
        return outcome_late(ctx, uuid, call->timeout_ms, &patience, err);
    if (got < 0 && errno == ETIMEDOUT)
        return outcome_late(ctx, uuid, call->timeout_ms, &patience, err);
    if (got < 0 && errno == ECANCELED && (got = cancel(fd, &head, &answer)) <= 0)
        return outcome_cancelled(err);
    if (got == 0)
        return patience.told ? outcome_overdue(uuid, call->timeout_ms, err)
                             : outcome_gone(uuid, err);
    if (got < 0 || head.type != WIRE_OUTCOME)
        return outcome_receive_failed(uuid, got < 0 ? errno : EPROTO, err);
    int status = wire_get_outcome(&answer, result, err);
    wait_closed(fd);
    if (status < 0 && call->crash != NULL)
        wire_get_crash(&answer, call->crash);
    if (status < 0)
        outcome_context(call->function, uuid, err);
    return status;
}

int call_connect(struct ml_ctx *ctx, const char *uuid, struct ml_error *err)
{
    int runtime = ctx_runtime(ctx, false, err);
    if (runtime <= 0)
        return runtime < 0 ? -1 : outcome_not_loaded(uuid, err);
    int fd = run_connect(ctx, uuid, RUN_CALL);
    if (fd < 0 && errno != ENOENT && errno != ECONNREFUSED)
        return ml_error_errno(err, ML_BUSY, errno, "cannot reach the worker of %s", uuid);
    return fd < 0 ? outcome_not_loaded(uuid, err) : fd;
}

/* The frame and the descriptors go out in one message, before anybody has accepted: the spare call
 * finds all of it when it wakes up, and no round trip is lost. */
int ml_exec(struct ml_ctx *ctx, const struct ml_key *key, const struct ml_call *call,
            struct ml_value *result, struct ml_error *err)
{
    char uuid[ML_UUID_SIZE];
    BUF_AUTO frame = BUF_INIT;
    ml_key_to_uuid(key, uuid);
    if (call->crash != NULL)
        *call->crash = (struct ml_crash){0};
    if (put_call(&frame, call, err) < 0)
        return -1;
    AUTO_CLOSE int fd = call_connect(ctx, uuid, err);
    if (fd < 0)
        return -1;
    if (wire_send(fd, WIRE_CALL, frame.data, frame.len, call->stdio, WIRE_FDS) < 0) {
        if (errno == EBADF)
            return ml_error_set(err, ML_IO, NULL, "a standard descriptor is closed");
        if (errno != EPIPE && errno != ECONNRESET)
            return ml_error_errno(err, 0, errno, "cannot send the call");
        /* The worker may have refused it and said why: that is still to be read. */
    }
    return receive_outcome(ctx, fd, uuid, call, result, err);
}

/* One call: a connection, a frame, three descriptors, an answer. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/scope.h"
#include "client/context.h"
#include "client/wire.h"

enum {
    GRACE_MS = 200,   /* what a worker has, past the deadline, to say that it passed */
    CANCEL_MS = 1000, /* ... and after a cancel, to end what runs */
};

/* Returns -1, as the setters of errors do. */
static int outcome_set(struct ml_error *err, const char *outcome)
{
    if (err != NULL)
        snprintf(err->outcome, sizeof err->outcome, "%s", outcome);
    return -1;
}

/* The call has not begun: nobody took the connection. Whoever reads the code may safely try
 * again. */
static int not_loaded(const char *uuid, struct ml_error *err)
{
    ml_error_set(err, ML_NOT_LOADED, NULL, "%s is not loaded", uuid);
    ml_error_hint(err, "load it: modload load %s", uuid);
    return outcome_set(err, "not_loaded");
}

/* The call may have begun, and may have done what it does: to try again is for the caller to
 * decide. */
static int worker_gone(const char *uuid, struct ml_error *err)
{
    ml_error_set(err, ML_NOT_LOADED, "worker_gone",
                 "the worker of %s, or the supervisor of the call, went away during it", uuid);
    ml_error_hint(err, "load it again: modload load %s", uuid);
    return outcome_set(err, "not_loaded");
}

/* What wire_receive() said, in words. ETIMEDOUT comes only when the supervisor itself was late by
 * GRACE_MS: it is stopped, or the machine is. A connection that broke counts as a worker that has
 * gone. */
static int receive_failed(const char *uuid, int errnum, int64_t timeout_ms, struct ml_error *err)
{
    switch (errnum) {
    case ETIMEDOUT:
        ml_error_set(err, ML_TIMEOUT, NULL, "the worker of %s did not answer within %lld ms", uuid,
                     (long long)timeout_ms);
        ml_error_hint(err, "is it stopped? start it anew: modload release %s; modload load %s",
                      uuid, uuid);
        return outcome_set(err, "timeout");
    case EPROTONOSUPPORT:
        ml_error_set(err, ML_PROTOCOL, NULL, "the worker of %s is of another version of modload",
                     uuid);
        return ml_error_hint(err, "start it anew: modload release %s; modload load %s", uuid, uuid);
    case EPROTO:
    case EMSGSIZE:
        return ml_error_set(err, ML_PROTOCOL, NULL, "the worker of %s sent an answer that is none",
                            uuid);
    case ENOMEM:
        return ml_error_memory(err);
    default:
        return worker_gone(uuid, err);
    }
}

/* The payload of a CALL (client/wire.h). Built whole before anything is connected, so that
 * arguments that are too large cost the worker nothing. */
static int put_call(struct buf *frame, const struct ml_call *call, struct ml_error *err)
{
    uint32_t timeout = call->timeout_ms > UINT32_MAX ? UINT32_MAX : (uint32_t)call->timeout_ms;
    uint32_t n = (uint32_t)call->n_args + 1;
    buf_add(frame, &timeout, sizeof timeout);
    buf_add(frame, &n, sizeof n);
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
 * command could still meet descendants of this one. CANCEL_MS bounds it: a supervisor that hangs
 * must not hang us, and the answer is here already. */
static void wait_closed(int fd)
{
    char byte;
    struct pollfd p = {.fd = fd, .events = POLLIN};
    while (poll(&p, 1, CANCEL_MS) > 0 && recv(fd, &byte, 1, MSG_DONTWAIT) > 0)
        ;
}

/* "divide: division_by_zero: cannot divide 1 by zero": which function, and the word that it failed
 * with. "exited" is modload's own word, not the function's, and adds nothing to its message. */
static void add_context(const struct ml_call *call, const char *uuid, struct ml_error *err)
{
    if (err == NULL)
        return;
    if (strcmp(err->outcome, "undefined_function") == 0 && err->hint[0] == '\0')
        ml_error_hint(err, "see what it has: modload info %s", uuid);
    bool failed = strcmp(err->outcome, "plugin_error") == 0;
    if (failed && err->status == ML_FAILED && strcmp(err->code, "exited") != 0)
        ml_error_wrap(err, "%s", err->code);
    if (failed || strcmp(err->outcome, "timeout") == 0 || strcmp(err->outcome, "cancelled") == 0)
        ml_error_wrap(err, "%s", call->function);
}

/* Once the client has cancelled, an OUTCOME that comes all the same is what counts: the call may
 * have ended in that very moment, and then its result is true. */
static int receive_outcome(int fd, const char *uuid, const struct ml_call *call,
                           struct ml_value *result, struct ml_error *err)
{
    struct wire_head head;
    BUF_AUTO answer = BUF_INIT;
    int64_t deadline = call->timeout_ms > 0 ? clock_ms() + call->timeout_ms + GRACE_MS : -1;
    int got = wire_receive(fd, &head, &answer, NULL, NULL, call->cancel_fd, deadline);
    bool cancelled = got < 0 && errno == ECANCELED;
    if (cancelled && (got = cancel(fd, &head, &answer)) <= 0) {
        ml_error_set(err, ML_SIGNAL + SIGINT, "cancelled", "the call was cancelled");
        return outcome_set(err, "cancelled");
    }
    if (got == 0)
        return worker_gone(uuid, err);
    if (got < 0)
        return receive_failed(uuid, errno, call->timeout_ms, err);
    if (head.type != WIRE_OUTCOME)
        return receive_failed(uuid, EPROTO, 0, err);
    int status = wire_get_outcome(&answer, result, err);
    wait_closed(fd);
    if (status < 0)
        add_context(call, uuid, err);
    return status;
}

/* The frame and the descriptors go out in one message, before anybody has accepted: the spare call
 * finds all of it when it wakes up, and no round trip is lost. */
int ml_exec(struct ml_ctx *ctx, const struct ml_key *key, const struct ml_call *call,
            struct ml_value *result, struct ml_error *err)
{
    char uuid[ML_UUID_SIZE];
    BUF_AUTO frame = BUF_INIT;
    ml_key_to_uuid(key, uuid);
    if (put_call(&frame, call, err) < 0)
        return -1;
    int runtime = ctx_runtime(ctx, false, err);
    if (runtime <= 0)
        return runtime < 0 ? -1 : not_loaded(uuid, err);
    AUTO_CLOSE int fd = run_connect(ctx, uuid, RUN_CALL);
    if (fd < 0 && errno != ENOENT && errno != ECONNREFUSED)
        return ml_error_errno(err, ML_BUSY, errno, "cannot reach the worker of %s", uuid);
    if (fd < 0)
        return not_loaded(uuid, err);
    if (wire_send(fd, WIRE_CALL, frame.data, frame.len, call->stdio, WIRE_FDS) < 0) {
        if (errno == EBADF)
            return ml_error_set(err, ML_IO, NULL, "a standard descriptor is closed");
        if (errno != EPIPE && errno != ECONNRESET)
            return ml_error_errno(err, 0, errno, "cannot send the call");
        /* The worker may have refused it and said why: that is still to be read. */
    }
    return receive_outcome(fd, uuid, call, result, err);
}

/* The wire between a client and a worker: frames over a Unix stream socket, on one machine, so in
 * the machine's byte order. The whole format:
 *
 *     frame    := head payload        head.length bytes of payload, at most WIRE_MAX
 *     CALL     := struct wire_call, then `n` texts, each with its NUL: the function, its arguments.
 *                 With the head come three descriptors: the call's standard input, output and
 *                 error. A client that shuts down its sending side, or goes away, cancels the call.
 *     OPEN     := struct wire_call without texts; descriptors as with CALL
 *     SESSION  := nothing; with the head comes one descriptor, the session's memory
 *                 (client/channel.h), in which everything else goes on
 *     OUTCOME  := struct wire_outcome, then `size` bytes: a result's data; or, for a failure, four
 *                 texts, each with its NUL: outcome, code, message, hint; behind them, where one
 *                 crashed and it is known how, a CRASH: machine, objects, stack
 *                 (client/wire-crash.h)
 *     QUERY    := nothing; or u32 1: somebody is about to use the worker
 *     STATUS   := struct wire_status
 *     RELEASE  := u32 enum ml_release_mode
 *     LEAVING  := nothing; then the worker ends
 *     LATE     := u32: the sender's calls that have run for so many milliseconds, or else the
 *                 oldest, are past their deadline, and are to be ended with their supervisors.
 *                 Answered by a STATUS when these are dead; what they left is gone before the next
 *                 question is answered
 *     CALLS    := nothing: which calls run?
 *     CANCEL   := u64: the number of a call; 0: all that run. They are ended, of a session the call
 *                 that it is at; said again some time later, with the supervisor that has not ended
 *                 it. Answered by RUNNING: those that were told
 *     RUNNING  := n struct wire_running, in no order, at most WIRE_RUNNING_MAX
 *     RELOAD   := nothing: another worker shall take this one's place
 *     TURN     := u32: 1, go on; 0, not now
 *     HAND     := nothing: give up your sockets and your lock, as far as TAKEN
 *     HANDED   := nothing; twice: with the lock and the two sockets, with both ends of the lifeline
 *     TAKEN    := nothing: all is in place with me
 *     YOURS    := nothing: and no more with me
 *     TAKE     := nothing, with a connection on which HAND was said: take over from there
 *
 * CALL goes to a worker's call socket and is answered by one OUTCOME; the supervisor closes the
 * connection after it, when nothing of the call is left. OPEN goes there too, is answered by
 * SESSION, or by an OUTCOME that says why not, and lasts until the connection is closed. QUERY,
 * CALLS, CANCEL, RELEASE, LATE and RELOAD go to the control socket. READY, to whoever starts a
 * worker, is an OUTCOME. A worker that was started to take another's place says READY twice: when
 * its plugin is mapped, and when it has taken over, which it is told to by TAKE. Neither side
 * believes a length, a count or a text before it has looked.
 */
#ifndef CLIENT_WIRE_H
#define CLIENT_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "modload/modload.h"

enum {
    WIRE_MAGIC = 0x6d6c7731, /* "mlw1" */
    WIRE_VERSION = 2,
    WIRE_DATA_MAX = 64 << 20, /* a result, or all arguments of a call */
    WIRE_MAX = WIRE_DATA_MAX + 65536,
    WIRE_FDS = 3,
    WIRE_RUNNING_MAX = 4096, /* calls of a worker at the same time */
    WIRE_FUNCTION = 64,      /* of a function's name, with its NUL */
};

enum wire_type {
    WIRE_CALL = 1,
    WIRE_OUTCOME,
    WIRE_QUERY,
    WIRE_STATUS,
    WIRE_RELEASE,
    WIRE_LEAVING,
    WIRE_OPEN,
    WIRE_SESSION,
    WIRE_LATE,
    WIRE_RELOAD,
    WIRE_TURN,
    WIRE_HAND,
    WIRE_HANDED,
    WIRE_TAKEN,
    WIRE_YOURS,
    WIRE_TAKE,
    WIRE_CALLS,
    WIRE_CANCEL,
    WIRE_RUNNING,
};

struct wire_head {
    uint32_t magic;
    uint16_t version;
    uint16_t type;
    uint32_t length;
};

struct wire_call {
    uint32_t timeout_ms; /* 0: none; of a session: none, each request has its own */
    uint32_t n;
    uint32_t timeout_default; /* 1: a shorter one of the plugin's own counts */
    uint32_t last;            /* 1: the client is about to release the worker */
    struct ml_limits limits;
};

struct wire_outcome {
    int32_t status;      /* 0, or what the error's status is */
    uint32_t value_type; /* enum ml_value_type */
    uint64_t scalar;     /* its bits, for a value that is a number */
    uint32_t size;       /* bytes that follow */
    uint32_t zero;
};

struct wire_status {
    int32_t pid;
    uint32_t draining; /* 1: it takes no calls any more, and leaves when the last one has ended */
    char bundle[ML_BUNDLE_ID_SIZE + 5];
    char plugin[ML_NAME_SIZE + 7];
    char version[ML_VERSION_SIZE + 7];
    uint64_t uptime_ms, calls, ok, errors, crashes, timeouts, cancelled, rejected, memory_kib;
    uint64_t idle_limit_ms, idle_ms;
    uint64_t running;
};

/* A session's calls share memory with its plugin, which may have falsified all of it but
 * `number`. */
struct wire_running {
    uint64_t number;     /* from 1 on; a worker never gives one twice */
    uint64_t running_ms; /* since its client came */
    int32_t client;      /* its pid; 0: not known yet */
    uint32_t session;    /* 1: it is a session, and `function` may have ended */
    char function[WIRE_FUNCTION];
};

/* Sends a frame whole, with up to WIRE_FDS descriptors. 0, or -1 with errno (EPIPE: the peer is
 * gone, never a signal). Blocks as the socket does. */
int wire_send(int fd, enum wire_type type, const void *payload, size_t size, const int *fds,
              size_t n_fds);

/* Receives a frame into `payload` (`head.length` bytes and a NUL). 1; 0 when the peer closed before
 * one began; -1 with errno: ETIMEDOUT, EPROTO (no frame of ours, cut short), EMSGSIZE, ENOMEM,
 * ECANCELED
 * (`cancel_fd` became readable; -1: none), or the socket's own. `deadline` is of clock_ms(),
 * negative: none. Descriptors that come are close-on-exec and the caller's; `fds` may be null: then
 * none is taken. A frame of another version is EPROTONOSUPPORT. */
int wire_receive(int fd, struct wire_head *head, struct buf *payload, int fds[WIRE_FDS],
                 size_t *n_fds, int cancel_fd, int64_t deadline);

/* The head of a value's OUTCOME payload; whether the value's data has to follow it. */
bool wire_outcome_of(const struct ml_value *value, struct wire_outcome *ret);

/* Appends an OUTCOME payload. */
void wire_put_value(struct buf *payload, const struct ml_value *value);
void wire_put_error(struct buf *payload, const struct ml_error *error);

/* Reads one: 0 and `*value`, which the caller frees; -1 and `*err`. A payload that is none is an
 * error of its own, ML_PROTOCOL. */
int wire_get_outcome(const struct buf *payload, struct ml_value *value, struct ml_error *err);

#endif

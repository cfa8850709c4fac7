/* The wire between a client and a worker: frames over a Unix stream socket, on one machine, so in
 * the machine's byte order. The whole format:
 *
 *     frame    := head payload        head.length bytes of payload, at most WIRE_MAX
 *     CALL     := u32 timeout_ms (0: none), u32 n, then n texts, each with its NUL: the function,
 *                 its arguments. With the head come three descriptors: the call's standard input,
 *                 output and error. A client that shuts down its sending side, or goes away,
 *                 cancels the call.
 *     OUTCOME  := struct wire_outcome, then `size` bytes: a result's data; or, for a failure, four
 *                 texts, each with its NUL: outcome, code, message, hint
 *     QUERY    := nothing
 *     STATUS   := struct wire_status
 *     RELEASE  := u32 enum ml_release_mode
 *     LEAVING  := nothing; then the worker ends
 *
 * CALL goes to a worker's call socket and is answered by one OUTCOME; the supervisor closes the
 * connection after it, when nothing of the call is left. QUERY and RELEASE go to the control
 * socket. READY, to whoever starts a worker, is an OUTCOME. Neither side believes a length, a count
 * or a text before it has looked.
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
    WIRE_VERSION = 1,
    WIRE_DATA_MAX = 64 << 20, /* a result, or all arguments of a call */
    WIRE_MAX = WIRE_DATA_MAX + 65536,
    WIRE_FDS = 3,
};

enum wire_type { WIRE_CALL = 1, WIRE_OUTCOME, WIRE_QUERY, WIRE_STATUS, WIRE_RELEASE, WIRE_LEAVING };

struct wire_head {
    uint32_t magic;
    uint16_t version;
    uint16_t type;
    uint32_t length;
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

/* Appends an OUTCOME payload. */
void wire_put_value(struct buf *payload, const struct ml_value *value);
void wire_put_error(struct buf *payload, const struct ml_error *error);

/* Reads one: 0 and `*value`, which the caller frees; -1 and `*err`. A payload that is none is an
 * error of its own, ML_PROTOCOL. */
int wire_get_outcome(const struct buf *payload, struct ml_value *value, struct ml_error *err);

#endif

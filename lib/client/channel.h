/* What a session's client, supervisor and call share: a sealed memfd with two rings. The whole
 * format, in the machine's byte order:
 *
 *     request  := struct channel_request, then `n` texts as in a CALL, `size` bytes
 *     response := struct channel_response, then an OUTCOME's payload, `size` bytes
 *                 each of them filled up to a cache line
 *
 * Requests are answered in their order. The call writes `running` when it has taken a request and
 * clears it when the function has returned; the supervisor ends a call that runs for too long, and
 * answers for one that died. In between it sleeps, and says until when: a client whose request has
 * to be looked after earlier wakes it with one byte over the session's socket.
 *
 * A plugin can write here whatever it likes. It can then delay or falsify the outcomes of its own
 * calls, which it can do anyway: the client checks every length, and keeps the deadlines itself.
 */
#ifndef CLIENT_CHANNEL_H
#define CLIENT_CHANNEL_H

#include "base/ring.h"
#include "modload/error.h"

enum { CHANNEL_VERSION = 1 };

struct channel {
    uint32_t version;
    /* Of the call that runs: its number, 0 when none does; when it began (clock_ms), its limit. */
    _Alignas(64) _Atomic uint64_t running;
    _Atomic int64_t began_ms;
    _Atomic uint32_t timeout_ms;
    /* 1 while a request is being taken or a response being written: who dies then leaves the rings
     * in disorder, and the session ends. */
    _Atomic uint32_t between;
    /* The last request that the supervisor answered, for a call that had died. */
    _Atomic uint64_t answered;
    /* Until when the supervisor sleeps (clock_ms); 0: it does not. */
    _Alignas(64) _Atomic int64_t watch_until;
    struct ring request, response;
};

struct channel_request {
    uint64_t number; /* from 1, in order */
    uint32_t size;
    uint32_t timeout_ms;      /* 0: none */
    uint32_t n;               /* texts: the function and its arguments */
    uint32_t timeout_default; /* 1: a shorter one of the plugin's own counts */
};

struct channel_response {
    uint64_t number;
    uint32_t size;
    uint32_t zero;
};

/* Makes one: a memfd of the right size, sealed against any other, close-on-exec. It is mapped into
 * this process and its children for good. Returns the descriptor; or -1 and `*err`. */
int channel_create(struct channel **ret, struct ml_error *err);

/* Maps one that somebody else made. Errors: ML_PROTOCOL where it is none, or could shrink under us;
 * ML_LIMIT. */
int channel_map(int fd, struct channel **ret, struct ml_error *err);
void channel_unmap(struct channel *channel);

/* Whether this process may use more than one processor: sched_getaffinity(2). */
bool channel_may_spin(void);

#endif

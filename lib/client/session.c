/* A session, seen from its client. Requests and responses go through shared memory; the socket says
 * that the other side is still there. Behind the memory stands a plugin: whatever is read there is
 * copied first and then checked, and the deadlines are kept here as well. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/scope.h"
#include "client/channel.h"
#include "client/outcome.h"
#include "client/wire-crash.h"
#include "client/wire.h"

enum {
    LOOK_MS = 50,   /* between two looks at the socket and the clock, while nothing comes */
    WAITS = 64,     /* ... and while things come that are no answer, or only parts of one */
    NAME_SIZE = 64, /* as much of a function's name as its errors show */
    KEEP = 1 << 20, /* memory that is kept from one outcome to the next */
};

/* A call under way: what its outcome needs to be told. */
struct pending {
    int64_t timeout_ms;
    char function[NAME_SIZE];
};

struct ml_session {
    struct ml_ctx *ctx;
    char uuid[ML_UUID_SIZE];
    int conn, cancel_fd;
    struct channel *channel;
    struct ring_end in, out;
    uint64_t sent, received; /* numbers of the last ones */
    int64_t stalled;         /* since when no answer has come (clock_ms); 0: one has */
    unsigned waits;          /* since then */
    struct patience late;
    int64_t more; /* how long to wait beyond the deadline: see outcome_patience() */
    int64_t watched,
        watched_for; /* until then the supervisor sleeps, early enough for that limit */
    bool over;
    struct ml_error why;
    struct buf payload;
    bool failed; /* it holds a failure's outcome, whole */
    struct pending pending[ML_SESSION_CALLS];
};

/* The session ends, and every later call of it in the same way. */
static int end(struct ml_session *s, struct ml_error *err)
{
    s->over = true;
    shutdown(s->conn, SHUT_RDWR);
    if (err != NULL)
        *err = s->why;
    return -1;
}

static int broken(struct ml_session *s, struct ml_error *err)
{
    outcome_receive_failed(s->uuid, EPROTO, &s->why);
    return end(s, err);
}

/* ---- opening ---- */

static int send_open(int conn, const struct ml_session_options *o, struct ml_error *err)
{
    const struct wire_call head = {.limits = o->limits};
    if (wire_send(conn, WIRE_OPEN, &head, sizeof head, o->stdio, WIRE_FDS) == 0)
        return 0;
    if (errno == EBADF)
        return ml_error_set(err, ML_IO, NULL, "a standard descriptor is closed");
    /* The worker may have refused it and said why: that is still to be read. */
    return errno == EPIPE || errno == ECONNRESET
               ? 0
               : ml_error_errno(err, 0, errno, "cannot send the call");
}

/* The memory comes as a descriptor, which is closed once it is mapped. */
static int receive_channel(struct ml_session *s, const struct ml_session_options *o,
                           struct ml_error *err)
{
    struct wire_head head;
    struct ml_value none = {0};
    BUF_AUTO payload = BUF_INIT;
    int fds[WIRE_FDS];
    size_t n_fds;
    int64_t deadline;
    int got =
        outcome_await(s->ctx, s->uuid, s->conn, o->cancel_fd, o->timeout_ms, &s->late, &deadline);
    if (got == 0)
        return outcome_late(s->ctx, s->uuid, o->timeout_ms, &s->late, err);
    if (got > 0)
        got = wire_receive(s->conn, &head, &payload, fds, &n_fds, o->cancel_fd, deadline);
    if (got < 0 && errno == ECANCELED)
        return outcome_cancelled(err);
    if (got < 0 && errno == ETIMEDOUT)
        return outcome_late(s->ctx, s->uuid, o->timeout_ms, &s->late, err);
    if (got <= 0)
        return got == 0 ? outcome_gone(s->uuid, err) : outcome_receive_failed(s->uuid, errno, err);
    AUTO_CLOSE int memory = n_fds > 0 ? fds[0] : -1;
    for (size_t i = 1; i < n_fds; i++)
        close(fds[i]);
    if (head.type == WIRE_OUTCOME && wire_get_outcome(&payload, &none, err) < 0)
        return -1;
    ml_value_done(&none);
    if (head.type != WIRE_SESSION)
        return outcome_receive_failed(s->uuid, EPROTO, err);
    return channel_map(memory, &s->channel, err);
}

static int open_session(struct ml_session *s, const struct ml_session_options *o,
                        struct ml_error *err)
{
    s->conn = call_connect(s->ctx, s->uuid, err);
    if (s->conn < 0 || send_open(s->conn, o, err) < 0 || receive_channel(s, o, err) < 0)
        return -1;
    bool spins = channel_may_spin();
    ring_writer(&s->out, &s->channel->request, spins);
    ring_reader(&s->in, &s->channel->response, spins);
    return 0;
}

int ml_session_open(struct ml_ctx *ctx, const struct ml_key *key,
                    const struct ml_session_options *options, struct ml_session **ret,
                    struct ml_error *err)
{
    struct ml_session *s = calloc(1, sizeof *s);
    if (s == NULL)
        return ml_error_memory(err);
    s->ctx = ctx;
    s->conn = -1;
    s->cancel_fd = options->cancel_fd;
    ml_key_to_uuid(key, s->uuid);
    if (open_session(s, options, err) < 0) {
        ml_session_close(s);
        return -1;
    }
    *ret = s;
    return 0;
}

/* ---- waiting ---- */

static bool is_readable(int fd, short events)
{
    struct pollfd p = {.fd = fd, .events = events};
    return fd >= 0 && poll(&p, 1, 0) > 0;
}

/* No answer has come for a while. Whether to go on waiting: 0; -1: the session is over. The clock
 * of the oldest call is started with the first look, so that a call in time asks for no time. */
static int look_around(struct ml_session *s, struct ring_end *at, int64_t timeout_ms,
                       struct ml_error *err)
{
    bool gone = is_readable(s->conn, POLLRDHUP);
    int64_t now = clock_ms();
    if (gone && ring_ready(at) == 0) {
        if (s->late.told)
            outcome_overdue(s->uuid, timeout_ms, &s->why);
        else
            outcome_gone(s->uuid, &s->why);
        return end(s, err);
    }
    if (is_readable(s->cancel_fd, POLLIN)) {
        outcome_cancelled(&s->why);
        return end(s, err);
    }
    if (s->stalled == 0)
        s->stalled = now - LOOK_MS;
    if (timeout_ms <= 0 || now < s->stalled + timeout_ms + GRACE_MS + s->more)
        return 0;
    int64_t more = outcome_patience(s->ctx, s->uuid, timeout_ms, &s->late);
    s->more = clock_ms() - (s->stalled + timeout_ms + GRACE_MS) + more;
    if (more > 0)
        return 0;
    outcome_late(s->ctx, s->uuid, timeout_ms, &s->late, &s->why);
    return end(s, err);
}

/* An answer may come in parts, and need not be one: who sends a byte now and then, or answers of
 * before, has no more time than who sends nothing. */
static bool is_long(struct ml_session *s)
{
    return ++s->waits % WAITS == 0;
}

/* Waits until `end` has something ready; how much, or -1: the session is over. */
static ssize_t await(struct ml_session *s, struct ring_end *at, int64_t timeout_ms,
                     struct ml_error *err)
{
    ssize_t ready = ring_known(at);
    while (ready == 0 && (ready = ring_ready(at)) == 0)
        if ((!ring_wait(at, LOOK_MS) || is_long(s)) && look_around(s, at, timeout_ms, err) < 0)
            return -1;
    return ready < 0 ? broken(s, err) : ready;
}

/* ---- sending ---- */

static int put(struct ml_session *s, const void *data, size_t n, int64_t timeout_ms,
               struct ml_error *err)
{
    for (const char *p = data; n > 0;) {
        ssize_t room = await(s, &s->out, timeout_ms, err);
        if (room < 0)
            return -1;
        size_t part = (size_t)room < n ? (size_t)room : n;
        ring_put(&s->out, p, part);
        p += part;
        n -= part;
    }
    return 0;
}

/* Only a request that meets an empty session may be larger than the room there is: the call then
 * takes it in as it comes, and has no outcome in its way that we would have to receive first. */
static bool has_room(struct ml_session *s, size_t size)
{
    if (s->sent == s->received)
        return true;
    return s->sent - s->received < ML_SESSION_CALLS &&
           (ring_known(&s->out) >= (ssize_t)size || ring_ready(&s->out) >= (ssize_t)size);
}

/* The supervisor may sleep beyond this call's limit; one byte wakes it. What was early enough for
 * an earlier call is so for one with the same limit: the clock need not be asked again. */
static void wake_watch(struct ml_session *s, int64_t timeout_ms)
{
    int64_t until = atomic_load(&s->channel->watch_until);
    if (timeout_ms <= 0 || until == 0 || (until == s->watched && timeout_ms >= s->watched_for))
        return;
    s->watched = until;
    s->watched_for = timeout_ms;
    if (until <= clock_ms() + timeout_ms)
        return;
    s->watched = 0;
    atomic_store(&s->channel->watch_until, 0);
    send(s->conn, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL); /* if it is gone, the next wait finds out */
}

static void remember(struct ml_session *s, const struct ml_call *call, size_t name_size)
{
    struct pending *p = &s->pending[s->sent % ML_SESSION_CALLS];
    size_t n = name_size < NAME_SIZE ? name_size : NAME_SIZE;
    p->timeout_ms = call->timeout_ms;
    memcpy(p->function, call->function, n);
    p->function[n - 1] = '\0';
}

static int send_texts(struct ml_session *s, const struct ml_call *call, size_t name_size,
                      struct ml_error *err)
{
    if (put(s, call->function, name_size, call->timeout_ms, err) < 0)
        return -1;
    for (size_t i = 0; i < call->n_args; i++)
        if (put(s, call->args[i], strlen(call->args[i]) + 1, call->timeout_ms, err) < 0)
            return -1;
    return 0;
}

static int align_out(struct ml_session *s, int64_t timeout_ms, struct ml_error *err)
{
    static const char nothing[RING_LINE];
    return put(s, nothing, ring_gap(&s->out), timeout_ms, err);
}

int ml_session_send(struct ml_session *s, const struct ml_call *call, struct ml_error *err)
{
    size_t name_size = strlen(call->function) + 1, size = name_size;
    if (s->over)
        return end(s, err);
    for (size_t i = 0; i < call->n_args; i++)
        size += strlen(call->args[i]) + 1;
    if (size > WIRE_DATA_MAX)
        return ml_error_set(err, ML_DATA, "too_large", "the arguments are larger than %d MiB",
                            WIRE_DATA_MAX >> 20);
    struct channel_request head = {
        .number = s->sent + 1,
        .size = (uint32_t)size,
        .timeout_ms = call->timeout_ms > UINT32_MAX ? UINT32_MAX : (uint32_t)call->timeout_ms,
        .n = (uint32_t)call->n_args + 1,
        .timeout_default = call->timeout_default,
    };
    if (!has_room(s, sizeof head + size + RING_LINE))
        return ml_error_set(err, ML_BUSY, "full", "too many calls are under way");
    if (put(s, &head, sizeof head, call->timeout_ms, err) < 0 ||
        send_texts(s, call, name_size, err) < 0)
        return -1;
    if (align_out(s, call->timeout_ms, err) < 0)
        return -1;
    ring_tell(&s->out);
    wake_watch(s, call->timeout_ms);
    remember(s, call, name_size);
    s->sent++;
    return 0;
}

/* ---- receiving ---- */

static int get(struct ml_session *s, void *to, size_t n, int64_t timeout_ms, struct ml_error *err)
{
    for (char *p = to; n > 0;) {
        ssize_t ready = await(s, &s->in, timeout_ms, err);
        if (ready < 0)
            return -1;
        size_t part = (size_t)ready < n ? (size_t)ready : n;
        ring_get(&s->in, p, part);
        p += part;
        n -= part;
    }
    return 0;
}

/* Takes one response in: its number, or 0 when the session is over. */
static uint64_t get_response(struct ml_session *s, const struct pending *p, struct ml_error *err)
{
    struct channel_response head;
    if (get(s, &head, sizeof head, p->timeout_ms, err) < 0)
        return 0;
    if (head.size > WIRE_MAX || head.number == 0) {
        broken(s, err);
        return 0;
    }
    buf_reset(&s->payload);
    if (!buf_reserve(&s->payload, head.size)) {
        ml_error_memory(&s->why);
        end(s, err);
        return 0;
    }
    if (get(s, s->payload.data, head.size, p->timeout_ms, err) < 0)
        return 0;
    ring_align(&s->in);
    ring_tell(&s->in);
    s->payload.len = head.size;
    return head.number;
}

/* A call that died while it answered is answered for by its supervisor as well: what has come
 * already is passed over. */
int ml_session_receive(struct ml_session *s, struct ml_value *result, struct ml_error *err)
{
    const struct pending *p = &s->pending[s->received % ML_SESSION_CALLS];
    uint64_t number;
    s->failed = false;
    if (s->over)
        return end(s, err);
    if (s->sent == s->received)
        return ml_error_set(err, ML_USAGE, NULL, "no call is under way");
    while ((number = get_response(s, p, err)) <= s->received)
        if (number == 0 || (is_long(s) && look_around(s, &s->in, p->timeout_ms, err) < 0))
            return -1;
    if (number != s->received + 1)
        return broken(s, err);
    s->received++;
    s->stalled = s->more = 0;
    s->late = (struct patience){0};
    s->waits = 0;
    int status = wire_get_outcome(&s->payload, result, err);
    s->failed = status < 0;
    if (s->failed)
        outcome_context(p->function, s->uuid, err);
    else if (s->payload.cap > KEEP)
        buf_free(&s->payload);
    return status;
}

int ml_session_call(struct ml_session *s, const struct ml_call *call, struct ml_value *result,
                    struct ml_error *err)
{
    if (ml_session_send(s, call, err) < 0)
        return -1;
    return ml_session_receive(s, result, err);
}

void ml_session_crash(const struct ml_session *s, struct ml_crash *ret)
{
    *ret = (struct ml_crash){0};
    if (s->failed)
        wire_get_crash(&s->payload, ret);
}

size_t ml_session_pending(const struct ml_session *s)
{
    return (size_t)(s->sent - s->received);
}

bool ml_session_over(const struct ml_session *s)
{
    return s->over;
}

bool ml_session_ready(struct ml_session *s)
{
    return s->over || ring_known(&s->in) != 0 || ring_ready(&s->in) != 0;
}

/* ---- closing ---- */

/* The supervisor closes its end when the session's last process is gone. */
void ml_session_close(struct ml_session *s)
{
    if (s == NULL)
        return;
    if (s->conn >= 0) {
        struct pollfd p = {.fd = s->conn, .events = POLLIN};
        shutdown(s->conn, SHUT_WR);
        while (poll(&p, 1, CANCEL_MS) < 0 && errno == EINTR)
            continue;
        close(s->conn);
    }
    if (s->channel != NULL)
        channel_unmap(s->channel);
    buf_free(&s->payload);
    free(s);
}

/* The calls of a session, one after the other, in one process. Between two of them it spins for a
 * moment and then sleeps. Nothing of it is on the heap, which a call may leave in ruins, and no
 * descriptor is needed, since a call may close them all. */
#include "worker/serve.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/call-end.h"
#include "base/clock.h"
#include "client/wire.h"

enum {
    TEXTS_MAX = CONVERT_SLOTS + 2, /* more than any function takes; how many more is only counted */
    SMALL = 1 << 16,               /* a request that needs no memory of its own */
};

struct session {
    const struct object *object;
    const struct ml_limits *limits;
    struct channel *channel;
    struct slot *slot;
    struct ring_end in, out;
    struct channel_request request;
    char *bytes; /* of the request: `small`, or a mapping of its own */
    char small[SMALL];
};

/* ---- rings ---- */

/* Waits until `n` bytes are ready at that end; how many there are. An index that makes no sense
 * ends the process: the plugin wrote there, and the supervisor sees to the client. */
static size_t await(struct ring_end *end, size_t n)
{
    ssize_t ready;
    while ((ready = ring_ready(end)) < (ssize_t)n) {
        if (ready < 0)
            _exit(1);
        ring_wait(end, -1);
    }
    return (size_t)ready;
}

/* What does not fit into the ring comes in parts: before we wait, the other side is told of what we
 * have moved. Who dies between two of them leaves a ring that nobody can read on. */
static size_t await_more(struct session *s, struct ring_end *end)
{
    if (ring_known(end) == 0 && ring_untold(end))
        atomic_store(&s->channel->between, 1);
    return await(end, 1);
}

static void get(struct session *s, char *to, size_t n)
{
    for (size_t part; n > 0; to += part, n -= part) {
        size_t ready = await_more(s, &s->in);
        part = ready < n ? ready : n;
        ring_get(&s->in, to, part);
    }
}

static void put(struct session *s, const void *from, size_t n)
{
    const char *p = from;
    for (size_t part; n > 0; p += part, n -= part) {
        size_t room = await_more(s, &s->out);
        part = room < n ? room : n;
        ring_put(&s->out, p, part);
    }
}

/* ---- requests and responses ---- */

static char *memory(size_t n)
{
    void *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        _exit(1); /* told as a call that ended its process */
    return p;
}

/* `running` before the ring is told: for who dies in between the supervisor answers, and the next
 * process passes the request over when it finds it again (`answered`). The clock is asked only for
 * a call that has a limit. */
static void take(struct session *s)
{
    struct channel *c = s->channel;
    struct channel_request *r = &s->request;
    await(&s->in, sizeof *r);
    ring_get(&s->in, r, sizeof *r);
    if (r->size > WIRE_DATA_MAX)
        _exit(1);
    s->bytes = r->size <= SMALL ? s->small : memory(r->size);
    get(s, s->bytes, r->size);
    await(&s->in, ring_gap(&s->in));
    ring_align(&s->in);
    uint32_t timeout_ms = limits_timeout(s->object, r->timeout_ms, r->timeout_default);
    atomic_store_explicit(&c->began_ms, timeout_ms > 0 ? clock_ms_late() : 0, memory_order_relaxed);
    atomic_store_explicit(&c->timeout_ms, timeout_ms, memory_order_relaxed);
    atomic_store_explicit(&c->running, r->number, memory_order_release);
    atomic_store_explicit(&c->between, 0, memory_order_release);
    ring_tell(&s->in);
}

/* The response before `running` is cleared: for who dies in between the supervisor answers once
 * more, and the client passes over what it has already. The call's time has stopped by then: that
 * its client has not got round to reading is not its fault. */
static void respond(struct session *s, const void *payload, size_t n, const void *data, size_t size)
{
    static const char nothing[RING_LINE];
    const struct channel_response head = {s->request.number, (uint32_t)(n + size), 0};
    atomic_store_explicit(&s->channel->timeout_ms, 0, memory_order_relaxed);
    put(s, &head, sizeof head);
    put(s, payload, n);
    put(s, data, size);
    put(s, nothing, ring_gap(&s->out));
    ring_tell(&s->out);
    atomic_store_explicit(&s->channel->between, 0, memory_order_release);
    atomic_store_explicit(&s->channel->running, 0, memory_order_release);
}

static void respond_error(struct session *s, const struct ml_error *err)
{
    char room[sizeof(struct wire_outcome) + sizeof *err];
    struct buf out = {.data = room, .cap = sizeof room};
    wire_put_error(&out, err);
    respond(s, out.data, out.len, NULL, 0);
}

static void respond_value(struct session *s, const struct ml_value *value)
{
    struct wire_outcome head;
    bool data = wire_outcome_of(value, &head);
    respond(s, &head, sizeof head, value->data, data ? value->size : 0);
}

/* ---- */

static void count(struct slot *slot, uint64_t number, const struct invoked *what)
{
    enum call_end is = what->ok ? CALL_OK : call_end_of(&what->err);
    bool entered = is == CALL_FAILED || is == CALL_OVER_LIMIT;
    _Atomic uint64_t *which = is == CALL_OK ? &slot->ok : entered ? &slot->errors : &slot->rejected;
    uint64_t before = atomic_load_explicit(which, memory_order_relaxed);
    atomic_store_explicit(which, before + 1, memory_order_relaxed); /* nobody else writes it */
    atomic_store_explicit(&slot->counted, number, memory_order_release);
}

/* What the function printed with stdio goes out before its outcome. */
static void run(struct session *s, invoke_ended ended)
{
    char *texts[TEXTS_MAX];
    struct invoked what;
    int n = invoke_split(s->bytes, s->request.size, s->request.n, texts, TEXTS_MAX);
    if (n < 0)
        _exit(1); /* no client of ours */
    slot_name(s->slot, texts[0]);
    invoke(s->object, texts, (size_t)n, ended, &what);
    if (!what.ok)
        limits_excuse(s->limits, errno, &what.err);
    fflush(NULL);
    count(s->slot, s->request.number, &what);
    if (what.ok)
        respond_value(s, &what.value);
    else
        respond_error(s, &what.err);
}

_Noreturn void serve(const struct object *object, const struct ml_limits *limits,
                     struct channel *channel, struct slot *slot, bool may_spin, invoke_ended ended)
{
    static struct session s;
    s.object = object;
    s.limits = limits;
    s.channel = channel;
    s.slot = slot;
    ring_reader(&s.in, &channel->request, may_spin);
    ring_writer(&s.out, &channel->response, may_spin);
    for (;;) {
        take(&s);
        if (s.request.number > atomic_load(&channel->answered))
            run(&s, ended);
        else
            atomic_store(&channel->running, 0);
        if (s.bytes != s.small)
            munmap(s.bytes, s.request.size);
    }
}

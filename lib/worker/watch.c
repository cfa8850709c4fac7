/* A session seen from its supervisor. The calls go on in shared memory, without us. We end one that
 * takes too long, answer for one that died, put a new process in its place, and end everything when
 * the client or the worker goes. While no call runs that has a limit, we sleep. */
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "client/channel.h"
#include "worker/slot.h"
#include "worker/supervisor.h"

enum {
    AGAIN_MS = 50,     /* between two looks at something that is about to change */
    IDLE_LOOK_MS = 50, /* between two looks at processes that do nothing */
    CLOSING_MS = 500,  /* what a session has printed last has for its way: its client waits 1 s */
    DEATHS_MAX = 8,    /* in a row, without a call: a process that dies by itself */
};

struct watch {
    struct supervised *s;
    struct channel *channel;
    struct ring_end out; /* used only while there is no call process */
    int deaths;
    int64_t look; /* when to look at what the processes use; INT64_MAX: never */
};

static int conn(const struct watch *w)
{
    return w->s->fds[HANDOVER_CONN];
}

/* ---- the call process ---- */

/* For the child; supervisor_fork() takes a function alone. */
static struct channel *serving;
static int printing[2]; /* the pipes that it gets in place of the client's output; -1: none */

static _Noreturn void serve_on(struct supervised *s)
{
    for (int i = 0; i < WIRE_FDS; i++) {
        bool printed = i > 0 && printing[i - 1] >= 0;
        if (dup2(printed ? printing[i - 1] : s->fds[HANDOVER_STDIO + i], i) < 0)
            _exit(1);
    }
    close_range(WIRE_FDS, ~0U, 0);
    call_serve(&s->call, &s->limits, serving);
}

/* The pipes of the next process, and what reads them. */
static int limit_output(struct watch *w)
{
    int pumped[2];
    for (int i = 0; i < 2; i++) {
        int pair[2];
        if (pipe2(pair, O_CLOEXEC) < 0)
            return -1; /* and the session is over, with all that is open here */
        pumped[i] = pair[0];
        printing[i] = pair[1];
    }
    return supervisor_pump(w->s, pumped);
}

/* Only the new process can write into its pipes: they end with it. */
static int replace_call(struct watch *w)
{
    serving = w->channel;
    printing[0] = printing[1] = -1;
    w->s->end = (siginfo_t){0};
    w->s->watch = (struct limits_watch){0};
    atomic_store(&w->s->report->done, 0);
    atomic_store(&w->s->report->crash.whole, 0);
    if (w->s->limits.output != 0 && limit_output(w) < 0)
        return -1;
    int status = supervisor_fork(w->s, serve_on);
    for (int i = 0; i < 2; i++)
        if (printing[i] >= 0)
            close(printing[i]);
    return status;
}

/* ---- answering for it ---- */

/* The client or the worker has gone. */
static bool is_left(const struct watch *w)
{
    struct pollfd p[2] = {{.fd = conn(w), .events = POLLRDHUP},
                          {.fd = w->s->setup->lifeline, .events = POLLIN}};
    return poll(p, 2, 0) > 0 &&
           (p[1].revents != 0 || (p[0].revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0);
}

/* Waits until there is room, for as long as there is somebody to make it: what is known of a crash
 * may be more than a ring holds. */
static int await_room(struct watch *w)
{
    ssize_t room;
    while ((room = ring_ready(&w->out)) == 0) {
        ring_wait(&w->out, AGAIN_MS);
        if (is_left(w))
            return -1;
    }
    return (int)room;
}

static int put(struct watch *w, const void *data, size_t n)
{
    for (const char *p = data; n > 0;) {
        int room = await_room(w);
        if (room < 0)
            return -1;
        size_t part = (size_t)room < n ? (size_t)room : n;
        ring_put(&w->out, p, part);
        p += part;
        n -= part;
    }
    return 0;
}

/* The rings are as the dead process left them: whole, or the session is over. */
static int answer(struct watch *w, uint64_t number, enum ending ending)
{
    BUF_AUTO payload = BUF_INIT;
    supervisor_outcome(w->s, ending, &payload);
    static const char nothing[RING_LINE];
    const struct channel_response head = {number, (uint32_t)payload.len, 0};
    ring_writer(&w->out, &w->channel->response, false);
    if (put(w, &head, sizeof head) < 0 || put(w, payload.data, payload.len) < 0 ||
        put(w, nothing, ring_gap(&w->out)) < 0)
        return -1;
    atomic_store(&w->channel->answered, number);
    atomic_store(&w->channel->running, 0);
    ring_tell(&w->out);
    return 0;
}

/* The call process is no more, or must not be any more. -1: the session is over. */
static int end_call(struct watch *w, enum ending ending)
{
    struct channel *c = w->channel;
    uint32_t limit = atomic_load(&c->timeout_ms);
    supervisor_end_call(w->s);
    ending = supervisor_drain(w->s, ending, limit > 0 ? clock_ms() + limit : -1);
    uint64_t running = atomic_load(&c->running);
    if (atomic_load(&c->between) != 0)
        return -1;
    w->deaths = running != 0 ? 0 : w->deaths + 1;
    if (w->deaths > DEATHS_MAX || (running != 0 && answer(w, running, ending) < 0))
        return -1;
    return replace_call(w);
}

/* ---- waiting ---- */

/* Whether a request is there that the call has not taken yet. */
static bool request_waits(const struct channel *c)
{
    return atomic_load(&c->request.head) != atomic_load(&c->request.tail);
}

/* When there is something to look at: the call that runs has had its time; or requests wait, whose
 * limits we do not know yet. INT64_MAX: never. */
static int64_t next_look(const struct channel *c)
{
    uint64_t running = atomic_load(&c->running);
    uint32_t limit = atomic_load(&c->timeout_ms);
    int64_t late = running != 0 && limit > 0 ? atomic_load(&c->began_ms) + limit : INT64_MAX;
    int64_t again = request_waits(c) ? clock_ms() + AGAIN_MS : INT64_MAX;
    return late < again ? late : again;
}

/* How long to sleep. A request that comes while this is worked out is seen here, or its client sees
 * how long we sleep: so it is worked out again once that is said. A look at processes that do
 * nothing is not said: who sends a request wakes us before it. */
static int sleep_ms(const struct watch *w)
{
    struct channel *c = w->channel;
    atomic_store(&c->watch_until, next_look(c));
    int64_t until = next_look(c);
    if (w->look < until)
        until = w->look;
    return until == INT64_MAX ? -1 : clock_poll_timeout(until);
}

/* Looks at what the processes use, if it is time to. True: the call that runs, or what earlier ones
 * have left, is over a limit. */
static bool is_over(struct watch *w)
{
    struct supervised *s = w->s;
    uint64_t running = atomic_load(&w->channel->running), seen_ms = s->watch.seen_ms;
    if (w->look > clock_ms())
        return false;
    s->over = limits_look(&s->limits, &s->watch, running, s->pump.pid);
    bool idle = running == 0 && !request_waits(w->channel) && s->watch.seen_ms == seen_ms;
    w->look = clock_ms() + (idle ? IDLE_LOOK_MS : LIMITS_LOOK_MS);
    return s->over != LIMIT_NONE && running == atomic_load(&w->channel->running);
}

/* The time of the call that runs is over, if it is still the one that was looked at. */
static bool is_late(const struct watch *w)
{
    struct channel *c = w->channel;
    uint64_t running = atomic_load(&c->running);
    w->s->timeout_ms = atomic_load(&c->timeout_ms);
    return running != 0 && w->s->timeout_ms > 0 &&
           clock_ms() >= atomic_load(&c->began_ms) + w->s->timeout_ms &&
           running == atomic_load(&c->running);
}

/* One event. -1: the session is over. */
static int turn(struct watch *w)
{
    struct supervised *s = w->s;
    char bytes[64];
    struct pollfd p[5] = {{.fd = s->pidfd, .events = POLLIN},
                          {.fd = conn(w), .events = POLLIN | POLLRDHUP},
                          {.fd = s->setup->lifeline, .events = POLLIN},
                          {.fd = s->signals, .events = POLLIN},
                          {.fd = s->pump.pidfd, .events = POLLIN}};
    if (poll(p, 5, sleep_ms(w)) < 0)
        return errno == EINTR ? 0 : -1;
    atomic_store(&w->channel->watch_until, 0);
    if (p[2].revents != 0 || (p[1].revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0)
        return -1;
    if (p[1].revents != 0) {
        if (recv(conn(w), bytes, sizeof bytes, MSG_DONTWAIT) == 0)
            return -1;
        if (w->look != INT64_MAX)
            w->look = 0; /* a request has come */
    }
    if (p[0].revents != 0 && supervisor_reap(s) == 0)
        return end_call(w, ENDED_ITSELF);
    if (p[4].revents != 0)
        pump_reap(&s->pump);
    if (s->pump.over) {
        s->over = LIMIT_OUTPUT;
        return end_call(w, ENDED_LIMIT);
    }
    if (p[3].revents != 0 && supervisor_cancelled(s) && atomic_load(&w->channel->running) != 0)
        return end_call(w, ENDED_CANCELLED);
    if (is_late(w))
        return end_call(w, ENDED_TIMEOUT);
    return is_over(w) ? end_call(w, ENDED_LIMIT) : 0;
}

/* A client may have had its last answer, and left, before the call got round to saying that it runs
 * no more. */
static bool is_uncounted(const struct watch *w)
{
    const struct slot *slot = slot_at(w->s->setup->slots, w->s->setup->slot);
    uint64_t running = atomic_load(&w->channel->running);
    return running != 0 && running != atomic_load(&slot->counted);
}

void supervisor_watch(struct supervised *s)
{
    struct watch w = {.s = s, .look = limits_need_looks(&s->limits) ? 0 : INT64_MAX};
    BUF_AUTO unsent = BUF_INIT;
    supervisor_tell_worker(s);
    if (channel_map(s->fds[HANDOVER_CHANNEL], &w.channel, NULL) == 0 &&
        wire_send(conn(&w), WIRE_SESSION, NULL, 0, &s->fds[HANDOVER_CHANNEL], 1) == 0)
        while (turn(&w) == 0)
            continue;
    supervisor_end_call(s);
    pump_end(&s->pump, CLOSING_MS);
    if (w.channel != NULL && is_uncounted(&w))
        supervisor_outcome(s, ENDED_CANCELLED, &unsent); /* to count it */
    close(conn(&w));
}

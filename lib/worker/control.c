/* Questions at the worker's control socket. Who asks is looked at once, by the kernel's word for
 * his uid; what he says is read as if anybody had said it. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/call-end.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/scope.h"
#include "base/statm.h"
#include "client/wire.h"
#include "worker/state.h"

enum { CONTROL_MS = 500 }; /* a question is one small frame */

static struct slot *slot_of(const struct worker *w, size_t i)
{
    return slot_at(w->slots, w->post[i].slot);
}

/* Whether the i-th supervisor has a client. Of a spare its slot says so before it does; of all
 * others the worker has been told, and what a plugin wrote into a slot since does not count. */
static bool runs(const struct worker *w, size_t i)
{
    return w->supervisor[i] != w->spare || slot_of(w, i)->client != 0;
}

/* A send that fails is the client's affair: it has gone, or does not read. */
static void answer_query(struct worker *w, int conn)
{
    struct worker_counters *c = w->counters;
    const struct ml_descriptor *d = w->setup->object->descriptor;
    struct wire_status s = {
        .pid = getpid(),
        .draining = w->draining,
        .uptime_ms = (uint64_t)(clock_ms() - w->started),
        .calls = c->calls,
        .ok = c->ok,
        .errors = c->errors,
        .crashes = c->crashes,
        .timeouts = c->timeouts,
        .cancelled = c->cancelled,
        .rejected = c->rejected,
        .memory_kib = statm_bytes(STATM_RESIDENT) / 1024,
        .idle_limit_ms = (uint64_t)w->setup->idle_ms,
        .idle_ms = worker_idle(w) ? (uint64_t)(clock_ms() - w->used) : 0,
    };
    for (size_t i = 0; i < w->n_supervisors; i++) { /* of sessions that go on */
        const struct slot *slot = slot_of(w, i);
        uint64_t ok = slot->ok, errors = slot->errors, rejected = slot->rejected;
        s.ok += ok;
        s.errors += errors;
        s.rejected += rejected;
        s.calls += ok + errors + rejected;
        s.running += runs(w, i);
    }
    snprintf(s.bundle, sizeof s.bundle, "%s", w->setup->bundle);
    snprintf(s.plugin, sizeof s.plugin, "%s", d->name);
    snprintf(s.version, sizeof s.version, "%s", d->plugin_version);
    wire_send(conn, WIRE_STATUS, &s, sizeof s, NULL, 0);
}

/* shutdown makes the spare's accept4 fail with EINVAL; what had queued can still be accepted here.
 * Connections that come later are refused, as if there were no worker. */
void control_turn_away(struct worker *w)
{
    BUF_AUTO payload = BUF_INIT;
    struct ml_error err = ML_ERROR_INIT;
    replace_cancel(w);
    w->draining = true;
    w->due = -1;
    if (w->replaced)
        return; /* the socket is another's, and so are those who wait there */
    call_error_set(&err, CALL_NOT_LOADED, 0, "the worker of %s left before the call began",
                   w->setup->uuid);
    ml_error_hint(&err, "load it again: modload load %s", w->setup->uuid);
    wire_put_error(&payload, &err);
    shutdown(w->call, SHUT_RD);
    for (int conn; (conn = accept4(w->call, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0;
         close(conn))
        wire_send(conn, WIRE_OUTCOME, payload.data, payload.len, NULL, 0);
}

/* Order is kept: the first is the oldest. */
static void drop_conn(struct worker *w, size_t i)
{
    if (w->conn[i] == w->leaving_for)
        w->leaving_for = -1;
    if (w->conn[i] == w->turn)
        replace_cancel(w);
    close(w->conn[i]);
    memmove(w->conn + i, w->conn + i + 1, (--w->n_conns - i) * sizeof *w->conn);
}

/* The send timeout keeps a client that does not read from holding up the worker; for one that does
 * not write CONTROL_MS does. */
void control_accept(struct worker *w)
{
    struct ucred peer;
    socklen_t size = sizeof peer;
    AUTO_CLOSE int conn = accept4(w->control, NULL, NULL, SOCK_CLOEXEC);
    if (conn < 0 || getsockopt(conn, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0 ||
        peer.uid != geteuid())
        return;
    struct timeval patience = {.tv_usec = CONTROL_MS * 1000};
    setsockopt(conn, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    if (w->n_conns == CONNS)
        drop_conn(w, w->conn[0] == w->turn); /* the oldest gives way, unless it is replacing us */
    w->conn[w->n_conns++] = steal_fd(&conn);
}

/* Its death is waited for, but it is not taken in: that, and the end of what it leaves, comes with
 * SIGCHLD, and so before the next question. */
static void kill_late(struct worker *w, size_t i)
{
    siginfo_t end;
    if (kill(w->supervisor[i], SIGKILL) < 0) /* not reaped: the number is its own */
        return;
    w->slot_late[w->post[i].slot] = true;
    while (waitid(P_PID, (id_t)w->supervisor[i], &end, WEXITED | WNOWAIT) < 0 && errno == EINTR)
        continue;
}

/* A supervisor that does not end its call in time is stopped, traced by its call, or has more to
 * end than it can. It is our child, so it is killed, and its call dies with it. It may not even
 * have come to telling us that it is no spare any more. Which one is the client's, the kernel has
 * told: who else says so can only end calls of his own process. Of several, those that had as much
 * time; or else the oldest: it had to wait until it was taken. */
static void end_late(struct worker *w, int conn, uint32_t limit_ms)
{
    struct ucred peer;
    socklen_t size = sizeof peer;
    int64_t began = clock_ms() - limit_ms;
    size_t oldest = w->n_supervisors;
    bool any = false;
    if (getsockopt(conn, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
        return;
    for (size_t i = 0; i < w->n_supervisors; i++) {
        if (slot_of(w, i)->client != peer.pid)
            continue;
        if (oldest == w->n_supervisors || slot_of(w, i)->since_ms < slot_of(w, oldest)->since_ms)
            oldest = i;
        if (slot_of(w, i)->since_ms > began)
            continue;
        kill_late(w, i);
        any = true;
    }
    if (!any && oldest < w->n_supervisors)
        kill_late(w, oldest);
}

/* A supervisor that has not ended its call long after it was told is stopped as well. Of a session
 * that goes on, since only the call that it is at is to be ended, that cannot be said. */
static void tell_cancelled(struct worker *w, size_t i)
{
    struct post *p = &w->post[i];
    int64_t now = clock_ms();
    if (p->told_ms == 0)
        p->told_ms = now;
    bool late = now - p->told_ms >= LEAVE_MS && slot_of(w, i)->session == 0;
    kill(w->supervisor[i], late ? SIGKILL : SIGTERM); /* not reaped: the number is its own */
}

static void put_running(const struct worker *w, size_t i, struct buf *answer)
{
    const struct slot *slot = slot_of(w, i);
    int64_t since = slot->since_ms, now = clock_ms();
    struct wire_running r = {
        .number = w->post[i].number,
        .running_ms = since > 0 && since < now ? (uint64_t)(now - since) : 0,
        .client = slot->client,
        .session = slot->session != 0,
    };
    memcpy(r.function, slot->function, sizeof r.function - 1);
    buf_add(answer, &r, sizeof r);
}

/* With `cancel` only those that it means, which are told. False when memory is out. */
static bool answer_calls(struct worker *w, int conn, const uint64_t *cancel)
{
    BUF_AUTO answer = BUF_INIT;
    for (size_t i = 0; i < w->n_supervisors; i++) {
        if (!runs(w, i) || (cancel != NULL && *cancel != 0 && *cancel != w->post[i].number))
            continue;
        if (cancel != NULL)
            tell_cancelled(w, i);
        put_running(w, i, &answer);
    }
    if (!answer.failed)
        wire_send(conn, WIRE_RUNNING, answer.data, answer.len, NULL, 0);
    return !answer.failed;
}

static void begin_release(struct worker *w, int conn, uint32_t mode)
{
    w->leaving_for = conn;
    w->leave = w->leave || mode != ML_RELEASE_DRAIN;
    w->released = true;
    w->why = "released";
    control_turn_away(w);
}

/* Answers one question. False when the connection is through. One that says what we do not know is
 * dropped without an answer. The one that asks for a release is kept: it hears LEAVING last of
 * all. */
static bool serve_conn(struct worker *w, int conn)
{
    struct wire_head head;
    BUF_AUTO payload = BUF_INIT;
    int got = wire_receive(conn, &head, &payload, NULL, NULL, -1, clock_ms() + CONTROL_MS);
    if (got > 0 && head.type == WIRE_QUERY) {
        if (payload.len > 0)
            w->used = clock_ms();
        answer_query(w, conn);
        return true;
    }
    if (got > 0 && head.type == WIRE_LATE) {
        uint32_t limit_ms = 0;
        if (payload.len == sizeof limit_ms)
            memcpy(&limit_ms, payload.data, sizeof limit_ms);
        end_late(w, conn, limit_ms);
        answer_query(w, conn);
        return true;
    }
    if (got > 0 && head.type == WIRE_CALLS)
        return answer_calls(w, conn, NULL);
    uint64_t number;
    if (got > 0 && head.type == WIRE_CANCEL && payload.len == sizeof number) {
        memcpy(&number, payload.data, sizeof number);
        return answer_calls(w, conn, &number);
    }
    uint32_t mode;
    if (got > 0 && head.type == WIRE_RELEASE && payload.len == sizeof mode) {
        memcpy(&mode, payload.data, sizeof mode);
        begin_release(w, conn, mode);
        return true;
    }
    return got > 0 && replace_serve(w, conn, head.type);
}

void control_serve(struct worker *w, size_t i)
{
    if (!serve_conn(w, w->conn[i]))
        drop_conn(w, i);
}

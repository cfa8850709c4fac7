/* The call process: waits for a client, reads what it asks for, hands the connection to its
 * supervisor, runs the plugin's function and leaves the outcome in shared memory. It is forked
 * ahead of its client, so all that can be done before is done before. From the function's start on
 * nothing here is to be trusted, the heap and the descriptors least; what came of it is judged by
 * the supervisor. */
#include "worker/call.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/scope.h"
#include "worker/handover.h"
#include "worker/invoke.h"
#include "worker/limits.h"
#include "worker/serve.h"

enum {
    REQUEST_MS = 5000,             /* a client sends its frame at once, or is no client of ours */
    TEXTS_MAX = CONVERT_SLOTS + 2, /* more than any function takes; how many more is only counted */
};

static const struct call_setup *setup; /* of this process */
static struct ml_limits limits;        /* of the call, or of all those of the session */

/* ---- the end of a call ---- */

/* Writes straight into the shared memory: after a plugin's function, the heap may be in ruins. The
 * buffer lies on the report and is larger than any outcome (WIRE_MAX), so it never reallocates.
 * `done` is stored last: a supervisor that sees it sees all before it. _exit(2), since atexit
 * functions and destructors of a plugin could hang or crash a call that has its result. */
static _Noreturn void finish(const struct invoked *what)
{
    static atomic_flag finished = ATOMIC_FLAG_INIT;
    struct call_report *report = setup->report;
    struct ml_error err = what->err;
    if (!what->ok)
        limits_excuse(&limits, errno, &err);
    if (atomic_flag_test_and_set(&finished))
        for (;;)
            pause(); /* another thread of the call was first: it ends the process */
    fflush(NULL);    /* what the function printed with stdio goes out before its result */
    struct buf out = {.data = report->payload, .cap = sizeof report->payload};
    if (what->ok)
        wire_put_value(&out, &what->value);
    else
        wire_put_error(&out, &err);
    report->length = (uint32_t)out.len;
    atomic_store(&report->done, 1);
    _exit(0);
}

/* ---- its client ---- */

/* Who asks, and for what. */
struct client {
    int conn;
    int stdio[WIRE_FDS];
    int shown[2];  /* where output is limited: the client's own standard output and error */
    int pumped[2]; /* and where what is to go there comes from */
    struct handover handover;
    struct wire_head head;
    struct buf frame;
};

/* The directory of the socket is ours alone already; this holds where its mode was widened, or
 * where a descriptor of ours was passed on. The uid is that of the moment of connect(2): see
 * unix(7). */
static bool same_user(int conn, pid_t *pid)
{
    struct ucred peer;
    socklen_t size = sizeof peer;
    if (getsockopt(conn, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0 || peer.uid != geteuid())
        return false;
    *pid = peer.pid;
    return true;
}

/* ECONNABORTED is a client that left while it queued. Any other error, EINVAL after the worker's
 * shutdown of the socket among them, means that no client will come any more. */
static int accept_client(int listener)
{
    for (;;) {
        pid_t pid;
        int conn = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        if (conn >= 0 && same_user(conn, &pid)) {
            atomic_store(&setup->slot->since_ms, clock_ms());
            atomic_store(&setup->slot->client, pid);
            return conn;
        }
        if (conn >= 0)
            close(conn);
        else if (errno != EINTR && errno != ECONNABORTED)
            _exit(1);
    }
}

/* Whether the whole frame is in the socket: as good as always, since the client has sent it before
 * we woke up. */
static bool frame_waits(int conn)
{
    struct wire_head head;
    int n;
    return recv(conn, &head, sizeof head, MSG_PEEK | MSG_DONTWAIT) == (ssize_t)sizeof head &&
           ioctl(conn, FIONREAD, &n) == 0 && (size_t)n >= sizeof head + head.length;
}

/* The worker learns that its spare is taken. Where nothing is in the way the supervisor tells it,
 * behind the answer: to wake the worker now would take a processor from the call. */
static void tell_worker(struct client *client)
{
    if (client->handover.told++ == 0 && write(setup->taken, TAKEN, 1) < 0)
        _exit(1); /* the worker is gone, and this process about to follow it */
}

/* The call is over before it began. */
static _Noreturn void give_up(struct client *client)
{
    tell_worker(client);
    _exit(0);
}

/* Tells a client of another version so; it must not wait for an answer that never comes. */
static _Noreturn void refuse(struct client *client, const struct ml_error *err)
{
    BUF_AUTO out = BUF_INIT;
    wire_put_error(&out, err);
    wire_send(client->conn, WIRE_OUTCOME, out.data, out.len, NULL, 0);
    give_up(client);
}

static _Noreturn void cannot_read(struct client *client, int errnum)
{
    struct ml_error err = ML_ERROR_INIT;
    ml_error_errno(&err, ML_PROTOCOL, errnum, "the worker cannot read the call");
    if (errnum == EPROTONOSUPPORT)
        ml_error_set(&err, ML_PROTOCOL, NULL, "the worker is of another version of modload");
    ml_error_hint(&err, "release it and load it again");
    refuse(client, &err);
}

static void receive_request(struct client *client)
{
    size_t n_fds;
    int got = wire_receive(client->conn, &client->head, &client->frame, client->stdio, &n_fds, -1,
                           clock_ms() + REQUEST_MS);
    if (got == 0)
        give_up(client);
    if (got < 0)
        cannot_read(client, errno);
    if ((client->head.type != WIRE_CALL && client->head.type != WIRE_OPEN) || n_fds != WIRE_FDS ||
        client->frame.len < sizeof client->handover.call)
        cannot_read(client, EPROTO);
    memcpy(&client->handover.call, client->frame.data, sizeof client->handover.call);
}

static bool caller_gone(int conn)
{
    struct pollfd p = {.fd = conn, .events = POLLRDHUP};
    return poll(&p, 1, 0) > 0 && (p.revents & (POLLRDHUP | POLLHUP)) != 0;
}

/* The call gets pipes in place of the client's standard output and error, which it must not see. */
static void limit_output(struct client *client)
{
    struct ml_error err = ML_ERROR_INIT;
    for (int i = 0; i < 2; i++) {
        int pair[2];
        if (pipe2(pair, O_CLOEXEC) < 0) {
            ml_error_errno(&err, ML_LIMIT, errno, "the worker cannot limit the call's output");
            refuse(client, &err);
        }
        client->shown[i] = client->stdio[1 + i];
        client->stdio[1 + i] = pair[1];
        client->pumped[i] = pair[0];
    }
}

/* Closes, if it is one. */
static void drop(int fd)
{
    if (fd >= 0)
        close(fd);
}

/* The supervisor gets the connection; this process keeps nothing of it. `channel` is the memory of
 * a session, or -1. */
static void hand_over(struct client *client, int channel)
{
    const int *shown = limits.output != 0 ? client->shown : client->stdio + 1;
    int fds[HANDOVER_FDS] = {client->conn, channel,           client->stdio[0], shown[0],
                             shown[1],     client->pumped[0], client->pumped[1]};
    if (channel < 0)
        fds[HANDOVER_STDIO] = -1;
    if (channel < 0 && limits.output == 0)
        fds[HANDOVER_STDIO + 1] = fds[HANDOVER_STDIO + 2] = -1;
    if (handover_send(setup->supervisor, &client->handover, fds) < 0)
        _exit(1);
    for (int i = 0; i < 2; i++) {
        drop(client->shown[i]);
        drop(client->pumped[i]);
    }
    close(client->conn);
    close(setup->supervisor);
    close(setup->taken);
}

/* The caller's own standard descriptors, at 0, 1 and 2. They may be closed by the function as it
 * likes: nothing of ours is behind them. */
static void take_stdio(const int fds[WIRE_FDS])
{
    for (int i = 0; i < WIRE_FDS; i++)
        if (fds[i] < WIRE_FDS) /* cannot be: 0, 1 and 2 are open in every worker */
            _exit(1);
    for (int i = 0; i < WIRE_FDS; i++) {
        if (dup2(fds[i], i) < 0)
            _exit(1);
        close(fds[i]);
    }
}

/* ---- one call ---- */

/* The frame is never freed: the arguments point into it, and the process ends with them. */
static _Noreturn void run_one(struct client *client)
{
    char *texts[TEXTS_MAX];
    struct invoked invoked;
    const struct wire_call *call = &client->handover.call;
    int n = invoke_split(client->frame.data + sizeof *call, client->frame.len - sizeof *call,
                         call->n, texts, TEXTS_MAX);
    if (n < 0)
        cannot_read(client, EPROTO);
    if (caller_gone(client->conn))
        give_up(client); /* it waited in the queue and gave up: what it was told, must be so */
    hand_over(client, -1);
    take_stdio(client->stdio);
    limits_confine(&limits, false);
    slot_name(setup->slot, texts[0]);
    slot_drop(setup->slot);
    invoke(setup->object, texts, (size_t)n, finish, &invoked);
    finish(&invoked);
}

_Noreturn void call_serve(const struct call_setup *mine, const struct ml_limits *of,
                          struct channel *channel)
{
    setup = mine;
    limits = *of;
    crash_record_in(&setup->report->crash);
    limits_confine(&limits, true);
    serve(setup->object, &limits, channel, setup->slot, setup->may_spin, finish);
}

static _Noreturn void run_session(struct client *client)
{
    struct channel *channel;
    struct ml_error err = ML_ERROR_INIT;
    int fd = channel_create(&channel, &err);
    if (fd < 0)
        refuse(client, &err);
    atomic_store(&setup->slot->session, 1);
    hand_over(client, fd);
    close(fd);
    take_stdio(client->stdio);
    call_serve(setup, &limits, channel);
}

/* The frame is read before the supervisor gets the connection, so that the clock starts when the
 * call could. A client whose frame is not there yet does not hold up the next one. */
_Noreturn void call_run(const struct call_setup *mine)
{
    struct client client = {.frame = BUF_INIT, .shown = {-1, -1}, .pumped = {-1, -1}};
    setup = mine;
    crash_record_in(&setup->report->crash);
    client.conn = accept_client(setup->listener);
    if (!frame_waits(client.conn))
        tell_worker(&client);
    close(setup->listener);
    receive_request(&client);
    limits_merge(setup->object, &client.handover.call.limits, &limits);
    if (limits.output != 0)
        limit_output(&client);
    if (client.head.type == WIRE_OPEN)
        run_session(&client);
    run_one(&client);
}

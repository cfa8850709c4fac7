/* Calls that run, as their worker tells of them, and their end on somebody's word. All of it goes
 * over one connection, and so to one worker: another one, in its place, has its own numbers. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/scope.h"
#include "client/start.h"
#include "client/wire.h"

enum {
    OVER_MS = 10000, /* from the first word to the end of the last call */
    PAUSE_MS = 16,   /* between two looks, at most */
};

struct calls {
    struct ml_running *at;
    size_t n;
};

static void calls_free(const struct calls *calls)
{
    free(calls->at);
}

#define CALLS_AUTO __attribute__((cleanup(calls_free))) struct calls

/* ---- reading ---- */

/* What the name of a C function can be, without the letters beyond ASCII: nothing that could play
 * with a terminal. */
static bool is_identifier(const char *text)
{
    size_t n = strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_");
    return n > 0 && text[n] == '\0' && (*text < '0' || *text > '9');
}

/* A session's plugin may have written all but the number: what makes no sense is not shown, and
 * hides no other call. */
static void read_call(const struct wire_running *in, struct ml_running *ret)
{
    *ret = (struct ml_running){
        .number = in->number,
        .running_ms = in->running_ms,
        .client = in->client > 0 ? in->client : 0,
        .session = in->session != 0,
    };
    memcpy(ret->function, in->function, sizeof ret->function - 1);
    if (!is_identifier(ret->function))
        ret->function[0] = '\0';
}

static int by_number(const void *a, const void *b)
{
    const struct ml_running *one = a, *other = b;
    return (one->number > other->number) - (one->number < other->number);
}

static int makes_no_sense(struct ml_error *err)
{
    return ml_error_set(err, ML_PROTOCOL, NULL, "the worker sent an answer that is none");
}

/* Their order is the worker's; a number that is 0, or stands twice, is not. */
static int read_calls(const struct buf *payload, struct calls *ret, struct ml_error *err)
{
    struct wire_running in;
    size_t n = payload->len / sizeof in;
    bool sound = payload->len % sizeof in == 0 && n <= WIRE_RUNNING_MAX;
    struct ml_running *calls = sound ? calloc(n + 1, sizeof *calls) : NULL;
    if (sound && calls == NULL)
        return ml_error_memory(err);
    for (size_t i = 0; sound && i < n; i++) {
        memcpy(&in, payload->data + i * sizeof in, sizeof in);
        read_call(&in, &calls[i]);
    }
    if (sound && n > 0)
        qsort(calls, n, sizeof *calls, by_number);
    for (size_t i = 0; sound && i < n; i++)
        sound = calls[i].number > (i > 0 ? calls[i - 1].number : 0);
    if (!sound) {
        free(calls);
        return makes_no_sense(err);
    }
    *ret = (struct calls){calls, n};
    return 0;
}

/* ---- asking ---- */

struct worker_conn {
    char uuid[ML_UUID_SIZE];
    int fd, pidfd;
};

static void worker_conn_close(const struct worker_conn *w)
{
    scope_close(&w->fd);
    scope_close(&w->pidfd);
}

#define WORKER_CONN_AUTO __attribute__((cleanup(worker_conn_close))) struct worker_conn
#define WORKER_CONN_INIT                                                                           \
    {                                                                                              \
        .fd = -1, .pidfd = -1                                                                      \
    }

/* The worker answered on the connection before the pidfd was opened: if there is none, it has gone
 * since. */
static int reach(struct ml_ctx *ctx, const struct ml_key *key, struct worker_conn *ret,
                 struct ml_error *err)
{
    struct ml_worker_status status;
    const struct query query = {clock_ms() + WORKER_QUERY_MS, -1, false};
    ml_key_to_uuid(key, ret->uuid);
    int there = ctx_runtime(ctx, false, err);
    if (there > 0)
        there = worker_query(ctx, ret->uuid, &query, &status, &ret->fd, err);
    if (there <= 0)
        return there < 0 ? -1 : worker_not_loaded(ret->uuid, err);
    ret->pidfd = worker_pidfd(ctx, ret->uuid);
    return 0;
}

/* Asks for the calls, or, with `cancel`, has them ended. 1; 0 when the worker has gone; -1. */
static int ask(const struct worker_conn *w, const uint64_t *cancel, int64_t deadline,
               struct calls *ret, struct ml_error *err)
{
    struct wire_head head;
    BUF_AUTO answer = BUF_INIT;
    int got = wire_send(w->fd, cancel ? WIRE_CANCEL : WIRE_CALLS, cancel,
                        cancel ? sizeof *cancel : 0, NULL, 0) < 0
                  ? -1
                  : wire_receive(w->fd, &head, &answer, NULL, NULL, -1, deadline);
    if (got == 0 || (got < 0 && worker_nobody(errno)))
        return 0;
    if (got < 0)
        return worker_no_answer(w->uuid, err);
    if (head.type != WIRE_RUNNING)
        return makes_no_sense(err);
    return read_calls(&answer, ret, err) < 0 ? -1 : 1;
}

int ml_calls(struct ml_ctx *ctx, const struct ml_key *key,
             int (*each)(const struct ml_running *call, void *arg), void *arg, struct ml_error *err)
{
    WORKER_CONN_AUTO w = WORKER_CONN_INIT;
    CALLS_AUTO calls = {0};
    if (reach(ctx, key, &w, err) < 0)
        return -1;
    int got = ask(&w, NULL, clock_ms() + WORKER_QUERY_MS, &calls, err);
    if (got <= 0)
        return got < 0 ? -1 : worker_not_loaded(w.uuid, err);
    int status = 0;
    for (size_t i = 0; status == 0 && i < calls.n; i++)
        status = each(&calls.at[i], arg);
    return status;
}

/* ---- ending ---- */

/* The calls of a worker that has ended are over. One that has only closed the connection, since too
 * many others ask, cannot be asked any more. */
static int wait_gone(const struct worker_conn *w, int64_t deadline, struct ml_error *err)
{
    struct pollfd p = {.fd = w->pidfd, .events = POLLIN};
    int got;
    if (w->pidfd < 0)
        return 0;
    while ((got = poll(&p, 1, clock_poll_timeout(deadline))) < 0 && errno == EINTR)
        continue;
    if (got > 0)
        return 0;
    errno = ETIMEDOUT;
    return worker_no_answer(w->uuid, err);
}

/* The worker is told again each time: it ends what does not listen. */
static int wait_over(const struct worker_conn *w, uint64_t number, int64_t deadline,
                     struct ml_error *err)
{
    for (int pause = 1;; pause = pause < PAUSE_MS ? pause * 2 : PAUSE_MS) {
        CALLS_AUTO left = {0};
        int got = ask(w, &number, deadline, &left, err);
        if (got < 0 || (got > 0 && left.n == 0))
            return got < 0 ? -1 : 0;
        if (got == 0)
            return wait_gone(w, deadline, err);
        if (clock_ms() >= deadline)
            break;
        clock_sleep_ms(pause);
    }
    ml_error_set(err, ML_BUSY, NULL, "call %llu of %s does not end", (unsigned long long)number,
                 w->uuid);
    return ml_error_hint(err, "end its worker: modload release %s", w->uuid);
}

int ml_cancel(struct ml_ctx *ctx, const struct ml_key *key, uint64_t number,
              int (*each)(const struct ml_running *call, void *arg), void *arg,
              struct ml_error *err)
{
    WORKER_CONN_AUTO w = WORKER_CONN_INIT;
    CALLS_AUTO calls = {0};
    if (reach(ctx, key, &w, err) < 0)
        return -1;
    int64_t deadline = clock_ms() + OVER_MS;
    int got = ask(&w, &number, clock_ms() + WORKER_QUERY_MS, &calls, err);
    if (got <= 0)
        return got < 0 ? -1 : worker_not_loaded(w.uuid, err);
    for (size_t i = 0; i < calls.n; i++)
        if (!calls.at[i].session && wait_over(&w, calls.at[i].number, deadline, err) < 0)
            return -1;
    for (size_t i = 0; each != NULL && i < calls.n; i++)
        if (each(&calls.at[i], arg) != 0)
            break;
    return (int)calls.n;
}

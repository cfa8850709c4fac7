/* The call process: waits for a client, reads one CALL, hands the connection to its supervisor,
 * runs the plugin's function and leaves the outcome in shared memory. It is forked ahead of its
 * client, so all that can be done before is done before. From the function's start on nothing here
 * is to be trusted, the heap and the descriptors least; what came of it is judged by the
 * supervisor. */
#include "worker/call.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/scope.h"
#include "base/words.h"
#include "modload/plugin.h"
#include "worker/convert.h"

enum { REQUEST_MS = 5000 }; /* a client sends its frame at once, or is no client of ours */

/* The report of this process; ml_fail has no argument to find it by. */
static struct call_report *report;

/* ---- the end of a call ---- */

/* Writes straight into the shared memory: after a plugin's function, the heap may be in ruins.
 * `put` writes through a buffer that lies on the report and is larger than any outcome (WIRE_MAX),
 * so it never reallocates. `done` is stored last, and with release order: a supervisor that sees it
 * sees all before it. _exit(2), since atexit functions and destructors of a plugin could hang or
 * crash a call that has its result. */
static _Noreturn void finish(void (*put)(struct buf *, const void *), const void *what)
{
    static atomic_flag finished = ATOMIC_FLAG_INIT;
    if (atomic_flag_test_and_set(&finished))
        for (;;)
            pause(); /* another thread of the call was first: it ends the process */
    fflush(NULL);    /* what the function printed with stdio goes out before its result */
    struct buf out = {.data = report->payload, .cap = sizeof report->payload};
    put(&out, what);
    report->length = (uint32_t)out.len;
    atomic_store(&report->done, 1);
    _exit(0);
}

static void put_value(struct buf *out, const void *value)
{
    wire_put_value(out, value);
}

static void put_error(struct buf *out, const void *error)
{
    wire_put_error(out, error);
}

/* ml_fail: `struct ml_host`'s only function so far. `code` and `fmt` are the plugin's: both are cut
 * to what the error holds. */
__attribute__((format(printf, 2, 0))) static void host_fail(const char *code, const char *fmt,
                                                            va_list ap)
{
    struct ml_error err = {.status = ML_FAILED, .outcome = "plugin_error"};
    vsnprintf(err.message, sizeof err.message, fmt, ap);
    snprintf(err.code, sizeof err.code, "%s", code);
    if (code[0] == '\0' ||
        strspn(code, "abcdefghijklmnopqrstuvwxyz0123456789_") != strlen(err.code))
        strcpy(err.code, "plugin_error"); /* not a word that programs can rely on */
    finish(put_error, &err);
}

const struct ml_host call_host = {.size = sizeof call_host, .fail = host_fail};

/* ---- its beginning ---- */

/* The directory of the socket is ours alone already; this holds where its mode was widened, or
 * where a descriptor of ours was passed on. The uid is that of the moment of connect(2): see
 * unix(7). */
static bool same_user(int conn)
{
    struct ucred peer;
    socklen_t size = sizeof peer;
    return getsockopt(conn, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && peer.uid == geteuid();
}

/* ECONNABORTED is a client that left while it queued. Any other error, EINVAL after the worker's
 * shutdown of the socket among them, means that no client will come any more. */
static int accept_client(int listener)
{
    for (;;) {
        int conn = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        if (conn >= 0 && same_user(conn))
            return conn;
        if (conn >= 0)
            close(conn);
        else if (errno != EINTR && errno != ECONNABORTED)
            _exit(1);
    }
}

/* Tells a client of another version so; it must not wait for an answer that never comes. */
static _Noreturn void refuse(int conn, int errnum)
{
    BUF_AUTO out = BUF_INIT;
    struct ml_error err = ML_ERROR_INIT;
    ml_error_errno(&err, ML_PROTOCOL, errnum, "the worker cannot read the call");
    if (errnum == EPROTONOSUPPORT)
        ml_error_set(&err, ML_PROTOCOL, NULL, "the worker is of another version of modload");
    ml_error_hint(&err, "release it and load it again");
    wire_put_error(&out, &err);
    wire_send(conn, WIRE_OUTCOME, out.data, out.len, NULL, 0);
    _exit(1);
}

/* Points into `frame`: the texts of a call. -1 when it is none. */
static int split_texts(struct buf *frame, uint32_t *timeout_ms, char ***ret_texts, size_t *ret_n)
{
    uint32_t n;
    if (frame->len < 2 * sizeof(uint32_t))
        return -1;
    memcpy(timeout_ms, frame->data, sizeof *timeout_ms);
    memcpy(&n, frame->data + sizeof *timeout_ms, sizeof n);
    char *p = frame->data + 2 * sizeof(uint32_t), *end = frame->data + frame->len;
    if (n == 0 || n > (size_t)(end - p))
        return -1;
    char **texts = calloc(n, sizeof *texts);
    for (uint32_t i = 0; texts != NULL && i < n; i++) {
        texts[i] = p;
        p = memchr(p, '\0', (size_t)(end - p));
        if (p++ == NULL)
            return -1;
    }
    *ret_texts = texts;
    *ret_n = n;
    return texts != NULL && p == end ? 0 : -1;
}

static bool caller_gone(int conn)
{
    struct pollfd p = {.fd = conn, .events = POLLRDHUP};
    return poll(&p, 1, 0) > 0 && (p.revents & (POLLRDHUP | POLLHUP)) != 0;
}

/* The supervisor gets the connection; this process keeps nothing of it. A datagram of
 * SOCK_SEQPACKET goes whole or not at all. The descriptor goes along as SCM_RIGHTS (unix(7)); the
 * control buffer is a union for the alignment that CMSG_FIRSTHDR relies on. */
static void begin(const struct call_setup *setup, int conn, uint32_t timeout_ms)
{
    struct call_begin message = {timeout_ms};
    struct iovec iov = {&message, sizeof message};
    union {
        struct cmsghdr align;
        char space[CMSG_SPACE(sizeof(int))];
    } control = {0};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = control.space,
                         .msg_controllen = sizeof control.space};
    struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(c), &conn, sizeof conn);
    if (sendmsg(setup->supervisor, &msg, MSG_NOSIGNAL) < 0)
        _exit(1);
    close(conn);
    close(setup->supervisor);
}

/* The caller's own standard descriptors, at 0, 1 and 2. They may be closed by the function as it
 * likes: nothing of ours is behind them. */
static void take_stdio(int fds[WIRE_FDS])
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

/* ---- the call itself ---- */

/* Looks through the descriptor, not through dlsym(3): what is not in the descriptor has no
 * signature, and must not be called with a guessed one. */
static _Noreturn void undefined(const struct object *object, const char *name)
{
    struct ml_error err = ML_ERROR_INIT;
    struct words_nearest nearest = {0};
    const struct ml_descriptor *d = object->descriptor;
    for (uint32_t i = 0; i < d->n_functions; i++)
        words_consider(&nearest, name, d->functions[i].name);
    ml_error_set(&err, ML_UNDEFINED, NULL, "%s has no function '%.100s'", d->name, name);
    strcpy(err.outcome, "undefined_function");
    if (nearest.word != NULL)
        ml_error_hint(&err, "did you mean '%s'?", nearest.word);
    finish(put_error, &err);
}

/* All that can be refused is refused before the stub is entered, so that "bad argument" means that
 * the plugin was not touched. `scratch` has to live until finish() has copied the value. */
static _Noreturn void invoke(const struct object *object, char *const *texts, size_t n)
{
    struct ml_error err = ML_ERROR_INIT;
    union ml_slot slots[CONVERT_SLOTS], result[2] = {{.u = 0}, {.u = 0}};
    struct ml_value value;
    char scratch[2];
    const struct ml_function *function = object_find(object, texts[0]);
    const void *address = function ? object_address(object, function) : NULL;
    if (address == NULL)
        undefined(object, texts[0]);
    if (convert_args(function, texts + 1, n - 1, slots, &err) < 0)
        finish(put_error, &err);
    function->stub(address, slots, result);
    if (convert_result(function, result, scratch, &value, &err) < 0)
        finish(put_error, &err);
    finish(put_value, &value);
}

/* The order matters: the byte to the worker first, so that a client that never sends its frame does
 * not hold up the next one; the frame before the supervisor gets the connection, so that the clock
 * starts when the call could. The frame is never freed: the arguments point into it, and the
 * process ends with them. */
_Noreturn void call_run(const struct call_setup *setup)
{
    struct wire_head head;
    struct buf frame = BUF_INIT;
    int fds[WIRE_FDS];
    size_t n_fds, n;
    uint32_t timeout_ms;
    char **texts;
    report = setup->report;
    int conn = accept_client(setup->listener);
    if (write(setup->taken, "", 1) < 0)
        _exit(1); /* the worker is gone, and this process about to follow it */
    close(setup->taken);
    close(setup->listener);
    int got = wire_receive(conn, &head, &frame, fds, &n_fds, -1, clock_ms() + REQUEST_MS);
    if (got == 0)
        _exit(1);
    if (got < 0)
        refuse(conn, errno);
    if (head.type != WIRE_CALL || n_fds != WIRE_FDS ||
        split_texts(&frame, &timeout_ms, &texts, &n) < 0)
        refuse(conn, EPROTO);
    if (caller_gone(conn))
        _exit(0); /* it waited in the queue and gave up: what it was told, must be so */
    begin(setup, conn, timeout_ms);
    take_stdio(fds);
    invoke(setup->object, texts, n);
}

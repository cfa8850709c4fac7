/* Frames over a Unix stream socket: client/wire.h has the format. This file looks at lengths,
 * counts and types, never at what a call means. It is used by both sides, and neither trusts the
 * other: a client is not the worker's user by proof alone, and behind a worker stands a plugin. */
#include "client/wire.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "client/wire-crash.h"

_Static_assert(sizeof(struct wire_head) == 12, "part of the wire format");
_Static_assert(sizeof(struct wire_outcome) == 24, "part of the wire format");

/* ---- sending ---- */

/* Room for the descriptors of one message, aligned as cmsg(3) asks for: a char array alone need not
 * be. */
struct control {
    _Alignas(struct cmsghdr) char space[CMSG_SPACE(WIRE_FDS * sizeof(int))];
};

/* The kernel takes copies when the message is sent: the caller may close his at once. */
static void attach_fds(struct msghdr *msg, struct control *control, const int *fds, size_t n_fds)
{
    msg->msg_control = control->space;
    msg->msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
    struct cmsghdr *c = CMSG_FIRSTHDR(msg);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
    memcpy(CMSG_DATA(c), fds, n_fds * sizeof(int));
}

/* Moves an iovec on by `n` bytes that went out. */
static void advance(struct iovec *iov, size_t n_iov, size_t n)
{
    for (size_t i = 0; i < n_iov; i++) {
        size_t take = n < iov[i].iov_len ? n : iov[i].iov_len;
        iov[i].iov_base = (char *)iov[i].iov_base + take;
        iov[i].iov_len -= take;
        n -= take;
    }
}

/* MSG_NOSIGNAL: a library must not have its program killed by SIGPIPE because a worker has gone. */
int wire_send(int fd, enum wire_type type, const void *payload, size_t size, const int *fds,
              size_t n_fds)
{
    struct wire_head head = {WIRE_MAGIC, WIRE_VERSION, (uint16_t)type, (uint32_t)size};
    struct iovec iov[2] = {{&head, sizeof head}, {(void *)(uintptr_t)payload, size}};
    struct control control = {{0}};
    struct msghdr msg = {.msg_iov = iov, .msg_iovlen = 2};
    if (size > WIRE_MAX || n_fds > WIRE_FDS) {
        errno = EMSGSIZE;
        return -1;
    }
    if (n_fds > 0)
        attach_fds(&msg, &control, fds, n_fds);
    while (iov[0].iov_len + iov[1].iov_len > 0) {
        ssize_t n = sendmsg(fd, &msg, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        advance(iov, 2, (size_t)n);
        msg.msg_control = NULL; /* descriptors go with the first byte */
        msg.msg_controllen = 0;
    }
    return 0;
}

/* ---- receiving ---- */

static void close_all(const int *fds, size_t n)
{
    for (size_t i = 0; i < n; i++)
        close(fds[i]);
}

/* Takes the descriptors out of a message; those that nobody asked for are closed, or each message
 * could leave some open in us until there are no more. MSG_CTRUNC means that some are missing: then
 * none counts. */
static void take_fds(struct msghdr *msg, int *fds, size_t *n_fds)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c != NULL; c = CMSG_NXTHDR(msg, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        int got[WIRE_FDS];
        size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        memcpy(got, CMSG_DATA(c), n * sizeof(int));
        if (fds == NULL || *n_fds > 0 || (msg->msg_flags & MSG_CTRUNC)) {
            close_all(got, n);
            continue;
        }
        memcpy(fds, got, n * sizeof(int));
        *n_fds = n;
    }
}

/* 0 when there is something to read. -1 with errno: ETIMEDOUT, ECANCELED, or poll's own. A cancel
 * goes before data that is there: who cancels has stopped caring. A cancel_fd of -1 is ignored by
 * poll(2). */
static int wait_readable(int fd, int cancel_fd, int64_t deadline)
{
    struct pollfd p[2] = {{.fd = fd, .events = POLLIN}, {.fd = cancel_fd, .events = POLLIN}};
    for (;;) {
        int n = poll(p, 2, clock_poll_timeout(deadline));
        if (n < 0 && errno != EINTR)
            return -1;
        if (n == 0) {
            errno = ETIMEDOUT;
            return -1;
        }
        if (n > 0 && p[1].revents != 0) {
            errno = ECANCELED;
            return -1;
        }
        if (n > 0)
            return 0;
    }
}

/* Where a frame comes from, and until when: what each read of a part of it needs again. */
struct source {
    int fd, cancel_fd;
    int64_t deadline;
    int *fds;
    size_t *n_fds;
};

/* Reads exactly `size` bytes. 1; 0 at an end before the first byte; -1. MSG_DONTWAIT because
 * poll(2) may be wrong about there being something (select(2), BUGS); the wait is in poll, which
 * knows the deadline. */
static int receive_exactly(const struct source *from, void *data, size_t size)
{
    size_t have = 0;
    while (have < size) {
        struct control control;
        struct iovec iov = {(char *)data + have, size - have};
        struct msghdr msg = {.msg_iov = &iov,
                             .msg_iovlen = 1,
                             .msg_control = control.space,
                             /* LEN, not SPACE: the padding would hold a fourth descriptor */
                             .msg_controllen = CMSG_LEN(WIRE_FDS * sizeof(int))};
        if (wait_readable(from->fd, from->cancel_fd, from->deadline) < 0)
            return -1;
        ssize_t n = recvmsg(from->fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            continue;
        if (n < 0)
            return -1;
        take_fds(&msg, from->fds, from->n_fds);
        if (n == 0 && have == 0)
            return 0;
        if (n == 0) {
            errno = EPROTO;
            return -1;
        }
        have += (size_t)n;
    }
    return 1;
}

/* Magic first: of what is not ours, the version says nothing. 1, or -1 with errno. */
static int check_head(const struct wire_head *head)
{
    errno = head->magic != WIRE_MAGIC       ? EPROTO
            : head->version != WIRE_VERSION ? EPROTONOSUPPORT
            : head->length > WIRE_MAX       ? EMSGSIZE
                                            : 0;
    return errno ? -1 : 1;
}

/* The head is checked before a byte of memory is taken for what it promises: at most WIRE_MAX. */
static int receive_frame(const struct source *from, struct wire_head *head, struct buf *payload)
{
    int status = receive_exactly(from, head, sizeof *head);
    if (status <= 0 || check_head(head) < 0)
        return status <= 0 ? status : -1;
    buf_reset(payload);
    if (!buf_reserve(payload, head->length)) {
        errno = ENOMEM;
        return -1;
    }
    status = head->length > 0 ? receive_exactly(from, payload->data, head->length) : 1;
    if (status <= 0) {
        errno = status == 0 ? EPROTO : errno;
        return -1;
    }
    payload->len = head->length;
    payload->data[payload->len] = '\0';
    return 1;
}

/* A frame that failed gives no descriptors away: those that had come are closed here. */
int wire_receive(int fd, struct wire_head *head, struct buf *payload, int fds[WIRE_FDS],
                 size_t *n_fds, int cancel_fd, int64_t deadline)
{
    size_t none = 0;
    struct source from = {fd, cancel_fd, deadline, fds, n_fds ? n_fds : &none};
    *from.n_fds = 0;
    int status = receive_frame(&from, head, payload);
    if (status <= 0 && fds != NULL) {
        int saved = errno;
        close_all(fds, *from.n_fds);
        *from.n_fds = 0;
        errno = saved;
    }
    return status;
}

/* ---- outcomes ---- */

/* A BOOL is copied by its name: it sets one byte of the union, and the other seven may be
 * anything. */
bool wire_outcome_of(const struct ml_value *value, struct wire_outcome *ret)
{
    bool data = value->type == ML_VALUE_STRING || value->type == ML_VALUE_BYTES;
    *ret = (struct wire_outcome){.value_type = value->type};
    if (value->type == ML_VALUE_BOOL)
        ret->scalar = value->boolean;
    else if (!data)
        ret->scalar = value->uinteger; /* the widest member: its bits carry each of the others */
    ret->size = data ? (uint32_t)value->size : 0;
    return data;
}

void wire_put_value(struct buf *payload, const struct ml_value *value)
{
    struct wire_outcome out;
    bool data = wire_outcome_of(value, &out);
    buf_add(payload, &out, sizeof out);
    if (data)
        buf_add(payload, value->data, value->size);
}

void wire_put_error(struct buf *payload, const struct ml_error *error)
{
    const char *const texts[] = {error->outcome, error->code, error->message, error->hint};
    struct wire_outcome out = {.status = error->status};
    for (size_t i = 0; i < 4; i++)
        out.size += (uint32_t)strlen(texts[i]) + 1;
    buf_add(payload, &out, sizeof out);
    for (size_t i = 0; i < 4; i++)
        buf_add(payload, texts[i], strlen(texts[i]) + 1);
}

/* Copies the next NUL-terminated text; false when there is none left. */
static bool next_text(const char **p, const char *end, char *to, size_t size)
{
    size_t n = strnlen(*p, (size_t)(end - *p));
    if (*p + n >= end)
        return false;
    size_t take = n < size ? n : size - 1;
    memcpy(to, *p, take);
    to[take] = '\0';
    *p += n + 1;
    return true;
}

/* From a worker of ours this cannot come; a plugin that wrote into its report is not let through
 * either (worker/supervisor.c: report_usable). */
static int bad_outcome(struct ml_error *err)
{
    return ml_error_set(err, ML_PROTOCOL, NULL, "the worker sent an answer that is none");
}

/* What may stand behind a failure's texts: nothing, or how it crashed, if that is how it ended. */
static bool crash_ok(int status, const char *data, size_t size)
{
    struct wire_crash_view view;
    return size == 0 ||
           (wire_crash_parse(data, size, &view) == 0 && status == ML_SIGNAL + view.head.signo);
}

/* 0 to 255 is what an exit status can be (wait(2)): anything else was not made by wire_put_error().
 * Texts that are too long are cut, not refused: the failure itself is what counts. */
static int get_error(int status, const char *p, const char *end, struct ml_error *err)
{
    struct ml_error got = {.status = status};
    if (status < 0 || status > 255 || !next_text(&p, end, got.outcome, sizeof got.outcome) ||
        !next_text(&p, end, got.code, sizeof got.code) ||
        !next_text(&p, end, got.message, sizeof got.message) ||
        !next_text(&p, end, got.hint, sizeof got.hint) || !crash_ok(status, p, (size_t)(end - p)))
        return bad_outcome(err);
    if (err != NULL)
        *err = got;
    return -1;
}

/* On failure `value` holds nothing to free. STRING and BYTES are the last two of the enumeration.
 * The NUL behind the data is ours, so that printing it as a text can never run on. */
static int get_value(const struct wire_outcome *out, const char *data, struct ml_value *value,
                     struct ml_error *err)
{
    if (out->value_type > ML_VALUE_BYTES)
        return bad_outcome(err);
    *value = (struct ml_value){.type = (enum ml_value_type)out->value_type};
    if (value->type == ML_VALUE_BOOL)
        value->boolean = out->scalar != 0;
    else
        value->uinteger = out->scalar;
    if (value->type < ML_VALUE_STRING)
        return 0;
    value->data = malloc((size_t)out->size + 1);
    if (value->data == NULL)
        return ml_error_memory(err);
    memcpy(value->data, data, out->size);
    value->data[out->size] = '\0';
    value->size = out->size;
    return 0;
}

/* The size has to agree with the frame to the byte: nothing is read beyond, and nothing is hidden
 * behind. */
int wire_get_outcome(const struct buf *payload, struct ml_value *value, struct ml_error *err)
{
    struct wire_outcome out;
    if (payload->len < sizeof out)
        return bad_outcome(err);
    memcpy(&out, payload->data, sizeof out);
    const char *data = payload->data + sizeof out;
    if (out.size != payload->len - sizeof out)
        return bad_outcome(err);
    if (out.status != 0)
        return get_error(out.status, data, data + out.size, err);
    return get_value(&out, data, value, err);
}

void ml_value_done(struct ml_value *value)
{
    free(value->data);
    *value = (struct ml_value){0};
}

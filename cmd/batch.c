/* modload exec --batch: a call per line in, an outcome per line out, in order. While outcomes are
 * awaited, calls are read and sent ahead, as many as there is room for; a caller that waits for
 * each outcome before it writes the next line gets it at once. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fs.h"
#include "base/scope.h"
#include "cmd/command.h"
#include "cmd/crash.h"

enum {
    CHUNK = 1 << 16,
    LINE_MAX = 128 << 20, /* all arguments of a call are 64 MiB at most; escapes make them longer */
    ID_SHORT = 24,        /* an id that needs no memory of its own */
    TRACES = 20,          /* crashes that are explained, 30 ms each; of others the place is told */
    LOOKS = 200,          /* before what there is of an answer is written out */
};

/* A line whose outcome is due. */
struct due {
    char *long_id;
    size_t id_size; /* 0: it had none */
    char id[ID_SHORT];
    struct ml_error *fault; /* it was no call: this is its outcome; else null */
};

struct batch {
    struct invocation *in;
    const struct ml_key *key;
    struct ml_session *session;
    struct ml_session_options session_options;
    bool answered; /* some line of this session was, or it is the first one */
    const struct call_options *options;
    int signals;
    struct buf input;
    size_t at, searched; /* in the input: the line that is next, and up to where it has no end */
    bool ended;
    struct ml_call_line next; /* a call that was read and could not be sent yet */
    bool waits;               /* there is one */
    struct json out;
    struct due due[ML_SESSION_CALLS];
    size_t first, n_due;
    bool any_failed;
    unsigned n_crashes;
};

/* ---- output ---- */

static int flush(struct batch *b)
{
    struct buf *out = &b->out.out;
    if (out->failed)
        return ml_error_memory(&b->in->err);
    if (out->len > 0 && fs_write_all(STDOUT_FILENO, out->data, out->len) < 0)
        return ml_error_errno(&b->in->err, ML_IO, errno, "cannot write to standard output");
    buf_reset(out);
    return 0;
}

static void put_error(struct json *out, const struct ml_error *err, const struct crash_told *crash)
{
    buf_str(&out->out, "\"status\":\"error\",\"error\":");
    json_open(out, '{');
    json_pair(out, "code", err->code);
    json_pair(out, "message", err->message);
    if (err->hint[0] != '\0')
        json_pair(out, "hint", err->hint);
    json_key(out, "exit_code");
    json_int(out, err->status);
    crash_json(out, err, crash);
    json_close(out, '}');
}

/* Takes the oldest line off the list: `value` is null for a failure, then `err` and `crash`
 * count. */
static void put_outcome(struct batch *b, const struct ml_value *value, const struct ml_error *err,
                        const struct crash_told *crash)
{
    struct due *due = &b->due[b->first];
    struct buf *out = &b->out.out;
    b->out.comma = false;
    buf_char(out, '{');
    if (due->id_size > 0) {
        buf_str(out, "\"id\":");
        buf_add(out, due->long_id ? due->long_id : due->id, due->id_size);
        buf_char(out, ',');
    }
    if (value == NULL) {
        b->any_failed = true;
        put_error(&b->out, err, crash);
    } else {
        buf_str(out, "\"status\":\"ok\",\"data\":");
        value_json(&b->out, value);
    }
    buf_str(out, "}\n");
    free(due->long_id);
    free(due->fault);
    b->first = (b->first + 1) % ML_SESSION_CALLS;
    b->n_due--;
}

/* ---- input ---- */

/* Reads on; with `wait` until there is something, or somebody wants us to end. */
static int read_more(struct batch *b, bool wait)
{
    struct pollfd p[2] = {{.fd = STDIN_FILENO, .events = POLLIN},
                          {.fd = b->signals, .events = POLLIN}};
    if (poll(p, 2, wait ? -1 : 0) < 0)
        return errno == EINTR ? 0 : ml_error_errno(&b->in->err, ML_IO, errno, "cannot wait");
    if (p[1].revents != 0)
        return ml_error_set(&b->in->err, ML_SIGNAL + SIGINT, "cancelled", "cancelled");
    if (p[0].revents == 0)
        return 0;
    memmove(b->input.data, b->input.data + b->at, b->input.len - b->at);
    b->input.len -= b->at;
    b->searched -= b->at;
    b->at = 0;
    if (b->input.len > LINE_MAX)
        return ml_error_set(&b->in->err, ML_DATA, "too_large", "a line is longer than %d MiB",
                            LINE_MAX >> 20);
    if (!buf_reserve(&b->input, CHUNK))
        return ml_error_memory(&b->in->err);
    ssize_t n = read(STDIN_FILENO, b->input.data + b->input.len, CHUNK);
    if (n < 0 && errno != EINTR && errno != EAGAIN)
        return ml_error_errno(&b->in->err, ML_IO, errno, "cannot read standard input");
    b->ended = n == 0;
    b->input.len += n > 0 ? (size_t)n : 0;
    return 0;
}

/* The next whole line: of the last one, an end of the input is the end. Null when there is none. */
static char *next_line(struct batch *b, size_t *size)
{
    char *line = b->input.data + b->at, *end = b->input.data + b->input.len;
    if (b->at == b->input.len)
        return NULL;
    char *newline = memchr(b->input.data + b->searched, '\n', b->input.len - b->searched);
    if (newline == NULL && !b->ended) {
        b->searched = b->input.len;
        return NULL;
    }
    *size = (size_t)((newline ? newline : end) - line);
    b->at += *size + (newline != NULL);
    b->searched = b->at;
    return line;
}

static bool is_blank(const char *line, size_t size)
{
    size_t i = 0;
    while (i < size && strchr(" \t\r", line[i]) != NULL && line[i] != '\0')
        i++;
    return i == size;
}

/* ---- calls ---- */

/* Puts the line on the list of those whose outcome is due. -1: memory. */
static int push_due(struct batch *b, const struct ml_error *fault)
{
    struct due *due = &b->due[(b->first + b->n_due) % ML_SESSION_CALLS];
    size_t size = b->next.id_size;
    *due = (struct due){.id_size = size};
    if (size > ID_SHORT)
        due->long_id = malloc(size);
    if (fault != NULL)
        due->fault = malloc(sizeof *fault);
    b->n_due++; /* what it owns is freed with the list, also when half of it is missing */
    if ((size > ID_SHORT && due->long_id == NULL) || (fault != NULL && due->fault == NULL)) {
        due->id_size = 0;
        return ml_error_memory(&b->in->err);
    }
    if (size > 0)
        memcpy(due->long_id ? due->long_id : due->id, b->next.id, size);
    if (fault != NULL)
        *due->fault = *fault;
    return 0;
}

/* Sends the call that was read. Where there is no room it waits until an outcome is received. */
static int send_next(struct batch *b)
{
    struct ml_error err = ML_ERROR_INIT;
    b->next.call.timeout_ms = b->options->timeout_ms;
    b->next.call.timeout_default = b->options->timeout_default;
    b->waits = false;
    if (ml_session_send(b->session, &b->next.call, &err) == 0)
        return push_due(b, NULL);
    b->waits = err.status == ML_BUSY;
    if (b->waits)
        return 0;
    if (!ml_session_over(b->session)) /* too large: its own fault */
        return push_due(b, &err);
    b->waits = true;
    b->in->err = err;
    return -1;
}

/* Reads and sends as long as there are lines and room. */
static int feed(struct batch *b)
{
    size_t size;
    if (b->waits && send_next(b) < 0)
        return -1;
    while (!b->waits && b->n_due < ML_SESSION_CALLS) {
        struct ml_error err = ML_ERROR_INIT;
        char *line = next_line(b, &size);
        if (line == NULL)
            break;
        if (is_blank(line, size))
            continue;
        int status =
            ml_call_read(line, size, &b->next, &err) < 0 ? push_due(b, &err) : send_next(b);
        if (status < 0)
            return -1;
    }
    return 0;
}

/* The oldest line has failed without any call: it was none, or the session is over. */
static void put_failure(struct batch *b, const struct ml_error *err)
{
    static const struct crash_told none = {0};
    put_outcome(b, NULL, err, &none);
}

/* The session is over: so are all calls of it, and every line that was read has its answer. One for
 * whose id there is no memory is answered without. */
static void put_lost(struct batch *b)
{
    const struct ml_error err = b->in->err;
    struct ml_error bad;
    size_t size;
    if (b->waits)
        push_due(b, NULL);
    while (b->n_due > 0)
        put_failure(b, b->due[b->first].fault ? b->due[b->first].fault : &err);
    for (char *line; (line = next_line(b, &size)) != NULL;) {
        if (is_blank(line, size))
            continue;
        bool is_call = ml_call_read(line, size, &b->next, &bad) == 0;
        push_due(b, NULL);
        put_failure(b, is_call ? &err : &bad);
    }
    flush(b); /* the error that is told is the one that ended the session */
    b->in->err = err;
}

/* The oldest call has failed. What has been answered before is not held back while its crash is
 * looked at. */
static int put_failed_call(struct batch *b, const struct ml_error *err)
{
    struct ml_crash crash;
    struct crash_told told = {0};
    int status = 0;
    ml_session_crash(b->session, &crash);
    bool explained = crash.signal != 0 && b->n_crashes++ < TRACES;
    if (explained)
        status = flush(b);
    crash_tell(b->in, &crash, explained, &told);
    put_outcome(b, NULL, err, &told);
    crash_told_free(&told);
    ml_crash_done(&crash);
    return status;
}

/* Waits for the oldest outcome. -1: the session is over. */
static int receive(struct batch *b)
{
    struct ml_value value = {0};
    struct ml_error err;
    int status = ml_session_receive(b->session, &value, &err);
    if (status < 0 && ml_session_over(b->session)) {
        b->in->err = err;
        return -1;
    }
    b->answered = true;
    if (status < 0)
        return put_failed_call(b, &err);
    put_outcome(b, &value, NULL, NULL);
    ml_value_done(&value);
    return 0;
}

/* What has been answered is not held back while we wait; but a moment is worth more than a write
 * for each line. */
static int about_to_wait(struct batch *b)
{
    for (int i = 0; i < LOOKS; i++)
        if (ml_session_ready(b->session))
            return 0;
    return flush(b);
}

/* One outcome, or more input. 1: there is nothing left to do. */
static int turn(struct batch *b)
{
    if (feed(b) < 0)
        return -1;
    if (b->n_due == 0)
        return b->ended ? 1 : flush(b) < 0 ? -1 : read_more(b, true);
    if (b->due[b->first].fault != NULL) {
        put_failure(b, b->due[b->first].fault);
        return 0;
    }
    if (!ml_session_ready(b->session)) {
        size_t before = b->input.len - b->at;
        bool room = !b->waits && !b->ended && b->n_due < ML_SESSION_CALLS;
        if (room && read_more(b, false) < 0)
            return -1;
        if (room && b->input.len - b->at != before)
            return 0;
        if (about_to_wait(b) < 0)
            return -1;
    }
    if (receive(b) < 0)
        return -1;
    return b->out.out.len >= CHUNK ? flush(b) : 0;
}

/* Who has lost his supervisor alone, which a plugin can kill, goes on in a session of its own: what
 * was sent is answered, since some of it may have begun, and the rest of the lines is not lost. Not
 * where the next session ends as well before a line of it was answered. 0; -1: there is no other.
 */
static int go_on(struct batch *b)
{
    const struct ml_error lost = b->in->err;
    struct ml_error none;
    struct ml_session *next;
    if (!ml_session_over(b->session) || strcmp(lost.code, "worker_gone") != 0 || !b->answered)
        return -1;
    if (ml_session_open(b->in->ctx, b->key, &b->session_options, &next, &none) < 0)
        return -1;
    ml_session_close(b->session);
    b->session = next;
    b->answered = b->n_due > 0;
    while (b->n_due > 0)
        put_failure(b, b->due[b->first].fault ? b->due[b->first].fault : &lost);
    b->in->err = (struct ml_error)ML_ERROR_INIT;
    return 0;
}

static int all(struct batch *b)
{
    int status;
    do
        status = turn(b);
    while (status == 0 || (status < 0 && go_on(b) == 0));
    if (status < 0 || flush(b) < 0) {
        put_lost(b);
        return failed_or_signalled(b->in);
    }
    return b->any_failed ? ML_FAILED : 0;
}

/* Standard input is ours, and standard output: the calls have none of it, and what they print goes
 * to standard error. */
int batch_run(struct invocation *in, const struct ml_key *key, const struct call_options *how)
{
    AUTO_CLOSE int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
    AUTO_FREE struct batch *b = calloc(1, sizeof *b);
    if (b == NULL || !buf_reserve(&b->input, CHUNK)) {
        ml_error_memory(&in->err);
        return failed(in);
    }
    b->in = in;
    b->key = key;
    b->options = how;
    b->answered = true;
    b->signals = watch_signals(in);
    b->session_options =
        (struct ml_session_options){.stdio = {nothing, STDERR_FILENO, STDERR_FILENO},
                                    .cancel_fd = b->signals,
                                    .timeout_ms = DEFAULT_TIMEOUT_MS,
                                    .limits = how->limits};
    int status = ml_session_open(in->ctx, key, &b->session_options, &b->session, &in->err) < 0
                     ? failed_or_signalled(in)
                     : all(b);
    ml_session_close(b->session);
    in->streamed = true;
    buf_free(&b->input);
    json_free(&b->out);
    return status;
}

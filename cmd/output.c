/* How answers and errors reach people and programs. stdout is the answer, stderr is the talk. */
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fs.h"
#include "base/unseen.h"
#include "cmd/command.h"
#include "cmd/crash.h"

/* One line, whatever a plugin or a path put into it: control characters could move the cursor of a
 * terminal or fake another message. One write(2),
 * so that lines of several processes do not mix (as long as a pipe's buffer takes them: pipe(7),
 * PIPE_BUF). */
static void put_text(const char *before, const char *text, const char *behind, bool lines)
{
    BUF_AUTO line = BUF_INIT;
    buf_str(&line, before);
    while (*text != '\0') {
        size_t unseen = lines && *text == '\n' ? 0 : unseen_at(text);
        for (size_t i = 0; i < unseen; i++)
            buf_fmt(&line, "\\x%02x", (unsigned char)text[i]);
        if (unseen == 0)
            buf_char(&line, *text);
        text += unseen ? unseen : 1;
    }
    buf_str(&line, behind);
    if (!line.failed)
        fs_write_all(STDERR_FILENO, line.data,
                     line.len); /* no better place to say that it failed */
}

static void put_line(const char *before, const char *text)
{
    put_text(before, text, "\n", false);
}

/* Each of them as above; they end in a newline. */
static void put_lines(struct buf *lines)
{
    char *line = lines->data, *end;
    for (; line != NULL && (end = strchr(line, '\n')) != NULL; line = end + 1) {
        *end = '\0';
        put_line("", line);
    }
}

void note(const char *fmt, ...)
{
    BUF_AUTO text = BUF_INIT;
    va_list ap;
    va_start(ap, fmt);
    buf_vfmt(&text, fmt, ap);
    va_end(ap);
    put_line("modload: ", buf_text(&text));
}

void say(const char *fmt, ...)
{
    BUF_AUTO text = BUF_INIT;
    va_list ap;
    va_start(ap, fmt);
    buf_vfmt(&text, fmt, ap);
    va_end(ap);
    put_text("", buf_text(&text), "", true);
}

int usage_hint(struct invocation *in)
{
    const struct command *c = in->command;
    return ml_error_hint(&in->err, "usage: modload %s%s%s", c->name, c->args[0] ? " " : "",
                         c->args);
}

int usage_error(struct invocation *in, const char *fmt, ...)
{
    BUF_AUTO text = BUF_INIT;
    va_list ap;
    va_start(ap, fmt);
    buf_vfmt(&text, fmt, ap);
    va_end(ap);
    ml_error_set(&in->err, ML_USAGE, NULL, "%s", buf_text(&text));
    usage_hint(in);
    return ML_USAGE;
}

/* A failure that set no error is a bug of ours, and says so by 70. */
int failed(const struct invocation *in)
{
    return in->err.status ? in->err.status : ML_BUG;
}

static void put_error(const struct ml_error *err, const struct crash_told *crash, struct json *j)
{
    json_open(j, '{');
    json_pair(j, "code", err->code);
    json_pair(j, "message", err->message);
    json_pair(j, "hint", err->hint);
    if (err->outcome[0] != '\0')
        json_pair(j, "outcome", err->outcome);
    crash_json(j, err, crash);
    json_close(j, '}');
}

static void put_head(const struct invocation *in, struct json *j)
{
    json_open(j, '{');
    json_key(j, "modload");
    json_int(j, 1);
    json_pair(j, "command", in->command ? in->command->name : "");
}

static void put_end(const struct invocation *in, int status, struct json *j)
{
    json_pair(j, "status", in->err.status != 0 ? "error" : "ok");
    json_key(j, "exit_code");
    json_int(j, status);
}

static void put_errors(const struct invocation *in, struct json *j)
{
    json_key(j, "errors");
    json_open(j, '[');
    buf_add(&j->out, in->earlier.out.data, in->earlier.out.len);
    j->comma = in->earlier.out.len > 0;
    if (in->err.status != 0)
        put_error(&in->err, &in->crash, j);
    json_close(j, ']');
    json_close(j, '}');
    buf_char(&j->out, '\n');
}

/* The one form of all commands: {"modload":1,...}; the 1 is the version of this form. "no" of a
 * question is not an error, so "status" can be "ok" with an exit code of 1. Of a failure there is
 * no data, not half of it. */
static void put_envelope(const struct invocation *in, int status, struct json *j)
{
    put_head(in, j);
    put_end(in, status, j);
    json_key(j, "data");
    /* Of several things some may be done: then there are data and an error. */
    if (json_is_whole(&in->data))
        buf_add(&j->out, in->data.out.data, in->data.out.len);
    else
        buf_str(&j->out, "null");
    j->comma = true;
    put_errors(in, j);
}

/* ---- long answers ---- */

enum { STREAM_MIN = 1 << 16 };

static int write_out(struct invocation *in, const struct buf *out)
{
    if (out->failed)
        return ml_error_memory(&in->err);
    if (out->len > 0 && fs_write_all(STDOUT_FILENO, out->data, out->len) < 0)
        return ml_error_errno(&in->err, ML_IO, errno, "cannot write to standard output");
    return 0;
}

/* The data come before the status, which is not known yet: the order of an object's members says
 * nothing (RFC 8259 section 4). */
int answer_stream(struct invocation *in)
{
    JSON_AUTO head = {0};
    struct buf *out = in->want_json ? &in->data.out : &in->text;
    if (out->len < STREAM_MIN && !out->failed)
        return 0;
    if (in->want_json && !in->streamed) {
        put_head(in, &head);
        json_key(&head, "data");
    }
    in->streamed = true;
    if (write_out(in, &head.out) < 0 || write_out(in, out) < 0)
        return -1;
    buf_reset(out);
    return 0;
}

int answer_now(struct invocation *in)
{
    in->streamed = true;
    if (write_out(in, &in->text) < 0)
        return -1;
    buf_reset(&in->text);
    return 0;
}

/* What is left, and how it ended. The command has closed its brackets. */
static int stream_end(struct invocation *in, int status)
{
    JSON_AUTO end = {.depth = 1, .comma = true};
    if (in->want_json) {
        put_end(in, status, &end);
        put_errors(in, &end);
    }
    struct ml_error why = in->err; /* what failed first is told */
    if (write_out(in, in->want_json ? &in->data.out : &in->text) < 0 ||
        write_out(in, &end.out) < 0) {
        if (why.status != 0)
            in->err = why;
        return failed(in);
    }
    return status;
}

/* The answer is written once, at the end: a command that fails has printed nothing. That it cannot
 * be written is an error even if all else went well: a script would go on with a cut file. Its exit
 * status is 74, or 71 when memory was out. */
static int write_answer(struct invocation *in, int status)
{
    JSON_AUTO envelope = {0};
    if (in->streamed)
        return stream_end(in, status);
    if (in->want_json)
        put_envelope(in, status, &envelope);
    /* Half an answer would be taken for a whole one. */
    if (in->err.status != 0)
        buf_reset(&in->text);
    const struct buf *out = in->want_json ? &envelope.out : &in->text;
    if (in->data.out.failed || out->failed) {
        ml_error_memory(&in->err);
        return ML_LIMIT;
    }
    return write_out(in, out) < 0 ? failed(in) : status;
}

/* Whether the words ask for JSON, for a command whose options could not be read. It may find the
 * word among a call's arguments: then an error that would have been text is JSON. */
static bool asks_json(const struct invocation *in)
{
    for (char **word = in->argv; in->argv[0] != NULL && *word != NULL; word++)
        if (strcmp(*word, "--json") == 0)
            return true;
    return false;
}

/* stderr has the message with --json as well: it is for people who watch. What was collected is
 * freed so that a leak checker sees only real leaks. */
int invocation_finish(struct invocation *in, int status)
{
    if (in->err.status == ML_USAGE && asks_json(in))
        in->want_json = true;
    status = write_answer(in, status);
    if (in->err.status != 0) {
        put_line("modload: ", in->err.message);
        put_lines(&in->crash.lines);
        if (in->err.hint[0] != '\0')
            put_line("  hint: ", in->err.hint);
    }
    free(in->args);
    buf_free(&in->text);
    json_free(&in->data);
    json_free(&in->earlier);
    crash_told_free(&in->crash);
    return status;
}

void failures_add(struct failures *failures, struct invocation *in)
{
    static const struct crash_told none = {0};
    if (failures->last.status != 0) {
        put_line("modload: ", failures->last.message);
        put_error(&failures->last, &none, &in->earlier);
    }
    failures->last = in->err;
    in->err = (struct ml_error)ML_ERROR_INIT;
}

int failures_end(struct failures *failures, struct invocation *in)
{
    in->err = failures->last;
    if (in->err.status != 0 && failures->done == 0)
        json_free(&in->data);
    return in->err.status;
}

int resolve_arg(struct invocation *in, const char *word, struct ml_key *key)
{
    return ml_resolve(in->ctx, word, key, &in->err) < 0 ? failed(in) : 0;
}

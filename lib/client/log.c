/* Writing a worker's log. Used by starters and by the worker. */
#include "client/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/scope.h"

enum { CHUNK = 16384, PIPE_SIZE = 65536 };

void log_close(struct log *log)
{
    scope_close(&log->fd);
    scope_close(&log->old_fd);
    *log = (struct log){-1, -1};
}

/* UTC, to the millisecond. 25 characters with the blank behind it. */
static size_t put_time(char *line, size_t size)
{
    struct timespec now;
    struct tm utc;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    size_t n = strftime(line, size, "%Y-%m-%dT%H:%M:%S", &utc);
    return n + (size_t)snprintf(line + n, size - n, ".%03ldZ ", now.tv_nsec / 1000000);
}

/* So that a text is one line, and a terminal takes no orders from it. */
static size_t put_escaped(char *line, const char *text, size_t n)
{
    char *to = line;
    for (const unsigned char *p = (const unsigned char *)text; n > 0; p++, n--)
        if (*p < 0x20 || *p == 0x7f || *p == '\\')
            to += sprintf(to, "\\x%02x", *p);
        else
            *to++ = (char)*p;
    return (size_t)(to - line);
}

/* Whoever is killed in between leaves lines in both. That there is more than we let in is the work
 * of a plugin: of that the end counts. */
static void move_lines(const struct log *log, off_t size)
{
    char chunk[CHUNK];
    off_t skip = size > LOG_MAX ? size - LOG_MAX : 0;
    if (ftruncate(log->old_fd, 0) < 0)
        return;
    ssize_t n;
    for (off_t at = 0; at < LOG_MAX; at += n) {
        n = pread(log->fd, chunk, sizeof chunk, skip + at);
        if (n <= 0 || pwrite(log->old_fd, chunk, (size_t)n, at) != n)
            break; /* the disk is full: what is older goes first */
    }
    if (ftruncate(log->fd, 0) < 0)
        return;
}

/* One at a time; who comes second finds room, or finds it next time. A line that somebody writes
 * between the copy and the cut is lost. */
static void make_room(const struct log *log, size_t len)
{
    struct stat st;
    if (flock(log->old_fd, LOCK_EX | LOCK_NB) < 0)
        return;
    if (fstat(log->fd, &st) == 0 && st.st_size + (off_t)len > LOG_MAX)
        move_lines(log, st.st_size);
    flock(log->old_fd, LOCK_UN);
}

void log_put(const struct log *log, const char *kind, const char *text, size_t n)
{
    char line[LOG_LINE_MAX];
    struct stat st;
    size_t len = put_time(line, sizeof line);
    len += (size_t)snprintf(line + len, 16, "%s ", kind);
    len += put_escaped(line + len, text, n < LOG_TEXT_MAX ? n : LOG_TEXT_MAX);
    line[len++] = '\n';
    if (fstat(log->fd, &st) == 0 && st.st_size + (off_t)len > LOG_MAX)
        make_room(log, len);
    if (write(log->fd, line, len) < 0)
        return;
}

void log_fmt(const struct log *log, const char *kind, const char *fmt, ...)
{
    char text[LOG_TEXT_MAX];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    log_put(log, kind, text, n < 0 ? 0 : strlen(text));
}

/* ---- streams ---- */

void log_stream_end(const struct log *log, struct log_stream *stream)
{
    if (stream->n > 0)
        log_put(log, "out", stream->part, stream->n);
    stream->n = 0;
}

static void add(const struct log *log, struct log_stream *stream, const char *data, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (data[i] == '\n') {
            log_put(log, "out", stream->part, stream->n);
            stream->n = 0;
            continue;
        }
        if (stream->n == sizeof stream->part)
            log_stream_end(log, stream);
        stream->part[stream->n++] = data[i];
    }
}

void log_drain(const struct log *log, struct log_stream *stream, int fd)
{
    char chunk[CHUNK];
    size_t sum = 0;
    for (ssize_t n; sum < PIPE_SIZE && (n = read(fd, chunk, sizeof chunk)) > 0; sum += (size_t)n)
        add(log, stream, chunk, (size_t)n);
}

/* What is kept of a worker's life: what it and its plugin wrote, and what became of it. A line per
 * record, which `cat` can show:
 *
 *     2026-01-02T03:04:05.678Z KIND TEXT
 *
 * KIND is one of "start", "out" (a line of the worker's stdout or stderr), "call" (one that
 * crashed, hung or vanished), "end", "fail" (a start that failed) and "restart". In TEXT a
 * backslash, and bytes that are control characters, are written as \xNN.
 *
 * Two files in the runtime directory, U.log and U.log.old, each of LOG_MAX bytes at most. Whoever
 * writes appends to the first one, each line by one write(2), so lines of different processes do
 * not mix; who finds it full moves what it holds to the second. They stay the same two files, and
 * are written through descriptors: a worker needs no path for it. A plugin has its worker in its
 * hands, so whoever reads them finds any bytes. */
#ifndef CLIENT_LOG_H
#define CLIENT_LOG_H

#include <stddef.h>

#include "modload/error.h"

enum {
    LOG_MAX = 256 << 10,
    LOG_TEXT_MAX = 1024,                  /* bytes of a text; what is longer is told in several */
    LOG_LINE_MAX = 64 + 4 * LOG_TEXT_MAX, /* of a line, escapes and all */
};

struct log {
    int fd, old_fd;
};

/* A stream of bytes on its way into lines. Zeroed at the beginning. */
struct log_stream {
    char part[LOG_TEXT_MAX];
    size_t n;
};

/* Closes both; -1 is fine. */
void log_close(struct log *log);

/* Appends a record. A line that cannot be written is lost: there is no better place to say so. */
void log_put(const struct log *log, const char *kind, const char *text, size_t n);
__attribute__((format(printf, 3, 4))) void log_fmt(const struct log *log, const char *kind,
                                                   const char *fmt, ...);

/* Takes in what is there to read from `fd`, which does not block, as "out" lines, up to the size of
 * a pipe. */
void log_drain(const struct log *log, struct log_stream *stream, int fd);

/* What came last may lack its line end. */
void log_stream_end(const struct log *log, struct log_stream *stream);

#endif

/* A growing byte string. Always NUL-terminated after the first successful call; `len` does not
 * count the NUL. BUF_INIT is an empty one and needs no release. An allocation that fails sets
 * `failed` and drops what was to be added; callers check once, at the end. */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

struct buf {
    char *data;
    size_t len, cap;
    bool failed;
};

#define BUF_INIT                                                                                   \
    {                                                                                              \
        0                                                                                          \
    }
#define BUF_AUTO __attribute__((cleanup(buf_free))) struct buf

void buf_free(struct buf *b);
void buf_reset(struct buf *b); /* empty, keeps the memory */
bool buf_reserve(struct buf *b, size_t more);
void buf_add(struct buf *b, const void *data, size_t n);
void buf_str(struct buf *b, const char *s);
void buf_char(struct buf *b, char c);
__attribute__((format(printf, 2, 3))) void buf_fmt(struct buf *b, const char *fmt, ...);
__attribute__((format(printf, 2, 0))) void buf_vfmt(struct buf *b, const char *fmt, va_list ap);

/* The text so far, never null: "" when nothing was ever added. Valid until the next change. */
const char *buf_text(const struct buf *b);

/* Hands the text over to the caller, who frees it; null when an allocation had failed. */
char *buf_steal(struct buf *b);

#endif

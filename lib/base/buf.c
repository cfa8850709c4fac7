/* The growing byte string. The one rule that all functions here keep: there is always room for a
 * NUL behind `len`, and it is there, so that text and bytes need no two types. */
#include "base/buf.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void buf_free(struct buf *b)
{
    free(b->data);
    *b = (struct buf)BUF_INIT;
}

/* An earlier failure is kept: whoever checks at the end must still see it. */
void buf_reset(struct buf *b)
{
    b->len = 0;
    if (b->data != NULL)
        b->data[0] = '\0';
}

/* Makes room for `more` bytes and the NUL. It can be called with 0, to have a NUL at all. Doubling
 * keeps the number of copies logarithmic; the check against SIZE_MAX / 2 is what keeps the doubling
 * itself from wrapping to 0 and never ending. */
bool buf_reserve(struct buf *b, size_t more)
{
    if (b->failed)
        return false;
    if (b->cap > b->len && more < b->cap - b->len)
        return true;
    if (more > SIZE_MAX / 2 - b->len) {
        b->failed = true;
        return false;
    }
    size_t cap = b->cap ? b->cap : 64;
    while (cap <= b->len + more)
        cap *= 2;
    char *data = realloc(b->data, cap);
    if (data == NULL) {
        b->failed = true;
        return false;
    }
    b->data = data;
    b->cap = cap;
    b->data[b->len] = '\0';
    return true;
}

void buf_add(struct buf *b, const void *data, size_t n)
{
    if (!buf_reserve(b, n))
        return;
    if (n > 0)
        memcpy(b->data + b->len, data, n);
    b->len += n;
    b->data[b->len] = '\0';
}

void buf_str(struct buf *b, const char *s)
{
    buf_add(b, s, strlen(s));
}

void buf_char(struct buf *b, char c)
{
    buf_add(b, &c, 1);
}

/* Into the room that there is; where that is too small, once more, when there is as much as the
 * first time has shown to be needed: a va_list can be walked once only (C11 7.16), hence the copy.
 * A result below 0 is an encoding error, which none of our formats can have. */
void buf_vfmt(struct buf *b, const char *fmt, va_list ap)
{
    va_list again;
    if (!buf_reserve(b, 0))
        return;
    size_t room = b->cap - b->len;
    va_copy(again, ap);
    int n = vsnprintf(b->data + b->len, room, fmt, again);
    va_end(again);
    if (n < 0)
        b->failed = true;
    if (n < 0 || ((size_t)n >= room && !buf_reserve(b, (size_t)n))) {
        b->data[b->len] = '\0'; /* nothing of it */
        return;
    }
    if ((size_t)n >= room)
        vsnprintf(b->data + b->len, (size_t)n + 1, fmt, ap);
    b->len += (size_t)n;
}

void buf_fmt(struct buf *b, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    buf_vfmt(b, fmt, ap);
    va_end(ap);
}

const char *buf_text(const struct buf *b)
{
    return b->data ? b->data : "";
}

/* The reserve is for a buffer that nothing was ever added to: its text is "", not null, which
 * stands for a failure. */
char *buf_steal(struct buf *b)
{
    if (b->failed || !buf_reserve(b, 0)) {
        buf_free(b);
        return NULL;
    }
    char *text = b->data;
    *b = (struct buf)BUF_INIT;
    return text;
}

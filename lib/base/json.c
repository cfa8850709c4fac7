/* Writing JSON. There is no tree: values go into the buffer as they come, and the one thing to
 * remember is whether a comma is due, which each function leaves right for the next. Reading is
 * elsewhere. */
#include "base/json.h"

#include <inttypes.h>
#include <string.h>

void json_free(struct json *j)
{
    buf_free(&j->out);
}

/* What goes before a value: the comma that the last one did not know of. */
static void value_begin(struct json *j)
{
    if (j->comma)
        buf_char(&j->out, ',');
    j->comma = true;
}

bool json_is_whole(const struct json *j)
{
    return j->out.len > 0 && j->depth == 0 && !j->out.failed;
}

void json_open(struct json *j, char bracket)
{
    value_begin(j);
    buf_char(&j->out, bracket);
    j->comma = false;
    j->depth++;
}

void json_close(struct json *j, char bracket)
{
    buf_char(&j->out, bracket);
    j->comma = true;
    j->depth--;
}

/* A key is written as a value, then told apart by its colon: behind that no comma is due. */
void json_key(struct json *j, const char *key)
{
    json_string(j, key);
    buf_char(&j->out, ':');
    j->comma = false;
}

void json_null(struct json *j)
{
    value_begin(j);
    buf_str(&j->out, "null");
}

void json_bool(struct json *j, bool value)
{
    value_begin(j);
    buf_str(&j->out, value ? "true" : "false");
}

void json_int(struct json *j, int64_t value)
{
    value_begin(j);
    buf_fmt(&j->out, "%" PRId64, value);
}

void json_uint(struct json *j, uint64_t value)
{
    value_begin(j);
    buf_fmt(&j->out, "%" PRIu64, value);
}

/* What has no digit is "nan", "inf" or "-inf": JSON has no number for it (RFC 8259 section 6), and
 * null would lose which one it was. */
void json_number(struct json *j, const char *text)
{
    if (strpbrk(text, "0123456789") == NULL) {
        json_string(j, text);
        return;
    }
    value_begin(j);
    buf_str(&j->out, text);
}

/* The length of the UTF-8 sequence at `p`, or 0. The table is RFC 3629 section 4. `n` bytes may be
 * read. The first byte alone gives the length; what it allows of the second differs for 0xe0, 0xed,
 * 0xf0 and 0xf4, and that is what keeps out overlong forms, surrogates and what lies beyond
 * U+10FFFF. */
static size_t utf8_sequence(const unsigned char *p, size_t n)
{
    if (p[0] < 0x80)
        return 1;
    size_t len = p[0] >= 0xc2 && p[0] <= 0xdf   ? 2
                 : (p[0] & 0xf0) == 0xe0        ? 3
                 : p[0] >= 0xf0 && p[0] <= 0xf4 ? 4
                                                : 0;
    if (len == 0 || len > n)
        return 0;
    for (size_t i = 1; i < len; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    bool overlong = (p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xf0 && p[1] < 0x90);
    bool surrogate = p[0] == 0xed && p[1] > 0x9f;
    bool beyond = p[0] == 0xf4 && p[1] > 0x8f;
    return overlong || surrogate || beyond ? 0 : len;
}

bool json_is_utf8(const char *text, size_t n)
{
    const unsigned char *p = (const unsigned char *)text;
    for (size_t i = 0; i < n;) {
        size_t len = utf8_sequence(p + i, n - i);
        if (len == 0)
            return false;
        i += len;
    }
    return true;
}

/* One byte below 0x80. Those that JSON has a short form for (RFC 8259 section 7); DEL is not
 * required to be escaped, but a terminal acts on it. */
static void add_escaped(struct buf *out, unsigned char c)
{
    static const char names[] = {['\b'] = 'b', ['\f'] = 'f', ['\n'] = 'n', ['\r'] = 'r',
                                 ['\t'] = 't', ['"'] = '"',  ['\\'] = '\\'};
    if (c < sizeof names && names[c] != '\0')
        buf_fmt(out, "\\%c", names[c]);
    else if (c < 0x20 || c == 0x7f)
        buf_fmt(out, "\\u%04x", c);
    else
        buf_char(out, (char)c);
}

/* How many bytes from here on stand for themselves: nearly all that there are, so they are taken
 * together. */
static size_t plain(const unsigned char *p, size_t n)
{
    size_t i = 0;
    while (i < n && p[i] >= 0x20 && p[i] < 0x7f && p[i] != '"' && p[i] != '\\')
        i++;
    return i;
}

/* A string value; what is not UTF-8 becomes U+FFFD, byte by byte. Each bad byte on its own, so that
 * one of them takes nothing with it that was good. */
static void put_string(struct json *j, const char *text, size_t n)
{
    const unsigned char *p = (const unsigned char *)text;
    value_begin(j);
    buf_char(&j->out, '"');
    for (size_t i = 0, len; i < n; i += len ? len : 1) {
        if ((len = plain(p + i, n - i)) > 0) {
            buf_add(&j->out, p + i, len);
            continue;
        }
        len = utf8_sequence(p + i, n - i);
        if (len == 0)
            buf_str(&j->out, "\xef\xbf\xbd");
        else if (len == 1)
            add_escaped(&j->out, p[i]);
        else
            buf_add(&j->out, p + i, len);
    }
    buf_char(&j->out, '"');
}

void json_string(struct json *j, const char *text)
{
    put_string(j, text, strlen(text));
}

void json_text(struct json *j, const char *text, size_t n)
{
    if (json_is_utf8(text, n))
        put_string(j, text, n);
    else
        json_bytes(j, text, n);
}

/* RFC 4648 section 4, with padding. Three bytes become four digits; a group that is not full is
 * filled with zero bits, and "=" says how many there were. */
static void add_base64(struct buf *out, const unsigned char *p, size_t n)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < n; i += 3) {
        size_t left = n - i;
        uint32_t group = (uint32_t)p[i] << 16 | (left > 1 ? (uint32_t)p[i + 1] << 8 : 0) |
                         (left > 2 ? (uint32_t)p[i + 2] : 0);
        buf_char(out, digits[group >> 18]);
        buf_char(out, digits[group >> 12 & 63]);
        buf_char(out, left > 1 ? digits[group >> 6 & 63] : '=');
        buf_char(out, left > 2 ? digits[group & 63] : '=');
    }
}

void json_bytes(struct json *j, const void *data, size_t n)
{
    value_begin(j);
    buf_str(&j->out, "{\"base64\":\"");
    add_base64(&j->out, data, n);
    buf_str(&j->out, "\"}");
}

void json_strings(struct json *j, const char *key, const char *const *list, size_t n)
{
    json_key(j, key);
    json_open(j, '[');
    for (size_t i = 0; i < n; i++)
        json_string(j, list[i]);
    json_close(j, ']');
}

void json_pair(struct json *j, const char *key, const char *value)
{
    json_key(j, key);
    json_string(j, value);
}

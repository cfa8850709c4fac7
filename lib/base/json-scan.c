/* One pass, no table, no recursion. */
#include "base/json-scan.h"

#include <stdint.h>
#include <string.h>

#include "base/json.h"

static enum json_type bad(struct json_scan *s, const char *fault)
{
    s->fault = fault;
    return JSON_BAD;
}

static void skip_space(struct json_scan *s)
{
    while (s->p < s->end && (*s->p == ' ' || *s->p == '\t' || *s->p == '\n' || *s->p == '\r'))
        s->p++;
}

bool json_scan_mark(struct json_scan *s, char mark)
{
    skip_space(s);
    if (s->p == s->end || *s->p != mark)
        return false;
    s->p++;
    return true;
}

bool json_scan_end(struct json_scan *s)
{
    skip_space(s);
    return s->p == s->end;
}

/* ---- numbers and words ---- */

static bool is_digit(const struct json_scan *s)
{
    return s->p < s->end && *s->p >= '0' && *s->p <= '9';
}

static bool digits(struct json_scan *s)
{
    if (!is_digit(s))
        return false;
    while (is_digit(s))
        s->p++;
    return true;
}

static bool take(struct json_scan *s, const char *any)
{
    if (s->p == s->end || *s->p == '\0' || strchr(any, *s->p) == NULL)
        return false;
    s->p++;
    return true;
}

/* RFC 8259, section 6. */
static enum json_type number(struct json_scan *s)
{
    take(s, "-");
    if (!take(s, "0") && !digits(s))
        return bad(s, "that is not JSON");
    if (take(s, ".") && !digits(s))
        return bad(s, "a number lacks digits");
    if (take(s, "eE")) {
        take(s, "+-");
        if (!digits(s))
            return bad(s, "a number lacks digits");
    }
    return is_digit(s) ? bad(s, "a number begins with 0") : JSON_NUMBER;
}

static enum json_type word(struct json_scan *s, const char *text, enum json_type type)
{
    size_t n = strlen(text);
    if ((size_t)(s->end - s->p) < n || memcmp(s->p, text, n) != 0)
        return bad(s, "that is not JSON");
    s->p += n;
    return type;
}

/* ---- strings ---- */

static int hex_digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* Four hex digits; -1 when they are none. */
static int32_t hex4(const char *p, const char *end)
{
    int32_t value = 0;
    if (end - p < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        int digit = hex_digit(p[i]);
        if (digit < 0)
            return -1;
        value = value * 16 + digit;
    }
    return value;
}

/* What follows a backslash. That two \\u make one character is looked at by who wants it. */
static bool is_escape(const char *p, const char *end)
{
    return p < end && *p != '\0' &&
           (strchr("\"\\/bfnrt", *p) != NULL || (*p == 'u' && hex4(p + 1, end) >= 0));
}

/* Passes over a string; the end is behind its quote. Whether it is UTF-8 is asked once, for all of
 * it. */
static bool string(struct json_scan *s, bool *escaped)
{
    const char *begin = ++s->p;
    bool wide = false;
    *escaped = false;
    for (; s->p < s->end && *s->p != '"'; s->p++) {
        if ((unsigned char)*s->p < 0x20) {
            s->fault = "a control character in a string";
            return false;
        }
        wide = wide || (unsigned char)*s->p >= 0x80;
        if (*s->p == '\\') {
            *escaped = true;
            if (!is_escape(++s->p, s->end)) {
                s->fault = "an escape in a string is none";
                return false;
            }
        }
    }
    if (s->p >= s->end) {
        s->fault = "a string does not end";
        return false;
    }
    if (wide && !json_is_utf8(begin, (size_t)(s->p - begin))) {
        s->fault = "a string is not UTF-8";
        return false;
    }
    s->p++;
    return true;
}

static char *put_utf8(char *to, uint32_t c)
{
    if (c < 0x80) {
        *to++ = (char)c;
    } else if (c < 0x800) {
        *to++ = (char)(0xc0 | c >> 6);
        *to++ = (char)(0x80 | (c & 0x3f));
    } else if (c < 0x10000) {
        *to++ = (char)(0xe0 | c >> 12);
        *to++ = (char)(0x80 | (c >> 6 & 0x3f));
        *to++ = (char)(0x80 | (c & 0x3f));
    } else {
        *to++ = (char)(0xf0 | c >> 18);
        *to++ = (char)(0x80 | (c >> 12 & 0x3f));
        *to++ = (char)(0x80 | (c >> 6 & 0x3f));
        *to++ = (char)(0x80 | (c & 0x3f));
    }
    return to;
}

/* \uXXXX, or two of them that make one character. `*p` is behind the u. False: it is none. */
static bool unescape_unicode(const char **p, const char *end, char **to)
{
    int32_t c = hex4(*p, end);
    if (c < 0 || (c >= 0xdc00 && c < 0xe000))
        return false;
    *p += 4;
    if (c >= 0xd800 && c < 0xdc00) {
        int32_t low = end - *p >= 6 && (*p)[0] == '\\' && (*p)[1] == 'u' ? hex4(*p + 2, end) : -1;
        if (low < 0xdc00 || low >= 0xe000)
            return false;
        *p += 6;
        c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
    }
    *to = put_utf8(*to, (uint32_t)c);
    return true;
}

/* In place: what an escape stands for is never longer than it. The size; -1 when one is none. */
static ptrdiff_t unescape(char *text, size_t size)
{
    static const char from[] = "\"\\/bfnrt", into[] = "\"\\/\b\f\n\r\t";
    const char *p = text, *end = text + size;
    char *to = text;
    while (p < end) {
        if (*p != '\\') {
            *to++ = *p++;
            continue;
        }
        const char *which = p[1] == '\0' ? NULL : strchr(from, p[1]);
        p += 2;
        if (which != NULL)
            *to++ = into[which - from];
        else if (p[-1] != 'u' || !unescape_unicode(&p, end, &to))
            return -1;
    }
    return to - text;
}

/* ---- values ---- */

/* Passes over a member's name and its colon. Looked at before it is read: a bracket in this place
 * would be passed over by who called us, and so on for as many as a text has. */
static bool name(struct json_scan *s)
{
    struct json_slice skipped;
    skip_space(s);
    if (s->p < s->end && *s->p == '"' && json_scan_raw(s, &skipped) == JSON_STRING &&
        json_scan_mark(s, ':'))
        return true;
    s->fault = s->fault ? s->fault : "an object lacks a name";
    return false;
}

/* Passes over brackets and all that is in them. What stands between them is looked at for brackets
 * and strings, and for values that are none; `open` has the closing bracket of each. */
static bool brackets(struct json_scan *s)
{
    char open[JSON_DEPTH];
    int depth = 0;
    bool value = false; /* a value has just ended: a comma or a bracket has to follow */
    struct json_slice skipped;
    do {
        skip_space(s);
        char c = s->p < s->end ? *s->p : '\0';
        if ((c == '[' || c == '{') && !value && depth < JSON_DEPTH) {
            open[depth++] = c == '[' ? ']' : '}';
            s->p++;
            if (json_scan_mark(s, open[depth - 1])) {
                depth--;
                value = true;
                continue;
            }
        } else if (value && c == open[depth - 1]) {
            depth--;
            s->p++;
            continue;
        } else if (value && c == ',') {
            s->p++;
            value = false;
        } else if (value || c == '[' || c == '{' || json_scan_raw(s, &skipped) == JSON_BAD) {
            s->fault = s->fault ? s->fault : "that is not JSON";
            return false;
        } else {
            value = true;
            continue;
        }
        if (open[depth - 1] == '}' && !name(s))
            return false;
    } while (depth > 0);
    return true;
}

enum json_type json_scan_raw(struct json_scan *s, struct json_slice *ret)
{
    bool escaped;
    skip_space(s);
    ret->text = s->p;
    ret->type = JSON_BAD;
    if (s->p == s->end)
        return bad(s, "it ends too early");
    switch (*s->p) {
    case '"':
        ret->type = string(s, &escaped) ? JSON_STRING : JSON_BAD;
        break;
    case '[':
    case '{':
        ret->type = *s->p == '[' ? JSON_ARRAY : JSON_OBJECT;
        if (!brackets(s))
            ret->type = JSON_BAD;
        break;
    case 't':
        ret->type = word(s, "true", JSON_TRUE);
        break;
    case 'f':
        ret->type = word(s, "false", JSON_FALSE);
        break;
    case 'n':
        ret->type = word(s, "null", JSON_NULL);
        break;
    default:
        ret->type = number(s);
    }
    ret->size = (size_t)(s->p - ret->text);
    return ret->type;
}

/* A string without its quotes, and unescaped. */
static enum json_type text(struct json_scan *s, struct json_slice *ret)
{
    bool escaped;
    ret->text = s->p + 1;
    if (!string(s, &escaped))
        return JSON_BAD;
    ret->size = (size_t)(s->p - 1 - ret->text);
    ptrdiff_t size = escaped ? unescape(ret->text, ret->size) : (ptrdiff_t)ret->size;
    if (size < 0)
        return bad(s, "an escape in a string is none");
    ret->size = (size_t)size;
    return JSON_STRING;
}

enum json_type json_scan_value(struct json_scan *s, struct json_slice *ret)
{
    skip_space(s);
    if (s->p == s->end || *s->p != '"')
        return json_scan_raw(s, ret);
    ret->type = text(s, ret);
    return ret->type;
}

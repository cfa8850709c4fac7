/* Reading JSON (RFC 8259) a value at a time, in place: texts are unescaped where they stand, and
 * nothing is allocated. Numbers stay texts, so that none of their digits is lost. Strict: UTF-8, no
 * comments, no second sign, no leading zero, at most JSON_DEPTH brackets open. */
#ifndef BASE_JSON_SCAN_H
#define BASE_JSON_SCAN_H

#include <stdbool.h>
#include <stddef.h>

enum { JSON_DEPTH = 64 };

enum json_type {
    JSON_BAD = 0, /* not JSON */
    JSON_NULL,
    JSON_FALSE,
    JSON_TRUE,
    JSON_NUMBER,
    JSON_STRING,
    JSON_ARRAY,
    JSON_OBJECT,
};

/* What is left of a text. `fault` says what was wrong with it once something was. */
struct json_scan {
    char *p, *end;
    const char *fault;
};

/* A value: its bytes as they stand; of a string the unescaped text, without quotes. */
struct json_slice {
    enum json_type type;
    char *text;
    size_t size;
};

/* The next value, whole: a number or a string as what it is, brackets as their whole text,
 * unchanged. White space before it is passed over. The type is returned, and in `*ret`; the rest of
 * a JSON_BAD means nothing. */
enum json_type json_scan_value(struct json_scan *scan, struct json_slice *ret);

/* The same, but the text of a string stays as it stands, quotes and escapes included: to be written
 * somewhere else as it is. */
enum json_type json_scan_raw(struct json_scan *scan, struct json_slice *ret);

/* Passes over white space and, if it is the next byte, over `mark`. */
bool json_scan_mark(struct json_scan *scan, char mark);

/* Whether nothing but white space is left. */
bool json_scan_end(struct json_scan *scan);

#endif

/* Writing JSON (RFC 8259) into a buffer. Commas are put in by the writer; nesting is the caller's.
 *
 *     json_open(&j, '{'); json_key(&j, "a"); json_int(&j, 1); json_close(&j, '}');      {"a":1}
 */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

struct json {
    struct buf out;
    unsigned depth; /* brackets that are open */
    bool comma;     /* a value went before at this level */
};

#define JSON_AUTO __attribute__((cleanup(json_free))) struct json

void json_free(struct json *j);

/* Whether a value is there, and no bracket open: a command may have failed in the middle of one. */
bool json_is_whole(const struct json *j);

void json_open(struct json *j, char bracket);
void json_close(struct json *j, char bracket);
void json_key(struct json *j, const char *key);
void json_null(struct json *j);
void json_bool(struct json *j, bool value);
void json_int(struct json *j, int64_t value);
void json_uint(struct json *j, uint64_t value);

/* A number as text that is known to be JSON; what JSON has no number for (nan, inf) becomes a
 * string. */
void json_number(struct json *j, const char *text);

/* A text for people. Every control character is escaped; a byte that is not of UTF-8 (RFC 3629)
 * becomes U+FFFD, so that the value is a string whatever a path or a plugin put into it. */
void json_string(struct json *j, const char *text);

/* A text that must come through whole: one that is not UTF-8 becomes {"base64":"..."} (RFC 4648
 * section 4). */
void json_text(struct json *j, const char *text, size_t n);

/* Bytes: always {"base64":"..."}. */
void json_bytes(struct json *j, const void *data, size_t n);

/* A pair with a string value. */
void json_pair(struct json *j, const char *key, const char *value);

/* A pair with an array of `n` strings. */
void json_strings(struct json *j, const char *key, const char *const *list, size_t n);

/* Whether these bytes are UTF-8: no overlong form, no surrogate, nothing above U+10FFFF. */
bool json_is_utf8(const char *text, size_t n);

#endif

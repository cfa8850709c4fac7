/* Reading JSON that people and strangers wrote. cJSON takes more than JSON (RFC 8259) is, keeps
 * duplicate keys and cuts texts at an escaped NUL, all without a word; what it lets pass is refused
 * here. */
#ifndef BUILD_STRICT_JSON_H
#define BUILD_STRICT_JSON_H

#include <cjson/cJSON.h>
#include <stddef.h>

#include "build/arena.h"
#include "modload/error.h"

enum { STRICT_DEPTH_MAX = 16 };

/* Parses a whole text, which must have a NUL behind its `n` bytes. `label` is the file's name in
 * messages. The tree is the caller's, who gives it to cJSON_Delete(). Null with ML_CONFIG or
 * ML_LIMIT. */
cJSON *strict_parse(const char *text, size_t n, const char *label, struct ml_error *err);

/* The same for a part of a file that begins in `line`; what is behind it must be a NUL too. */
cJSON *strict_parse_part(const char *text, size_t n, const char *label, int line,
                         struct ml_error *err);

/* The text of the values of a parsed text's top object, in order, as they were written: cJSON would
 * bring every number into a double. */
void strict_values(struct arena *a, const char *text, struct strv *ret);

static inline void strict_delete(cJSON **tree)
{
    cJSON_Delete(*tree);
}
#define CJSON_AUTO __attribute__((cleanup(strict_delete))) cJSON

#endif

/* Doc comments of any source, for every line that a function could stand on. What is found is part
 * of what people see: UTF-8, with no control character but newline and tab, and no blank around
 * it. */
#include "build/docs.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "fuzz.h"

enum { LINES_MAX = 256, DOC_MAX = 16384 };

static void check_doc(const char *doc)
{
    size_t n = strlen(doc);
    CHECK(n <= DOC_MAX && json_is_utf8(doc, n));
    CHECK(n == 0 || (!isspace((unsigned char)doc[n - 1]) && *doc != ' ' && *doc != '\n'));
    for (const unsigned char *p = (const unsigned char *)doc; *p != '\0'; p++)
        CHECK((*p >= ' ' && *p != 0x7f) || *p == '\n' || *p == '\t');
}

static void check_comments(const struct docs *docs)
{
    size_t end = 0;
    for (size_t i = 0; i < docs->n_comments; i++) {
        CHECK(docs->comments[i].begin >= end &&
              docs->comments[i].end >= docs->comments[i].begin + 2);
        end = docs->comments[i].end;
    }
    CHECK(end <= docs->size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ARENA_AUTO a = ARENA_INIT;
    struct docs docs;
    docs_scan(&a, (const char *)data, size, &docs);
    CHECK(!a.failed);
    check_comments(&docs);
    for (int line = 0; line <= LINES_MAX && (size_t)line <= docs.n_lines + 1; line++)
        check_doc(docs_above(&a, &docs, line));
    CHECK(!a.failed);
    return 0;
}

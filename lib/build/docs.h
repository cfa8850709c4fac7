/* The comment that stands directly above a function's definition. */
#ifndef BUILD_DOCS_H
#define BUILD_DOCS_H

#include <stddef.h>

#include "build/arena.h"

struct doc_comment {
    size_t begin, end; /* offsets of the first byte and of the one behind the last */
};

/* The comments of one source file that could document something: those with nothing but blanks
 * before them on their line. Line comments on consecutive lines are one. */
struct docs {
    const char *text;
    size_t size;
    size_t *lines; /* where each line begins */
    size_t n_lines;
    struct doc_comment *comments;
    size_t n_comments;
};

/* Reads a source; `text` must outlive `ret`. Memory comes from the arena, which tells when it ran
 * out. */
void docs_scan(struct arena *a, const char *text, size_t size, struct docs *ret);

/* The comment above what is declared on `line` (from 1), its marks stripped, or "". Between the two
 * there may be the rest of the declaration, but no blank line, statement or preprocessor line. The
 * answer is UTF-8 without control characters but newline and tab, whatever the source holds. */
const char *docs_above(struct arena *a, const struct docs *docs, int line);

#endif

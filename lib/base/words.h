/* Which known word somebody may have meant. */
#ifndef BASE_WORDS_H
#define BASE_WORDS_H

#include <stddef.h>

/* The edit distance of two words (Damerau-Levenshtein, adjacent swaps count one), or `limit` + 1
 * when it is more than `limit` or a word is longer than 64 bytes. No allocation. */
int words_distance(const char *a, const char *b, int limit);

/* Looks for the nearest word: call once per candidate with `best` starting as {0}. */
struct words_nearest {
    const char *word; /* null: none was near enough */
    int distance;
};
void words_consider(struct words_nearest *best, const char *wanted, const char *candidate);

#endif

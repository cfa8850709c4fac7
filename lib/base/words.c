/* The edit distance, and with it "did you mean". Runs in a call process too, so it does not
 * allocate. */
#include "base/words.h"

#include <stdlib.h>
#include <string.h>

/* Commands, options and functions are shorter; whoever types more did not mistype one letter. */
enum { WORD_MAX = 64 };

static int min_int(int a, int b)
{
    return a < b ? a : b;
}

/* Optimal string alignment: three rows of the table are enough, since a swap looks back two rows
 * and everything else one. A difference in length is a distance at least as large, and costs no
 * table. */
int words_distance(const char *a, const char *b, int limit)
{
    int n = (int)strnlen(a, WORD_MAX + 1), m = (int)strnlen(b, WORD_MAX + 1);
    if (n > WORD_MAX || m > WORD_MAX || abs(n - m) > limit)
        return limit + 1;
    int rows[3][WORD_MAX + 1];
    int *before = rows[0], *last = rows[1], *now = rows[2];
    for (int j = 0; j <= m; j++)
        last[j] = j;
    for (int i = 1; i <= n; i++) {
        now[0] = i;
        for (int j = 1; j <= m; j++) {
            int change = last[j - 1] + (a[i - 1] != b[j - 1]);
            now[j] = min_int(change, min_int(last[j], now[j - 1]) + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                now[j] = min_int(now[j], before[j - 2] + 1);
        }
        int *oldest = before;
        before = last;
        last = now;
        now = oldest;
    }
    return last[m] <= limit ? last[m] : limit + 1;
}

/* The first of equally near candidates stays, so that the answer does not depend on how they are
 * stored. */
void words_consider(struct words_nearest *best, const char *wanted, const char *candidate)
{
    /* A third of the word may be wrong: more than that is another word. */
    int limit = (int)strnlen(wanted, WORD_MAX) / 3;
    if (limit < 1)
        limit = 1;
    int distance = words_distance(wanted, candidate, limit);
    if (distance > limit || (best->word != NULL && distance >= best->distance))
        return;
    best->word = candidate;
    best->distance = distance;
}

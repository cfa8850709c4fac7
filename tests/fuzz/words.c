/* "Did you mean": the distance of two words, one per line. It is what a distance is: 0 for equal
 * words only, the same both ways, and what is within one limit is the same within a wider one. */
#include "base/words.h"

#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

enum { WIDE = 64 };

static void check_pair(const char *a, const char *b)
{
    int wide = words_distance(a, b, WIDE);
    CHECK(wide >= 0 && wide <= WIDE + 1 && wide == words_distance(b, a, WIDE));
    if (strlen(a) > WIDE || strlen(b) > WIDE)
        return;
    CHECK((wide == 0) == (strcmp(a, b) == 0));
    for (int limit = 0; limit < 4; limit++)
        CHECK(words_distance(a, b, limit) == (wide <= limit ? wide : limit + 1));
}

/* The nearest of two candidates: near enough, and no farther than the other. */
static void check_nearest(const char *wanted, const char *a, const char *b)
{
    struct words_nearest best = {0};
    words_consider(&best, wanted, a);
    words_consider(&best, wanted, b);
    if (best.word == NULL)
        return;
    CHECK(best.word == a || best.word == b);
    CHECK(best.distance == words_distance(wanted, best.word, WIDE));
    CHECK(best.distance <= words_distance(wanted, a, WIDE));
    CHECK(best.distance <= words_distance(wanted, b, WIDE));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *wanted = fuzz_line(&data, &size), *a = fuzz_line(&data, &size);
    char *b = fuzz_text(data, size);
    if (a != NULL) {
        check_pair(wanted, a);
        check_pair(a, b);
        check_nearest(wanted, a, b);
    }
    free(wanted);
    free(a);
    free(b);
    return 0;
}

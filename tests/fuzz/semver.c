/* A list of versions and a range, a line each: the order is one, and a range agrees with what the
 * order says of its bounds. */
#include "base/semver.h"

#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

enum { LINES_MAX = 16 };

static int sign(int n)
{
    return (n > 0) - (n < 0);
}

static void check_order(const struct semver *v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++) {
            CHECK(sign(semver_compare(&v[i], &v[j])) == -sign(semver_compare(&v[j], &v[i])));
            for (size_t k = 0; k < n; k++)
                if (semver_compare(&v[i], &v[j]) <= 0 && semver_compare(&v[j], &v[k]) <= 0)
                    CHECK(semver_compare(&v[i], &v[k]) <= 0);
        }
}

/* What a condition of three numbers says about an order has to be so. */
static void check_range(const struct semver_range *range, const struct semver *v)
{
    for (size_t i = 0; i < range->n && semver_range_has(range, v); i++) {
        const struct semver_term *term = &range->terms[i];
        int order = term->given == 3 ? semver_compare(v, &term->version) : 1;
        CHECK(strchr("^~g", term->op) == NULL || order >= 0);
        CHECK(term->given < 3 || strchr("<l", term->op) == NULL || order <= 0);
        CHECK(term->given < 3 || term->op != '=' || order == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct semver versions[LINES_MAX];
    size_t n = 0;
    char *text = fuzz_text(data, size), *rest = text, *line;
    while ((line = strsep(&rest, "\n")) != NULL && n < LINES_MAX) {
        struct semver_range range;
        if (semver_parse(line, &versions[n]))
            n++;
        else if (semver_range_parse(line, &range))
            for (size_t i = 0; i < n; i++)
                check_range(&range, &versions[i]);
    }
    check_order(versions, n);
    free(text);
    return 0;
}

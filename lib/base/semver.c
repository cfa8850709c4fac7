/* Bounds such as "below 2.0.0" are never computed: a range is told by which numbers are equal and
 * how the first different one compares, so that no number can overflow. */
#include "base/semver.h"

#include <string.h>

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_identifier(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-';
}

static size_t digits(const char *at, const char *end)
{
    size_t n = 0;
    while (at + n < end && is_digit(at[n]))
        n++;
    return n;
}

/* A number without a zero in front; moves past it. */
static bool number_take(const char **at, const char *end, struct semver_text *ret)
{
    *ret = (struct semver_text){*at, digits(*at, end)};
    *at += ret->n;
    return ret->n > 0 && (ret->n == 1 || *ret->at != '0');
}

/* Identifiers with dots between them, none empty; numeric ones without a zero in front if `strict`.
 * Moves past them. */
static bool identifiers_take(const char **at, const char *end, bool strict, struct semver_text *ret)
{
    *ret = (struct semver_text){*at, 0};
    for (;; (*at)++) {
        const char *begin = *at;
        while (*at < end && is_identifier(**at))
            (*at)++;
        size_t n = (size_t)(*at - begin);
        if (n == 0 || (strict && n > 1 && *begin == '0' && digits(begin, *at) == n))
            return false;
        if (*at == end || **at != '.')
            break;
    }
    ret->n = (size_t)(*at - ret->at);
    return true;
}

/* A version of which the last numbers may be missing. How many there are; 0 when it is none. */
static int version_take(const char *at, const char *end, struct semver *ret)
{
    static const struct semver none;
    struct semver_text build;
    int given = 0;
    *ret = none;
    if (end - at > SEMVER_MAX)
        return 0;
    do {
        if (!number_take(&at, end, &ret->number[given]))
            return 0;
        given++;
    } while (given < 3 && at < end && *at == '.' && at++ != end);
    if (given == 3 && at < end && *at == '-' && at++ != end &&
        !identifiers_take(&at, end, true, &ret->pre))
        return 0;
    if (given == 3 && at < end && *at == '+' && at++ != end &&
        !identifiers_take(&at, end, false, &build))
        return 0;
    return at == end ? given : 0;
}

bool semver_parse(const char *text, struct semver *ret)
{
    return version_take(text, text + strlen(text), ret) == 3;
}

/* ---- the order ---- */

static int sign(long long n)
{
    return (n > 0) - (n < 0);
}

/* The longer number is the greater one: there are no zeros in front. */
static int number_compare(struct semver_text a, struct semver_text b)
{
    if (a.n != b.n)
        return a.n < b.n ? -1 : 1;
    return sign(memcmp(a.at, b.at, a.n));
}

static int identifier_compare(struct semver_text a, struct semver_text b)
{
    bool a_number = digits(a.at, a.at + a.n) == a.n, b_number = digits(b.at, b.at + b.n) == b.n;
    if (a_number && b_number)
        return number_compare(a, b);
    if (a_number != b_number)
        return a_number ? -1 : 1;
    int order = sign(memcmp(a.at, b.at, a.n < b.n ? a.n : b.n));
    return order != 0 ? order : sign((long long)a.n - (long long)b.n);
}

/* Takes the first identifier off. */
static struct semver_text identifier_next(struct semver_text *rest)
{
    const char *dot = memchr(rest->at, '.', rest->n);
    struct semver_text first = {rest->at, dot ? (size_t)(dot - rest->at) : rest->n};
    size_t used = first.n + (dot != NULL);
    *rest = (struct semver_text){rest->at + used, rest->n - used};
    return first;
}

static int pre_compare(struct semver_text a, struct semver_text b)
{
    if (a.n == 0 || b.n == 0)
        return (a.n == 0) - (b.n == 0); /* a pre-release comes before its release */
    while (a.n > 0 && b.n > 0) {
        struct semver_text one = identifier_next(&a), other = identifier_next(&b);
        int order = identifier_compare(one, other);
        if (order != 0)
            return order;
    }
    return (a.n > 0) - (b.n > 0);
}

/* The first `n` numbers. */
static int numbers_compare(const struct semver *a, const struct semver *b, int n)
{
    for (int i = 0; i < n; i++) {
        int order = number_compare(a->number[i], b->number[i]);
        if (order != 0)
            return order;
    }
    return 0;
}

int semver_compare(const struct semver *a, const struct semver *b)
{
    int order = numbers_compare(a, b, 3);
    return order != 0 ? order : pre_compare(a->pre, b->pre);
}

/* ---- ranges ---- */

static bool is_space(char c)
{
    return c == ' ' || c == ',';
}

/* Moves past an operator; a version alone has to be that version. */
static char op_take(const char **at)
{
    char op = **at;
    if (op == '\0' || strchr("^~=<>", op) == NULL)
        return '=';
    (*at)++;
    if ((op == '<' || op == '>') && **at == '=') {
        (*at)++;
        op = op == '<' ? 'l' : 'g';
    }
    return op;
}

bool semver_range_parse(const char *text, struct semver_range *ret)
{
    ret->n = 0;
    if (strlen(text) > SEMVER_RANGE_MAX)
        return false;
    if (strcmp(text, "*") == 0)
        return true;
    for (const char *at = text;;) {
        while (is_space(*at))
            at++;
        if (*at == '\0')
            return ret->n > 0;
        if (ret->n == SEMVER_TERMS_MAX)
            return false;
        struct semver_term *term = &ret->terms[ret->n++];
        term->op = op_take(&at);
        while (*at == ' ')
            at++;
        size_t n = strcspn(at, " ,");
        term->given = version_take(at, at + n, &term->version);
        if (term->given == 0)
            return false;
        at += n;
    }
}

/* How many numbers ^ holds: up to the first that is not 0, or all that are given. */
static int caret_held(const struct semver_term *term)
{
    for (int i = 0; i < term->given; i++)
        if (*term->version.number[i].at != '0')
            return i + 1;
    return term->given;
}

/* Missing numbers stand for any. */
static int term_compare(const struct semver_term *term, const struct semver *version)
{
    return term->given == 3 ? semver_compare(version, &term->version)
                            : numbers_compare(version, &term->version, term->given);
}

static bool term_holds(const struct semver_term *term, const struct semver *version)
{
    int order = term_compare(term, version), held;
    switch (term->op) {
    case '<':
        return order < 0;
    case 'l':
        return order <= 0;
    case '>':
        return order > 0;
    case 'g':
        return order >= 0;
    case '=':
        return order == 0;
    default: /* ^ and ~ */
        held = term->op == '^' ? caret_held(term) : term->given < 2 ? 1 : 2;
        return order >= 0 && numbers_compare(version, &term->version, held) == 0;
    }
}

bool semver_range_has(const struct semver_range *range, const struct semver *version)
{
    bool named = version->pre.n == 0;
    for (size_t i = 0; i < range->n; i++) {
        const struct semver_term *term = &range->terms[i];
        if (!term_holds(term, version))
            return false;
        named =
            named || (term->version.pre.n > 0 && numbers_compare(version, &term->version, 3) == 0);
    }
    return named;
}

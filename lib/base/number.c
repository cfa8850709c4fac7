/* Numbers out of texts, stricter than libc: no white space, one sign, all of the text. What is not
 * a number and what does not fit are told apart, for the message. */
#include "base/number.h"

#include <ctype.h>
#include <errno.h>
#include <float.h>
#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Reads sign and digits; `*negative` tells a "-". The sign is taken off first: strtoull(3) accepts
 * one, and answers "-1" with 2^64 - 1. */
static enum number_fault parse_magnitude(const char *text, bool *negative, uint64_t *magnitude)
{
    *negative = *text == '-';
    if (*text == '-' || *text == '+')
        text++;
    int base = text[0] == '0' && (text[1] == 'x' || text[1] == 'X') ? 16 : 10;
    if (base == 16)
        text += 2;
    /* strtoull would take a second sign, white space, or a second 0x. */
    if (!isxdigit((unsigned char)*text) || (base == 16 && (text[1] == 'x' || text[1] == 'X')))
        return NUMBER_MALFORMED;
    char *end;
    errno = 0;
    *magnitude = strtoull(text, &end, base);
    if (*end != '\0')
        return NUMBER_MALFORMED;
    return errno == ERANGE ? NUMBER_RANGE : NUMBER_OK;
}

/* "-0" is 0 and passes; every other negative number is out of range, not malformed. The test on
 * `bits` is no nicety: to shift by 64 is undefined (C11 6.5.7). */
enum number_fault number_parse_uint(const char *text, unsigned bits, uint64_t *value)
{
    bool negative;
    uint64_t magnitude;
    enum number_fault fault = parse_magnitude(text, &negative, &magnitude);
    if (fault != NUMBER_OK)
        return fault;
    if ((negative && magnitude != 0) || (bits < 64 && magnitude >> bits != 0))
        return NUMBER_RANGE;
    *value = magnitude;
    return NUMBER_OK;
}

/* `bits` is 8 to 64. The smallest number has one more than the largest: it cannot be made by
 * negating an int64_t, so the negation is done unsigned, where it wraps as it should. */
enum number_fault number_parse_int(const char *text, unsigned bits, int64_t *value)
{
    bool negative;
    uint64_t magnitude;
    enum number_fault fault = parse_magnitude(text, &negative, &magnitude);
    if (fault != NUMBER_OK)
        return fault;
    uint64_t limit = (uint64_t)1 << (bits - 1); /* the magnitude of the smallest */
    if (magnitude > (negative ? limit : limit - 1))
        return NUMBER_RANGE;
    *value = negative ? (int64_t)(0 - magnitude) : (int64_t)magnitude;
    return NUMBER_OK;
}

/* For "C" glibc and musl hand out an object that is built in, the same each time: this neither
 * allocates nor fails, and two threads that come first at once store the same pointer. */
locale_t number_locale(void)
{
    static locale_t locale;
    if (locale == NULL)
        locale = newlocale(LC_ALL_MASK, "C", NULL);
    return locale;
}

/* Up to 15 digits are a whole number that a double holds (DBL_DIG), and need no strtod. */
static bool parse_small(const char *text, double *value)
{
    const char *p = text + (*text == '-');
    int64_t n = 0;
    int digits = 0;
    for (; *p >= '0' && *p <= '9' && digits < DBL_DIG; p++, digits++)
        n = n * 10 + (*p - '0');
    if (digits == 0 || *p != '\0')
        return false;
    *value = *text == '-' ? -(double)n : (double)n; /* -0 too */
    return true;
}

/* strtod's ERANGE is not asked: it also stands for a result that is subnormal or 0, which is the
 * nearest number there is and quite right. An infinite result is right only if the text said so. */
enum number_fault number_parse_double(const char *text, double *value)
{
    char *end;
    if (parse_small(text, value))
        return NUMBER_OK;
    if (*text == '\0' || isspace((unsigned char)*text))
        return NUMBER_MALFORMED;
    *value = strtod_l(text, &end, number_locale());
    if (*end != '\0')
        return NUMBER_MALFORMED;
    return isinf(*value) && strpbrk(text, "iI") == NULL ? NUMBER_RANGE : NUMBER_OK;
}

/* Not by way of a double: that would round twice, and miss the nearest float now and then. */
enum number_fault number_parse_float(const char *text, float *value)
{
    char *end;
    if (*text == '\0' || isspace((unsigned char)*text))
        return NUMBER_MALFORMED;
    *value = strtof_l(text, &end, number_locale());
    if (*end != '\0')
        return NUMBER_MALFORMED;
    return isinf(*value) && strpbrk(text, "iI") == NULL ? NUMBER_RANGE : NUMBER_OK;
}

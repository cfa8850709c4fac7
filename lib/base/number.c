#include "base/number.h"

#include <ctype.h>
#include <errno.h>
#include <float.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Reads sign and digits; `*negative` tells a "-". */
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

static locale_t c_locale(void)
{
    static locale_t locale;
    if (locale == NULL)
        locale = newlocale(LC_ALL_MASK, "C", NULL);
    return locale;
}

enum number_fault number_parse_double(const char *text, double *value)
{
    char *end;
    if (*text == '\0' || isspace((unsigned char)*text))
        return NUMBER_MALFORMED;
    *value = strtod_l(text, &end, c_locale());
    if (*end != '\0')
        return NUMBER_MALFORMED;
    return isinf(*value) && strpbrk(text, "iI") == NULL ? NUMBER_RANGE : NUMBER_OK;
}

enum number_fault number_parse_float(const char *text, float *value)
{
    char *end;
    if (*text == '\0' || isspace((unsigned char)*text))
        return NUMBER_MALFORMED;
    *value = strtof_l(text, &end, c_locale());
    if (*end != '\0')
        return NUMBER_MALFORMED;
    return isinf(*value) && strpbrk(text, "iI") == NULL ? NUMBER_RANGE : NUMBER_OK;
}

static bool format_special(double value, char text[NUMBER_TEXT_SIZE])
{
    if (isnan(value))
        strcpy(text, "nan");
    else if (isinf(value))
        strcpy(text, value < 0 ? "-inf" : "inf");
    else
        return false;
    return true;
}

/* Writes the first of %.{digits}g that reads back, in the C locale: a plugin may have set another
 * one. `digits` is where to begin: any decimal of DBL_DIG digits survives the way through a normal
 * double, so no text shorter than that of %.15g can be missed; a subnormal has fewer digits to
 * give. */
void number_format_double(double value, char text[NUMBER_TEXT_SIZE])
{
    if (format_special(value, text))
        return;
    locale_t before = uselocale(c_locale());
    for (int digits = fabs(value) < DBL_MIN ? 1 : DBL_DIG; digits <= DBL_DECIMAL_DIG; digits++) {
        snprintf(text, NUMBER_TEXT_SIZE, "%.*g", digits, value);
        if (strtod(text, NULL) == value)
            break;
    }
    uselocale(before);
}

void number_format_float(float value, char text[NUMBER_TEXT_SIZE])
{
    if (format_special((double)value, text))
        return;
    locale_t before = uselocale(c_locale());
    for (int digits = fabsf(value) < FLT_MIN ? 1 : FLT_DIG; digits <= FLT_DECIMAL_DIG; digits++) {
        snprintf(text, NUMBER_TEXT_SIZE, "%.*g", digits, (double)value);
        if (strtof(text, NULL) == value)
            break;
    }
    uselocale(before);
}

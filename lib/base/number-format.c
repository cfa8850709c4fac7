/* Apart from the reading of numbers: this needs libm, which the worker does without. */
#include <fenv.h>
#include <float.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/number.h"

/* Spelled out here, since printf may write "-nan", and a sign of a nan means nothing to people. */
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

/* Whether a text is that number again, in the type that it came from: a float has fewer digits to
 * keep apart. */
typedef bool reads_back(const char *text, double value);

static bool double_reads_back(const char *text, double value)
{
    return strtod(text, NULL) == value;
}

static bool float_reads_back(const char *text, double value)
{
    return strtof(text, NULL) == (float)value;
}

/* Tries `value` with so many digits: rounded to nearest, then to either side. At a power of two the
 * numbers below lie closer than those above, and the nearest decimal can miss where its neighbour
 * on the far side does not. */
static bool format_try(double value, int digits, reads_back *check, char text[NUMBER_TEXT_SIZE])
{
    static const int modes[] = {FE_TONEAREST, FE_UPWARD, FE_DOWNWARD};
    int before = fegetround();
    bool found = false;
    for (size_t i = 0; i < sizeof modes / sizeof *modes && !found; i++) {
        /* printf and strtod of glibc and musl are exact, and honour the rounding mode */
        fesetround(modes[i]);
        snprintf(text, NUMBER_TEXT_SIZE, "%.*g", digits, value);
        fesetround(FE_TONEAREST);
        found = check(text, value);
    }
    fesetround(before);
    return found;
}

/* Writes the first that reads back, in the C locale: a plugin may have set another one.
 * uselocale(3) holds for this thread alone, so others are not disturbed. `to` digits always read
 * back. */
static void format_shortest(double value, int from, int to, reads_back *check,
                            char text[NUMBER_TEXT_SIZE])
{
    if (format_special(value, text))
        return;
    locale_t before = uselocale(number_locale());
    int digits = from;
    while (!format_try(value, digits, check, text) && digits < to)
        digits++;
    uselocale(before);
}

/* A whole number of up to 15 digits is its own shortest text, as %.15g writes it. -0 is none: its
 * sign is worth keeping. */
static bool format_whole(double value, char text[NUMBER_TEXT_SIZE])
{
    if (!(value > -1e15 && value < 1e15) || value != (double)(int64_t)value ||
        (value == 0 && signbit(value)))
        return false;
    char digits[NUMBER_TEXT_SIZE], *p = digits + sizeof digits;
    uint64_t left = (uint64_t)(int64_t)(value < 0 ? -value : value);
    *--p = '\0';
    do
        *--p = (char)('0' + left % 10);
    while ((left /= 10) > 0);
    if (value < 0)
        *--p = '-';
    memcpy(text, p, (size_t)(digits + sizeof digits - p));
    return true;
}

/* Any decimal of DBL_DIG digits survives the way through a normal double, so no text shorter than
 * that of %.15g can be missed; a subnormal has fewer digits to give. */
void number_format_double(double value, char text[NUMBER_TEXT_SIZE])
{
    if (format_whole(value, text))
        return;
    format_shortest(value, fabs(value) < DBL_MIN ? 1 : DBL_DIG, DBL_DECIMAL_DIG, double_reads_back,
                    text);
}

void number_format_float(float value, char text[NUMBER_TEXT_SIZE])
{
    format_shortest((double)value, fabsf(value) < FLT_MIN ? 1 : FLT_DIG, FLT_DECIMAL_DIG,
                    float_reads_back, text);
}

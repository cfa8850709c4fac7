/* Numbers as people write them, of every width, and the shortest text of any double and float: it
 * reads back as the same number. */
#include "base/number.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

static const unsigned widths[] = {8, 16, 32, 64};
enum { N_WIDTHS = sizeof widths / sizeof *widths };

static void check_int(const char *text)
{
    int64_t value, again;
    char canonical[32];
    for (size_t i = 0; i < N_WIDTHS; i++) {
        if (number_parse_int(text, widths[i], &value) != NUMBER_OK)
            continue;
        int64_t low = INT64_MIN >> (64 - widths[i]), high = INT64_MAX >> (64 - widths[i]);
        CHECK(low <= value && value <= high);
        snprintf(canonical, sizeof canonical, "%" PRId64, value);
        CHECK(number_parse_int(canonical, widths[i], &again) == NUMBER_OK && again == value);
    }
}

static void check_uint(const char *text)
{
    uint64_t value, again;
    char canonical[32];
    for (size_t i = 0; i < N_WIDTHS; i++) {
        if (number_parse_uint(text, widths[i], &value) != NUMBER_OK)
            continue;
        CHECK(value <= UINT64_MAX >> (64 - widths[i]));
        snprintf(canonical, sizeof canonical, "0x%" PRIx64, value);
        CHECK(number_parse_uint(canonical, widths[i], &again) == NUMBER_OK && again == value);
    }
}

/* Wider widths take what narrower ones take; what is malformed is so in all of them. */
static void check_widths(const char *text)
{
    int64_t value;
    enum number_fault fault = number_parse_int(text, 8, &value);
    for (size_t i = 1; i < N_WIDTHS; i++) {
        enum number_fault wider = number_parse_int(text, widths[i], &value);
        CHECK((wider == NUMBER_MALFORMED) == (fault == NUMBER_MALFORMED));
        CHECK(fault != NUMBER_OK || wider == NUMBER_OK);
        fault = wider;
    }
}

static void check_double(double value)
{
    char text[NUMBER_TEXT_SIZE];
    double again;
    number_format_double(value, text);
    CHECK(memchr(text, '\0', NUMBER_TEXT_SIZE) != NULL);
    CHECK(number_parse_double(text, &again) == NUMBER_OK);
    CHECK(isnan(value) ? isnan(again) : memcmp(&value, &again, sizeof value) == 0);
}

static void check_float(float value)
{
    char text[NUMBER_TEXT_SIZE];
    float again;
    number_format_float(value, text);
    CHECK(memchr(text, '\0', NUMBER_TEXT_SIZE) != NULL);
    CHECK(number_parse_float(text, &again) == NUMBER_OK);
    CHECK(isnan(value) ? isnan(again) : memcmp(&value, &again, sizeof value) == 0);
}

/* Also as the bits of numbers, which texts would seldom come upon. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    double d = 0;
    float f = 0;
    memcpy(&d, data, size < sizeof d ? size : sizeof d);
    memcpy(&f, data, size < sizeof f ? size : sizeof f);
    check_double(d);
    check_float(f);
    char *text = fuzz_text(data, size);
    check_int(text);
    check_uint(text);
    check_widths(text);
    if (number_parse_double(text, &d) == NUMBER_OK)
        check_double(d);
    if (number_parse_float(text, &f) == NUMBER_OK)
        check_float(f);
    free(text);
    return 0;
}

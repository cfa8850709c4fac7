/* Goal of this test: a number is taken exactly, or refused for the right reason; what is written
 * reads back as the same number, and no locale has a say in it. */
#include "fixture.h"

#include <fcntl.h>
#include <fenv.h>
#include <float.h>
#include <locale.h>
#include <math.h>
#include <sys/stat.h>

#include "base/number.h"

#define OK    NUMBER_OK
#define BAD   NUMBER_MALFORMED
#define RANGE NUMBER_RANGE

static void test_int(void **state)
{
    static const struct {
        const char *text;
        unsigned bits;
        enum number_fault fault;
        int64_t value;
    } cases[] = {
        {"0", 8, OK, 0},
        {"-0", 8, OK, 0},
        {"+0", 8, OK, 0},
        {"127", 8, OK, 127},
        {"128", 8, RANGE, 0},
        {"-128", 8, OK, -128},
        {"-129", 8, RANGE, 0},
        {"32767", 16, OK, 32767},
        {"32768", 16, RANGE, 0},
        {"-32768", 16, OK, -32768},
        {"-32769", 16, RANGE, 0},
        {"2147483647", 32, OK, INT32_MAX},
        {"2147483648", 32, RANGE, 0},
        {"-2147483648", 32, OK, INT32_MIN},
        {"-2147483649", 32, RANGE, 0},
        {"9223372036854775807", 64, OK, INT64_MAX},
        {"9223372036854775808", 64, RANGE, 0},
        {"-9223372036854775808", 64, OK, INT64_MIN},
        {"-9223372036854775809", 64, RANGE, 0},
        {"18446744073709551615", 64, RANGE, 0},
        {"18446744073709551616", 64, RANGE, 0},
        {"-18446744073709551615", 64, RANGE, 0},
        {"-18446744073709551616", 64, RANGE, 0},
        {"99999999999999999999999999", 8, RANGE, 0},
        {"+5", 8, OK, 5},
        {"007", 8, OK, 7}, /* decimal, not octal */
        {"010", 8, OK, 10},
        {"000000000000000000000000000001", 8, OK, 1},
        {"0x7f", 8, OK, 127},
        {"0X7F", 8, OK, 127},
        {"0x80", 8, RANGE, 0},
        {"-0x80", 8, OK, -128},
        {"0x00ff", 16, OK, 255},
        {"-0x8000000000000000", 64, OK, INT64_MIN},
        {"0x8000000000000000", 64, RANGE, 0},
        {"0x10000000000000000", 64, RANGE, 0},
        {"", 64, BAD, 0},
        {"-", 64, BAD, 0},
        {"+", 64, BAD, 0},
        {"--1", 64, BAD, 0},
        {"+-1", 64, BAD, 0},
        {"-+1", 64, BAD, 0},
        {" 1", 64, BAD, 0},
        {"1 ", 64, BAD, 0},
        {"- 1", 64, BAD, 0},
        {"1\n", 64, BAD, 0},
        {"\t1", 64, BAD, 0},
        {"1_000", 64, BAD, 0},
        {"1,000", 64, BAD, 0},
        {"1.0", 64, BAD, 0},
        {"1e3", 64, BAD, 0},
        {"ff", 64, BAD, 0},
        {"1f", 64, BAD, 0},
        {"0x", 64, BAD, 0},
        {"0xg", 64, BAD, 0},
        {"0x ", 64, BAD, 0},
        {"0x-1", 64, BAD, 0},
        {"0x+1", 64, BAD, 0},
        {"0x1.8", 64, BAD, 0},
        {"0x0x10", 64, BAD, 0},
        {"-0x0X1", 64, BAD, 0},
        {"00x10", 64, BAD, 0},
        {"0b101", 64, BAD, 0},
        {"0o17", 64, BAD, 0},
        {"x10", 64, BAD, 0},
        {"nan", 64, BAD, 0},
        {"99999999999999999999999999x", 64, BAD, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int64_t value = 4711;
        case_int(cases[i].text, number_parse_int(cases[i].text, cases[i].bits, &value),
                 cases[i].fault);
        case_int(cases[i].text, value, cases[i].fault == OK ? cases[i].value : 4711);
    }
}

static void test_uint(void **state)
{
    static const struct {
        const char *text;
        unsigned bits;
        enum number_fault fault;
        uint64_t value;
    } cases[] = {
        {"0", 8, OK, 0},
        {"-0", 8, OK, 0},
        {"-1", 8, RANGE, 0},
        {"-18446744073709551615", 64, RANGE, 0},
        {"255", 8, OK, 255},
        {"256", 8, RANGE, 0},
        {"0xff", 8, OK, 255},
        {"0x100", 8, RANGE, 0},
        {"65535", 16, OK, 65535},
        {"65536", 16, RANGE, 0},
        {"4294967295", 32, OK, UINT32_MAX},
        {"4294967296", 32, RANGE, 0},
        {"18446744073709551615", 64, OK, UINT64_MAX},
        {"0xffffffffffffffff", 64, OK, UINT64_MAX},
        {"18446744073709551616", 64, RANGE, 0},
        {"0x10000000000000000", 64, RANGE, 0},
        {"+7", 64, OK, 7},
        {"", 64, BAD, 0},
        {"-", 64, BAD, 0},
        {" 7", 64, BAD, 0},
        {"7 ", 64, BAD, 0},
        {"0x0x7", 64, BAD, 0},
        {"7u", 64, BAD, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint64_t value = 4711;
        case_int(cases[i].text, number_parse_uint(cases[i].text, cases[i].bits, &value),
                 cases[i].fault);
        case_true(cases[i].text, value == (cases[i].fault == OK ? cases[i].value : 4711));
    }
}

static void test_real(void **state)
{
    static const struct {
        const char *text;
        enum number_fault as_double, as_float;
        double value;
    } cases[] = {
        {"0", OK, OK, 0},
        {"-0", OK, OK, -0.0},
        {"1.5", OK, OK, 1.5},
        {"+1.5", OK, OK, 1.5},
        {".5", OK, OK, 0.5},
        {"5.", OK, OK, 5},
        {"1e3", OK, OK, 1000},
        {"1E-3", OK, OK, 1e-3},
        {"0x1.8p1", OK, OK, 3},
        {"1e38", OK, OK, 1e38},
        {"3.5e38", OK, RANGE, 3.5e38},
        {"-3.5e38", OK, RANGE, -3.5e38},
        {"1.7976931348623157e308", OK, RANGE, DBL_MAX},
        {"1.8e308", RANGE, RANGE, 0},
        {"-1e999999", RANGE, RANGE, 0},
        {"0x1p5000", RANGE, RANGE, 0},
        {"1e-400", OK, OK, 0}, /* as near as there is */
        {"inf", OK, OK, INFINITY},
        {"-Infinity", OK, OK, -INFINITY},
        {"INF", OK, OK, INFINITY},
        {"", BAD, BAD, 0},
        {" 1", BAD, BAD, 0},
        {"\n1", BAD, BAD, 0},
        {"1 ", BAD, BAD, 0},
        {"1,5", BAD, BAD, 0},
        {"1.5.5", BAD, BAD, 0},
        {"1.5f", BAD, BAD, 0},
        {"1e", BAD, BAD, 0},
        {"e1", BAD, BAD, 0},
        {".", BAD, BAD, 0},
        {"-", BAD, BAD, 0},
        {"--1", BAD, BAD, 0},
        {"0x", BAD, BAD, 0},
        {"infinite", BAD, BAD, 0},
        {"nano", BAD, BAD, 0},
        {"1_0", BAD, BAD, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        double d;
        float f;
        const char *text = cases[i].text;
        case_int(text, number_parse_double(text, &d), cases[i].as_double);
        if (cases[i].as_double == OK)
            case_true(text, d == cases[i].value && !signbit(d) == !signbit(cases[i].value));
        case_int(text, number_parse_float(text, &f), cases[i].as_float);
        if (cases[i].as_float == OK)
            case_true(text, f == (float)cases[i].value);
    }
    double d;
    float f;
    assert_int_equal(number_parse_double("nan", &d), OK);
    assert_true(isnan(d));
    assert_int_equal(number_parse_float("-NaN", &f), OK);
    assert_true(isnan(f));
}

static void test_format(void **state)
{
    static const struct {
        double value;
        const char *text;
    } doubles[] = {
        {0, "0"},
        {-0.0, "-0"},
        {1, "1"},
        {-1.5, "-1.5"},
        {0.1, "0.1"},
        {1.0 / 3, "0.3333333333333333"},
        {0.1 + 0.2, "0.30000000000000004"},
        {100000, "100000"},
        {123456789012345, "123456789012345"},
        {9007199254740993.0, "9007199254740992"},
        {1e22, "1e+22"},
        {1e-7, "1e-07"},
        {5e-324, "5e-324"},
        {DBL_MIN, "2.2250738585072014e-308"},
        {DBL_MAX, "1.7976931348623157e+308"},
        {INFINITY, "inf"},
        {-INFINITY, "-inf"},
    };
    static const struct {
        float value;
        const char *text;
    } floats[] = {
        {0.1f, "0.1"},          {1.0f / 3, "0.33333334"},
        {16777216, "16777216"}, {FLT_MAX, "3.4028235e+38"},
        {1e-45f, "1e-45"},      {-INFINITY, "-inf"},
    };
    char text[NUMBER_TEXT_SIZE];
    for (size_t i = 0; i < sizeof doubles / sizeof *doubles; i++) {
        number_format_double(doubles[i].value, text);
        case_text(doubles[i].text, text, doubles[i].text);
    }
    for (size_t i = 0; i < sizeof floats / sizeof *floats; i++) {
        number_format_float(floats[i].value, text);
        case_text(floats[i].text, text, floats[i].text);
    }
    number_format_double(-NAN, text);
    assert_string_equal(text, "nan");
    number_format_float(NAN, text);
    assert_string_equal(text, "nan");
}

/* Significant digits of a text as %g writes it. */
static int digits_of(const char *text)
{
    int n = 0, zeros = 0;
    for (; *text != '\0' && *text != 'e'; text++) {
        if (*text < '0' || *text > '9' || (n == 0 && *text == '0'))
            continue;
        zeros = *text == '0' ? zeros + 1 : 0;
        n++;
    }
    return n - zeros;
}

/* Whether some decimal of `digits` digits reads back as `value`: the nearest one, or, where numbers
 * lie closer below than above, its neighbour. */
static bool has_shorter(double value, int digits, bool single)
{
    char text[64], near[64];
    snprintf(text, sizeof text, "%.*e", digits - 1, fabs(value));
    char *e = strchr(text, 'e');
    int exponent = atoi(e + 1) - (digits - 1);
    unsigned long long all = 0;
    for (const char *p = text; p < e; p++)
        if (*p != '.')
            all = all * 10 + (unsigned)(*p - '0');
    for (int step = -1; step <= 1; step++) {
        snprintf(near, sizeof near, "%llue%d", all + (unsigned long long)step, exponent);
        if (single ? (double)strtof(near, NULL) == fabs(value) : strtod(near, NULL) == fabs(value))
            return true;
    }
    return false;
}

static void check_double(double value)
{
    char text[NUMBER_TEXT_SIZE];
    double back;
    number_format_double(value, text);
    case_int(text, number_parse_double(text, &back), OK);
    case_true(text, memcmp(&back, &value, sizeof back) == 0);
    int digits = digits_of(text);
    case_true(text, digits <= 1 || !has_shorter(value, digits - 1, false));
}

static void check_float(float value)
{
    char text[NUMBER_TEXT_SIZE];
    float back;
    number_format_float(value, text);
    case_int(text, number_parse_float(text, &back), OK);
    case_true(text, memcmp(&back, &value, sizeof back) == 0);
    int digits = digits_of(text);
    case_true(text, digits <= 1 || !has_shorter((double)value, digits - 1, true));
}

static double double_of(uint64_t bits)
{
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static float float_of(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static void test_round_trip(void **state)
{
    uint64_t seed = 1;
    for (int i = 0; i < 30000; i++) {
        uint64_t bits = next_random(&seed);
        double d = double_of(bits);
        float f = float_of((uint32_t)bits);
        if (isfinite(d))
            check_double(d);
        if (isfinite(f))
            check_float(f);
        check_double(double_of(bits & 0x800fffffffffffff)); /* a subnormal */
        check_float(float_of((uint32_t)bits & 0x807fffff));
        check_double((double)(int64_t)(bits >> 40) / 1000); /* what people write */
    }
    check_double(DBL_MAX);
    check_double(-DBL_MAX);
    check_double(DBL_MIN);
    check_double(DBL_TRUE_MIN);
    check_float(FLT_MAX);
    check_float(FLT_MIN);
    check_float(FLT_TRUE_MIN);
}

/* Where the distance to the next number changes, the nearest decimal is not always the shortest. */
static void test_powers_of_two(void **state)
{
    for (int e = -1074; e <= 1023; e++) {
        check_double(ldexp(1, e));
        check_double(nextafter(ldexp(1, e), 0));
        check_double(nextafter(ldexp(1, e), INFINITY));
    }
    for (int e = -149; e <= 127; e++)
        check_float(ldexpf(1, e));
}

/* A locale of our own with a decimal comma, as localedef(1) of glibc would write it: it needs none
 * to be installed. */
static bool comma_locale(const struct place *place)
{
    static const char numeric[] = "\x14\x11\x03\x20\x06\0\0\0\x20\0\0\0\x22\0\0\0\x24\0\0\0\x28\0\0"
                                  "\0\x2c\0\0\0\x30\0\0\0,\0.\0\x03\x03\0\0,\0\0\0.\0\0\0UTF-8";
    mkdirat(place->fd, "comma", 0700);
    int fd = openat(place->fd, "comma/LC_NUMERIC", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    bool written = write(fd, numeric, sizeof numeric) == (ssize_t)sizeof numeric;
    close(fd);
    setenv("LOCPATH", place->path, 1);
    bool set = written && setlocale(LC_NUMERIC, "comma") != NULL;
    unsetenv("LOCPATH");
    char text[16];
    snprintf(text, sizeof text, "%.1f", 1.5);
    return set && strcmp(text, "1,5") == 0;
}

static void test_locale(void **state)
{
    if (!comma_locale(*state)) {
        print_message("# this C library reads no locale of ours\n");
        skip();
    }
    char as_double[NUMBER_TEXT_SIZE], as_float[NUMBER_TEXT_SIZE];
    double d = 0;
    float f = 0;
    number_format_double(0.1, as_double);
    number_format_float(-2.5e-7f, as_float);
    enum number_fault faults[] = {number_parse_double("2.5", &d), number_parse_float("2.5", &f)};
    enum number_fault comma = number_parse_double("2,5", &(double){0});
    setlocale(LC_NUMERIC, "C");
    assert_int_equal(faults[0], OK);
    assert_int_equal(faults[1], OK);
    assert_int_equal(comma, BAD);
    assert_true(d == 2.5 && f == 2.5f);
    assert_string_equal(as_double, "0.1");
    assert_string_equal(as_float, "-2.5e-07");
}

/* A program that rounds in its own way gets the same text, and goes on rounding in that way. */
static void test_rounding_mode(void **state)
{
    static const int modes[] = {FE_TONEAREST, FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO};
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        char as_double[NUMBER_TEXT_SIZE], as_float[NUMBER_TEXT_SIZE];
        fesetround(modes[i]);
        number_format_double(0.1, as_double);
        number_format_float(0.1f, as_float);
        int after = fegetround();
        fesetround(FE_TONEAREST);
        assert_string_equal(as_double, "0.1");
        assert_string_equal(as_float, "0.1");
        assert_int_equal(after, modes[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_int),        cmocka_unit_test(test_uint),
        cmocka_unit_test(test_real),       cmocka_unit_test(test_format),
        cmocka_unit_test(test_round_trip), cmocka_unit_test(test_powers_of_two),
        place_test(test_locale),           cmocka_unit_test(test_rounding_mode),
    };
    UNIT_RUN("base-number", tests);
}

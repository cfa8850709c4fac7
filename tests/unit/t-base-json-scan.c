/* Goal of this test: what is JSON is read as what it is, to the byte; what is not is refused, with
 * the fault that it has, however it was meant to lead the reader astray. */
#include "fixture.h"

#include <sys/resource.h>

#include "base/json-scan.h"

/* A copy without a NUL behind it, so that a byte too far is seen by ASan. */
static char *exact(const char *text, size_t n)
{
    char *copy = malloc(n ? n : 1);
    assert_non_null(copy);
    memcpy(copy, text, n);
    return copy;
}

struct one {
    enum json_type type;
    char *text;
    struct json_slice slice;
    const char *fault;
    size_t left; /* behind it */
};

static struct one scan_one(const char *text, size_t n,
                           enum json_type (*scan)(struct json_scan *, struct json_slice *))
{
    struct one one = {.text = exact(text, n)};
    struct json_scan s = {.p = one.text, .end = one.text + n};
    one.type = scan(&s, &one.slice);
    case_int(text, one.slice.type, one.type);
    one.fault = s.fault;
    one.left = (size_t)(s.end - s.p);
    return one;
}

/* ---- values ---- */

static const struct {
    const char *text;
    enum json_type type;
    const char *value; /* what json_scan_value() makes of it; null: as it stands, without space */
} values[] = {
    {"null", JSON_NULL, NULL},
    {"true", JSON_TRUE, NULL},
    {"false", JSON_FALSE, NULL},
    {" \t\r\nnull", JSON_NULL, "null"},
    {"0", JSON_NUMBER, NULL},
    {"-0", JSON_NUMBER, NULL},
    {"-1", JSON_NUMBER, NULL},
    {"10", JSON_NUMBER, NULL},
    {"0.5", JSON_NUMBER, NULL},
    {"1.50", JSON_NUMBER, NULL},
    {"1e5", JSON_NUMBER, NULL},
    {"1E+05", JSON_NUMBER, NULL},
    {"-0.0e-0", JSON_NUMBER, NULL},
    {"123456789012345678901234567890.0000000001", JSON_NUMBER, NULL},
    {"\"\"", JSON_STRING, ""},
    {"\"a\"", JSON_STRING, "a"},
    {"\"[1,{}]\"", JSON_STRING, "[1,{}]"},
    {"\"\x7f\"", JSON_STRING, "\x7f"},
    {"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", JSON_STRING, "\"\\/\b\f\n\r\t"},
    {"\"\\u0041\\u00e9\\u20ac\"", JSON_STRING, "A\xc3\xa9\xe2\x82\xac"},
    {"\"\\u007f\\u0080\\u07ff\\u0800\\uffff\"", JSON_STRING,
     "\x7f\xc2\x80\xdf\xbf\xe0\xa0\x80\xef\xbf\xbf"},
    {"\"\\ud83d\\uDE00!\"", JSON_STRING, "\xf0\x9f\x98\x80!"},
    {"\"\\ud800\\udc00\\udbff\\udfff\"", JSON_STRING, "\xf0\x90\x80\x80\xf4\x8f\xbf\xbf"},
    {"\"\xc3\xa9\\u00E9\"", JSON_STRING, "\xc3\xa9\xc3\xa9"},
    {"\"\\\\u0041\"", JSON_STRING, "\\u0041"},
    {"[]", JSON_ARRAY, NULL},
    {"[ ]", JSON_ARRAY, NULL},
    {"{}", JSON_OBJECT, NULL},
    {"{ }", JSON_OBJECT, NULL},
    {"[1, \"a\\u0062]\", [null,[ ] ], {}]", JSON_ARRAY, NULL},
    {"{\"a\":1 , \"b\" : [ {\"c\":\"}\"} ], \"\": -0}", JSON_OBJECT, NULL},
    {"{\"a\":{\"a\":{\"a\":[[[]]]}}}", JSON_OBJECT, NULL},
};

static void test_values(void **state)
{
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        const char *text = values[i].text, *bare = text + strspn(text, " \t\r\n");
        const char *value = values[i].value ? values[i].value : bare;
        struct one raw = scan_one(text, strlen(text), json_scan_raw);
        case_int(text, raw.type, values[i].type);
        case_int(text, raw.slice.type, values[i].type);
        case_int(text, raw.slice.size, strlen(bare));
        case_true(text, memcmp(raw.slice.text, bare, raw.slice.size) == 0);
        case_int(text, raw.left, 0);
        case_true(text, raw.fault == NULL);
        free(raw.text);
        struct one got = scan_one(text, strlen(text), json_scan_value);
        case_int(text, got.type, values[i].type);
        case_int(text, got.slice.size, strlen(value));
        case_true(text, memcmp(got.slice.text, value, got.slice.size) == 0);
        case_int(text, got.left, 0);
        free(got.text);
    }
}

/* A NUL may stand in a string, as an escape; the text is longer than strlen() says. */
static void test_nul(void **state)
{
    struct one got = scan_one("\"a\\u0000b\"", 10, json_scan_value);
    assert_int_equal(got.type, JSON_STRING);
    assert_int_equal(got.slice.size, 3);
    assert_memory_equal(got.slice.text, "a\0b", 3);
    free(got.text);
}

/* What follows a value stays for the next. */
static void test_next(void **state)
{
    char text[] = " [1,2] x";
    struct json_scan s = {.p = text, .end = text + strlen(text)};
    struct json_slice slice;
    assert_int_equal(json_scan_value(&s, &slice), JSON_ARRAY);
    assert_int_equal(slice.size, 5);
    assert_false(json_scan_end(&s));
    assert_false(json_scan_mark(&s, ','));
    assert_true(json_scan_mark(&s, 'x'));
    assert_true(json_scan_end(&s));
    assert_false(json_scan_mark(&s, 'x'));
    assert_int_equal(json_scan_value(&s, &slice), JSON_BAD);
    assert_string_equal(s.fault, "it ends too early");
}

/* ---- what is not JSON ---- */

#define NOT_JSON "that is not JSON"
#define EARLY    "it ends too early"
#define DIGITS   "a number lacks digits"
#define ZERO     "a number begins with 0"
#define CONTROL  "a control character in a string"
#define ESCAPE   "an escape in a string is none"
#define NO_END   "a string does not end"
#define NOT_UTF8 "a string is not UTF-8"
#define NAMELESS "an object lacks a name"
#define TEXT(s)  s, sizeof(s) - 1

static const struct {
    const char *text;
    size_t n;
    const char *fault;
} bad[] = {
    {TEXT(""), EARLY},
    {TEXT(" \n"), EARLY},
    {TEXT("\0"), NOT_JSON},
    {TEXT("nul"), NOT_JSON},
    {TEXT("nul\0"), NOT_JSON},
    {TEXT("True"), NOT_JSON},
    {TEXT("fals"), NOT_JSON},
    {TEXT("NaN"), NOT_JSON},
    {TEXT("-Infinity"), NOT_JSON},
    {TEXT("'a'"), NOT_JSON},
    {TEXT("/* */1"), NOT_JSON},
    {TEXT("\xef\xbb\xbf[]"), NOT_JSON},
    {TEXT("+1"), NOT_JSON},
    {TEXT("-"), NOT_JSON},
    {TEXT("--1"), NOT_JSON},
    {TEXT("-a"), NOT_JSON},
    {TEXT(".5"), NOT_JSON},
    {TEXT("1."), DIGITS},
    {TEXT("1.e5"), DIGITS},
    {TEXT("1e"), DIGITS},
    {TEXT("1e+"), DIGITS},
    {TEXT("1.5E-x"), DIGITS},
    {TEXT("00"), ZERO},
    {TEXT("01"), ZERO},
    {TEXT("-01.5"), ZERO},
    {TEXT("\""), NO_END},
    {TEXT("\"a"), NO_END},
    {TEXT("\"a\\\""), NO_END},
    {TEXT("\"\\"), ESCAPE},
    {TEXT("\"a\nb\""), CONTROL},
    {TEXT("\"a\0b\""), CONTROL},
    {TEXT("\"\x1f\""), CONTROL},
    {TEXT("\"\\a\""), ESCAPE},
    {TEXT("\"\\\0\""), ESCAPE},
    {TEXT("\"\\u\""), ESCAPE},
    {TEXT("\"\\u12\""), ESCAPE},
    {TEXT("\"\\u12g4\""), ESCAPE},
    {TEXT("\"\\u+123\""), ESCAPE},
    {TEXT("\"\\U0041\""), ESCAPE},
    {TEXT("\"\\x41\""), ESCAPE},
    {TEXT("\"\\u004"), ESCAPE},
    {TEXT("\"\xff\""), NOT_UTF8},
    {TEXT("\"\xc3\""), NOT_UTF8},
    {TEXT("\"\xed\xa0\x80\""), NOT_UTF8},
    {TEXT("["), EARLY},
    {TEXT("[1"), NOT_JSON},
    {TEXT("[1,"), EARLY},
    {TEXT("[,]"), NOT_JSON},
    {TEXT("[1,]"), NOT_JSON},
    {TEXT("[1,,2]"), NOT_JSON},
    {TEXT("[1 2]"), NOT_JSON},
    {TEXT("[1}"), NOT_JSON},
    {TEXT("[1[2]]"), NOT_JSON},
    {TEXT("[]["), NULL}, /* the value is whole: what follows is not its affair */
    {TEXT("[\"a]"), NO_END},
    {TEXT("[01]"), ZERO},
    {TEXT("{"), NAMELESS},
    {TEXT("{]"), NAMELESS},
    {TEXT("{,}"), NAMELESS},
    {TEXT("{1:2}"), NAMELESS},
    {TEXT("{a:2}"), NAMELESS},
    {TEXT("{null:2}"), NAMELESS},
    {TEXT("{[]:2}"), NAMELESS},
    {TEXT("{{}:2}"), NAMELESS},
    {TEXT("{\"a\"}"), NAMELESS},
    {TEXT("{\"a\",1}"), NAMELESS},
    {TEXT("{\"a\\q\":1}"), ESCAPE},
    {TEXT("{\"a\":}"), NOT_JSON},
    {TEXT("{\"a\":1,}"), NAMELESS},
    {TEXT("{\"a\":1 \"b\":2}"), NOT_JSON},
    {TEXT("{\"a\":1]"), NOT_JSON},
    {TEXT("{\"a\":[1}"), NOT_JSON},
    {TEXT("[{\"a\":[{]}]"), NAMELESS},
};

static void test_bad(void **state)
{
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct one raw = scan_one(bad[i].text, bad[i].n, json_scan_raw);
        case_int(bad[i].text, raw.type == JSON_BAD, bad[i].fault != NULL);
        case_text(bad[i].text, raw.fault ? raw.fault : "", bad[i].fault ? bad[i].fault : "");
        free(raw.text);
        struct one got = scan_one(bad[i].text, bad[i].n, json_scan_value);
        case_int(bad[i].text, got.type == JSON_BAD, bad[i].fault != NULL);
        free(got.text);
    }
}

/* Half of a character that takes two \u is none; raw, it is let through as it stands. */
static void test_halves(void **state)
{
    static const char *const halves[] = {
        "\"\\ud83d\"",        "\"\\ude00\"",        "\"\\ud83d\\u0041\"", "\"\\ud83dx\"",
        "\"\\ud83d\\ud83d\"", "\"\\ude00\\ud83d\"", "\"\\ud83d\\n\"",     "\"\\ud83d\\\\de00\"",
    };
    for (size_t i = 0; i < sizeof halves / sizeof *halves; i++) {
        struct one got = scan_one(halves[i], strlen(halves[i]), json_scan_value);
        case_int(halves[i], got.type, JSON_BAD);
        case_text(halves[i], got.fault, ESCAPE);
        free(got.text);
        struct one raw = scan_one(halves[i], strlen(halves[i]), json_scan_raw);
        case_int(halves[i], raw.type, JSON_STRING);
        case_int(halves[i], raw.slice.size, strlen(halves[i]));
        free(raw.text);
    }
}

/* Every text that is a beginning of a value is refused, and none of them is read beyond. */
static void test_cut(void **state)
{
    static const char whole[] =
        "{\"a\\u00e9\xc3\xa9\":[1.5e-3,true,null,{\"b\":\"\\ud83d\\ude00\"},[]],\"c\":-0}";
    for (size_t n = 0; n < sizeof whole - 1; n++) {
        struct one got = scan_one(whole, n, json_scan_value);
        if (got.type != JSON_BAD || got.fault == NULL)
            fail_msg("%zu bytes of it are taken for a value", n);
        free(got.text);
    }
    struct one got = scan_one(whole, sizeof whole - 1, json_scan_value);
    assert_int_equal(got.type, JSON_OBJECT);
    free(got.text);
}

/* ---- depth ---- */

/* `n` times `open`, `middle`, `n` times `close`; where `close` is null, the beginning alone. */
static char *nested(const char *open, size_t n, const char *middle, const char *close, size_t *size)
{
    size_t a = strlen(open), b = strlen(middle), c = close ? strlen(close) : 0;
    char *text = malloc(n * (a + c) + b + 1), *to = text;
    assert_non_null(text);
    for (size_t i = 0; i < n; i++)
        to = mempcpy(to, open, a);
    to = mempcpy(to, middle, b);
    for (size_t i = 0; i < n && c > 0; i++)
        to = mempcpy(to, close, c);
    *size = (size_t)(to - text);
    return text;
}

static void check_depth(const char *open, const char *close, size_t n, bool good)
{
    size_t size;
    char *text = nested(open, n, "1", close, &size);
    struct json_scan s = {.p = text, .end = text + size};
    struct json_slice slice;
    case_int(open, json_scan_value(&s, &slice) != JSON_BAD, good);
    free(text);
}

static void test_depth(void **state)
{
    check_depth("[", "]", JSON_DEPTH, true);
    check_depth("[", "]", JSON_DEPTH + 1, false);
    check_depth("{\"a\":", "}", JSON_DEPTH, true);
    check_depth("{\"a\":", "}", JSON_DEPTH + 1, false);
    check_depth("[{\"a\":", "}]", JSON_DEPTH / 2, true);
    check_depth("[[],", "]", JSON_DEPTH - 1, true); /* the inner ones come and go */
    check_depth("[[],", "]", JSON_DEPTH, false);
}

/* Without a limit on what stands where, a line could overflow the stack of who reads it. Each is
 * tried on a stack that has room for no more than a few frames. */
static int hostile(void *arg)
{
    const char *open = arg;
    size_t size;
    const struct rlimit small = {256 << 10, 256 << 10};
    CHILD_CHECK(setrlimit(RLIMIT_STACK, &small) == 0);
    char *text = nested(open, 1000000, "", NULL, &size);
    struct json_scan s = {.p = text, .end = text + size};
    struct json_slice slice;
    CHILD_CHECK(json_scan_value(&s, &slice) == JSON_BAD && s.fault != NULL);
    free(text);
    return 0;
}

static void test_hostile(void **state)
{
    static char opens[][12] = {
        "[", "{", "[{", "{[", "{\"a\":", "{\"a\":[", "{{\"a\":", "{[1,", "{\"a\":1,{"};
    for (size_t i = 0; i < sizeof opens / sizeof *opens; i++)
        case_int(opens[i], child_run(hostile, opens[i]), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values), cmocka_unit_test(test_nul),     cmocka_unit_test(test_next),
        cmocka_unit_test(test_bad),    cmocka_unit_test(test_halves),  cmocka_unit_test(test_cut),
        cmocka_unit_test(test_depth),  cmocka_unit_test(test_hostile),
    };
    UNIT_RUN("base-json-scan", tests);
}

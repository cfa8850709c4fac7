/* Goal of this test: what is no JSON, is ambiguous or would be lost without a word is refused. */
#include "build/strict-json.h"

#include "fixture.h"

static int parse(const char *text, size_t n, struct ml_error *err)
{
    *err = (struct ml_error)ML_ERROR_INIT;
    CJSON_AUTO *tree = strict_parse(text, n, "f.json", err);
    return tree != NULL ? 0 : err->status;
}

static void refused(void **state)
{
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"", "f.json:1:1: not JSON"},
        {"{\n  \"a\": ?}", "f.json:2:8: not JSON"},
        {"{} x", "f.json:1:4: not JSON"},
        {"{\"a\":1,\"a\":2}", "f.json: key 'a' is there twice"},
        {"{\"b\":[{\"a\":1,\"\\u0061\":2}]}", "f.json: key 'a' is there twice"},
        {"{\"a\":\"x\\u0000y\"}", "f.json:1:8: a text with a NUL in it"},
        {"{\"a\":\"x\ny\"}", "f.json:1:8: a control character in a text must be escaped"},
        {"{\"a\":\033[2J 1}", "f.json:1:6: a control character"},
        {"\001{}", "f.json:1:1: a control character"},
        {"{}\n\f", "f.json:2:1: a control character"},
        {"[1,\v2]", "f.json:1:4: a control character"},
        {"{\"a\":01}", "f.json:1:6: not a JSON number"},
        {"{\"a\":1.}", "f.json:1:6: not a JSON number"},
        {"{\"a\":1e}", "f.json:1:6: not a JSON number"},
        {"{\"a\":\"x", "f.json:1:8: a text that does not end"},
        {"{\"a\":\"\377\"}", "f.json: not UTF-8"},
        {"[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]", "f.json:1:17: nested too deeply"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct ml_error err;
        case_int(cases[i].text, parse(cases[i].text, strlen(cases[i].text), &err), ML_CONFIG);
        case_text(cases[i].text, err.message, cases[i].message);
    }
}

static void taken(void **state)
{
    static const char *const cases[] = {
        "{}",
        "[]",
        " {\"a\" : -0.5e+10 } ",
        "\t{\r\n\t\"a\":\t1\r\n}\n",
        "\"\\\\u0000\"",
        "{\"a\":{\"a\":{\"a\":1}}}",
        "[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]",
        "{\"\303\244\":0}",
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct ml_error err;
        case_int(cases[i], parse(cases[i], strlen(cases[i]), &err), 0);
    }
}

static void nul_bytes(void **state)
{
    struct ml_error err;
    assert_int_equal(parse("{}\0", 3, &err), ML_CONFIG);
    assert_string_equal(err.message, "f.json:1:3: a NUL");
}

static void values_as_written(void **state)
{
    ARENA_AUTO a = ARENA_INIT;
    struct strv values = {0};
    strict_values(&a, " { \"a\" : 9007199254740993 , \"b\":[1,\n{\"}\":\"]\\\"\"}],\"c\":\"x,}\"}",
                  &values);
    assert_int_equal(values.n, 3);
    assert_string_equal(values.items[0], "9007199254740993");
    assert_string_equal(values.items[1], "[1,\n{\"}\":\"]\\\"\"}]");
    assert_string_equal(values.items[2], "\"x,}\"");
    values = (struct strv){0};
    strict_values(&a, "{}", &values);
    assert_int_equal(values.n, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refused),
        cmocka_unit_test(taken),
        cmocka_unit_test(nul_bytes),
        cmocka_unit_test(values_as_written),
    };
    UNIT_RUN("build/strict-json", tests);
}

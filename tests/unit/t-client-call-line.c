/* Goal of this test: a line is the call that it says, its texts as the command line would have
 * them; whatever else it is, it is refused with a reason, and its id is known if it came first. */
#include "fixture.h"

#include "modload/error.h"
#include "modload/modload.h"

/* A line without a NUL behind it, so that a byte too far is seen by ASan. */
struct line {
    char *text;
    int status;
    struct ml_call_line call;
    struct ml_error err;
};

static void line_read(struct line *line, const char *text, size_t n)
{
    *line = (struct line){.err = ML_ERROR_INIT};
    line->text = malloc(n ? n : 1);
    assert_non_null(line->text);
    memcpy(line->text, text, n);
    line->status = ml_call_read(line->text, n, &line->call, &line->err);
}

#define TEXT(s) s, sizeof(s) - 1

/* ---- calls ---- */

enum { SHOWN = 5 };

static const struct {
    const char *text;
    size_t n;
    const char *function, *id; /* id null: none */
    size_t n_args;
    const char *args[SHOWN];
} good[] = {
    {TEXT("{\"call\":\"f\"}"), "f", NULL, 0, {NULL}},
    {TEXT("{\"call\":\"f\",\"args\":[]}"), "f", NULL, 0, {NULL}},
    {TEXT("{\"args\":[],\"id\":1,\"call\":\"f\"}"), "f", "1", 0, {NULL}},
    {TEXT(" \t{ \"call\" : \"f\" , \"args\" : [ ] } \r"), "f", NULL, 0, {NULL}},
    {TEXT("{\"call\":\"add\",\"args\":[2,3]}"), "add", NULL, 2, {"2", "3"}},
    {TEXT("{\"call\":\"f\",\"args\":[ 2 , 3 ]}"), "f", NULL, 2, {"2", "3"}},
    {TEXT("{\"call\":\"f\",\"args\":[-0,1.50,1e5,18446744073709551616]}"),
     "f",
     NULL,
     4,
     {"-0", "1.50", "1e5", "18446744073709551616"}},
    {TEXT("{\"call\":\"f\",\"args\":[true,false]}"), "f", NULL, 2, {"true", "false"}},
    {TEXT("{\"call\":\"f\",\"args\":[\"\",\"-1\",\"a b\",\"true\"]}"),
     "f",
     NULL,
     4,
     {"", "-1", "a b", "true"}},
    {TEXT("{\"call\":\"f\",\"args\":[\"a\\n\\u00e9\\ud83d\\ude00\\\\\"]}"),
     "f",
     NULL,
     1,
     {"a\n\xc3\xa9\xf0\x9f\x98\x80\\"}},
    {TEXT("{\"c\\u0061ll\":\"\\u0066\",\"\\u0061rgs\":[\"\\u0031\"],\"\\u0069d\":\"\\u0031\"}"),
     "f",
     "\"\\u0031\"",
     1,
     {"1"}},
    /* bytes */
    {TEXT("{\"call\":\"f\",\"args\":[{\"base64\":\"\"}]}"), "f", NULL, 1, {""}},
    {TEXT("{\"call\":\"f\",\"args\":[{\"base64\":\"YQ==\"},{\"base64\":\"YWI=\"},"
          "{\"base64\":\"YWJj\"},{ \"base64\" : \"YWJjZA==\" }]}"),
     "f",
     NULL,
     4,
     {"a", "ab", "abc", "abcd"}},
    {TEXT("{\"call\":\"f\",\"args\":[{\"base\\u00364\":\"\\u002f/++\"},1]}"),
     "f",
     NULL,
     2,
     {"\xff\xff\xbe", "1"}},
    /* ids, of every kind, as they stand */
    {TEXT("{\"id\":null,\"call\":\"f\"}"), "f", "null", 0, {NULL}},
    {TEXT("{\"id\":true,\"call\":\"f\"}"), "f", "true", 0, {NULL}},
    {TEXT("{\"id\":-0.10E+2,\"call\":\"f\"}"), "f", "-0.10E+2", 0, {NULL}},
    {TEXT("{\"id\":12345678901234567890123,\"call\":\"f\"}"),
     "f",
     "12345678901234567890123",
     0,
     {NULL}},
    {TEXT("{\"id\":\"\",\"call\":\"f\"}"), "f", "\"\"", 0, {NULL}},
    {TEXT("{\"id\":\"a\\u0062\\ud800\",\"call\":\"f\"}"), "f", "\"a\\u0062\\ud800\"", 0, {NULL}},
    {TEXT("{\"id\": [ 1, {\"a\" : \"]\"} ] ,\"call\":\"f\"}"),
     "f",
     "[ 1, {\"a\" : \"]\"} ]",
     0,
     {NULL}},
    {TEXT("{\"call\":\"f\",\"args\":[1],\"id\":{}}"), "f", "{}", 1, {"1"}},
};

static void test_good(void **state)
{
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        struct line line;
        const char *name = good[i].text;
        line_read(&line, name, good[i].n);
        case_text(name, line.err.message, "");
        case_int(name, line.status, 0);
        case_text(name, line.call.call.function, good[i].function);
        case_int(name, line.call.call.n_args, good[i].n_args);
        case_true(name, line.call.call.args == line.call.args);
        case_int(name, line.call.call.timeout_ms, 0);
        for (size_t a = 0; a < good[i].n_args; a++)
            case_text(name, line.call.args[a], good[i].args[a]);
        case_int(name, line.call.id != NULL, good[i].id != NULL);
        case_int(name, line.call.id_size, good[i].id ? strlen(good[i].id) : 0);
        case_true(name,
                  good[i].id == NULL || memcmp(line.call.id, good[i].id, line.call.id_size) == 0);
        free(line.text);
    }
}

/* Nothing of the last line is in the next. */
static void test_again(void **state)
{
    struct ml_call_line call;
    char first[] = "{\"call\":\"f\",\"args\":[1,2],\"id\":5}", second[] = "{\"call\":\"g\"}",
         third[] = "x";
    assert_int_equal(ml_call_read(first, strlen(first), &call, NULL), 0);
    assert_int_equal(ml_call_read(second, strlen(second), &call, NULL), 0);
    assert_string_equal(call.call.function, "g");
    assert_int_equal(call.call.n_args, 0);
    assert_null(call.id);
    assert_int_equal(ml_call_read(first, 0, &call, NULL), -1);
    assert_int_equal(ml_call_read(third, 1, &call, NULL), -1);
    assert_null(call.call.function);
}

/* ---- errors ---- */

#define LINE      "bad_line"
#define ARGUMENT  "bad_argument"
#define NOT_JSON  "that is not JSON"
#define NO_OBJECT "it is no JSON object"
#define NO_CALL   "it has no \"call\""
#define UNKNOWN   "a key is none of \"call\", \"args\" and \"id\""
#define NO_NAME   "\"call\" is no name of a function"
#define NO_ARRAY  "\"args\" is no array"
#define NO_BASE64 "argument 1 is an object, and not {\"base64\": \"...\"}"

static const struct {
    const char *text;
    size_t n;
    const char *code, *message, *id; /* id null: not known */
} bad[] = {
    {TEXT(""), LINE, NO_OBJECT, NULL},
    {TEXT("x"), LINE, NO_OBJECT, NULL},
    {TEXT("\0"), LINE, NO_OBJECT, NULL},
    {TEXT("[]"), LINE, NO_OBJECT, NULL},
    {TEXT("5"), LINE, NO_OBJECT, NULL},
    {TEXT("\"call\""), LINE, NO_OBJECT, NULL},
    {TEXT("\xef\xbb\xbf{\"call\":\"f\"}"), LINE, NO_OBJECT, NULL},
    {TEXT("{}"), LINE, NOT_JSON, NULL},
    {TEXT("{"), LINE, "it ends too early", NULL},
    {TEXT("{\"id\":7}"), LINE, NO_CALL, "7"},
    {TEXT("{\"args\":[1]}"), LINE, NO_CALL, NULL},
    {TEXT("{\"id\":7,\"args\":[]}"), LINE, NO_CALL, "7"},
    {TEXT("{\"call\":\"f\"} {\"call\":\"g\"}"), LINE, NOT_JSON, NULL},
    {TEXT("{\"call\":\"f\"}\0"), LINE, NOT_JSON, NULL},
    {TEXT("{\"call\":\"f\",}"), LINE, NOT_JSON, NULL},
    {TEXT("{\"call\":\"f\" \"args\":[]}"), LINE, NOT_JSON, NULL},
    {TEXT("{\"call\":\"f\""), LINE, NOT_JSON, NULL},
    {TEXT("{\"call\":\"f"), LINE, "a string does not end", NULL},
    {TEXT("{\"call\" \"f\"}"), LINE, NOT_JSON, NULL},
    {TEXT("{call:\"f\"}"), LINE, NOT_JSON, NULL},
    {TEXT("{1:\"f\"}"), LINE, NOT_JSON, NULL},
    {TEXT("{[[[]]]:\"f\"}"), LINE, NOT_JSON, NULL},
    /* keys */
    {TEXT("{\"id\":7,\"call\":\"f\",\"arg\":[]}"), LINE, UNKNOWN, "7"},
    {TEXT("{\"Call\":\"f\"}"), LINE, UNKNOWN, NULL},
    {TEXT("{\"call\\u0000\":\"f\"}"), LINE, UNKNOWN, NULL},
    {TEXT("{\"\":1}"), LINE, UNKNOWN, NULL},
    {TEXT("{\"call\":\"f\",\"call\":\"f\"}"), LINE, "\"call\" stands twice", NULL},
    {TEXT("{\"call\":\"f\",\"args\":[],\"args\":[]}"), LINE, "\"args\" stands twice", NULL},
    {TEXT("{\"id\":1,\"call\":\"f\",\"id\":2}"), LINE, "\"id\" stands twice", "1"},
    {TEXT("{\"id\":1,\"\\u0069d\":2}"), LINE, "\"id\" stands twice", "1"},
    /* ids that are none */
    {TEXT("{\"id\":,\"call\":\"f\"}"), LINE, NOT_JSON, NULL},
    {TEXT("{\"id\":01,\"call\":\"f\"}"), LINE, "a number begins with 0", NULL},
    {TEXT("{\"id\":\"\xff\",\"call\":\"f\"}"), LINE, "a string is not UTF-8", NULL},
    {TEXT("{\"id\":[1,\"call\":\"f\"}"), LINE, NOT_JSON, NULL},
    /* names of functions */
    {TEXT("{\"call\":5}"), LINE, NO_NAME, NULL},
    {TEXT("{\"call\":null}"), LINE, NO_NAME, NULL},
    {TEXT("{\"call\":[\"f\"]}"), LINE, NO_NAME, NULL},
    {TEXT("{\"call\":\"\"}"), LINE, NO_NAME, NULL},
    {TEXT("{\"call\":\"f\\u0000g\"}"), LINE, NO_NAME, NULL},
    {TEXT("{\"call\":\"\\q\"}"), LINE, "an escape in a string is none", NULL},
    /* arguments */
    {TEXT("{\"call\":\"f\",\"args\":5}"), LINE, NO_ARRAY, NULL},
    {TEXT("{\"call\":\"f\",\"args\":{}}"), LINE, NO_ARRAY, NULL},
    {TEXT("{\"call\":\"f\",\"args\":null}"), LINE, NO_ARRAY, NULL},
    {TEXT("{\"call\":\"f\",\"args\":[1"), LINE, NOT_JSON, NULL},
    {TEXT("{\"call\":\"f\",\"args\":[1,]}"), LINE, NOT_JSON, NULL},
    {TEXT("{\"call\":\"f\",\"args\":[1 2]}"), LINE, NOT_JSON, NULL},
    {TEXT("{\"call\":\"f\",\"args\":[,]}"), LINE, NOT_JSON, NULL},
    {TEXT("{\"call\":\"f\",\"args\":[\"\n\"]}"), LINE, "a control character in a string", NULL},
    {TEXT("{\"call\":\"f\",\"args\":[\"\\ud800\"]}"), LINE, "an escape in a string is none", NULL},
    {TEXT("{\"id\":7,\"call\":\"f\",\"args\":[1,null]}"), ARGUMENT,
     "argument 2 is null, which no parameter can be", "7"},
    {TEXT("{\"call\":\"f\",\"args\":[[1]]}"), ARGUMENT,
     "argument 1 is an array, which no parameter can be", NULL},
    {TEXT("{\"call\":\"f\",\"args\":[{}]}"), ARGUMENT, NO_BASE64, NULL},
    {TEXT("{\"call\":\"f\",\"args\":[{\"base64\":5}]}"), ARGUMENT, NO_BASE64, NULL},
    {TEXT("{\"call\":\"f\",\"args\":[{\"base\":\"YQ==\"}]}"), ARGUMENT, NO_BASE64, NULL},
    {TEXT("{\"call\":\"f\",\"args\":[{\"base64\":\"YQ==\",\"a\":1}]}"), ARGUMENT, NO_BASE64, NULL},
    {TEXT("{\"call\":\"f\",\"args\":[{\"a\":1,\"base64\":\"YQ==\"}]}"), ARGUMENT, NO_BASE64, NULL},
    {TEXT("{\"call\":\"f\",\"args\":[{\"base64\":\"YQ\"}]}"), ARGUMENT, NO_BASE64, NULL},
    {TEXT("{\"call\":\"f\",\"args\":[{\"base64\":\"Y\"}]}"), ARGUMENT, NO_BASE64, NULL},
    {TEXT("{\"call\":\"f\",\"args\":[{\"base64\":\"Y===\"}]}"), ARGUMENT, NO_BASE64, NULL},
    {TEXT("{\"call\":\"f\",\"args\":[{\"base64\":\"====\"}]}"), ARGUMENT, NO_BASE64, NULL},
    {TEXT("{\"call\":\"f\",\"args\":[{\"base64\":\"Y-_=\"}]}"), ARGUMENT, NO_BASE64, NULL},
    {TEXT("{\"call\":\"f\",\"args\":[{\"base64\":\"YQ==YQ==\"}]}"), ARGUMENT, NO_BASE64, NULL},
    {TEXT("{\"call\":\"f\",\"args\":[{\"base64\":\" YQ=\"}]}"), ARGUMENT, NO_BASE64, NULL},
    {TEXT("{\"call\":\"f\",\"args\":[\"a\\u0000b\"]}"), ARGUMENT,
     "argument 1 holds a NUL, which no text of C can", NULL},
    {TEXT("{\"call\":\"f\",\"args\":[{\"base64\":\"YQBi\"}]}"), ARGUMENT,
     "argument 1 holds a NUL, which no text of C can", NULL},
};

static void test_bad(void **state)
{
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct line line;
        const char *name = bad[i].text;
        line_read(&line, name, bad[i].n);
        case_int(name, line.status, -1);
        case_int(name, line.err.status, ML_DATA);
        case_text(name, line.err.code, bad[i].code);
        case_text(name, line.err.message, bad[i].message);
        case_int(name, line.err.hint[0] != '\0', strcmp(bad[i].code, LINE) == 0);
        case_int(name, line.call.id != NULL, bad[i].id != NULL);
        case_int(name, line.call.id_size, bad[i].id ? strlen(bad[i].id) : 0);
        case_true(name,
                  bad[i].id == NULL || memcmp(line.call.id, bad[i].id, line.call.id_size) == 0);
        free(line.text);
    }
}

/* ---- how many arguments ---- */

static void read_args(struct line *line, size_t n)
{
    char text[1024] = "{\"call\":\"f\",\"args\":[";
    for (size_t i = 0; i < n; i++)
        sprintf(text + strlen(text), "%s%zu", i ? "," : "", i);
    strcat(text, "]}");
    line_read(line, text, strlen(text));
}

static void test_most(void **state)
{
    struct line line;
    read_args(&line, ML_CALL_ARGS);
    assert_int_equal(line.status, 0);
    assert_int_equal(line.call.call.n_args, ML_CALL_ARGS);
    assert_string_equal(line.call.args[ML_CALL_ARGS - 1], "63");
    free(line.text);
    read_args(&line, ML_CALL_ARGS + 1);
    assert_int_equal(line.status, -1);
    assert_string_equal(line.err.message, "argument 65 is more than any function takes");
    assert_string_equal(line.err.code, ARGUMENT);
    free(line.text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_again),
        cmocka_unit_test(test_bad),
        cmocka_unit_test(test_most),
    };
    UNIT_RUN("client-call-line", tests);
}

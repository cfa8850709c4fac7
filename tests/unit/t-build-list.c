/* Goal of this test: a list is read as lines or as an array, whatever its line ends; every mistake
 * in it is told with its line, and none of it is taken then. */
#include "fixture.h"

#include <time.h>

#include "base/buf.h"
#include "modload/build.h"

#define K1     "\"key\":\"8c000000-0000-4000-8000-000000000001\""
#define K2     "\"key\":\"8C00000000004000800000000000000F\""
#define B      "\"bundle\":\"b-aaaa\""
#define ITEM1  "{" K1 "," B "}"
#define ITEM2  "{" K2 ",\"path\":\"./x.c\",\"name\":\"n\"}"
#define BAD    "{" K1 "}"
#define NO_KEY "there is no \"key\""

static void tell(const struct ml_error *err, void *arg)
{
    assert_true(err->status == ML_DATA || err->status == ML_LIMIT);
    buf_fmt(arg, "%s\n", err->message);
}

/* From memory that ends behind the NUL: a byte too far is seen by ASan. */
static int list_read(const char *text, size_t n, struct buf *told, struct ml_list *list,
                     struct ml_error *err)
{
    char *copy = malloc(n + 1);
    assert_non_null(copy);
    memcpy(copy, text, n);
    copy[n] = '\0';
    int status = ml_list_read(copy, n, "l", told ? tell : NULL, told, list, err);
    free(copy); /* what was read is not in it */
    return status;
}

/* "1:8c..01=b-aaaa 3:8c..0f<./x.c:n " */
static void items_show(const struct ml_list *list, struct buf *out)
{
    for (size_t i = 0; i < list->n; i++) {
        const struct ml_list_item *item = &list->items[i];
        assert_true((item->bundle == NULL) != (item->path == NULL));
        buf_fmt(out, "%u:%02x..%02x%s%s", item->line, item->key.bytes[0], item->key.bytes[15],
                item->bundle ? "=" : "<", item->bundle ? item->bundle : item->path);
        if (item->name != NULL)
            buf_fmt(out, ":%s", item->name);
        buf_char(out, ' ');
    }
}

/* ---- lists that are right ---- */

static void test_right(void **state)
{
    static const struct {
        const char *name, *text, *items;
    } cases[] = {
        {"nothing", "", ""},
        {"blanks", " \r\n\t\n", ""},
        {"a line", ITEM1 "\n", "1:8c..01=b-aaaa "},
        {"no end", ITEM1, "1:8c..01=b-aaaa "},
        {"lines", ITEM1 "\n" ITEM2 "\n", "1:8c..01=b-aaaa 2:8c..0f<./x.c:n "},
        {"lines of DOS", ITEM1 "\r\n" ITEM2 "\r\n", "1:8c..01=b-aaaa 2:8c..0f<./x.c:n "},
        {"empty lines", "\n\n" ITEM1 "\n  \n\t\r\n" ITEM2 "\n\n",
         "3:8c..01=b-aaaa 6:8c..0f<./x.c:n "},
        {"blanks around", "  " ITEM1 " \t\n", "1:8c..01=b-aaaa "},
        {"blanks within", "{ \"key\" :\t\"8c000000-0000-4000-8000-000000000001\" , " B " }\n",
         "1:8c..01=b-aaaa "},
        {"in another order", "{" B ",\"name\":\"n\"," K1 "}\n", "1:8c..01=b-aaaa:n "},
        {"no name asked for", "{" K1 "," B ",\"name\":\"\"}\n", "1:8c..01=b-aaaa: "},
        {"escapes", "{" K1 ",\"path\":\"\\u002fa\\\"b\\\\\\n\\u00e4\"}\n",
         "1:8c..01</a\"b\\\n\xc3\xa4 "},
        {"an empty array", "[]", ""},
        {"an empty array with blanks", " \n[ \r\n ]\n ", ""},
        {"an array", "[" ITEM1 "]", "1:8c..01=b-aaaa "},
        {"an array on one line", "[" ITEM1 "," ITEM2 "]\n", "1:8c..01=b-aaaa 1:8c..0f<./x.c:n "},
        {"an array on several", "[\n  " ITEM1 ",\n  " ITEM2 "\n]\n",
         "2:8c..01=b-aaaa 3:8c..0f<./x.c:n "},
        {"an array of DOS", "[\r\n" ITEM1 ",\r\n" ITEM2 "\r\n]\r\n",
         "2:8c..01=b-aaaa 3:8c..0f<./x.c:n "},
        {"commas in front", "[" ITEM1 "\n," ITEM2 "\n,\n" ITEM1 "]",
         "1:8c..01=b-aaaa 2:8c..0f<./x.c:n 4:8c..01=b-aaaa "},
        {"objects on several lines", "[\n{\n" K1 ",\n" B "\n},\n\n{\n" K2 ",\n" B "\n}\n]",
         "2:8c..01=b-aaaa 7:8c..0f=b-aaaa "},
        {"brackets in texts", "[{" K1 ",\"path\":\"],[}{\"},\n{" K2 ",\"path\":\"a,b\"}]",
         "1:8c..01<],[}{ 2:8c..0f<a,b "},
        {"quotes in texts",
         "[{" K1 ",\"path\":\"a\\\"],b\"},\n{" K2 ",\"path\":\"\\\\\"},\n" ITEM1 "]",
         "1:8c..01<a\"],b 2:8c..0f<\\ 3:8c..01=b-aaaa "},
        {"newlines in front of it", "\n\n\n[\n" ITEM1 "]", "5:8c..01=b-aaaa "},
        {"a byte order mark", "\xef\xbb\xbf" ITEM1 "\n" ITEM2, "1:8c..01=b-aaaa 2:8c..0f<./x.c:n "},
        {"the same before an array", "\xef\xbb\xbf[\n" ITEM1 "\n]\n", "2:8c..01=b-aaaa "},
        {"the same before nothing", "\xef\xbb\xbf", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct ml_list list;
        struct ml_error err = ML_ERROR_INIT;
        BUF_AUTO told = BUF_INIT;
        BUF_AUTO items = BUF_INIT;
        if (list_read(cases[i].text, strlen(cases[i].text), &told, &list, &err) < 0)
            fail_msg("case '%s': %s", cases[i].name, err.message);
        case_text(cases[i].name, buf_text(&told), "");
        items_show(&list, &items);
        case_text(cases[i].name, buf_text(&items), cases[i].items);
        ml_list_free(&list);
        case_int(cases[i].name, list.n, 0);
        ml_list_free(&list); /* an empty one is fine */
    }
}

/* ---- and lists that are not ---- */

static void check_wrong(const char *name, const char *text, size_t n, const char *want)
{
    struct ml_list list = {.n = 77};
    struct ml_error err = ML_ERROR_INIT;
    BUF_AUTO told = BUF_INIT;
    case_int(name, list_read(text, n, &told, &list, &err), -1);
    case_text(name, buf_text(&told), want);
    case_int(name, err.status, ML_DATA);
    case_int(name, list.n, 77);
    /* `err` is the last of them. */
    const char *last = buf_text(&told) + strlen(buf_text(&told)) - strlen(err.message) - 1;
    case_true(name,
              last >= buf_text(&told) && strncmp(last, err.message, strlen(err.message)) == 0);
    case_int(name, list_read(text, n, NULL, &list, NULL), -1);
}

static void test_wrong(void **state)
{
    static const struct {
        const char *name, *item, *says; /* behind "l:LINE" */
    } cases[] = {
        {"no key", "{" B "}", ": " NO_KEY},
        {"neither", BAD, ": there must be a \"bundle\" or a \"path\", and not both"},
        {"both", "{" K1 "," B ",\"path\":\"x\"}",
         ": there must be a \"bundle\" or a \"path\", and not both"},
        {"an empty path", "{" K1 ",\"path\":\"\"}", ": an empty path"},
        {"no such key", "{" K1 "," B ",\"nam\":\"n\"}", ": unknown key: 'nam'"},
        {"another case", "{" K1 "," B ",\"Name\":\"n\"}", ": unknown key: 'Name'"},
        {"a number for a key", "{\"key\":8," B "}", ": not a text: 'key'"},
        {"null for a name", "{" K1 "," B ",\"name\":null}", ": not a text: 'name'"},
        {"a list for a path", "{" K1 ",\"path\":[\"x\"]}", ": not a text: 'path'"},
        {"a key that is none", "{\"key\":\"math\"," B "}",
         ": neither a UUID nor 32 hex digits: 'math'"},
        {"a short key", "{\"key\":\"8c000000\"," B "}",
         ": neither a UUID nor 32 hex digits: '8c000000'"},
        {"a name that is none", "{" K1 "," B ",\"name\":\"a/b\"}",
         ": this cannot be a name: 'a/b'"},
        {"a key for a name", "{" K1 "," B ",\"name\":\"8c000000000040008000000000000001\"}",
         ": this cannot be a name: '8c000000000040008000000000000001'"},
        {"a text", "\"x\"", ": not an object: {\"key\": ..., \"bundle\": ...}"},
        {"null", "null", ": not an object: {\"key\": ..., \"bundle\": ...}"},
        {"a word", "register", ":1: not JSON"},
        {"no comma", "{" K1 " " B "}", ":47: not JSON"},
        {"no such escape", "{" K1 ",\"bundle\":\"b-aaaa\\q\"}", ":63: not JSON"},
        {"a number that is none", "{" K1 ",\"path\":01}", ":54: not a JSON number"},
        {"an escaped NUL", "{" K1 ",\"path\":\"a\\u0000b\"}", ":56: a text with a NUL in it"},
        {"a tab in a text", "{" K1 ",\"path\":\"a\tb\"}",
         ":56: a control character in a text must be escaped"},
        {"too deep", "{" K1 ",\"x\":[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]}",
         ":66: nested too deeply"},
        {"a key twice", "{" K1 "," B "," K1 "}", ": key 'key' is there twice"},
        {"a path twice", "{" K1 ",\"path\":\"x\",\"path\":\"y\"}", ": key 'path' is there twice"},
        {"not UTF-8", "{" K1 ",\"path\":\"\xff\"}", ": not UTF-8"},
        {"half of UTF-8", "{" K1 ",\"path\":\"\xc3\"}", ": not UTF-8"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        BUF_AUTO lines = BUF_INIT;
        BUF_AUTO array = BUF_INIT;
        BUF_AUTO want = BUF_INIT;
        const char *item = cases[i].item, *says = cases[i].says;
        buf_fmt(&lines, "%s\n%s\n\n%s\r\n%s\n", ITEM1, item, ITEM2, item);
        buf_fmt(&want, "l:2%s\nl:5%s\n", says, says);
        check_wrong(cases[i].name, lines.data, lines.len, buf_text(&want));
        buf_fmt(&array, "[\n%s,\n\n%s\n,%s,\r\n%s]", ITEM1, item, ITEM2, item);
        buf_reset(&want);
        buf_fmt(&want, "l:4%s\nl:6%s\n", says, says);
        check_wrong(cases[i].name, array.data, array.len, buf_text(&want));
    }
}

/* Arrays that are none tell what is wrong with their items as well. */
static void test_wrong_arrays(void **state)
{
    static const struct {
        const char *name, *text, *told;
    } cases[] = {
        {"no end", "[\n" ITEM1 ",\n" ITEM2 "\n", "l:4: the array does not end\n"},
        {"no end, nothing in it", "[", "l:1: the array does not end\n"},
        {"no end of a text", "[\n{\"key\":\"]\n", "l:3: the array does not end\n"},
        {"another end", "[\n" ITEM1 "}\n", "l:3: the array does not end\n"},
        {"something behind it", "[" ITEM1 "]\nx", "l:2: something behind the array\n"},
        {"something behind nothing", "[]\n\n]", "l:3: something behind the array\n"},
        {"a comma too many", "[" ITEM1 ",\n]", "l:2:1: not JSON\n"},
        {"only a comma", "[,]", "l:1:1: not JSON\nl:1:1: not JSON\n"},
        {"no comma", "[" ITEM1 "\n" ITEM2 "]", "l:2:1: not JSON\n"},
        {"a mistake, and no end", "[{},\n" ITEM1, "l:1: " NO_KEY "\nl:2: the array does not end\n"},
        {"lines behind an array", "[" ITEM1 "]\n" ITEM2 "\n", "l:2: something behind the array\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check_wrong(cases[i].name, cases[i].text, strlen(cases[i].text), cases[i].told);
}

static void test_lines_that_end_early(void **state)
{
    static const char line[] = ITEM1 "\n{" K1 "\0," B "}\n" ITEM2 "\n";
    static const char behind[] = ITEM1 "\n" ITEM2 "\n\0";
    static const char array[] = "[" ITEM1 ",\n\0" ITEM2 "]";
    static const char open[] = ITEM1 "\n{\"key\":\"8c\n" ITEM2 "\n";
    check_wrong("a text without an end", open, sizeof open - 1,
                "l:2:11: a text that does not end\n");
    check_wrong("in a line", line, sizeof line - 1, "l:2:46: a NUL\n");
    check_wrong("behind the lines", behind, sizeof behind - 1, "l:3:1: a NUL\n");
    check_wrong("in an array", array, sizeof array - 1, "l:2:1: a NUL\n");
}

static void test_hint(void **state)
{
    struct ml_list list;
    struct ml_error err = ML_ERROR_INIT;
    static const char text[] = "{" K1 ",\"bundel\":\"b-aaaa\"}";
    assert_int_equal(list_read(text, strlen(text), NULL, &list, &err), -1);
    assert_string_equal(err.code, "bad_list");
    assert_string_equal(err.hint, "did you mean 'bundle'?");
}

/* ---- many ---- */

static void test_many(void **state)
{
    enum { MANY = 100000 / (UNIT_SLOWNESS * UNIT_SLOWNESS) };
    for (int array = 0; array < 2; array++) {
        struct ml_list list;
        struct ml_error err = ML_ERROR_INIT;
        BUF_AUTO text = BUF_INIT;
        if (array)
            buf_str(&text, "[\n");
        for (unsigned i = 0; i < MANY; i++)
            buf_fmt(&text, "{\"key\":\"%08x-0000-4000-8000-000000000000\",\"path\":\"./%u.c\"}%s\n",
                    i, i, array && i + 1 < MANY ? "," : "");
        if (array)
            buf_str(&text, "]\n");
        clock_t before = clock();
        assert_int_equal(list_read(text.data, text.len, NULL, &list, &err), 0);
        assert_true(clock() - before < 10 * CLOCKS_PER_SEC); /* not the square of it */
        assert_int_equal(list.n, MANY);
        for (unsigned i = 0; i < MANY; i++) {
            char path[32];
            snprintf(path, sizeof path, "./%u.c", i);
            assert_string_equal(list.items[i].path, path);
            assert_int_equal(list.items[i].line, i + 1 + (unsigned)array);
        }
        ml_list_free(&list);
    }
}

/* However deep it is, and whatever the form: it is refused, not recursed into. */
static void test_deep(void **state)
{
    enum { DEEP = 1000000 };
    for (int array = 0; array < 2; array++) {
        BUF_AUTO text = BUF_INIT;
        struct ml_list list;
        struct ml_error err = ML_ERROR_INIT;
        buf_str(&text, array ? "[{\"x\":" : "{\"x\":");
        for (int i = 0; i < DEEP; i++)
            buf_char(&text, '[');
        for (int i = 0; i < DEEP; i++)
            buf_char(&text, ']');
        buf_str(&text, array ? "}]" : "}\n");
        assert_int_equal(list_read(text.data, text.len, NULL, &list, &err), -1);
        assert_int_equal(err.status, ML_DATA);
        assert_non_null(strstr(err.message, "nested too deeply"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_right),        cmocka_unit_test(test_wrong),
        cmocka_unit_test(test_wrong_arrays), cmocka_unit_test(test_lines_that_end_early),
        cmocka_unit_test(test_hint),         cmocka_unit_test(test_many),
        cmocka_unit_test(test_deep),
    };
    UNIT_RUN("build-list", tests);
}

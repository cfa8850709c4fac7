/* Goal of this test: what says what is in a pack is read as it was written, and taken in no other
 * form; and what origins go along. */
#include "base/buf.h"
#include "fixture.h"
#include "transfer/pack.h"

#define ID              "b-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define MATH            "{\"bundle\":\"" ID "\",\"name\":\"math\",\"version\":\"1.2.0\",\"binary\":true}"
#define HEAD            "{\"bundles\":[" MATH "]}\n"
#define HEAD_OF(origin) "{\"bundles\":[" MATH "],\"origin\":" origin "}\n"

static int head_read(const char *text, struct pack_head *head, struct ml_error *err)
{
    *err = (struct ml_error)ML_ERROR_INIT;
    return pack_head_read(text, strlen(text), "x", head, err);
}

static void written_and_read(void **state)
{
    static const char *const origins[] = {"", "https://example.org/p@v1", "git@h:p",
                                          "a \"b\" \\ \303\274"};
    for (size_t i = 0; i < sizeof origins / sizeof *origins; i++) {
        struct pack_head head = {.bundle = ID, .name = "math", .version = "1.2.0", .binary = i % 2};
        struct pack_head back;
        struct ml_error err;
        BUF_AUTO text = BUF_INIT;
        strcpy(head.origin, origins[i]);
        pack_head_write(&text, &head);
        case_int(origins[i], head_read(buf_text(&text), &back, &err), 0);
        case_text(origins[i], back.bundle, ID);
        case_text(origins[i], back.name, "math");
        case_text(origins[i], back.version, "1.2.0");
        case_text(origins[i], back.origin, origins[i]);
        case_int(origins[i], back.binary, head.binary);
    }
}

static void in_these_words(void **state)
{
    struct pack_head head = {.bundle = ID, .name = "math", .version = "1.2.0", .binary = true};
    BUF_AUTO text = BUF_INIT, more = BUF_INIT;
    pack_head_write(&text, &head);
    assert_string_equal(buf_text(&text), HEAD);
    strcpy(head.origin, "https://h/p");
    pack_head_write(&more, &head);
    assert_string_equal(buf_text(&more), HEAD_OF("\"https://h/p\""));
}

static void refused(void **state)
{
    static const struct {
        const char *text;
        int status;
        const char *code, *message;
    } cases[] = {
        {"", ML_REFUSED, "damaged", NULL},
        {"{", ML_REFUSED, "damaged", NULL},
        {"7", ML_REFUSED, "damaged", "'x': its pack.json is no object"},
        {"{}", ML_REFUSED, "damaged", "'x': its pack.json: 'bundles' must be a list of bundles"},
        {"{\"bundles\":[]}", ML_REFUSED, "damaged", NULL},
        {"{\"bundles\":{}}", ML_REFUSED, "damaged", NULL},
        {"{\"bundles\":[[]]}", ML_REFUSED, "damaged", NULL},
        {"{\"bundles\":[" MATH "," MATH "]}", ML_CONFIG, "newer_format",
         "'x' has 2 bundles: the plugin with what it requires; this modload takes one"},
        {"{\"bundles\":[" MATH "],\"more\":1}", ML_REFUSED, "damaged", NULL},
        {"{\"bundles\":[" MATH "],\"bundles\":[" MATH "]}", ML_REFUSED, "damaged", NULL},
        {"{\"bundles\":[{\"bundle\":\"../"
         "b\",\"name\":\"a\",\"version\":\"1.2.0\",\"binary\":true}]}",
         ML_REFUSED, "damaged", "'x': its pack.json: 'bundle' must be the id of a bundle"},
        {"{\"bundles\":[{\"bundle\":\"" ID
         "\",\"name\":\"a/b\",\"version\":\"1.2.0\",\"binary\":true}]}",
         ML_REFUSED, "damaged", "'x': its pack.json: 'name' must be a plugin's name"},
        {"{\"bundles\":[{\"bundle\":\"" ID "\",\"name\":\"a\",\"version\":\"x\",\"binary\":true}]}",
         ML_REFUSED, "damaged", "'x': its pack.json: 'version' must be a version"},
        {"{\"bundles\":[{\"bundle\":\"" ID
         "\",\"name\":\"a\",\"version\":\"1.2.0\",\"binary\":1}]}",
         ML_REFUSED, "damaged", "'x': its pack.json: 'binary' must be true or false"},
        {HEAD_OF("7"), ML_REFUSED, "damaged", NULL},
        {HEAD_OF("\"\""), ML_REFUSED, "damaged", NULL},
        {HEAD_OF("\"/home/me\""), ML_REFUSED, "damaged", NULL},
        {HEAD_OF("\"a\\u001bb\""), ML_REFUSED, "damaged", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct pack_head head;
        struct ml_error err;
        case_int(cases[i].text, head_read(cases[i].text, &head, &err), -1);
        case_int(cases[i].text, err.status, cases[i].status);
        case_text(cases[i].text, err.code, cases[i].code);
        if (cases[i].message != NULL)
            case_text(cases[i].text, err.message, cases[i].message);
    }
}

static void origins(void **state)
{
    static const struct {
        const char *origin;
        bool travels;
    } cases[] = {
        {"https://example.org/p", true},
        {"ssh://git@h/p", true},
        {"git@h:p@v1", true},
        {"git+https://h/p?ref=v1#0", true},
        {"git+/srv/p#0", false},
        {"git+file:///srv/p#0", false},
        {"", false},
        {"/home/me/p.c", false},
        {"file:///home/me", false},
        {"a\nb", false},
        {"a\177", false},
        {"\374", false},
    };
    char longest[PACK_ORIGIN_SIZE + 1];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        case_int(cases[i].origin, pack_origin_travels(cases[i].origin), cases[i].travels);
    memset(longest, 'a', sizeof longest);
    longest[PACK_ORIGIN_SIZE] = '\0';
    assert_false(pack_origin_travels(longest));
    longest[PACK_ORIGIN_SIZE - 1] = '\0';
    assert_true(pack_origin_travels(longest));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(written_and_read),
        cmocka_unit_test(in_these_words),
        cmocka_unit_test(refused),
        cmocka_unit_test(origins),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

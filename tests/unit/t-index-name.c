/* Goal of this test: each name has one place in an index, and each place one name. */
#include "index/name.h"

#include "fixture.h"

static void good(void **state)
{
    static const char *const names[] = {
        "a",
        "7zip",
        "math",
        "Math_2-x",
        "com10",
        "console",
        "abcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabcd"};
    static const char *const others[] = {
        "",          "-a",   "_a",
        "a.b",       "a b",  "a/b",
        "..",        "con",  "CON",
        "Nul",       "com1", "LPT9",
        "m\303\244", "a\n",  "abcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabcde"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        case_true(names[i], index_name_good(names[i]));
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        case_true(others[i], !index_name_good(others[i]));
}

static void places(void **state)
{
    static const struct {
        const char *name, *key, *path;
    } cases[] = {
        {"a", "a", "1/a.json"},
        {"AB", "ab", "2/ab.json"},
        {"a_b", "a-b", "3/a/a-b.json"},
        {"Foo_Bar", "foo-bar", "fo/o-/foo-bar.json"},
        {"abcd", "abcd", "ab/cd/abcd.json"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char key[INDEX_NAME_SIZE], path[INDEX_PATH_SIZE], back[INDEX_NAME_SIZE];
        index_name_key(cases[i].name, key);
        index_name_path(key, path);
        case_text(cases[i].name, key, cases[i].key);
        case_text(cases[i].name, path, cases[i].path);
        case_true(cases[i].name, index_path_key(path, strlen(path), back));
        case_text(cases[i].name, back, key);
    }
}

static void no_places(void **state)
{
    static const char *const paths[] = {
        "",
        "a",
        ".json",
        "1/.json",
        "1/ab.json",
        "2/a.json",
        "a/b/ab.json",
        "ab/cd/abce.json",
        "AB/cd/ABcd.json",
        "ab/cd/abcd.JSON",
        "ab/cd/abcd",
        "3/a/bcd.json",
        "ab/c_/abc_.json",
        "ab/cd/../abcd.json",
        "index.json",
        "3/c/con.json",
        "ab//cd/abcd.json",
    };
    char key[INDEX_NAME_SIZE];
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
        case_true(paths[i], !index_path_key(paths[i], strlen(paths[i]), key));
    assert_false(index_path_key("1/a\0.json", 9, key));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good),
        cmocka_unit_test(places),
        cmocka_unit_test(no_places),
    };
    UNIT_RUN("index/name", tests);
}

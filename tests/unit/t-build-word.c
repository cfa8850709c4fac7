/* Goal of this test: no text from outside can become another option, a file of options or a path.
 */
#include "build/word.h"

#include "fixture.h"

struct word_case {
    const char *text;
    bool good;
};

static void check(const struct word_case *cases, size_t n, bool (*good)(const char *))
{
    for (size_t i = 0; i < n; i++)
        case_int(cases[i].text, good(cases[i].text), cases[i].good);
}
#define CHECK(cases, good) check(cases, sizeof cases / sizeof *cases, good)

static void defines(void **state)
{
    static const struct word_case cases[] = {
        {"A", true},         {"_A1", true},          {"A=", true},
        {"A=1", true},       {"A=-fplugin=x", true}, {"A=\"x y\"", true},
        {"", false},         {"1A", false},          {"-A", false},
        {"A B", false},      {"A(x)=x", false},      {"=1", false},
        {"A-B", false},      {"A=\n#error", false},  {"A=\001", false},
        {"\303\244", false},
    };
    CHECK(cases, word_define);
}

static void libraries(void **state)
{
    static const struct word_case cases[] = {
        {"m", true},       {"stdc++", true}, {"gtk-3.0", true},  {"_x", true},    {"", false},
        {"-z", false},     {"m -z", false},  {":evil.a", false}, {"../m", false}, {"a/b", false},
        {"m,evil", false}, {"@file", false}, {"m\n", false},     {".so", false},
    };
    CHECK(cases, word_library);
    static const struct word_case packages[] = {
        {"zlib", true}, {"gtk+-3.0", true}, {"x.pc", false}, {"a.b.pc", false}, {"pc", true},
    };
    CHECK(cases, word_package);
    CHECK(packages, word_package);
}

static void standards(void **state)
{
    static const struct word_case cases[] = {
        {"c99", true},     {"gnu11", true}, {"iso9899:1999", true}, {"gnu++17", true}, {"", false},
        {"c99 -x", false}, {"-c99", false}, {"c99=", false},        {"c\n", false},
    };
    CHECK(cases, word_standard);
}

static void versions(void **state)
{
    static const struct word_case cases[] = {
        {"0.0.0", true},
        {"1.2.3", true},
        {"1.2.3-rc.1", true},
        {"1.2.3+b.01", true},
        {"1.2.3-a-b+c-d", true},
        {"10.20.30", true},
        {"1.2.3--", true},
        {"1.2", false},
        {"1.2.3.4", false},
        {"01.2.3", false},
        {"1.02.3", false},
        {"1.2.03", false},
        {"v1.2.3", false},
        {"", false},
        {"1.2.3-", false},
        {"1.2.3+", false},
        {"1.2.3-01", false},
        {"1.2.3-a..b", false},
        {"1.2.3 ", false},
        {"1.2.3\n", false},
        {"1.2.3-\303\244", false},
        {"a.b.c", false},
        {"1.2.3-0", true},
        {"1.2.3-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false},
    };
    CHECK(cases, word_version);
}

static void prototypes(void **state)
{
    static const struct word_case cases[] = {
        {"double cos(double x)", true},
        {"int f(const uint8_t *p, size_t n)", true},
        {"int f(int a[3], ...)", true},
        {"int f", false},
        {"", false},
        {"int f(void) { return 0; }", false},
        {"int f(void); int g(void)", false},
        {"#include <x>\nint f(void)", false},
        {"int f(void) __asm__(\"x\")", false},
        {"int f(void) // x", false},
        {"int f(\tvoid)", false},
        {"int f(void) \\", false},
        {"int f(int a = '1')", false},
    };
    CHECK(cases, word_prototype);
}

static void paths(void **state)
{
    ARENA_AUTO a = ARENA_INIT;
    assert_string_equal(word_path(&a, "x.c"), "x.c");
    assert_string_equal(word_path(&a, "-x.c"), "./-x.c");
    assert_string_equal(word_path(&a, "@x.c"), "./@x.c");
    assert_string_equal(word_path(&a, "/@x.c"), "/@x.c");
}

static void split(void **state)
{
    ARENA_AUTO a = ARENA_INIT;
    struct strv words = {0};
    word_split(&a, "  ccache  gcc\t-m64 \n", &words);
    assert_int_equal(words.n, 3);
    assert_string_equal(words.items[0], "ccache");
    assert_string_equal(words.items[2], "-m64");
    assert_null(words.items[3]);
    words = (struct strv){0};
    word_split(&a, " ", &words);
    assert_int_equal(words.n, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defines),  cmocka_unit_test(libraries),  cmocka_unit_test(standards),
        cmocka_unit_test(versions), cmocka_unit_test(prototypes), cmocka_unit_test(paths),
        cmocka_unit_test(split),
    };
    UNIT_RUN("build/word", tests);
}

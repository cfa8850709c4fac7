/* Goal of this test: the comment above a function is found, and no other one. */
#include "build/docs.h"

#include "fixture.h"

/* The line of the function is the one that "@" marks: it stands for its name. */
static void found(void **state)
{
    static const struct {
        const char *name, *text, *doc;
    } cases[] = {
        {"javadoc", "/** Adds. */\nint @(void)", "Adds."},
        {"block", "/* Adds. */\nint @(void)", "Adds."},
        {"bang", "/*! Adds. */\nint @(void)", "Adds."},
        {"line", "// Adds.\nint @(void)", "Adds."},
        {"lines", "/// Adds,\n/// and more.\nint @(void)", "Adds,\nand more."},
        {"indented lines", "  // Adds,\n  // and more.\n  int @(void)", "Adds,\nand more."},
        {"stars", "/**\n * Adds.\n *\n *   deep\n **/\nint @(void)", "Adds.\n\n  deep"},
        {"no stars", "/* Adds,\n   and more. */\nint @(void)", "Adds,\nand more."},
        {"type above", "/** Adds. */\nstatic inline\nint\n@(void)", "Adds."},
        {"attribute above", "/** Adds. */\n__attribute__((pure))\nint @(void)", "Adds."},
        {"crlf", "/** Adds.\r\n * More. */\r\nint @(void)", "Adds.\nMore."},
        {"blank line between", "/** License. */\n\nint @(void)", ""},
        {"statement between", "/** Of x. */\nint x;\nint @(void)", ""},
        {"function between", "/** Of f. */\nint f(void) { return 0; }\nint @(void)", ""},
        {"directive between", "/** Of X. */\n#define X 1\nint @(void)", ""},
        {"behind code", "int x; /* Of x. */\nint @(void)", ""},
        {"behind a closing brace", "} // end\nint @(void)", ""},
        {"nearest of two", "/* One. */\n/* Two. */\nint @(void)", "Two."},
        {"blank line in a run", "// One.\n\n// Two.\nint @(void)", "Two."},
        {"mark in a string", "char *s = \"/* no */\";\nint @(void)", ""},
        {"quote in a comment", "/* It's. */\nint @(void)", "It's."},
        {"mark in a character", "char c = '\"'; /* x */\n/* Yes. */\nint @(void)", "Yes."},
        {"none", "int @(void)", ""},
        {"empty", "/** */\nint @(void)", ""},
        {"only stars", "/*****/\nint @(void)", ""},
        {"foreign encoding", "/** gr\374n */\nint @(void)", "gr\357\277\275n"},
        {"utf-8", "/** gr\303\274n */\nint @(void)", "gr\303\274n"},
        {"terminal escape", "/** a\033[31mb */\nint @(void)", "a [31mb"},
        {"does not end", "/** Adds.\nint @(void)", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ARENA_AUTO a = ARENA_INIT;
        struct docs docs;
        int line = 1;
        for (const char *p = cases[i].text; *p != '@'; p++)
            line += *p == '\n';
        docs_scan(&a, cases[i].text, strlen(cases[i].text), &docs);
        case_text(cases[i].name, docs_above(&a, &docs, line), cases[i].doc);
    }
}

static void lines_out_of_range(void **state)
{
    ARENA_AUTO a = ARENA_INIT;
    struct docs docs;
    docs_scan(&a, "/* x */\n", 8, &docs);
    assert_string_equal(docs_above(&a, &docs, 0), "");
    assert_string_equal(docs_above(&a, &docs, -1), "");
    assert_string_equal(docs_above(&a, &docs, 3), "");
    docs_scan(&a, "", 0, &docs);
    assert_string_equal(docs_above(&a, &docs, 1), "");
}

/* A source may hold any byte; what stands behind the slash does not end a line that is shorter than
 * a comment's mark. */
static void slash_and_nul(void **state)
{
    static const char text[] = "/\0\n\n/* Of f. */\nint f(void);";
    ARENA_AUTO a = ARENA_INIT;
    struct docs docs;
    docs_scan(&a, text, sizeof text - 1, &docs);
    assert_string_equal(docs_above(&a, &docs, 4), "Of f.");
}

static void very_long(void **state)
{
    ARENA_AUTO a = ARENA_INIT;
    struct docs docs;
    size_t n = 100000;
    char *text = malloc(n + 1);
    memset(text, 0, n + 1);
    strcpy(text, "/*");
    for (size_t i = 2; i + 20 < n; i += 2)
        memcpy(text + i, "\303\274", 2);
    strcat(text, "*/\nint f(void);");
    docs_scan(&a, text, strlen(text), &docs);
    assert_int_equal(strlen(docs_above(&a, &docs, 2)), 16384);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(found),
        cmocka_unit_test(lines_out_of_range),
        cmocka_unit_test(slash_and_nul),
        cmocka_unit_test(very_long),
    };
    UNIT_RUN("build/docs", tests);
}

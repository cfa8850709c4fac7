/* Goal of this test: a manifest narrows what is exported, and a plugin without a function that can
 * be called is refused with the reasons. */
#include "built.h"

static void narrowed(void **state)
{
    struct place *place = *state;
    static const struct {
        const char *functions, *names, *message;
    } cases[] = {
        {"[]", "one|two|", ""},
        {"[\"int one(int x)\"]", "one|", ""},
        {"[\"double one(char *y)\"]", "one|", ""}, /* what the compiler says counts */
        {"[\"int two (void)\",\"int one(int x)\",\"int one(int x)\"]", "one|two|", ""},
        {"[\"int none(int x)\"]", NULL,
         "key 'functions': 'int none(int x)' names no function of the plugin"},
        {"[\"int hidden(int x)\"]", NULL,
         "key 'functions': 'int hidden(int x)' names no function of the plugin"},
        {"[\"int bad(int *p)\"]", NULL,
         "has no function that can be called: bad: parameter 'p' is a pointer to int"},
    };
    built_write(place, "d/a.c",
                "int one(int x) { return x; }\nint two(void) { return 2; }\n"
                "static int hidden(int x) { return x; }\nint bad(int *p) { return hidden(*p); }\n");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char manifest[256], names[64] = "";
        BUILT_AUTO built;
        snprintf(manifest, sizeof manifest, "{\"functions\":%s}", cases[i].functions);
        built_write(place, "d/modload.json", manifest);
        built_path(place, place_path(place, "d"), &built);
        case_true(cases[i].functions, strstr(built.err.message, cases[i].message) != NULL);
        for (size_t k = 0; built.info != NULL && k < built.info->n_functions; k++) {
            strcat(names, built.info->functions[k].name);
            strcat(names, "|");
        }
        case_text(cases[i].functions, names, cases[i].names ? cases[i].names : "");
        if (cases[i].names != NULL)
            case_text(cases[i].functions,
                      built_function(&built, cases[i].names[0] == 'o' ? "one" : "two")->name,
                      cases[i].names[0] == 'o' ? "one" : "two");
    }
}

static void docs_of_headers(void **state)
{
    struct place *place = *state;
    BUILT_AUTO built;
    built_write(place, "d/a.c",
                "/* not this one */\n#include \"in/h.h\"\n/** Of a. */\nint\na(void)\n{\n    "
                "return 1;\n}\n");
    built_write(place, "d/in/h.h", "/** Of h. */\nint h(void) { return 1; }\n");
    built_path(place, place_path(place, "d/a.c"), &built);
    assert_string_equal(built.err.message, "");
    assert_string_equal(built_function(&built, "a")->doc, "Of a.");
    assert_string_equal(built_function(&built, "h")->doc, "Of h.");
}

static void none_callable(void **state)
{
    struct place *place = *state;
    BUILT_AUTO built;
    built_text(
        place,
        "int a(int *p) { return 0; }\nint b(int x, ...) { return 0; }\nint c(int *p) { return 0; "
        "}\n"
        "int d(int *p) { return 0; }\nint e(int *p) { return 0; }\nint f(int *p) { return 0; }\n"
        "static int g(void) { return 0; }\nint ml_h(void) { return g(); }\n",
        &built);
    assert_int_equal(built.status, ML_DATA);
    assert_string_equal(built.err.code, "no_function");
    assert_string_equal(
        built.err.message,
        "'plugin' has no function that can be called: "
        "a: parameter 'p' is a pointer to int, which cannot be carried; "
        "b: it takes a variable number of arguments; "
        "c: parameter 'p' is a pointer to int, which cannot be carried; "
        "d: parameter 'p' is a pointer to int, which cannot be carried; "
        "e: parameter 'p' is a pointer to int, which cannot be carried; and 1 more");
    assert_int_equal(built_count(place, "home/bundles") + built_count(place, "home/tmp"), 0);
}

static void without_debug_information(void **state)
{
    struct place *place = *state;
    BUILT_AUTO bare, told;
    built_write(
        place, "d/a.c",
        "__asm__(\".text\\n.globl bare\\n.type bare, @function\\nbare: ret\\n.size bare, 1\\n\");\n"
        "int one(void) { return 1; }\n");
    built_path(place, place_path(place, "d"), &bare);
    assert_string_equal(built_skipped(&bare, "bare"), "the debug information does not describe it");
    built_write(place, "d/modload.json",
                "{\"functions\":[\"void bare(const void *data, size_t, uint8_t level)\"]}");
    built_path(place, place_path(place, "d"), &told);
    assert_string_equal(told.err.message, "");
    assert_string_equal(built_function(&told, "bare")->signature,
                        "bare(data: bytes, level: uint8) -> void");
}

/* What #line says is not where a comment is read: the file might be anybody's. */
static void docs_of_strangers(void **state)
{
    struct place *place = *state;
    BUILT_AUTO built, own;
    char text[512];
    built_write(place, "secret/key", "/* Of nobody's business. */\nnothing f(void)\n");
    snprintf(text, sizeof text, "#line 2 \"%s\"\nint f(void) { return 1; }\n",
             place_path(place, "secret/key"));
    built_text(place, text, &built);
    assert_string_equal(built.err.message, "");
    assert_string_equal(built_function(&built, "f")->doc, "");
    built_write(place, "d/b.h", "/* Of b. */\nint b(void);\n");
    built_write(place, "d/a.c", "#include \"b.h\"\n#line 2 \"b.h\"\nint b(void) { return 1; }\n");
    built_path(place, place_path(place, "d"), &own);
    assert_string_equal(own.err.message, "");
    assert_string_equal(built_function(&own, "b")->doc, "Of b.");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        place_test(narrowed),
        place_test(docs_of_headers),
        place_test(docs_of_strangers),
        place_test(none_callable),
        place_test(without_debug_information),
    };
    UNIT_RUN("build/functions", tests);
}

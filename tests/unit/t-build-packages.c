/* Goal of this test: of what pkg-config says, only flags that are no code reach the compiler. */
#include <sys/stat.h>

#include "build/compile.h"
#include "built.h"

static void splitting(void **state)
{
    static const struct {
        const char *text, *words;
    } cases[] = {
        {"-I/a -lb\n", "-I/a|-lb|"},
        {"", ""},
        {" \n", ""},
        {"-I/a\\ b", "-I/a b|"},
        {"-DA='x y'", "-DA=x y|"},
        {"-DA=\\\"x\\\"", "-DA=\"x\"|"},
        {"\"-I/a b\" -lc", "-I/a b|-lc|"},
        {"-DA=''", "-DA=|"},
        {"'\\'", "\\|"},
        {"\\", "\\|"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ARENA_AUTO a = ARENA_INIT;
        struct strv words = {0};
        char joined[256] = "";
        packages_split(&a, cases[i].text, &words);
        for (size_t k = 0; k < words.n; k++)
            snprintf(joined + strlen(joined), sizeof joined - strlen(joined), "%s|",
                     words.items[k]);
        case_text(cases[i].text, joined, cases[i].words);
    }
}

/* A directory whose package has these flags. */
static void world(const struct place *place, const char *flags)
{
    char script[512];
    snprintf(script, sizeof script,
             "#!/bin/sh\n[ \"$*\" = '--cflags --libs -- thing' ] || exit 1\ncat <<'E'\n%s\nE\n",
             flags);
    built_write(place, "pc", script);
    assert_int_equal(chmod(place_path(place, "pc"), 0700), 0);
    setenv("PKG_CONFIG", place_path(place, "pc"), 1);
    built_write(place, "d/one.c", "int one(void) { return ONE; }\n");
    built_write(place, "d/modload.json", "{\"pkg_config\":[\"thing\"]}");
}

static void flags(void **state)
{
    struct place *place = *state;
    static const struct {
        const char *flags;
        int status;
    } cases[] = {
        {"-DONE=1 -I/usr/include -L/usr/lib -lm -pthread", 0},
        {"-DONE=1 -fplugin=evil.so", ML_CONFIG},
        {"-DONE=1 -Wl,-rpath,/evil", ML_CONFIG},
        {"-DONE=1 @/evil", ML_CONFIG},
        {"-DONE=1 -B/evil", ML_CONFIG},
        {"-DONE=1 -I", ML_CONFIG},
        {"-DONE=1 /evil.o", ML_CONFIG},
        {"-DONE=1 -l:evil.a", ML_CONFIG},
        {"-DONE=1 -wrapper evil", ML_CONFIG},
        {"", ML_DATA}, /* ONE is not defined */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        BUILT_AUTO built;
        world(place, cases[i].flags);
        built_path(place, place_path(place, "d"), &built);
        case_int(cases[i].flags, built.status, cases[i].status);
    }
    unsetenv("PKG_CONFIG");
}

static void unknown_package(void **state)
{
    struct place *place = *state;
    BUILT_AUTO built;
    world(place, "");
    unsetenv("PKG_CONFIG");
    built_write(place, "d/modload.json", "{\"pkg_config\":[\"no-such-package\"]}");
    built_path(place, place_path(place, "d"), &built);
    assert_int_equal(built.status, ML_CONFIG);
    assert_non_null(strstr(built.words, "no-such-package"));
}

static void no_pkg_config(void **state)
{
    struct place *place = *state;
    BUILT_AUTO built;
    world(place, "");
    setenv("PKG_CONFIG", "/no/such/program", 1);
    built_path(place, place_path(place, "d"), &built);
    unsetenv("PKG_CONFIG");
    assert_int_equal(built.status, ML_NO_INPUT);
    assert_string_equal(built.err.hint, "apt install pkg-config");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(splitting),
        place_test(flags),
        place_test(unknown_package),
        place_test(no_pkg_config),
    };
    UNIT_RUN("build/packages", tests);
}

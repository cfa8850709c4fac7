/* Goal of this test: the compiler runs as the user would run it, its words arrive as it wrote them,
 * and nothing that comes from outside becomes a flag. */
#include <sys/stat.h>

#include "base/clock.h"
#include "built.h"

static void script(const struct place *place, const char *name, const char *text)
{
    built_write(place, name, text);
    assert_int_equal(chmod(place_path(place, name), 0700), 0);
}

static void nothing_left(const struct place *place)
{
    assert_int_equal(built_count(place, "home/bundles") + built_count(place, "home/tmp"), 0);
}

static void compiler_errors(void **state)
{
    struct place *place = *state;
    BUILT_AUTO text, file, link;
    char where[512];
    built_text(place, "int f(void) { return x; }\n", &text);
    assert_int_equal(text.status, ML_DATA);
    assert_string_equal(text.err.code, "build_failed");
    assert_string_equal(text.err.message, "'<stdin>' does not compile");
    assert_non_null(strstr(text.words, "<stdin>:1:22: error: "));
    built_write(place, "bad.c", "int f(void) { return x; }\n");
    built_path(place, place_path(place, "bad.c"), &file);
    snprintf(where, sizeof where, "%s:1:22: error: ", place_path(place, "bad.c"));
    assert_non_null(strstr(file.words, where));
    built_text(place, "int g(void);\nint f(void) { return g(); }\n", &link);
    assert_int_equal(link.status, ML_DATA);
    assert_string_equal(link.err.message, "the plugin does not link");
    assert_non_null(strstr(link.words, "undefined reference to `g'"));
    assert_null(strstr(link.words, "/home/tmp/"));
    nothing_left(place);
}

/* All that was started is told in the order of the sources, each in one piece. */
static void order_of_words(void **state)
{
    struct place *place = *state;
    BUILT_AUTO built;
    for (int i = 0; i < 9; i++) {
        char path[32], text[128];
        snprintf(path, sizeof path, "d/w%d.c", i);
        snprintf(text, sizeof text,
                 "#warning one %d\n#warning two %d\nint f%d(void) { return %d; }\n", i, i, i, i);
        built_write(place, path, text);
    }
    built_path(place, place_path(place, "d"), &built);
    assert_string_equal(built.err.message, "");
    const char *at = built.words;
    for (int i = 0; i < 9; i++) {
        char one[32], two[32];
        snprintf(one, sizeof one, "one %d", i);
        snprintf(two, sizeof two, "two %d", i);
        assert_non_null(at = strstr(at, one));
        assert_non_null(at = strstr(at, two));
    }
}

static void no_compiler(void **state)
{
    struct place *place = *state;
    static const char *const compilers[] = {"/no/such/cc", "no-such-cc", "/etc/passwd"};
    for (size_t i = 0; i < 3; i++) {
        BUILT_AUTO built;
        setenv("CC", compilers[i], 1);
        built_text(place, "int f(void) { return 1; }\n", &built);
        case_int(compilers[i], built.status, ML_NO_INPUT);
        case_text(compilers[i], built.err.hint,
                  "apt install gcc libc6-dev, or name another compiler in CC");
    }
    unsetenv("CC");
    nothing_left(place);
}

static void words_of_cc(void **state)
{
    struct place *place = *state;
    BUILT_AUTO plain, flagged, blank;
    setenv("CC", "  cc   -DX=7 ", 1);
    built_text(place, "int f(void) { return X; }\n", &flagged);
    assert_string_equal(flagged.err.message, "");
    setenv("CC", " ", 1);
    built_text(place, "int f(void) { return 1; }\n", &blank);
    assert_string_equal(blank.err.message, "");
    setenv("CC", "gcc", 1);
    built_text(place, "int f(void) { return 1; }\n", &plain);
    unsetenv("CC");
    assert_string_equal(plain.info->bundle, blank.info->bundle); /* cc is gcc */
}

static void no_compiler_at_all(void **state)
{
    struct place *place = *state;
    BUILT_AUTO built;
    setenv("CC", "true", 1);
    built_text(place, "int f(void) { return 1; }\n", &built);
    unsetenv("CC");
    assert_int_equal(built.status, ML_DATA);
    assert_string_equal(built.err.message,
                        "'true' does not answer to -dumpmachine as a C compiler does");
}

static void deadline(void **state)
{
    struct place *place = *state;
    static const char *const programs[] = {
        "#!/bin/sh\ncase \"$*\" in *-MF*) trap '' TERM; while :; do :; done;; esac\nexec cc "
        "\"$@\"\n",
        "#!/bin/sh\ncase \"$*\" in *-shared*) sleep 1000;; esac\nexec cc \"$@\"\n",
        "#!/bin/sh\nsleep 1000\n",
    };
    for (size_t i = 0; i < 3; i++) {
        BUILT_AUTO built;
        struct ml_build_request request = built_request();
        script(place, "cc", programs[i]);
        setenv("CC", place_path(place, "cc"), 1);
        request.text = "int f(void) { return 1; }\n";
        request.text_size = strlen(request.text);
        request.timeout_ms = 700;
        int64_t before = clock_ms();
        built_run(place, &request, &built);
        unsetenv("CC");
        case_int(programs[i], built.status, ML_TIMEOUT);
        case_text(programs[i], built.err.message, "the build did not end within 0.7 s");
        assert_true(clock_ms() - before < 10000);
    }
    nothing_left(place);
}

static void compiler_crash(void **state)
{
    struct place *place = *state;
    BUILT_AUTO built;
    script(place, "cc", "#!/bin/sh\ncase \"$*\" in *-MF*) kill -SEGV $$;; esac\nexec cc \"$@\"\n");
    setenv("CC", place_path(place, "cc"), 1);
    built_text(place, "int f(void) { return 1; }\n", &built);
    unsetenv("CC");
    assert_int_equal(built.status, ML_DATA);
    assert_string_equal(built.err.message,
                        "'<stdin>' does not compile: the compiler was killed by signal "
                        "11 (Segmentation fault)");
}

/* A few words of C that would fill the disk. */
static void huge_output(void **state)
{
    struct place *place = *state;
    BUILT_AUTO built;
    built_text(place,
               "int f(void) { return 1; }\n__asm__(\".data\\n.fill 4000000000, 1, 1\\n\");\n",
               &built);
    assert_int_equal(built.status, ML_DATA);
    assert_string_equal(built.err.code, "build_failed");
    nothing_left(place);
}

static void environment(void **state)
{
    struct place *place = *state;
    BUILT_AUTO built;
    static const char *const names[] = {"DEPENDENCIES_OUTPUT",
                                        "SUNPRO_DEPENDENCIES",
                                        "COMPILER_PATH",
                                        "GCC_EXEC_PREFIX",
                                        "LD_PRELOAD_X",
                                        "SECRET",
                                        "TMP"};
    script(place, "cc", "#!/bin/sh\nenv >\"$(dirname \"$0\")/env\"\nexec cc \"$@\"\n");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        setenv(names[i], place_path(place, "evil"), 1);
    setenv("LC_MESSAGES", "C", 1);
    setenv("CC", place_path(place, "cc"), 1);
    setenv("MODLOAD_BUILD_DIRS", place->path, 1);
    built_text(place, "int f(void) { return 1; }\n", &built);
    unsetenv("CC");
    unsetenv("MODLOAD_BUILD_DIRS");
    unsetenv("LC_MESSAGES");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        unsetenv(names[i]);
    assert_string_equal(built.err.message, "");
    const char *env = built_read(place_path(place, "env"));
    assert_null(strstr(env, "evil"));
    assert_non_null(strstr(env, "LC_MESSAGES=C\n"));
    assert_non_null(strstr(env, "SOURCE_DATE_EPOCH=0\n"));
    assert_non_null(strstr(env, "/home/tmp/"));
    assert_int_equal(access(place_path(place, "evil"), F_OK), -1);
}

static void bad_options(void **state)
{
    struct place *place = *state;
    static const struct {
        const char *define, *library, *standard, *include, *message;
    } cases[] = {
        {"-fplugin=x", NULL, NULL, NULL, "'-fplugin=x' cannot stand behind -D"},
        {"A\n", NULL, NULL, NULL, "'A\n' cannot stand behind -D"},
        {NULL, "m -z", NULL, NULL, "'m -z' cannot stand behind -l"},
        {NULL, "@x", NULL, NULL, "'@x' cannot stand behind -l"},
        {NULL, NULL, "c11 -x", NULL, "'c11 -x' cannot stand behind -std"},
        {NULL, NULL, NULL, "", "'' cannot stand behind -I"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        BUILT_AUTO built;
        struct ml_build_request request = built_request();
        request.text = "int f(void) { return 1; }\n";
        request.text_size = strlen(request.text);
        request.defines = &cases[i].define;
        request.n_defines = cases[i].define != NULL;
        request.libraries = &cases[i].library;
        request.n_libraries = cases[i].library != NULL;
        request.includes = &cases[i].include;
        request.n_includes = cases[i].include != NULL;
        request.standard = cases[i].standard;
        built_run(place, &request, &built);
        case_int(cases[i].message, built.status, ML_DATA);
        case_text(cases[i].message, built.err.code, "bad_option");
        case_text(cases[i].message, built.err.message, cases[i].message);
    }
    nothing_left(place);
}

static void good_options(void **state)
{
    struct place *place = *state;
    BUILT_AUTO built, missing;
    struct ml_build_request request = built_request();
    const char *define = "VALUE=\"a b;$(x)\"", *library = "m",
               *include = strdup(place_path(place, "inc"));
    built_write(place, "inc/mine.h", "/** Of mine. */\nint mine(void) { return 1; }\n");
    request.text = "#include <mine.h>\n#include <math.h>\nconst char *f(void) { return VALUE; }\n"
                   "double root(double x) { return sqrt(x); }\n";
    request.text_size = strlen(request.text);
    request.defines = &define;
    request.libraries = &library;
    request.includes = &include;
    request.n_defines = request.n_libraries = request.n_includes = 1;
    request.standard = "gnu99";
    built_run(place, &request, &built);
    assert_string_equal(built.err.message, "");
    assert_string_equal(built_function(&built, "mine")->doc, "Of mine.");
    library = "no-such-library";
    built_run(place, &request, &missing);
    free((char *)include);
    assert_int_equal(missing.status, ML_DATA);
    assert_non_null(strstr(missing.words, "no-such-library"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        place_test(compiler_errors), place_test(order_of_words),     place_test(no_compiler),
        place_test(words_of_cc),     place_test(no_compiler_at_all), place_test(deadline),
        place_test(compiler_crash),  place_test(huge_output),        place_test(environment),
        place_test(bad_options),     place_test(good_options),
    };
    UNIT_RUN("build/compile", tests);
}

/* Goal of this test: an object says nothing of where its sources, their headers and modload lay,
 * nor of how their paths were written. */
#include <dirent.h>

#include "built.h"

static void given(const struct place *place, const char *dir)
{
    char path[256];
    snprintf(path, sizeof path, "%s/src/a.c", dir);
    built_write(place, path,
                "#include <h.h>\n#include <modload/plugin.h>\nML_PLUGIN(\"a\", \"1.0.0\")\n"
                "const char *names(void) { return H __FILE__; }\n");
    snprintf(path, sizeof path, "%s/src/inc/h.h", dir);
    built_write(place, path,
                "#define H __FILE__\n/** In a header. */\nint in(void) { return 1; }\n");
}

static void build(const struct place *place, const char *from, const char *source,
                  const char *include, char *sums, size_t size)
{
    BUILT_AUTO built;
    char command[512];
    struct ml_build_request request = built_request();
    request.sources = &source;
    request.includes = &include;
    request.n_sources = request.n_includes = 1;
    assert_int_equal(chdir(place_path(place, from)), 0);
    built_run(place, &request, &built);
    case_text(source, built.err.message, "");
    case_text(source, built_function(&built, "in")->doc, "In a header.");
    snprintf(sums, size, "%s", built_read(built_file(place, &built, "SHA256SUMS")));
    snprintf(command, sizeof command, "grep -q -e '%s' -e /include/modload '%s'", place->path,
             built_file(place, &built, "plugin.so"));
    case_true(source, system(command) != 0);
    snprintf(command, sizeof command, "rm -rf '%s'", place_path(place, "home"));
    assert_int_equal(system(command), 0);
}

static void whatever_is_written(void **state)
{
    struct place *place = *state;
    static const struct {
        const char *from, *source, *include;
    } cases[] = {
        {"one/src", "a.c", "inc"},          {"one/src", "./a.c", "./inc/"},
        {"one", "src/a.c", "src/inc"},      {".", "two/src/a.c", "two/src/inc"},
        {"one/src", "a.c", "/one/src/inc"}, {".", "/two/src/a.c", "/two/src/inc"},
        {"two", "/two/src/a.c", "src/inc"},
    };
    static const char *const compilers[] = {"gcc", "clang"};
    char before[4096], sums[2][8192], paths[2][512];
    assert_non_null(getcwd(before, sizeof before));
    given(place, "one");
    given(place, "two");
    for (size_t k = 0; k < 2; k++) {
        setenv("CC", compilers[k], 1);
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
            const char *const said[] = {cases[i].source, cases[i].include};
            for (size_t p = 0; p < 2; p++)
                snprintf(paths[p], sizeof paths[p], "%s%s", *said[p] == '/' ? place->path : "",
                         said[p]);
            build(place, cases[i].from, paths[0], paths[1], sums[i > 0], sizeof sums[0]);
            if (i > 0)
                case_text(cases[i].source, sums[1], sums[0]);
        }
    }
    unsetenv("CC");
    assert_int_equal(chdir(before), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        memory_place_test(whatever_is_written),
    };
    UNIT_RUN("build/map", tests);
}

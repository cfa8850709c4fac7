/* Goal of this test: files, directories and texts are found as the user means them, and named after
 * what they are called. */
#include <sys/stat.h>

#include "built.h"

static const char one[] = "int one(void) { return 1; }\n";

static void names(void **state)
{
    struct place *place = *state;
    static const struct {
        const char *path, *name;
    } cases[] = {
        {"math.c", "math"},
        {"a b.c", "a-b"},
        {"v1.2.c", "v1.2"},
        {"-x.c", "x"},
        {"@x.c", "x"},
        {"_y.c", "y"},
        {"gr\303\274n.c", "gr--n"},
        {"\303\274.c", "plugin"},
        {"UP_low-9.c", "UP_low-9"},
        {"8c2f3b1e-0000-4000-8000-000000000000.c", "plugin"},
        {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.c",
         "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        BUILT_AUTO built;
        built_write(place, cases[i].path, one);
        built_path(place, place_path(place, cases[i].path), &built);
        case_text(cases[i].path, built.err.message, "");
        case_text(cases[i].path, built.info->name, cases[i].name);
        case_text(cases[i].path, built.info->version, "0.0.0");
    }
}

/* Names that a compiler's driver would take for options or for files of options, as the user writes
 * them. */
static void hostile_names(void **state)
{
    struct place *place = *state;
    static const char *const paths[] = {"-c.c",   "@file.c",  "-fplugin=x.c", "a;b.c",
                                        "$(x).c", "-dir/x.c", "@dir/x.c",     "a=b/x.c"};
    char before[4096];
    assert_non_null(getcwd(before, sizeof before));
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
        built_write(place, paths[i], one);
    assert_int_equal(chdir(place->path), 0);
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        BUILT_AUTO built;
        built_path(place, paths[i], &built);
        case_text(paths[i], built.err.message, "");
        case_true(paths[i], built_function(&built, "one") != NULL);
    }
    assert_int_equal(chdir(before), 0);
}

static void wrong_files(void **state)
{
    struct place *place = *state;
    static const struct {
        const char *path;
        int status;
        const char *message;
    } cases[] = {
        {"missing.c", ML_NO_INPUT, "No such file or directory"},
        {"missing/x.c", ML_NO_INPUT, "No such file or directory"},
        {"text.txt", ML_DATA, "is not C source (.c or .h)"},
        {"empty", ML_DATA, "there is no C source in"},
        {"fifo.c", ML_DATA, "is not a file"},
        {"garbage.so", ML_DATA, "is not an ELF object"},
        {"linked", ML_REFUSED, "lead out of the directory by a link"},
        {"big.c", ML_LIMIT, "is larger than 16 MiB"},
    };
    built_write(place, "text.txt", one);
    built_write(place, "garbage.so", "garbage");
    built_write(place, "empty/readme", "\n");
    built_write(place, "linked/readme", "\n");
    assert_int_equal(symlink("../big.c", place_path(place, "linked/x.c")), 0);
    built_write(place, "big.c", one);
    assert_int_equal(truncate(place_path(place, "big.c"), (16 << 20) + 1), 0);
    assert_int_equal(mkfifo(place_path(place, "fifo.c"), 0600), 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        BUILT_AUTO built;
        built_path(place, place_path(place, cases[i].path), &built);
        case_int(cases[i].path, built.status, cases[i].status);
        case_true(cases[i].path, strstr(built.err.message, cases[i].message) != NULL);
        case_true(cases[i].path, strstr(built.err.message, place->path) != NULL);
    }
    assert_int_equal(built_count(place, "home/bundles") + built_count(place, "home/tmp"), 0);
}

static void control_characters(void **state)
{
    struct place *place = *state;
    BUILT_AUTO built;
    built_write(place, "a\nb.c", one);
    built_path(place, place_path(place, "a\nb.c"), &built);
    assert_int_equal(built.status, ML_DATA);
    assert_string_equal(built.err.message, "a source's path must be without control characters");
}

static void directories(void **state)
{
    struct place *place = *state;
    static const struct {
        const char *name, *files[4];
        int status;
        const char *function;
    } cases[] = {
        {"top", {"top/a.c", "top/include/h.h"}, 0, "one"},
        {"src", {"src/src/a.c", "src/h.h"}, 0, "one"},
        {"headers", {"headers/h.h"}, 0, "inner"},
        {"manifest", {"manifest/deep/er/a.c", "manifest/h.h", "manifest/modload.json"}, 0, "one"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (int k = 0; k < 4 && cases[i].files[k] != NULL; k++) {
            const char *path = cases[i].files[k];
            const char *dot = strrchr(path, '.');
            built_write(place, path,
                        strcmp(dot, ".h") == 0
                            ? "#ifndef H\n#define H\nint inner(void) { return 1; }\n#endif\n"
                        : strcmp(dot, ".c") == 0
                            ? "#include <h.h>\nint one(void) { return inner(); }\n"
                            : "{\"sources\":[\"deep/*/*.c\",\"deep/er/a.c\"],\"include\":[\".\"]}");
        }
        BUILT_AUTO built;
        built_path(place, place_path(place, cases[i].name), &built);
        case_text(cases[i].name, built.err.message, "");
        case_text(cases[i].name, built.info->name, cases[i].name);
        case_true(cases[i].name, built_function(&built, cases[i].function) != NULL);
    }
}

static void bad_directories(void **state)
{
    struct place *place = *state;
    static const struct {
        const char *name, *manifest, *message;
    } cases[] = {
        {"m1", "{\"sources\":[\"none/*.c\"]}", "key 'sources': 'none/*.c' matches no file"},
        {"m2", "{\"sources\":[\"a.txt\"]}", "key 'sources': 'a.txt' is not C source"},
        {"m3", "{\"sources\":[\"out.c\"]}",
         "key 'sources': 'out.c' leads out of the directory by a link"},
        {"m4", "{\"sources\":[\"a.c\"],\"include\":[\"up\"]}",
         "key 'include': 'up' leads out of the directory by a link"},
        {"m5", "{\"sources\":[\"a.c\"],\"include\":[\"none\"]}",
         "key 'include': 'none' is no directory"},
        {"m6", "{\"sources\":[\"a.c\",\"x.so\"]}", "key 'sources': 'x.so' is not C source"},
        {"m7", "{", "modload.json:1:2: not JSON"},
    };
    built_write(place, "outside.c", one);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char path[64];
        snprintf(path, sizeof path, "%s/modload.json", cases[i].name);
        built_write(place, path, cases[i].manifest);
        static const char *const files[] = {"a.c", "a.txt", "x.so"};
        for (size_t k = 0; k < 3; k++) {
            snprintf(path, sizeof path, "%s/%s", cases[i].name, files[k]);
            built_write(place, path, one);
        }
        snprintf(path, sizeof path, "%s/out.c", cases[i].name);
        assert_int_equal(symlink("../outside.c", place_path(place, path)), 0);
        snprintf(path, sizeof path, "%s/up", cases[i].name);
        assert_int_equal(symlink("..", place_path(place, path)), 0);
        BUILT_AUTO built;
        built_path(place, place_path(place, cases[i].name), &built);
        case_int(cases[i].name, built.status, ML_CONFIG);
        case_true(cases[i].name, strstr(built.err.message, cases[i].message) != NULL);
    }
}

static void several_files(void **state)
{
    struct place *place = *state;
    const char *paths[2] = {place_path(place, "a/one.c"), place_path(place, "b/one.c")};
    struct ml_build_request request = built_request();
    BUILT_AUTO built, mixed;
    built_write(place, "a/one.c", "int a(void) { return 1; }\n");
    built_write(place, "b/one.c", "int a(void);\nint b(void) { return a() + 1; }\n");
    request.sources = paths;
    request.n_sources = 2;
    built_run(place, &request, &built);
    assert_string_equal(built.err.message, "");
    assert_int_equal(built.info->n_functions, 2);
    assert_string_equal(built.info->name, "one");
    assert_int_equal(access(built_file(place, &built, "source/a/one.c"), R_OK), 0);
    assert_int_equal(access(built_file(place, &built, "source/b/one.c"), R_OK), 0);
    paths[1] = place_path(place, "a");
    built_run(place, &request, &mixed);
    assert_int_equal(mixed.status, ML_DATA);
}

static void nothing(void **state)
{
    struct place *place = *state;
    struct ml_build_request request = built_request();
    BUILT_AUTO built, empty;
    built_run(place, &request, &built);
    assert_int_equal(built.status, ML_DATA);
    assert_string_equal(built.err.message, "there is nothing to compile");
    built_text(place, "", &empty);
    assert_int_equal(empty.status, ML_DATA);
    assert_string_equal(empty.err.message,
                        "'plugin' has no function that can be called: it has no global function");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        place_test(names),       place_test(hostile_names),      place_test(wrong_files),
        place_test(directories), place_test(bad_directories),    place_test(several_files),
        place_test(nothing),     place_test(control_characters),
    };
    UNIT_RUN("build/plan", tests);
}

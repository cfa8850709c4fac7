/* Goal of this test: a name in an archive means one thing, everywhere, or is refused. */
#include "archive/paths.h"

#include "archive/unpack.h"
#include "fixture.h"

static const struct lib *lib;

static int load(void **state)
{
    lib = lib_load(NULL);
    return lib ? 0 : -1;
}

/* Of one path alone. */
static int add_one(const char *path, struct ml_error *err)
{
    PATHS_AUTO paths = {.lib = lib};
    return paths_add(&paths, path, false, err);
}

static void good(void **state)
{
    static const char *const paths[] = {
        "a",
        "a/b",
        "a/b/c.c",
        ".gitignore",
        ".github/x",
        "git",
        "...",
        "..a",
        "a..",
        " ",
        "-",
        "a b",
        "\303\274",
        "a:b",
        "gits~1",
        "GIT",
        "a/.gitx/b",
        "\360\237\230\200",
        "\342\202\254",
        "a'b\"c$(d)",
    };
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
        case_int(paths[i], add_one(paths[i], NULL), 0);
}

static void bad(void **state)
{
    static const struct {
        const char *path, *why;
    } cases[] = {
        {"", "is no name"},
        {"/", "is an absolute path"},
        {"/a", "is an absolute path"},
        {"//a", "is an absolute path"},
        {".", "has '.' for a component"},
        {"./a", "has '.' for a component"},
        {"a/.", "has '.' for a component"},
        {"a/./b", "has '.' for a component"},
        {"..", "climbs out by '..'"},
        {"../a", "climbs out by '..'"},
        {"a/..", "climbs out by '..'"},
        {"a/../b", "climbs out by '..'"},
        {"a//b", "has an empty component"},
        {"a/", "has an empty component"},
        {".git", "is git's own"},
        {".GIT", "is git's own"},
        {".gIt/config", "is git's own"},
        {"a/.git/config", "is git's own"},
        {".git.", "is git's own"},
        {".git ", "is git's own"},
        {".git . ./x", "is git's own"},
        {".git::$INDEX_ALLOCATION/config", "is git's own"},
        {".Git:x", "is git's own"},
        {"git~1 ::$DATA", "is git's own"},
        {"git~1", "is git's own"},
        {"GIT~1/config", "is git's own"},
        {"a\\b", "has a backslash"},
        {"..\\a", "has a backslash"},
        {"a\nb", "has control characters"},
        {"a\033[2Jb", "has control characters"},
        {"a\177", "has control characters"},
        {"a\302\205b", "has control characters"}, /* U+0085 */
        {"a\342\200\256b", "invisible"},          /* U+202E, right to left */
        {"a\342\201\246b", "invisible"},          /* U+2066, isolate */
        {".g\342\200\214it", "invisible"},        /* U+200C, passed over by HFS+ */
        {"a\357\273\277", "invisible"},           /* U+FEFF */
        {"a\342\200\250b", "invisible"},          /* U+2028, end of line */
        {"a\377b", "is not UTF-8"},
        {"a\300\257b", "is not UTF-8"},     /* a slash, overlong */
        {"a\355\240\200b", "is not UTF-8"}, /* half of a pair */
        {"a\303", "is not UTF-8"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct ml_error err = ML_ERROR_INIT;
        case_int(cases[i].path, add_one(cases[i].path, &err), -1);
        case_int(cases[i].path, err.status, ML_REFUSED);
        case_text(cases[i].path, err.code, "hostile_archive");
        case_true(cases[i].path, strstr(err.message, cases[i].why) != NULL);
    }
}

/* "a/a/a" of so many directories and a file. */
static void deep(char *path, int n)
{
    *path = '\0';
    for (int i = 0; i < n; i++)
        strcat(path, i ? "/a" : "a");
}

static void limits(void **state)
{
    char path[2048];
    memset(path, 'a', sizeof path);
    path[255] = '\0';
    assert_int_equal(add_one(path, NULL), 0);
    path[255] = 'a';
    path[256] = '\0';
    assert_int_equal(add_one(path, NULL), -1);
    memset(path, 'a', sizeof path);
    for (int i = 1; i * 200 < 1024; i++)
        path[i * 200] = '/';
    path[1024] = '\0';
    assert_int_equal(add_one(path, NULL), 0);
    path[1024] = 'a';
    path[1025] = '\0';
    assert_int_equal(add_one(path, NULL), -1);
    deep(path, 32);
    assert_int_equal(add_one(path, NULL), 0);
    deep(path, 33);
    assert_int_equal(add_one(path, NULL), -1);
}

/* A long name does not fill a message: why it is refused must be in it. */
static void long_names_are_cut(void **state)
{
    struct ml_error err = ML_ERROR_INIT;
    char path[2001];
    memset(path, 'x', 2000);
    path[2000] = '\0';
    assert_int_equal(add_one(path, &err), -1);
    assert_non_null(strstr(err.message, "...' is longer than 1024 bytes"));
}

struct pair {
    const char *first, *second;
    bool first_is_dir, second_is_dir;
    const char *why; /* null: both are fine */
};

static void two_of_them(void **state)
{
    static const struct pair cases[] = {
        {"a", "b", false, false, NULL},
        {"a/b", "a/c", false, false, NULL},
        {"a", "a/b", true, false, NULL},
        {"a/b", "a", false, true, NULL},
        {"a/b/c", "a/b", false, true, NULL},
        {"aa", "a/a", false, false, NULL},
        {"a", "a", false, false, "is there twice"},
        {"a", "a", true, true, "is there twice"},
        {"a", "A", false, false, "differ in case or in Unicode form alone"},
        {"a/b", "A/c", false, false, "differ in case or in Unicode form alone"},
        {"a/b", "A", false, true, "differ in case or in Unicode form alone"},
        {"a/b/c", "a/B/d", false, false, "differ in case or in Unicode form alone"},
        {"\303\274", "u\314\210", false, false, "differ in case"},     /* u with dots, one or two */
        {"\303\274", "\303\234", false, false, "differ in case"},      /* and its capital */
        {"\303\274/x", "U\314\210/y", false, false, "differ in case"}, /* both */
        {"\303\237", "SS", false, false, "differ in case"},            /* sharp s */
        {"\342\204\252", "k", false, false, "differ in case"},         /* the Kelvin sign */
        {"a", "a", false, true, "is a file and a directory"},
        {"a", "a", true, false, "is a file and a directory"},
        {"a", "a/b", false, false, "is a file and a directory"},
        {"a/b", "a", false, false, "is a file and a directory"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct pair *c = &cases[i];
        PATHS_AUTO paths = {.lib = lib};
        struct ml_error err = ML_ERROR_INIT;
        case_int(c->first, paths_add(&paths, c->first, c->first_is_dir, NULL), 0);
        case_int(c->second, paths_add(&paths, c->second, c->second_is_dir, &err), c->why ? -1 : 0);
        case_true(c->second, c->why == NULL || strstr(err.message, c->why) != NULL);
        case_int(c->second, err.status, c->why ? ML_REFUSED : 0);
    }
}

/* A directory that a path has made may be named once. */
static void directories_once(void **state)
{
    PATHS_AUTO paths = {.lib = lib};
    assert_int_equal(paths_add(&paths, "a/b/c", false, NULL), 0);
    assert_int_equal(paths.n, 3);
    assert_int_equal(paths_add(&paths, "a/b", true, NULL), 0);
    assert_int_equal(paths.n, 3);
    assert_int_equal(paths_add(&paths, "a/b", true, NULL), -1);
    assert_int_equal(paths_add(&paths, "a/b/d", false, NULL), 0);
    assert_int_equal(paths.n, 4);
}

/* Of a disk's own files every name is good that leads nowhere else. */
static void any_names(void **state)
{
    static const struct {
        const char *path, *why; /* null: it is good */
    } cases[] = {
        {"a", NULL},
        {".git/config", NULL},
        {"git~1", NULL},
        {"a\\b", NULL},
        {"a\nb\033", NULL},
        {"\377\300\257", NULL},
        {"a\342\200\256b", NULL},
        {"...", NULL},
        {"..a/b..", NULL},
        {"", "is no name"},
        {"/a", "is an absolute path"},
        {".", "has '.' for a component"},
        {"a/./b", "has '.' for a component"},
        {"..", "climbs out by '..'"},
        {"../a", "climbs out by '..'"},
        {"a/..", "climbs out by '..'"},
        {"a/../b", "climbs out by '..'"},
        {"a//b", "has an empty component"},
        {"a/", "has an empty component"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        PATHS_AUTO paths = {.lib = lib, .names = ARCHIVE_NAMES_ANY};
        struct ml_error err = ML_ERROR_INIT;
        case_int(cases[i].path, paths_add(&paths, cases[i].path, false, &err),
                 cases[i].why ? -1 : 0);
        case_int(cases[i].path, err.status, cases[i].why ? ML_REFUSED : 0);
        case_true(cases[i].path, cases[i].why == NULL || strstr(err.message, cases[i].why) != NULL);
    }
}

static void any_limits(void **state)
{
    PATHS_AUTO paths = {.lib = lib, .names = ARCHIVE_NAMES_ANY};
    char path[2 * ARCHIVE_ANY_PATH_MAX];
    memset(path, 'a', sizeof path);
    path[256] = '\0';
    assert_int_equal(paths_add(&paths, path, false, NULL), -1);
    for (size_t i = 1; i < sizeof path; i += 2)
        path[i] = '/';
    path[256] = 'a';
    path[ARCHIVE_ANY_PATH_MAX] = '\0'; /* behind an "a" */
    assert_int_equal(paths_add(&paths, path, false, NULL), 0);
    path[ARCHIVE_ANY_PATH_MAX] = path[ARCHIVE_ANY_PATH_MAX + 1] = 'a';
    path[ARCHIVE_ANY_PATH_MAX + 1] = '\0';
    assert_int_equal(paths_add(&paths, path, false, NULL), -1);
}

/* Directories on the way count, once. */
static void any_are_counted(void **state)
{
    static const struct {
        const char *path;
        size_t n;
    } steps[] = {
        {"a/b/c", 3}, {"a/b/d", 4},    {"a/bb/c", 6}, {"a/bb/cc", 7}, {"b", 8},
        {"b0/b", 10}, {"b0/b0/b", 12}, {"c", 13},     {"c/d", 14},    {"c/d/e/f", 16},
    };
    PATHS_AUTO paths = {.lib = lib, .names = ARCHIVE_NAMES_ANY};
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        case_int(steps[i].path, paths_add(&paths, steps[i].path, false, NULL), 0);
        case_int(steps[i].path, paths.n, steps[i].n);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good),
        cmocka_unit_test(bad),
        cmocka_unit_test(limits),
        cmocka_unit_test(long_names_are_cut),
        cmocka_unit_test(two_of_them),
        cmocka_unit_test(directories_once),
        cmocka_unit_test(any_names),
        cmocka_unit_test(any_limits),
        cmocka_unit_test(any_are_counted),
    };
    return cmocka_run_group_tests_name("archive/paths", tests, load, NULL);
}

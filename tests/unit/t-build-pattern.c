/* Goal of this test: patterns match what lies in the directory, in order, and nothing outside. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "build/plan.h"
#include "built.h"

static void world(const struct place *place)
{
    static const char *const files[] = {
        "d/b.c",     "d/a.c",          "d/a.h",     "d/.hidden.c",
        "d/src/x.c", "d/src/deep/y.c", "d/lib/z.c", "outside.c",
    };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        built_write(place, files[i], "\n");
    mkdirat(place->fd, "d/dir.c", 0700);
    mkfifoat(place->fd, "d/fifo.c", 0600);
    assert_int_equal(symlinkat("a.c", place->fd, "d/inner.c"), 0);
    assert_int_equal(symlinkat("nowhere", place->fd, "d/dangling.c"), 0);
    assert_int_equal(symlinkat("src", place->fd, "d/linked"), 0);
}

static void matches(void **state)
{
    struct place *place = *state;
    static const struct {
        const char *pattern, *names;
    } cases[] = {
        {"*.c", "a.c|b.c|inner.c|"},
        {"a.*", "a.c|a.h|"},
        {"?.c", "a.c|b.c|"},
        {"[b-z].c", "b.c|"},
        {"a.c", "a.c|"},
        {"./a.c", "a.c|"},
        {".//src/./x.c", "src/x.c|"},
        {"src/*.c", "src/x.c|"},
        {"*/*.c", "lib/z.c|linked/x.c|src/x.c|"},
        {"src/*/*.c", "src/deep/y.c|"},
        {".*.c", ".hidden.c|"},
        {"none*.c", ""},
        {"none/*.c", ""},
        {"a.c/x", ""},
        {"src", ""},
        {"fifo.c", ""},
        {"dangling.c", ""},
    };
    world(place);
    int fd = openat(place->fd, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ARENA_AUTO a = ARENA_INIT;
        struct strv names = {0};
        char joined[256] = "";
        case_int(cases[i].pattern, pattern_match(&a, fd, cases[i].pattern, &names), 0);
        for (size_t k = 0; k < names.n; k++)
            snprintf(joined + strlen(joined), sizeof joined - strlen(joined), "%s|",
                     names.items[k]);
        case_text(cases[i].pattern, joined, cases[i].names);
    }
    close(fd);
}

static void ways_out(void **state)
{
    struct place *place = *state;
    static const char *const patterns[] = {"out.c", "*.c",    "up/outside.c",
                                           "abs.c", "up/*.c", "../outside.c"};
    world(place);
    assert_int_equal(symlinkat("../outside.c", place->fd, "d/out.c"), 0);
    assert_int_equal(symlinkat("..", place->fd, "d/up"), 0);
    assert_int_equal(symlinkat("/etc/passwd", place->fd, "d/abs.c"), 0);
    int fd = openat(place->fd, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++) {
        ARENA_AUTO a = ARENA_INIT;
        struct strv names = {0};
        case_int(patterns[i], pattern_match(&a, fd, patterns[i], &names), -1);
        case_int(patterns[i], errno, EXDEV);
    }
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {place_test(matches), place_test(ways_out)};
    UNIT_RUN("build/pattern", tests);
}

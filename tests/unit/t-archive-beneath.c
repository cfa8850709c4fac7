/* Goal of this test: no path leads out of the directory, whatever lies in it. */
#include "archive/beneath.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "packed.h"

static int in(const struct place *place)
{
    assert_true(mkdirat(place->fd, "in", 0700) == 0 || errno == EEXIST);
    int fd = openat(place->fd, "in", O_PATH | O_DIRECTORY | O_CLOEXEC);
    assert_true(fd >= 0);
    return fd;
}

static void files_and_directories(void **state)
{
    struct place *place = *state;
    int dir = in(place), fd = beneath_create(dir, "a/b/c");
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "x", 1), 1);
    close(fd);
    close(beneath_create(dir, "d"));
    assert_int_equal(beneath_mkdir(dir, "a/e/f"), 0);
    assert_int_equal(beneath_mkdir(dir, "a/e"), 0);
    assert_string_equal(packed_list(dir), "a/ a/b/ a/b/c=x a/e/ a/e/f/ d= ");
    assert_int_equal(beneath_is_empty(dir), 0);
    assert_int_equal(beneath_clear(dir), 0);
    assert_int_equal(beneath_is_empty(dir), 1);
    close(dir);
}

static void what_is_there_stays(void **state)
{
    struct place *place = *state;
    int dir = in(place);
    close(beneath_create(dir, "a"));
    assert_int_equal(beneath_create(dir, "a"), -1);
    assert_int_equal(errno, EEXIST);
    assert_int_equal(beneath_create(dir, "a/b"), -1);
    assert_int_equal(errno, ENOTDIR);
    assert_int_equal(beneath_mkdir(dir, "a"), -1);
    assert_int_equal(errno, ENOTDIR);
    assert_int_equal(beneath_mkdir(dir, "a/b"), -1);
    close(dir);
}

static void ways_out(void **state)
{
    struct place *place = *state;
    static const char *const paths[] = {"../x",     "/x",       "a/../../x", "up/x",
                                        "dangling", "up/up2/x", "here/x",    "absolute/x"};
    int dir = in(place);
    assert_int_equal(symlinkat("..", dir, "up"), 0);
    assert_int_equal(symlinkat("../x", dir, "dangling"), 0);
    assert_int_equal(symlinkat(".", dir, "here"), 0);
    assert_int_equal(symlinkat(place->path, dir, "absolute"), 0);
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        case_int(paths[i], beneath_create(dir, paths[i]), -1);
        case_int(paths[i], beneath_mkdir(dir, paths[i]), -1);
    }
    assert_int_equal(faccessat(place->fd, "x", F_OK, 0), -1);
    close(dir);
}

/* It removes links, not what they lead to. */
static void clearing(void **state)
{
    struct place *place = *state;
    int dir = in(place);
    close(openat(place->fd, "outside", O_WRONLY | O_CREAT, 0600));
    assert_int_equal(symlinkat("../outside", dir, "link"), 0);
    assert_int_equal(symlinkat("..", dir, "up"), 0);
    assert_int_equal(mkfifoat(dir, "fifo", 0600), 0);
    assert_int_equal(beneath_clear(dir), 0);
    assert_int_equal(beneath_is_empty(dir), 1);
    assert_int_equal(faccessat(place->fd, "outside", F_OK, 0), 0);
    close(dir);
    assert_int_equal(beneath_clear(-1), -1);
    assert_int_equal(beneath_is_empty(-1), -1);
}

/* Longer than the kernel takes at once, and deep: made, found, and removed again. */
static void long_paths(void **state)
{
    char path[ARCHIVE_ANY_PATH_MAX + 1];
    int dir = in(*state);
    for (size_t i = 0; i < sizeof path; i++)
        path[i] = i % 5 == 4 ? '/' : 'a';
    path[sizeof path - 1] = '\0';
    int fd = beneath_create(dir, path);
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(beneath_create(dir, path), -1);
    assert_int_equal(errno, EEXIST);
    assert_int_equal(beneath_mkdir(dir, path), -1);
    assert_int_equal(errno, ENOTDIR);
    path[sizeof path - 2] = 'b';
    assert_int_equal(beneath_mkdir(dir, path), 0);
    assert_int_equal(beneath_clear(dir), 0);
    assert_int_equal(beneath_is_empty(dir), 1);
    close(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        place_test(files_and_directories),
        place_test(what_is_there_stays),
        place_test(ways_out),
        place_test(clearing),
        place_test(long_paths),
    };
    UNIT_RUN("archive/beneath", tests);
}

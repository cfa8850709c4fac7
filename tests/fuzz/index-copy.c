/* The local copy of an index, whose disk may have been bad: whatever it holds, what is read out of
 * it lies in it, and looking for a plugin ends. */
#include "index/copy.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "fuzz.h"

static void check_inside(const struct copy *copy, struct copy_text text)
{
    const char *map = copy->map;
    CHECK(text.at >= map && text.at + text.n < map + copy->size);
}

static void check_lines(const struct copy *copy)
{
    const char *at = copy->lines;
    struct copy_line line, found;
    while (copy_line_next(copy, &at, &line) > 0) {
        ARENA_AUTO a = ARENA_INIT;
        struct index_plugin plugin;
        struct ml_error err = ML_ERROR_INIT;
        char key[INDEX_NAME_SIZE] = "";
        check_inside(copy, line.key);
        check_inside(copy, line.description);
        check_inside(copy, line.version);
        check_inside(copy, line.file);
        if (copy_plugin(&a, &line, &plugin, &err) < 0)
            fuzz_refused(&err);
        memcpy(key, line.key.at, line.key.n);
        copy_find(copy, key, &found);
    }
    copy_find(copy, "math", &found);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    COPY_AUTO copy = {.map = NULL};
    struct ml_error err = ML_ERROR_INIT;
    unlinkat(fuzz_place_fd(), "copy", 0);
    CHECK(fs_write_new(fuzz_place_fd(), "copy", data, size, 0600) == 0);
    int found = copy_open(fuzz_place_fd(), "copy", &copy, &err);
    if (found < 0)
        fuzz_refused(&err);
    if (found > 0)
        check_lines(&copy);
    return 0;
}

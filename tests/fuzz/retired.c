/* The list of retired versions, whose disk may have been bad: every look into it ends, and what it
 * finds are texts. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "fuzz.h"
#include "modload/index.h"

static void place_make(void)
{
    setenv("XDG_CACHE_HOME", fuzz_place(), 1);
    fs_mkdir(fuzz_place_fd(), "modload", 0700);
    fs_mkdir(fuzz_place_fd(), "modload/index", 0700);
    unlinkat(fuzz_place_fd(), "modload/index/retired", 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char origin[] = "git+https://example.org/math.git?ref=%5E1#0123";
    struct ml_retired_list *list;
    struct ml_retired why;
    place_make();
    CHECK(fs_write_new(fuzz_place_fd(), "modload/index/retired", data, size, 0600) == 0);
    CHECK(ml_retired_open(&list, NULL) == 0 && (list == NULL) == (size == 0));
    const char *const names[] = {"math", "a", "zzz"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (ml_retired_find(list, names[i], "1.0.0", origin, &why) == 0)
            continue;
        CHECK(memchr(why.reason, '\0', sizeof why.reason) != NULL && *why.reason != '\0');
        CHECK(memchr(why.message, '\0', sizeof why.message) != NULL);
        CHECK(ml_retired_find(list, names[i], "1.0.0", NULL, &why) == 1);
    }
    ml_retired_close(list);
    return 0;
}

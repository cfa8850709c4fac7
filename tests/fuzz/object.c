/* Shared objects that somebody else built, before anything but the check has seen them. What the
 * check lets through can be read for its identity; what it refuses, it refuses in words. */
#include "build/object.h"

#include <string.h>
#include <unistd.h>

#include "fuzz.h"

const unsigned fuzz_runs = 500;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ARENA_AUTO a = ARENA_INIT;
    struct strv identities = {0};
    struct ml_error err = ML_ERROR_INIT;
    int fd = fuzz_file(data, size);
    if (object_check(fd, "x.so", &err) < 0 || object_identities(fd, &a, &identities, &err) < 0)
        fuzz_refused(&err);
    for (size_t i = 0; i < identities.n; i++)
        CHECK(identities.items[i][0] != '\0' && strlen(identities.items[i]) <= size);
    close(fd);
    return 0;
}

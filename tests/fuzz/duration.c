/* Durations. What is taken is within its limits, 0 only where it says 0, and reads the same when it
 * is written in milliseconds. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "fuzz.h"

static const int64_t max_ms = 10LL * 366 * 24 * 3600 * 1000;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char canonical[32];
    char *text = fuzz_text(data, size);
    int64_t ms = clock_parse_duration(text);
    CHECK(ms >= -1 && ms <= max_ms);
    if (ms >= 0) {
        CHECK((strpbrk(text, "123456789") == NULL) == (ms == 0));
        snprintf(canonical, sizeof canonical, "%" PRId64 "ms", ms);
        CHECK(clock_parse_duration(canonical) == ms);
    }
    free(text);
    return 0;
}

/* Sizes. What is taken is within its limits, 0 only where it says 0, and reads the same when it is
 * written in bytes. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/size.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char canonical[SIZE_TEXT], words[SIZE_TEXT];
    char *text = fuzz_text(data, size);
    uint64_t bytes = 0, again = 1;
    if (size_parse(text, &bytes)) {
        CHECK(bytes <= UINT64_C(1) << 60);
        CHECK((strpbrk(text, "123456789") == NULL) == (bytes == 0));
        snprintf(canonical, sizeof canonical, "%" PRIu64, bytes);
        CHECK(size_parse(canonical, &again) && again == bytes);
        size_format(bytes, words);
        CHECK(strtoull(words, NULL, 10) <= bytes);
    }
    free(text);
    return 0;
}

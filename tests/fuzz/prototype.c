/* C prototypes in a manifest. They are compiled as they are, so what passes can be nothing but a
 * declaration, and the name that is found in it is an identifier or nothing. */
#include "build/functions.c"

#include <stdlib.h>

#include "build/word.h"
#include "fuzz.h"

static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ARENA_AUTO a = ARENA_INIT;
    char *text = fuzz_text(data, size);
    if (word_prototype(text)) {
        const char *name = prototype_name(&a, text);
        size_t n = strlen(name);
        CHECK(strpbrk(text, ";{}#\"'\\/%<>=@`$:?!&|^~+-\n\r\t") == NULL);
        CHECK(strspn(name, letters) == n && strstr(text, name) != NULL);
        CHECK(n == 0 || strstr(text, name) + n <= strchr(text, '('));
    }
    free(text);
    return 0;
}

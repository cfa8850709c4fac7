/* The text that ML_PLUGIN leaves in an object: name@version. What is taken is a name and a version
 * that may be written anywhere, and both together are the text. */
#include "build/identity.c"

#include <stdlib.h>

#include "fuzz.h"
#include "modload/modload.h"

static void check_identity(const char *text, const char *name, const char *version)
{
    size_t n = strlen(name);
    CHECK(ml_name_valid(name) && word_version(version));
    CHECK(strncmp(text, name, n) == 0 && text[n] == '@' && strcmp(text + n + 1, version) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ARENA_AUTO a = ARENA_INIT;
    struct build b = {.a = &a};
    struct ml_error err = ML_ERROR_INIT;
    char *text = fuzz_text(data, size);
    if (text_take(&b, text, &err) == 0)
        check_identity(text, b.name, b.version);
    else
        fuzz_refused(&err);
    CHECK(err.status == 0 || err.status == ML_CONFIG);
    free(text);
    return 0;
}

/* The word that a user gives for an entry: a key, a name, a name with a version, the beginning of a
 * key. It leads to one key that fits the word, or is refused in words. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "registry.h"

const unsigned fuzz_runs = 1000;

/* Whether a word, in any case and without its hyphens, is how the key begins. */
static bool begins(const char *word, const struct ml_key *key)
{
    char hex[ML_KEY_TEXT_SIZE];
    size_t n = 0;
    ml_key_to_hex(key, hex);
    for (; *word != '\0'; word++)
        if (*word != '-' && (n == 32 || tolower((unsigned char)*word) != hex[n++]))
            return false;
    return n >= 4;
}

static bool is_name(const char *word, const struct ml_key *key)
{
    char uuid[ML_UUID_SIZE];
    ml_key_to_uuid(key, uuid);
    bool math = strcmp(word, "math") == 0 || strcmp(word, "math@1.0.0") == 0;
    bool cafe = strcmp(word, "cafe") == 0 || strcmp(word, "cafe@2.1.0-rc.1") == 0;
    return (math && strcmp(uuid, FUZZ_UUID) == 0) || (cafe && strcmp(uuid, FUZZ_UUID2) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ml_ctx *ctx = fuzz_registry();
    struct ml_key key;
    struct ml_error err = ML_ERROR_INIT;
    char *word = fuzz_text(data, size);
    if (ml_resolve(ctx, word, &key, &err) == 0) {
        CHECK(is_name(word, &key) || begins(word, &key));
    } else {
        fuzz_refused(&err);
        CHECK(err.status == ML_DATA || err.status == ML_NO_INPUT);
        CHECK(err.hint[0] != '\0');
    }
    free(word);
    return 0;
}

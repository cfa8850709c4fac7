/* Keys in either form. What is taken has two texts that read back as the same key; what is refused
 * leaves the key as it was. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "modload/modload.h"

static bool same(const struct ml_key *a, const struct ml_key *b)
{
    return memcmp(a, b, sizeof *a) == 0;
}

static bool is_text_of(const char *text, const char *form)
{
    size_t i = 0;
    while (form[i] != '\0' && tolower((unsigned char)text[i]) == form[i])
        i++;
    return form[i] == '\0' && text[i] == '\0';
}

static void check_key(const char *text, const struct ml_key *key)
{
    char uuid[ML_UUID_SIZE], hex[ML_KEY_TEXT_SIZE];
    struct ml_key again;
    ml_key_to_uuid(key, uuid);
    ml_key_to_hex(key, hex);
    CHECK(is_text_of(text, uuid) || is_text_of(text, hex));
    CHECK(ml_key_from_uuid(uuid, &again, NULL) == 0 && same(key, &again));
    CHECK(ml_key_from_hex(hex, &again, NULL) == 0 && same(key, &again));
    CHECK(ml_key_from_hex(uuid, &again, NULL) < 0 && ml_key_from_uuid(hex, &again, NULL) < 0);
    CHECK(!ml_name_valid(text)); /* a name that is a key would hide it */
}

/* The three readers agree: any form is either of the two, never both. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct ml_key before = {{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}};
    struct ml_key any = before, uuid = before, hex = before;
    struct ml_error err = ML_ERROR_INIT;
    char *text = fuzz_text(data, size);
    bool from_uuid = ml_key_from_uuid(text, &uuid, NULL) == 0;
    bool from_hex = ml_key_from_hex(text, &hex, NULL) == 0;
    CHECK((ml_key_parse(text, &any, &err) == 0) == (from_uuid || from_hex));
    CHECK(!(from_uuid && from_hex));
    if (from_uuid || from_hex) {
        CHECK(same(&any, from_uuid ? &uuid : &hex));
        check_key(text, &any);
    } else {
        CHECK(same(&any, &before) && same(&uuid, &before) && same(&hex, &before));
        CHECK(err.status == ML_DATA && err.hint[0] != '\0');
        fuzz_refused(&err);
    }
    free(text);
    return 0;
}

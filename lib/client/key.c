#include <stdio.h>
#include <string.h>
#include <uuid/uuid.h>

#include "base/error.h"
#include "modload/modload.h"
#include "registry_store/store.h"

void ml_key_generate(struct ml_key *key)
{
    uuid_generate_random(key->bytes);
}

void ml_key_to_uuid(const struct ml_key *key, char uuid[ML_UUID_SIZE])
{
    uuid_unparse_lower(key->bytes, uuid);
}

void ml_key_to_hex(const struct ml_key *key, char text[ML_KEY_TEXT_SIZE])
{
    for (int i = 0; i < 16; i++)
        snprintf(text + 2 * i, 3, "%02x", key->bytes[i]);
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* 32 digits, with hyphens at 8, 13, 18 and 23 if `hyphens`, and then the end. */
static bool parse_digits(const char *text, bool hyphens, struct ml_key *key)
{
    const char *p = text;
    for (int i = 0; i < 16; i++) {
        if (hyphens && (i == 4 || i == 6 || i == 8 || i == 10) && *p++ != '-')
            return false;
        int high = hex_digit(p[0]);
        int low = high < 0 ? -1 : hex_digit(p[1]);
        if (low < 0)
            return false;
        key->bytes[i] = (uint8_t)(high << 4 | low);
        p += 2;
    }
    return *p == '\0';
}

static int bad_key(const char *text, const char *wanted, struct ml_error *err)
{
    ml_error_set(err, ML_DATA, "bad_key", "'%s' is not %s", text, wanted);
    return ml_error_hint(
        err, "a UUID is 8-4-4-4-12 hex digits, a key 32 hex digits: modload uuid makes one");
}

/* Reads into a copy, so that a failure leaves the caller's key as it was. */
static int parse_form(const char *text, bool hyphens, const char *wanted, struct ml_key *key,
                      struct ml_error *err)
{
    struct ml_key parsed;
    if (!parse_digits(text, hyphens, &parsed))
        return bad_key(text, wanted, err);
    *key = parsed;
    return 0;
}

int ml_key_from_uuid(const char *text, struct ml_key *key, struct ml_error *err)
{
    return parse_form(text, true, "a UUID", key, err);
}

int ml_key_from_hex(const char *text, struct ml_key *key, struct ml_error *err)
{
    return parse_form(text, false, "a key of 32 hex digits", key, err);
}

int ml_key_parse(const char *text, struct ml_key *key, struct ml_error *err)
{
    if (ml_key_from_hex(text, key, NULL) == 0)
        return 0;
    return parse_form(text, true, "a UUID or a key of 32 hex digits", key, err);
}

bool ml_name_valid(const char *name)
{
    struct ml_key key;
    return store_name_valid(name) && ml_key_parse(name, &key, NULL) < 0;
}

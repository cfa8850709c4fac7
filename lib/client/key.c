/* Keys and their text forms. Parsed by hand: uuid_parse(3) knows no form without hyphens, and both
 * forms are to be read by one parser that is exact about what goes before and behind. */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/fs.h"
#include "modload/modload.h"
#include "registry_store/store.h"

/* Version 4, variant 1 of RFC 9562 section 5.4. Not by libuuid, which is built for glibc alone (the
 * front is not), and which falls back to the time and the network card's address where there are no
 * random bytes: from those a key could be guessed. */
void ml_key_generate(struct ml_key *key)
{
    fs_random(key->bytes, sizeof key->bytes);
    key->bytes[6] = (uint8_t)((key->bytes[6] & 0x0f) | 0x40);
    key->bytes[8] = (uint8_t)((key->bytes[8] & 0x3f) | 0x80);
}

static char *hex_write(char *to, const uint8_t *bytes, int n)
{
    static const char digits[] = "0123456789abcdef";
    for (int i = 0; i < n; i++) {
        *to++ = digits[bytes[i] >> 4];
        *to++ = digits[bytes[i] & 0xf];
    }
    *to = '\0';
    return to;
}

void ml_key_to_uuid(const struct ml_key *key, char uuid[ML_UUID_SIZE])
{
    static const int groups[] = {4, 2, 2, 2, 6}; /* bytes */
    const uint8_t *bytes = key->bytes;
    for (int i = 0; i < 5; bytes += groups[i++]) {
        if (i > 0)
            *uuid++ = '-';
        uuid = hex_write(uuid, bytes, groups[i]);
    }
}

void ml_key_to_hex(const struct ml_key *key, char text[ML_KEY_TEXT_SIZE])
{
    hex_write(text, key->bytes, sizeof key->bytes);
}

/* -1 for what is none. Not isxdigit(3), which asks the locale. Setting bit 0x20 makes a-f of A-F,
 * and of nothing else. */
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

/* `wanted` is the form that was asked for, so that the message names it. */
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

/* The store's own rule is about paths; that a name must not read as a key is ours. */
bool ml_name_valid(const char *name)
{
    struct ml_key key;
    return store_name_valid(name) && ml_key_parse(name, &key, NULL) < 0;
}

/* The JSON that modload writes. Whatever a plugin, a path or a registry puts into a text, what
 * comes out is JSON that reads back as that text, and holds nothing that steers a terminal. */
#include "base/json.h"

#include <cjson/cJSON.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "build/strict-json.h"
#include "fuzz.h"

static void check_plain(const char *text)
{
    for (const unsigned char *p = (const unsigned char *)text; *p != '\0'; p++)
        CHECK(*p >= 0x20 && *p != 0x7f);
}

/* A text for people is kept where it is UTF-8, and is some text where it is not. */
static void check_string(const cJSON *value, const char *text)
{
    CHECK(cJSON_IsString(value));
    if (json_is_utf8(text, strlen(text)))
        CHECK(strcmp(value->valuestring, text) == 0);
    else
        CHECK(json_is_utf8(value->valuestring, strlen(value->valuestring)));
}

/* {"base64":"..."}: libcrypto decodes it, to whole groups of three. */
static void check_bytes(const cJSON *value, const void *data, size_t n)
{
    const cJSON *base64 = cJSON_GetObjectItemCaseSensitive(value, "base64");
    CHECK(cJSON_IsString(base64) && strlen(base64->valuestring) == (n + 2) / 3 * 4);
    unsigned char *decoded = malloc(n + 3);
    const unsigned char *text = (const unsigned char *)base64->valuestring;
    int length = EVP_DecodeBlock(decoded, text, (int)strlen(base64->valuestring));
    CHECK(length >= (int)n && length < (int)n + 3 && (n == 0 || memcmp(decoded, data, n) == 0));
    const char *padding = strchr(base64->valuestring, '=');
    CHECK((padding ? strlen(padding) : 0) == (3 - n % 3) % 3);
    free(decoded);
}

/* A text that must come through whole is there as it is, or as base64. */
static void check_whole(const cJSON *value, const char *text, size_t n)
{
    CHECK(cJSON_IsString(value) == json_is_utf8(text, n));
    if (cJSON_IsString(value))
        CHECK(strcmp(value->valuestring, text) == 0);
    else
        check_bytes(value, text, n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    JSON_AUTO j = {0};
    char *text = fuzz_text(data, size);
    size_t n = strlen(text);
    json_open(&j, '{');
    json_pair(&j, "string", text);
    json_key(&j, "text");
    json_text(&j, text, n);
    json_key(&j, "bytes");
    json_bytes(&j, data, size);
    json_key(&j, "keyed");
    json_open(&j, '{');
    json_key(&j, text);
    json_null(&j);
    json_close(&j, '}');
    json_close(&j, '}');
    CHECK(json_is_whole(&j));
    check_plain(buf_text(&j.out));
    CJSON_AUTO *tree = strict_parse(buf_text(&j.out), j.out.len, "ours", NULL);
    CHECK(tree != NULL);
    check_string(cJSON_GetObjectItemCaseSensitive(tree, "string"), text);
    check_whole(cJSON_GetObjectItemCaseSensitive(tree, "text"), text, n);
    check_bytes(cJSON_GetObjectItemCaseSensitive(tree, "bytes"), data, size);
    CHECK(cJSON_GetObjectItemCaseSensitive(tree, "keyed")->child != NULL);
    free(text);
    return 0;
}

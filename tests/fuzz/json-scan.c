/* JSON read in place. What is accepted reads back as the same value, and what is echoed as it
 * stands is JSON by cJSON's measure too. */
#include <cjson/cJSON.h>
#include <string.h>

#include "base/buf.h"
#include "base/json-scan.h"
#include "base/json.h"

#include "fuzz.h"

/* cJSON takes more than JSON; what we take it has to take: but halves of characters, and numbers of
 * more than 63 digits. */
static void check_raw(const struct json_slice *raw)
{
    if (raw->size > 63)
        return;
    BUF_AUTO copy = BUF_INIT;
    buf_add(&copy, raw->text, raw->size);
    cJSON *tree = memchr(copy.data, '\0', copy.len) ? NULL : cJSON_Parse(buf_text(&copy));
    CHECK(tree != NULL || strstr(buf_text(&copy), "\\u") != NULL);
    cJSON_Delete(tree);
}

static void check_string(const struct json_slice *value)
{
    struct json_slice again;
    JSON_AUTO j = {0};
    CHECK(json_is_utf8(value->text, value->size));
    json_text(&j, value->text, value->size);
    struct json_scan scan = {.p = j.out.data, .end = j.out.data + j.out.len};
    CHECK(json_scan_value(&scan, &again) == JSON_STRING && again.size == value->size);
    CHECK(memcmp(again.text, value->text, again.size) == 0 && json_scan_end(&scan));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    BUF_AUTO text = BUF_INIT;
    struct json_slice raw, value;
    buf_add(&text, data, size);
    struct json_scan scan = {.p = text.data, .end = text.data + size};
    enum json_type type = json_scan_raw(&scan, &raw);
    CHECK((type == JSON_BAD) == (scan.fault != NULL));
    if (type == JSON_BAD)
        return 0;
    CHECK(raw.text >= text.data && raw.text + raw.size <= text.data + size);
    check_raw(&raw);
    scan = (struct json_scan){.p = text.data, .end = text.data + size};
    if (json_scan_value(&scan, &value) == JSON_STRING)
        check_string(&value);
    return 0;
}

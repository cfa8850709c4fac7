/* Goal of this test: whatever is put into it, what comes out is JSON, and says the same. */
#include "fixture.h"

#include <cjson/cJSON.h>

#include "base/json.h"

static void test_structure(void **state)
{
    JSON_AUTO j = {.out = BUF_INIT};
    json_open(&j, '{');
    json_key(&j, "empty");
    json_open(&j, '[');
    json_close(&j, ']');
    json_key(&j, "list");
    json_open(&j, '[');
    json_int(&j, -1);
    json_open(&j, '{');
    json_close(&j, '}');
    json_open(&j, '[');
    json_null(&j);
    json_bool(&j, true);
    json_close(&j, ']');
    json_bool(&j, false);
    json_close(&j, ']');
    json_pair(&j, "a", "b");
    json_key(&j, "n");
    json_number(&j, "1.5e+300");
    json_key(&j, "x");
    json_bytes(&j, "\0\1", 2);
    json_close(&j, '}');
    assert_string_equal(buf_text(&j.out),
                        "{\"empty\":[],\"list\":[-1,{},[null,true],false],\"a\":\"b\","
                        "\"n\":1.5e+300,\"x\":{\"base64\":\"AAE=\"}}");
}

static void test_numbers(void **state)
{
    JSON_AUTO j = {.out = BUF_INIT};
    json_open(&j, '[');
    json_int(&j, INT64_MIN);
    json_int(&j, INT64_MAX);
    json_uint(&j, UINT64_MAX);
    json_number(&j, "-0");
    json_number(&j, "nan");
    json_number(&j, "-inf");
    json_close(&j, ']');
    assert_string_equal(buf_text(&j.out), "[-9223372036854775808,9223372036854775807,"
                                          "18446744073709551615,-0,\"nan\",\"-inf\"]");
}

static void test_escapes(void **state)
{
    for (int c = 0; c < 0x80; c++) {
        JSON_AUTO j = {.out = BUF_INIT};
        char text = (char)c, want[16];
        const char *letter = c ? strchr("\bb\ff\nn\rr\tt\"\"\\\\", c) : NULL;
        if (letter != NULL && (c < 0x20 || c == '"' || c == '\\'))
            snprintf(want, sizeof want, "\"\\%c\"", letter[1]);
        else if (c < 0x20 || c == 0x7f)
            snprintf(want, sizeof want, "\"\\u%04x\"", c);
        else
            snprintf(want, sizeof want, "\"%c\"", c);
        json_text(&j, &text, 1);
        case_text(want, buf_text(&j.out), want);
    }
}

static void test_utf8(void **state)
{
    static const struct {
        const char *name, *text;
        bool valid;
    } cases[] = {
        {"nothing", "", true},
        {"ascii", "az~\x7f", true},
        {"the first of two", "\xc2\x80", true},
        {"the last of two", "\xdf\xbf", true},
        {"the first of three", "\xe0\xa0\x80", true},
        {"before the surrogates", "\xed\x9f\xbf", true},
        {"behind the surrogates", "\xee\x80\x80", true},
        {"the last of three", "\xef\xbf\xbf", true},
        {"the first of four", "\xf0\x90\x80\x80", true},
        {"U+10FFFF", "\xf4\x8f\xbf\xbf", true},
        {"mixed", "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80z", true},
        {"a lone continuation", "\x80", false},
        {"another", "a\xbf", false},
        {"overlong NUL", "\xc0\x80", false},
        {"overlong slash", "\xc0\xaf", false},
        {"overlong of two", "\xc1\xbf", false},
        {"overlong of three", "\xe0\x9f\xbf", false},
        {"overlong of four", "\xf0\x8f\xbf\xbf", false},
        {"the first surrogate", "\xed\xa0\x80", false},
        {"the last surrogate", "\xed\xbf\xbf", false},
        {"a pair of surrogates", "\xed\xa0\xbd\xed\xb8\x80", false},
        {"U+110000", "\xf4\x90\x80\x80", false},
        {"beyond", "\xf5\x80\x80\x80", false},
        {"five bytes", "\xf8\x88\x80\x80\x80", false},
        {"six bytes", "\xfc\x84\x80\x80\x80\x80", false},
        {"0xfe", "\xfe", false},
        {"0xff", "\xff", false},
        {"cut after one of two", "\xc3", false},
        {"cut after two of three", "\xe2\x82", false},
        {"cut after three of four", "\xf0\x9f\x98", false},
        {"ascii within three",
         "\xe2"
         "a\xac",
         false},
        {"a start within three", "\xe2\xe2\xac", false},
        {"ascii behind a start",
         "\xc3"
         "a",
         false},
        {"latin-1", "gr\xfc\xdf", false},
        {"valid, then not", "\xc3\xa9\xc3", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t n = strlen(cases[i].text);
        char *exact = malloc(n ? n : 1); /* no NUL behind it: a byte too far is seen by ASan */
        assert_non_null(exact);
        memcpy(exact, cases[i].text, n);
        case_int(cases[i].name, json_is_utf8(exact, n), cases[i].valid);
        JSON_AUTO j = {.out = BUF_INIT};
        json_text(&j, exact, n);
        free(exact);
        cJSON *parsed = cJSON_Parse(buf_text(&j.out));
        case_true(cases[i].name, parsed != NULL);
        if (cases[i].valid)
            case_text(cases[i].name, cJSON_GetStringValue(parsed), cases[i].text);
        else
            case_true(cases[i].name, cJSON_GetObjectItem(parsed, "base64") != NULL);
        cJSON_Delete(parsed);
    }
    assert_true(json_is_utf8("a\0b", 3));
}

/* Every sequence of up to two bytes, and every one of three that begins with a byte of interest, is
 * judged as a decoder that is written the other way round judges it. */
static bool decodes(const unsigned char *p, size_t n)
{
    while (n > 0) {
        size_t len = *p < 0x80 ? 1 : *p >> 5 == 6 ? 2 : *p >> 4 == 14 ? 3 : *p >> 3 == 30 ? 4 : 0;
        static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
        if (len == 0 || len > n)
            return false;
        uint32_t c = len == 1 ? *p : *p & (0xff >> (len + 1));
        for (size_t i = 1; i < len; i++) {
            if (p[i] >> 6 != 2)
                return false;
            c = c << 6 | (p[i] & 63);
        }
        if (c < least[len] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
            return false;
        p += len;
        n -= len;
    }
    return true;
}

static void test_utf8_exhaustive(void **state)
{
    unsigned char p[4];
    for (unsigned a = 0; a < 256; a++)
        for (unsigned b = 0; b < 256; b++)
            for (unsigned c = 0; c < 256; c += c == 0x7f || c == 0xbf || c == 0 ? 1 : 5) {
                p[0] = (unsigned char)a;
                p[1] = (unsigned char)b;
                p[2] = (unsigned char)c;
                p[3] = 0x80 | (c & 63);
                for (size_t n = 1; n <= 4; n++)
                    if (json_is_utf8((char *)p, n) != decodes(p, n))
                        fail_msg("%02x %02x %02x %02x, %zu of them", a, b, c, p[3], n);
            }
}

static void test_base64(void **state)
{
    static const struct {
        const char *text, *want; /* RFC 4648 section 10 */
    } cases[] = {
        {"", ""},
        {"f", "Zg=="},
        {"fo", "Zm8="},
        {"foo", "Zm9v"},
        {"foob", "Zm9vYg=="},
        {"fooba", "Zm9vYmE="},
        {"foobar", "Zm9vYmFy"},
        {"\xff\xfe\xfd", "//79"},
        {"\xfb\xef\xbe", "++++"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        JSON_AUTO j = {.out = BUF_INIT};
        char want[64];
        snprintf(want, sizeof want, "{\"base64\":\"%s\"}", cases[i].want);
        json_bytes(&j, cases[i].text, strlen(cases[i].text));
        case_text(want, buf_text(&j.out), want);
    }
}

static size_t base64_decode(const char *text, unsigned char *out)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t n = 0;
    uint32_t bits = 0;
    int have = 0;
    for (; *text != '\0' && *text != '='; text++) {
        const char *digit = strchr(digits, *text);
        assert_non_null(digit);
        bits = bits << 6 | (uint32_t)(digit - digits);
        if ((have += 6) < 8)
            continue;
        have -= 8;
        out[n++] = (unsigned char)(bits >> have);
    }
    return n;
}

static const char *const pieces[] = {
    "a",        "\"",           "\\",
    "\n",       "\x01",         "\x7f",
    "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80",
    "/",        "\xe2\x80\xa8", "\xef\xbf\xbd", /* from here on none of UTF-8 */
    "\xff",     "\xed\xa0\x80", "\xc3"};
enum { VALID_PIECES = 12, ALL_PIECES = 15 };

/* A text of random pieces, and what a text for people makes of it. */
static void random_text(uint64_t *seed, unsigned kinds, char text[200], char shown[800])
{
    *text = '\0';
    for (size_t n = next_random(seed) % 20; n > 0; n--)
        strcat(text, pieces[next_random(seed) % kinds]);
    char *to = shown;
    for (size_t i = 0; text[i] != '\0';) { /* each byte that is in no sequence becomes U+FFFD */
        size_t len = 4;
        while (len > 0 &&
               (strnlen(text + i, len) < len || !decodes((const unsigned char *)text + i, len)))
            len--;
        while (len > 1 && decodes((const unsigned char *)text + i, len - 1))
            len--; /* the first sequence alone */
        memcpy(to, len ? text + i : "\xef\xbf\xbd", len ? len : 3);
        to += len ? len : 3;
        i += len ? len : 1;
    }
    *to = '\0';
}

/* Whatever is put in reads back: whole, or as people are shown it. */
static void test_round_trip(void **state)
{
    uint64_t seed = 2;
    for (int round = 0; round < 20000; round++) {
        char text[200], shown[800];
        bool any = round % 2;
        random_text(&seed, any ? ALL_PIECES : VALID_PIECES, text, shown);
        size_t size = strlen(text);
        JSON_AUTO whole = {.out = BUF_INIT};
        JSON_AUTO people = {.out = BUF_INIT};
        json_text(&whole, text, size);
        json_string(&people, text);
        const char *said = buf_text(&whole.out);
        cJSON *one = cJSON_Parse(said), *two = cJSON_Parse(buf_text(&people.out));
        case_true(said, cJSON_IsString(two));
        case_text(said, two->valuestring, shown);
        case_int(said, cJSON_IsString(one), decodes((unsigned char *)text, size));
        if (cJSON_IsString(one)) {
            case_text(said, one->valuestring, text);
        } else {
            unsigned char back[200];
            const cJSON *data = cJSON_GetObjectItem(one, "base64");
            case_true(said, cJSON_IsString(data));
            case_int(said, base64_decode(data->valuestring, back), size);
            case_true(said, memcmp(back, text, size) == 0);
        }
        cJSON_Delete(one);
        cJSON_Delete(two);
    }
}

/* A NUL within a text is a character like others. */
static void test_nul(void **state)
{
    JSON_AUTO j = {.out = BUF_INIT};
    json_text(&j, "a\0b", 3);
    assert_string_equal(buf_text(&j.out), "\"a\\u0000b\"");
}

/* Nested documents of random shape are read by another parser as they were meant. */
static void write_random(struct json *j, cJSON *model, uint64_t *seed, int depth)
{
    for (uint64_t n = next_random(seed) % 5; n > 0; n--) {
        bool object = cJSON_IsObject(model);
        char key[24] = "";
        if (object) {
            snprintf(key, sizeof key, "k%d%s", (int)n, n % 2 ? "\"" : "");
            json_key(j, key);
        }
        cJSON *item = NULL;
        switch (depth < 6 ? next_random(seed) % 6 : next_random(seed) % 4) {
        case 0:
            json_null(j);
            item = cJSON_CreateNull();
            break;
        case 1:
            json_bool(j, n % 2);
            item = cJSON_CreateBool(n % 2);
            break;
        case 2:
            json_int(j, (int64_t)n - 2);
            item = cJSON_CreateNumber((double)n - 2);
            break;
        case 3:
            json_string(j, "x\ty");
            item = cJSON_CreateString("x\ty");
            break;
        case 4:
            item = cJSON_CreateArray();
            json_open(j, '[');
            write_random(j, item, seed, depth + 1);
            json_close(j, ']');
            break;
        default:
            item = cJSON_CreateObject();
            json_open(j, '{');
            write_random(j, item, seed, depth + 1);
            json_close(j, '}');
            break;
        }
        if (object)
            cJSON_AddItemToObject(model, key, item);
        else
            cJSON_AddItemToArray(model, item);
    }
}

static void test_nesting(void **state)
{
    uint64_t seed = 3;
    for (int round = 0; round < 2000; round++) {
        JSON_AUTO j = {.out = BUF_INIT};
        cJSON *model = cJSON_CreateObject();
        json_open(&j, '{');
        write_random(&j, model, &seed, 0);
        json_close(&j, '}');
        const char *end;
        cJSON *parsed = cJSON_ParseWithOpts(buf_text(&j.out), &end, true);
        case_true(buf_text(&j.out), parsed != NULL);
        case_true(buf_text(&j.out), cJSON_Compare(parsed, model, true));
        cJSON_Delete(parsed);
        cJSON_Delete(model);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_structure),       cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_escapes),         cmocka_unit_test(test_utf8),
        cmocka_unit_test(test_utf8_exhaustive), cmocka_unit_test(test_base64),
        cmocka_unit_test(test_round_trip),      cmocka_unit_test(test_nul),
        cmocka_unit_test(test_nesting),
    };
    UNIT_RUN("base-json", tests);
}

/* Goal of this test: exactly two texts stand for a key, and each key for exactly these two. */
#include "fixture.h"

#include "modload/modload.h"

static const struct ml_key sample = {{0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef, 0xfe, 0xdc,
                                      0xba, 0x98, 0x76, 0x54, 0x32, 0x10}};

enum form { NEITHER, UUID, HEX };

static void check_parse(const char *text, enum form form)
{
    struct {
        const char *name;
        int (*parse)(const char *text, struct ml_key *key, struct ml_error *err);
        bool takes;
    } parsers[] = {
        {"ml_key_from_uuid", ml_key_from_uuid, form == UUID},
        {"ml_key_from_hex", ml_key_from_hex, form == HEX},
        {"ml_key_parse", ml_key_parse, form != NEITHER},
    };
    char *exact = strdup(text); /* a byte too far is seen by ASan */
    assert_non_null(exact);
    for (size_t i = 0; i < 3; i++) {
        struct ml_key key, untouched;
        struct ml_error err = ML_ERROR_INIT;
        char name[160];
        snprintf(name, sizeof name, "%s of '%s'", parsers[i].name, text);
        memset(&untouched, 0x5a, sizeof untouched);
        key = untouched;
        case_int(name, parsers[i].parse(exact, &key, &err), parsers[i].takes ? 0 : -1);
        case_true(name, memcmp(&key, parsers[i].takes ? &sample : &untouched, sizeof key) == 0);
        case_int(name, err.status, parsers[i].takes ? 0 : ML_DATA);
        case_int(name, parsers[i].parse(exact, &key, NULL), parsers[i].takes ? 0 : -1);
        if (!parsers[i].takes) {
            case_text(name, err.code, "bad_key");
            case_true(name, strstr(err.message, text) != NULL);
            case_true(name, err.hint[0] != '\0');
        }
    }
    free(exact);
}

static void test_parse(void **state)
{
    static const struct {
        const char *text;
        enum form form;
    } cases[] = {
        {"01234567-89ab-cdef-fedc-ba9876543210", UUID},
        {"01234567-89AB-CDEF-FEDC-BA9876543210", UUID},
        {"01234567-89aB-cDef-FEdc-Ba9876543210", UUID},
        {"0123456789abcdeffedcba9876543210", HEX},
        {"0123456789ABCDEFFEDCBA9876543210", HEX},
        {"0123456789aBcDeFfEdCbA9876543210", HEX},
        /* nothing around it */
        {"{01234567-89ab-cdef-fedc-ba9876543210}", NEITHER},
        {"{0123456789abcdeffedcba9876543210}", NEITHER},
        {"(01234567-89ab-cdef-fedc-ba9876543210)", NEITHER},
        {"\"01234567-89ab-cdef-fedc-ba9876543210\"", NEITHER},
        {"urn:uuid:01234567-89ab-cdef-fedc-ba9876543210", NEITHER},
        {"uuid:01234567-89ab-cdef-fedc-ba9876543210", NEITHER},
        {"0x0123456789abcdeffedcba9876543210", NEITHER},
        {" 01234567-89ab-cdef-fedc-ba9876543210", NEITHER},
        {"01234567-89ab-cdef-fedc-ba9876543210 ", NEITHER},
        {"01234567-89ab-cdef-fedc-ba9876543210\n", NEITHER},
        {"0123456789abcdeffedcba9876543210\n", NEITHER},
        {"\n0123456789abcdeffedcba9876543210", NEITHER},
        {"0123456789abcdeffedcba9876543210\r", NEITHER},
        {"01234567-89ab-cdef-fedc-ba9876543210\t", NEITHER},
        {"01234567-89ab-cdef-fedc-ba9876543210x", NEITHER},
        {"0123456789abcdeffedcba98765432100", NEITHER},
        /* hyphens where they belong, or none */
        {"0123456789ab-cdef-fedc-ba9876543210", NEITHER},
        {"01234567-89abcdef-fedc-ba9876543210", NEITHER},
        {"01234567-89ab-cdeffedc-ba9876543210", NEITHER},
        {"01234567-89ab-cdef-fedcba9876543210", NEITHER},
        {"01234567-89abcdeffedcba9876543210", NEITHER},
        {"0123456-789ab-cdef-fedc-ba9876543210", NEITHER},
        {"012345678-9ab-cdef-fedc-ba9876543210", NEITHER},
        {"01234567-89ab-cdef-fedc-ba98765432-10", NEITHER},
        {"01234567--89ab-cdef-fedc-ba987654321", NEITHER},
        {"-01234567-89ab-cdef-fedc-ba987654321", NEITHER},
        {"01234567-89ab-cdef-fedc-ba987654321-", NEITHER},
        {"01234567_89ab_cdef_fedc_ba9876543210", NEITHER},
        {"01234567 89ab cdef fedc ba9876543210", NEITHER},
        {"01234567:89ab:cdef:fedc:ba9876543210", NEITHER},
        {"0123-4567-89ab-cdef-fedc-ba98-7654-3210", NEITHER},
        {"01234567\xe2\x80\x93"
         "89ab-cdef-fedc-ba9876543210",
         NEITHER},
        /* digits */
        {"g1234567-89ab-cdef-fedc-ba9876543210", NEITHER},
        {"01234567-89ab-cdef-fedc-ba987654321g", NEITHER},
        {"01234567-89ab-cdef-fedc-ba987654321", NEITHER},
        {"0123456789abcdeffedcba987654321", NEITHER},
        {"0123456789abcdeffedcba987654321G", NEITHER},
        {"0123456789abcdeffedcba987654321O", NEITHER},
        {"0123456789abcdef@edcba9876543210", NEITHER},
        {"0123456789abcdef`edcba9876543210", NEITHER},
        {"0123456789abcdef\xe6"
         "edcba9876543210",
         NEITHER},
        {"+123456789abcdeffedcba9876543210", NEITHER},
        {"0123456789abcdeffedcba9876543 10", NEITHER},
        {"\xef\xbc\x90"
         "123456789abcdeffedcba98765432",
         NEITHER},
        {"", NEITHER},
        {"-", NEITHER},
        {"0", NEITHER},
        {"----", NEITHER},
        {"--------------------------------", NEITHER},
        {"01234567", NEITHER},
        {"math", NEITHER},
        {"../../../../etc/passwd", NEITHER},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check_parse(cases[i].text, cases[i].form);
}

/* Every cut of a good text is a bad one. */
static void test_cut(void **state)
{
    for (size_t n = 0; n < 36; n++) {
        char text[40] = "01234567-89ab-cdef-fedc-ba9876543210";
        text[n] = '\0';
        check_parse(text, NEITHER);
    }
    for (size_t n = 0; n < 32; n++) {
        char text[40] = "0123456789abcdeffedcba9876543210";
        text[n] = '\0';
        check_parse(text, NEITHER);
    }
}

/* At every place, every byte but a digit (or the hyphen of the place) makes it no key. */
static void test_every_byte(void **state)
{
    static const char *const texts[] = {"01234567-89ab-cdef-fedc-ba9876543210",
                                        "0123456789abcdeffedcba9876543210"};
    for (size_t t = 0; t < 2; t++) {
        for (size_t at = 0; texts[t][at] != '\0'; at++) {
            for (int c = 1; c < 256; c++) {
                char text[40];
                struct ml_key key;
                bool hyphen = texts[t][at] == '-';
                bool fine = hyphen ? c == '-' : strchr("0123456789abcdefABCDEF", c) != NULL;
                strcpy(text, texts[t]);
                text[at] = (char)c;
                if ((ml_key_parse(text, &key, NULL) == 0) != fine)
                    fail_msg("byte 0x%02x at %zu", c, at);
            }
        }
    }
}

static void test_sixteen_bytes(void **state)
{
    char bytes[17];
    memcpy(bytes, &sample, 16);
    bytes[16] = '\0';
    check_parse(bytes, NEITHER);
    memset(bytes, 'a', 16);
    check_parse(bytes, NEITHER);
}

/* Any 128 bits are a key: version and variant are not looked at. */
static void test_round_trip(void **state)
{
    uint64_t seed = 7;
    for (int round = 0; round < 20000; round++) {
        struct ml_key key, back;
        char uuid[ML_UUID_SIZE], hex[ML_KEY_TEXT_SIZE];
        uint64_t halves[2] = {next_random(&seed), next_random(&seed)};
        memcpy(&key, halves, sizeof key);
        if (round < 2)
            memset(&key, round ? 0xff : 0, sizeof key);
        ml_key_to_uuid(&key, uuid);
        ml_key_to_hex(&key, hex);
        case_int(uuid, strlen(uuid), 36);
        case_int(hex, strspn(hex, "0123456789abcdef"), 32);
        case_int(hex, strlen(hex), 32);
        case_int(uuid, ml_key_from_uuid(uuid, &back, NULL), 0);
        case_true(uuid, memcmp(&key, &back, sizeof key) == 0);
        case_int(hex, ml_key_from_hex(hex, &back, NULL), 0);
        case_true(hex, memcmp(&key, &back, sizeof key) == 0);
        char *to = uuid;
        for (const char *p = uuid; *p != '\0'; p++)
            if (*p != '-')
                *to++ = *p;
        *to = '\0';
        case_text(hex, uuid, hex); /* one is the other without its hyphens */
    }
}

static void test_case(void **state)
{
    struct ml_key key;
    char uuid[ML_UUID_SIZE], hex[ML_KEY_TEXT_SIZE];
    assert_int_equal(ml_key_parse("01234567-89AB-CDEF-FEDC-BA9876543210", &key, NULL), 0);
    ml_key_to_uuid(&key, uuid);
    ml_key_to_hex(&key, hex);
    assert_string_equal(uuid, "01234567-89ab-cdef-fedc-ba9876543210");
    assert_string_equal(hex, "0123456789abcdeffedcba9876543210");
}

static void test_generate(void **state)
{
    enum { N = 1000 };
    static struct ml_key keys[N];
    unsigned char ones[16] = {0}, zeros[16] = {0};
    for (int i = 0; i < N; i++) {
        ml_key_generate(&keys[i]);
        assert_int_equal(keys[i].bytes[6] >> 4, 4); /* the version */
        assert_int_equal(keys[i].bytes[8] >> 6, 2); /* the variant */
        for (int j = 0; j < i; j++)
            assert_memory_not_equal(&keys[i], &keys[j], sizeof keys[i]);
        for (int b = 0; b < 16; b++) {
            ones[b] |= keys[i].bytes[b];
            zeros[b] |= (unsigned char)~keys[i].bytes[b];
        }
    }
    for (int b = 0; b < 16; b++) { /* and every other bit takes both values */
        assert_int_equal(ones[b], b == 6 ? 0x4f : b == 8 ? 0xbf : 0xff);
        assert_int_equal(zeros[b], b == 6 ? 0xbf : b == 8 ? 0x7f : 0xff);
    }
}

/* Children do not repeat what their parent, or another child, makes. */
static int write_key(void *arg)
{
    struct ml_key key;
    ml_key_generate(&key);
    CHILD_CHECK(write(*(int *)arg, &key, sizeof key) == sizeof key);
    return 0;
}

static void test_generate_in_children(void **state)
{
    struct ml_key keys[4];
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    ml_key_generate(&keys[3]);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(child_run(write_key, &fds[1]), 0);
        assert_int_equal(read(fds[0], &keys[i], sizeof keys[i]), sizeof keys[i]);
    }
    for (int i = 0; i < 4; i++)
        for (int j = 0; j < i; j++)
            assert_memory_not_equal(&keys[i], &keys[j], sizeof keys[i]);
    close(fds[0]);
    close(fds[1]);
}

static void test_name_valid(void **state)
{
    static const struct {
        const char *name;
        bool valid;
    } cases[] = {
        {"math", true},
        {"abcd", true}, /* reads like a prefix, but is no key */
        {"0123456789abcdef", true},
        {"0123456789abcdeffedcba987654321", true},
        {"0123456789abcdeffedcba9876543210", false}, /* a key */
        {"0123456789ABCDEFFEDCBA9876543210", false},
        {"01234567-89ab-cdef-fedc-ba9876543210", false},
        {"0123456789abcdeffedcba98765432100", true},
        {"g123456789abcdeffedcba9876543210", true},
        {"", false},
        {".math", false},
        {"math@1", false},
        {"a/b", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        case_int(cases[i].name, ml_name_valid(cases[i].name), cases[i].valid);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),      cmocka_unit_test(test_cut),
        cmocka_unit_test(test_every_byte), cmocka_unit_test(test_sixteen_bytes),
        cmocka_unit_test(test_round_trip), cmocka_unit_test(test_case),
        cmocka_unit_test(test_generate),   cmocka_unit_test(test_generate_in_children),
        cmocka_unit_test(test_name_valid),
    };
    UNIT_RUN("client-key", tests);
}

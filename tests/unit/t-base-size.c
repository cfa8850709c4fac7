/* Goal of this test: a size is read exactly or not at all, and is told without rounding. */
#include "fixture.h"

#include "base/size.h"

#define EIB (UINT64_C(1) << 60)

static void sizes(void **state)
{
    static const struct {
        const char *text;
        bool good;
        uint64_t bytes;
    } cases[] = {
        {"0", true, 0},
        {"1", true, 1},
        {"0K", true, 0},
        {"007", true, 7},
        {"1K", true, 1024},
        {"64M", true, 64 << 20},
        {"256M", true, 256 << 20},
        {"3G", true, UINT64_C(3) << 30},
        {"2T", true, UINT64_C(2) << 40},
        {"1048576T", true, EIB},
        {"1152921504606846976", true, EIB},
        {"1152921504606846977", false, 0},
        {"1048577T", false, 0},
        {"18446744073709551616", false, 0},
        {"18446744073709551617K", false, 0},
        {"18014398509481985K", false, 0}, /* 2^64 + 1024 */
        {"", false, 0},
        {"M", false, 0},
        {"1m", false, 0},
        {"1k", false, 0},
        {"1MB", false, 0},
        {"1MiB", false, 0},
        {"1 M", false, 0},
        {" 1", false, 0},
        {"1.5M", false, 0},
        {"-1", false, 0},
        {"+1", false, 0},
        {"0x10", false, 0},
        {"1e3", false, 0},
        {"1P", false, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint64_t bytes = 42;
        case_int(cases[i].text, size_parse(cases[i].text, &bytes), cases[i].good);
        case_int(cases[i].text, (int64_t)bytes, cases[i].good ? (int64_t)cases[i].bytes : 42);
    }
}

static void texts(void **state)
{
    static const struct {
        uint64_t bytes;
        const char *text;
    } cases[] = {
        {0, "0 bytes"},           {1, "1 byte"},
        {1023, "1023 bytes"},     {1024, "1 KiB"},
        {1025, "1025 bytes"},     {64 << 20, "64 MiB"},
        {1536 << 10, "1536 KiB"}, {UINT64_C(5) << 30, "5 GiB"},
        {EIB, "1048576 TiB"},     {UINT64_MAX, "18446744073709551615 bytes"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[SIZE_TEXT];
        size_format(cases[i].bytes, text);
        case_text(cases[i].text, text, cases[i].text);
    }
}

static void rounded(void **state)
{
    static const struct {
        uint64_t bytes;
        const char *text;
    } cases[] = {
        {0, "0 B"},          {1023, "1023 B"},        {1024, "1.0 KiB"},         {1536, "1.5 KiB"},
        {204800, "200 KiB"}, {1ULL << 30, "1.0 GiB"}, {UINT64_MAX, "16384 PiB"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[SIZE_TEXT];
        case_text(cases[i].text, size_round(cases[i].bytes, text), cases[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes),
        cmocka_unit_test(texts),
        cmocka_unit_test(rounded),
    };
    UNIT_RUN("base-size", tests);
}

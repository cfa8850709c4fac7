/* Goal of this test: a buffer is always a text, grows without losing a byte, and a failed
 * allocation is remembered and harmless. */
#include "fixture.h"

#include <wchar.h>

#include "base/buf.h"

static void test_empty(void **state)
{
    struct buf b = BUF_INIT;
    assert_string_equal(buf_text(&b), "");
    buf_reset(&b);
    assert_string_equal(buf_text(&b), "");
    buf_free(&b);
    buf_free(&b);
    char *text = buf_steal(&b);
    assert_string_equal(text, "");
    free(text);
}

static void test_text_after_reserve(void **state)
{
    BUF_AUTO b = BUF_INIT;
    assert_true(buf_reserve(&b, 100));
    assert_int_equal(b.len, 0);
    assert_int_equal(buf_text(&b)[0], '\0');
}

static void test_growth(void **state)
{
    BUF_AUTO b = BUF_INIT;
    static char want[70000];
    size_t n = 0;
    for (size_t size = 0; n + size < sizeof want; size = (size + 1) % 400) {
        for (size_t i = 0; i < size; i++)
            want[n + i] = (char)(n * 31 + i * 7);
        buf_add(&b, want + n, size);
        n += size;
        assert_int_equal(b.len, n);
        assert_int_equal(b.data[n], '\0');
        assert_true(b.cap > b.len);
    }
    assert_memory_equal(b.data, want, n);
    assert_false(b.failed);
}

static void test_all_adders(void **state)
{
    BUF_AUTO b = BUF_INIT;
    buf_str(&b, "one");
    buf_char(&b, ' ');
    buf_fmt(&b, "%s-%d", "two", 3);
    buf_add(&b, "\0x", 2);
    buf_add(&b, NULL, 0);
    buf_str(&b, "");
    assert_int_equal(b.len, 11);
    assert_memory_equal(b.data, "one two-3\0x", 12);
}

/* Formatted text of every length, so that each way to meet the end of the memory is met. */
static void test_format_lengths(void **state)
{
    for (int before = 0; before < 130; before += 13) {
        for (int n = 0; n < 300; n++) {
            BUF_AUTO b = BUF_INIT;
            buf_fmt(&b, "%*s", before, "");
            buf_fmt(&b, "%*s|", n, "");
            assert_int_equal(b.len, before + n + 1);
            assert_int_equal(b.data[b.len - 1], '|');
            assert_int_equal(b.data[b.len], '\0');
        }
    }
}

static void test_reset_keeps_memory(void **state)
{
    BUF_AUTO b = BUF_INIT;
    for (int i = 0; i < 1000; i++)
        buf_str(&b, "0123456789");
    size_t cap = b.cap;
    buf_reset(&b);
    assert_string_equal(buf_text(&b), "");
    assert_int_equal(b.cap, cap);
    buf_str(&b, "again");
    assert_string_equal(buf_text(&b), "again");
}

static void test_steal(void **state)
{
    struct buf b = BUF_INIT;
    buf_str(&b, "mine");
    char *text = buf_steal(&b);
    assert_string_equal(text, "mine");
    free(text);
    assert_null(b.data);
    assert_int_equal(b.len, 0);
    buf_str(&b, "next");
    assert_string_equal(buf_text(&b), "next");
    buf_free(&b);
}

static void test_failed(void **state)
{
    static const struct {
        const char *name;
        size_t more;
    } cases[] = {
        {"more than there are numbers for", SIZE_MAX},
        {"half of all numbers", SIZE_MAX / 2 + 1},
#ifndef __SANITIZE_ADDRESS__ /* whose allocator reports such a wish as a fault */
        {"more than there is memory", SIZE_MAX / 4},
#endif
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buf b = BUF_INIT;
        buf_str(&b, "kept");
        case_true(cases[i].name, !buf_reserve(&b, cases[i].more));
        case_true(cases[i].name, b.failed);
        buf_str(&b, "dropped");
        buf_char(&b, 'x');
        buf_fmt(&b, "%d", 1);
        case_text(cases[i].name, buf_text(&b), "kept");
        case_true(cases[i].name, !buf_reserve(&b, 1));
        case_true(cases[i].name, buf_steal(&b) == NULL);
        case_true(cases[i].name, b.data == NULL && b.len == 0 && !b.failed);
        buf_str(&b, "fresh");
        case_text(cases[i].name, buf_text(&b), "fresh");
        buf_free(&b);
    }
}

static void test_format_fails(void **state)
{
    BUF_AUTO b = BUF_INIT;
    buf_fmt(&b, "a%lcb", (wint_t)0x10ffff); /* no character of the C locale */
    assert_true(b.failed);
    assert_string_equal(buf_text(&b), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty),          cmocka_unit_test(test_text_after_reserve),
        cmocka_unit_test(test_growth),         cmocka_unit_test(test_all_adders),
        cmocka_unit_test(test_format_lengths), cmocka_unit_test(test_reset_keeps_memory),
        cmocka_unit_test(test_steal),          cmocka_unit_test(test_failed),
        cmocka_unit_test(test_format_fails),
    };
    UNIT_RUN("base-buf", tests);
}

/* Goal of this test: limits are what they say to the byte; what is out of proportion is hostile,
 * what is merely large is not. */
#include "archive/budget.h"

#include "fixture.h"

static struct budget small(uint64_t size)
{
    struct budget b = {.limits = ARCHIVE_LIMITS_INIT, .size = size};
    b.limits.total_bytes = 1000;
    b.limits.file_bytes = 600;
    b.limits.entries = 3;
    b.limits.ratio = 10;
    b.limits.free_bytes = 2000;
    return b;
}

static void one_file(void **state)
{
    static const struct {
        uint64_t size;
        int status;
    } cases[] = {
        {0, 0},
        {600, 0},
        {601, ML_LIMIT},
        {2000, ML_LIMIT},       /* free of proportion */
        {2000 + 109, ML_LIMIT}, /* 10 times 10, and the rest of a division */
        {2000 + 110, ML_REFUSED},
        {UINT64_MAX, ML_REFUSED},
        {INT64_MAX, ML_REFUSED},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char name[32];
        struct ml_error err = ML_ERROR_INIT;
        struct budget b = small(10);
        snprintf(name, sizeof name, "%llu", (unsigned long long)cases[i].size);
        case_int(name, budget_file(&b, "a", cases[i].size, &err), cases[i].status ? -1 : 0);
        case_int(name, err.status, cases[i].status);
        case_text(name, err.code,
                  cases[i].status == ML_REFUSED ? "hostile_archive"
                  : cases[i].status             ? "archive_too_large"
                                                : "");
    }
}

static void all_files(void **state)
{
    struct budget b = small(1000);
    struct ml_error err = ML_ERROR_INIT;
    assert_int_equal(budget_bytes(&b, "a", 0, 500, NULL), 0);
    assert_int_equal(budget_bytes(&b, "a", 500, 100, NULL), 0);
    assert_int_equal(budget_bytes(&b, "a", 600, 1, &err), -1);
    assert_string_equal(err.message, "'a' has more than 600 bytes");
    assert_int_equal(budget_bytes(&b, "b", 0, 400, NULL), 0);
    assert_int_equal(b.bytes, 1000);
    assert_int_equal(budget_bytes(&b, "b", 400, 1, &err), -1);
    assert_string_equal(err.message, "its files have more than 1000 bytes together");
    assert_int_equal(budget_bytes(&b, "b", 400, UINT64_MAX, &err), -1);
    assert_int_equal(b.bytes, 1000);
}

static void entries(void **state)
{
    struct budget large = small(1000), b = small(0);
    struct ml_error err = ML_ERROR_INIT;
    assert_int_equal(budget_entries(&large, 3, NULL), 0);
    assert_int_equal(budget_entries(&large, 4, &err), -1);
    assert_int_equal(err.status, ML_LIMIT);
    assert_string_equal(err.message, "it has more than 3 files and directories");
    assert_int_equal(budget_entries(&b, 100, &err), -1);
    assert_int_equal(err.status, ML_REFUSED);
}

static void streams(void **state)
{
    struct budget b = small(1000);
    struct ml_error err = ML_ERROR_INIT;
    assert_int_equal(budget_stream(&b, 12000, NULL), 0); /* larger than the files may be */
    assert_int_equal(budget_stream(&b, 12010, &err), -1);
    assert_int_equal(err.status, ML_REFUSED);
    assert_string_equal(err.message, "it unpacks to more than 10 times its own size, as bombs do");
}

/* Then sizes alone count: what lies between files as well as what is in them. */
static void no_ratio(void **state)
{
    struct budget b = small(0);
    struct ml_error err = ML_ERROR_INIT;
    const uint64_t most = 1000 + 3 * 8192 + (1 << 20);
    b.limits.ratio = 0;
    b.limits.free_bytes = 0;
    assert_int_equal(budget_bytes(&b, "a", 0, 600, NULL), 0);
    assert_int_equal(budget_entries(&b, 3, NULL), 0);
    assert_int_equal(budget_entries(&b, 4, NULL), -1);
    assert_int_equal(budget_file(&b, "b", UINT64_MAX, &err), -1);
    assert_int_equal(err.status, ML_LIMIT);
    assert_int_equal(budget_stream(&b, most, NULL), 0);
    assert_int_equal(budget_stream(&b, most + 1, &err), -1);
    assert_int_equal(err.status, ML_LIMIT);
    assert_string_equal(err.message, "it unpacks to more than 1074152 bytes");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_file), cmocka_unit_test(all_files), cmocka_unit_test(entries),
        cmocka_unit_test(streams),  cmocka_unit_test(no_ratio),
    };
    UNIT_RUN("archive/budget", tests);
}

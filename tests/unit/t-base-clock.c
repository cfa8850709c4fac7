/* Goal of this test: a duration is read exactly or not at all, and never shrinks to nothing; the
 * clock does not go back. */
#include "fixture.h"

#include <limits.h>
#include <time.h>

#include "base/clock.h"

static void test_durations(void **state)
{
    static const struct {
        const char *text;
        int64_t ms;
    } cases[] = {
        {"0", 0},
        {"0ms", 0},
        {"0s", 0},
        {"0.000s", 0},
        {"1", 1000},
        {"007", 7000},
        {"1ms", 1},
        {"250ms", 250},
        {"1s", 1000},
        {"1.5s", 1500},
        {"1.5", 1500},
        {"2m", 120000},
        {"1.25m", 75000},
        {"3h", 10800000},
        {"0.5h", 1800000},
        {"1d", 86400000},
        {"30d", 2592000000},
        {"0.25d", 21600000},
        {"0.001s", 1},
        {"1.999s", 1999},
        /* up, never down: not to 0, and not below what was asked for */
        {"0.1ms", 1},
        {"1.001ms", 2},
        {"0.0001s", 1},
        {"0.00000000000000000000001s", 1},
        {"1.0001s", 1001},
        {"0.0001m", 6},
        {"0.0005h", 1800},
        {"0.00000001h", 1},
        {"0.000000000001d", 1},
        {"1.00000000000000000000000000s", 1000},
        /* ten years and not more */
        {"316224000s", 316224000000},
        {"316224000000ms", 316224000000},
        {"87840h", 316224000000},
        {"3660d", 316224000000},
        {"316224001s", -1},
        {"316224000000.1ms", -1},
        {"87840.001h", -1},
        {"87841h", -1},
        {"3660.0000001d", -1},
        {"3661d", -1},
        {"106751991168d", -1},
        {"5270401m", -1},
        {"9223372036854775807", -1},
        {"9223372036854775808ms", -1},
        {"18446744073709551616ms", -1},
        {"18446744073709551617ms", -1},
        {"99999999999999999999999999999999999h", -1},
        /* no durations */
        {"", -1},
        {"s", -1},
        {"ms", -1},
        {".", -1},
        {".s", -1},
        {"1.", -1},
        {"1.s", -1},
        {"-1s", -1},
        {"+1s", -1},
        {"-0", -1},
        {" 1s", -1},
        {"1s ", -1},
        {"1 s", -1},
        {"1s\n", -1},
        {"1S", -1},
        {"1Ms", -1},
        {"1sec", -1},
        {"1D", -1},
        {"1dd", -1},
        {"1day", -1},
        {"1us", -1},
        {"1h30m", -1},
        {"1:30", -1},
        {"1,5s", -1},
        {"1.5.5s", -1},
        {"1e3", -1},
        {"0x10", -1},
        {"inf", -1},
        {"nan", -1},
        {"\xd9\xa1s", -1}, /* a digit, but not one of ours */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        case_int(cases[i].text, clock_parse_duration(cases[i].text), cases[i].ms);
}

static void test_poll_timeout(void **state)
{
    assert_int_equal(clock_poll_timeout(-1), -1);
    assert_int_equal(clock_poll_timeout(INT64_MIN), -1);
    assert_int_equal(clock_poll_timeout(0), 0);
    assert_int_equal(clock_poll_timeout(clock_ms()), 0);
    assert_int_equal(clock_poll_timeout(INT64_MAX), INT_MAX);
    assert_int_equal(clock_poll_timeout(clock_ms() + 10LL * INT_MAX), INT_MAX);
    int64_t before = clock_ms();
    int left = clock_poll_timeout(before + 60000);
    int64_t after = clock_ms();
    assert_true(left <= 60000 && left >= 60000 - (after - before));
}

static void test_never_back(void **state)
{
    int64_t last = clock_ms();
    assert_true(last >= 0);
    for (int i = 0; i < 100000; i++) {
        int64_t now = clock_ms();
        assert_true(now >= last);
        last = now;
    }
}

/* Not later than it may be, and early at most where a machine is so busy that it loses ticks. */
static void test_late(void **state)
{
    struct timespec tick;
    assert_int_equal(clock_getres(CLOCK_MONOTONIC_COARSE, &tick), 0);
    int64_t tick_ms = tick.tv_sec * 1000 + tick.tv_nsec / 1000000 + 1;
    int early = 0;
    for (int i = 0; i < 100000; i++) {
        int64_t before = clock_ms(), late = clock_ms_late(), after = clock_ms();
        early += late < before;
        assert_true(late <= after + tick_ms);
    }
    assert_true(early < 50000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_durations),
        cmocka_unit_test(test_poll_timeout),
        cmocka_unit_test(test_never_back),
        cmocka_unit_test(test_late),
    };
    UNIT_RUN("base-clock", tests);
}

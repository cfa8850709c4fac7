/* Goal of this test: a plugin's own tests end in their time, all of them together as each of them.
 */
#include <stdlib.h>

#include "base/buf.h"
#include "base/clock.h"
#include "built.h"
#include "modload/install.h"

enum { CALL_MS = 200, IN_ALL_MS = 6 * CALL_MS, TESTS = 40 };

struct seen {
    size_t n, passed;
};

static int count(const struct ml_test_result *result, void *arg)
{
    struct seen *seen = arg;
    assert_int_equal(result->count, TESTS);
    seen->n++;
    seen->passed += result->passed;
    return 0;
}

/* Each of them is within its own time, or as good as: it is their number that takes too long. */
static void all_of_them(void **state)
{
    const struct place *place = *state;
    BUF_AUTO manifest = BUF_INIT;
    BUILT_AUTO built = {0};
    struct ml_error err = ML_ERROR_INIT;
    struct seen seen = {0};
    struct ml_ctx *ctx;
    buf_str(&manifest, "{\"name\": \"slow\", \"tests\": [{\"call\": \"never\"}");
    for (int i = 1; i < TESTS; i++)
        buf_str(&manifest, ", {\"call\": \"never\"}");
    buf_str(&manifest, "]}");
    built_write(place, "slow/modload.json", buf_text(&manifest));
    built_write(place, "slow/slow.c", "void never(void) { for (;;) __asm__ volatile(\"\"); }\n");
    built_path(place, place_path(place, "slow"), &built);
    assert_int_equal(built.status, 0);
    const struct ml_ctx_options options = {.home = place_path(place, "home"),
                                           .runtime_dir = place_path(place, "run")};
    assert_int_equal(ml_ctx_new(&options, &ctx, NULL), 0);
    int64_t begun = clock_ms();
    assert_int_equal(ml_bundle_test(ctx, built.info->bundle, CALL_MS, -1, count, &seen, &err), -1);
    assert_int_equal(err.status, ML_TIMEOUT);
    assert_string_equal(err.message, "its tests take longer than 1.2 s");
    assert_true(clock_ms() - begun >= IN_ALL_MS);
    /* As many as have their whole time, and one that gets the rest, be that a millisecond: clocks
     * count whole ones. */
    assert_in_range(seen.n, 1, IN_ALL_MS / CALL_MS + 1);
    assert_int_equal(seen.passed, 0);
    ml_ctx_free(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {place_test(all_of_them)};
    UNIT_RUN("install/test", tests);
}

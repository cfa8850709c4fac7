/* Goal of this test: the history of an entry is told newest first, with what is current, pinned and
 * still there. */
#include "registry.h"

#include "base/fs.h"
#include "client/context.h"
#include "modload/modload.h"

enum { NOW = 1767323045 };

static struct ml_ctx *open_ctx(const struct place *place)
{
    struct ml_ctx_options options = {.home = registry_path(place), .wait_ms = 10000};
    struct ml_ctx *ctx;
    assert_int_equal(ml_ctx_new(&options, &ctx, NULL), 0);
    return ctx;
}

static struct ml_key key_of(unsigned n)
{
    struct ml_key key;
    assert_int_equal(ml_key_from_uuid(registry_uuid(n), &key, NULL), 0);
    return key;
}

static void file_bundles(struct ml_ctx *ctx)
{
    struct store *store;
    assert_int_equal(ctx_store(ctx, true, &store, NULL), 0);
    registry_bundle(store, registry_id('a'), "math@1.2.0");
    registry_bundle(store, registry_id('b'), "text@0.1.0");
    registry_bundle(store, registry_id('c'), "cafe@3.0.0");
}

struct seen {
    struct buf text;
    struct ml_ctx *ctx; /* is read through meanwhile */
    struct ml_key key;
    int n, stop_at;
};

/* "3 rollback<1 b-aa n math 1.2.0 [origin] current pinned present" */
static int see(const struct ml_generation *g, void *arg)
{
    struct seen *seen = arg;
    char bundle[ML_BUNDLE_ID_SIZE];
    if (seen->ctx != NULL)
        assert_int_equal(ml_lookup(seen->ctx, &seen->key, bundle, NULL), 0);
    buf_fmt(&seen->text, "%lu %s", g->number, g->change);
    if (g->of != 0)
        buf_fmt(&seen->text, "<%lu", g->of);
    buf_fmt(&seen->text, " %.4s %s %s %s [%s]%s%s%s\n", *g->bundle ? g->bundle : "-",
            *g->name ? g->name : "-", *g->plugin ? g->plugin : "-", *g->version ? g->version : "-",
            g->origin, g->current ? " current" : "", g->pinned ? " pinned" : "",
            g->present ? " present" : "");
    return ++seen->n == seen->stop_at ? 17 : 0;
}

static void check_history(struct ml_ctx *ctx, unsigned n, const char *want)
{
    struct seen seen = {.key = key_of(n)};
    assert_int_equal(ml_history(ctx, &seen.key, see, &seen, NULL), 0);
    assert_string_equal(buf_text(&seen.text), want);
    buf_free(&seen.text);
}

static void test_history(void **state)
{
    struct ml_ctx *ctx = open_ctx(*state);
    struct ml_key key = key_of(1), other = key_of(0); /* of the same shard */
    file_bundles(ctx);
    assert_int_equal(ml_register(ctx, &other, registry_id('c'), "x", NULL, NULL, NULL), 0);
    assert_int_equal(ml_register(ctx, &key, registry_id('a'), "n", "/a b\n", NULL, NULL), 0);
    assert_int_equal(ml_register(ctx, &key, registry_id('b'), "", NULL, NULL, NULL), 0);
    check_history(ctx, 1,
                  "2 register b-bb - text 0.1.0 [] current present\n"
                  "1 register b-aa n math 1.2.0 [/a b\n] present\n");
    assert_int_equal(ml_rollback(ctx, &key, 1, NULL, NULL), 0);
    assert_int_equal(ml_pin(ctx, &key, 1, true, NULL, NULL), 1);
    assert_int_equal(ml_pin(ctx, &key, 2, true, NULL, NULL), 1);
    assert_int_equal(ml_pin(ctx, &key, 2, false, NULL, NULL), 1);
    assert_int_equal(ml_pin(ctx, &key, 3, true, NULL, NULL), 1);
    check_history(ctx, 1,
                  "3 rollback<1 b-aa n math 1.2.0 [/a b\n] current pinned present\n"
                  "2 register b-bb - text 0.1.0 [] present\n"
                  "1 register b-aa n math 1.2.0 [/a b\n] pinned present\n");
    assert_int_equal(ml_unregister(ctx, &key, NULL), 1);
    struct store *store; /* a bundle that is gone */
    char path[64];
    assert_int_equal(ctx_store(ctx, true, &store, NULL), 0);
    snprintf(path, sizeof path, "home/bundles/%s", registry_id('b'));
    const struct place *place = *state;
    fs_remove_tree(place->fd, path);
    check_history(ctx, 1,
                  "4 unregister - - - - []\n"
                  "3 rollback<1 b-aa n math 1.2.0 [/a b\n] pinned present\n"
                  "2 register b-bb - text 0.1.0 []\n"
                  "1 register b-aa n math 1.2.0 [/a b\n] pinned present\n");
    ml_ctx_free(ctx);
}

static int see_time(const struct ml_generation *g, void *arg)
{
    char want[21];
    snprintf(want, sizeof want, "2026-01-02T03:04:%02luZ", 4 + g->number);
    assert_string_equal(g->time, want);
    ++*(int *)arg;
    return 0;
}

static void test_times(void **state)
{
    struct ml_ctx *ctx = open_ctx(*state);
    struct ml_key key = key_of(1);
    int n = 0;
    file_bundles(ctx);
    for (int i = 0; i < 20; i++) { /* more than are kept room for at first */
        registry_clock(NOW + i);
        assert_int_equal(
            ml_register(ctx, &key, registry_id(i % 2 ? 'a' : 'b'), "n", NULL, NULL, NULL), 0);
    }
    registry_clock(0);
    assert_int_equal(ml_history(ctx, &key, see_time, &n, NULL), 0);
    assert_int_equal(n, 20);
    ml_ctx_free(ctx);
}

/* Who is told can end it, and can read through the same context meanwhile. */
static void test_callback(void **state)
{
    struct ml_ctx *ctx = open_ctx(*state);
    struct seen seen = {.ctx = ctx, .key = key_of(1), .stop_at = 2};
    file_bundles(ctx);
    for (const char *c = "abc"; *c != '\0'; c++)
        assert_int_equal(ml_register(ctx, &seen.key, registry_id(*c), "n", NULL, NULL, NULL), 0);
    assert_int_equal(ml_history(ctx, &seen.key, see, &seen, NULL), 17);
    assert_string_equal(buf_text(&seen.text), "3 register b-cc n cafe 3.0.0 [] current present\n"
                                              "2 register b-bb n text 0.1.0 [] present\n");
    buf_free(&seen.text);
    ml_ctx_free(ctx);
}

static void test_none(void **state)
{
    struct ml_ctx *ctx = open_ctx(*state);
    struct ml_key key = key_of(1), other = key_of(0);
    struct seen seen = {.n = 0};
    for (int there = 0; there < 2; there++) {
        struct ml_error err = ML_ERROR_INIT;
        assert_int_equal(ml_history(ctx, &key, see, &seen, &err), -1);
        assert_int_equal(err.status, ML_NO_INPUT);
        assert_string_equal(err.code, "not_registered");
        assert_true(err.hint[0] != '\0');
        if (!there)
            assert_int_equal(access(registry_path(*state), F_OK), -1); /* none was made */
        file_bundles(ctx);
        assert_int_equal(ml_register(ctx, &other, registry_id('a'), NULL, NULL, NULL, NULL), 0);
    }
    assert_int_equal(seen.n, 0);
    ml_ctx_free(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        place_test(test_history),
        memory_place_test(test_times),
        place_test(test_callback),
        place_test(test_none),
    };
    UNIT_RUN("client-history", tests);
}

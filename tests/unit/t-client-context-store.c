/* Goal of this test: a context opens its registry when it has to, and what it holds of it stays
 * until the context is freed. */
#include "registry.h"
#include "watched.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "client/context.h"

static struct ml_ctx *new_ctx(const struct place *place)
{
    struct ml_ctx_options options = {.home = registry_path(place)};
    struct ml_ctx *ctx;
    assert_int_equal(ml_ctx_new(&options, &ctx, NULL), 0);
    return ctx;
}

/* ---- the registry ---- */

/* It is opened once, and again only for what the first was not good for. */
static void test_store(void **state)
{
    struct ml_ctx *ctx = new_ctx(*state);
    struct store *reader, *same, *writer, *again;
    int fds = count_fds();
    assert_int_equal(ctx_store(ctx, false, &reader, NULL), 0);
    assert_false(store_present(reader));
    store_close(registry_open(*state)); /* somebody else makes it */
    assert_int_equal(ctx_store(ctx, false, &same, NULL), 0);
    assert_true(store_present(same));
    assert_int_equal(ctx_store(ctx, false, &again, NULL), 0);
    assert_ptr_equal(same, again);
    assert_int_equal(ctx_store(ctx, true, &writer, NULL), 0);
    assert_int_equal(ctx_store(ctx, false, &again, NULL), 0);
    assert_ptr_equal(writer, again);
    assert_int_equal(ctx_store(ctx, true, &again, NULL), 0);
    assert_ptr_equal(writer, again);
    ml_ctx_free(ctx);
    assert_int_equal(count_fds(), fds);
}

/* A failure leaves the context as good as it was. */
static void test_store_fails(void **state)
{
    const struct place *place = *state;
    struct ml_ctx *ctx = new_ctx(place);
    struct store *store, *after;
    struct ml_error err = ML_ERROR_INIT;
    store_close(registry_open(place));
    assert_int_equal(ctx_store(ctx, false, &store, NULL), 0);
    assert_int_equal(fchmodat(place->fd, "home", 0777, 0), 0);
    assert_int_equal(ctx_store(ctx, true, &after, &err), -1);
    assert_int_equal(err.status, ML_REFUSED);
    assert_int_equal(ctx_store(ctx, false, &after, NULL), 0);
    assert_ptr_equal(store, after);
    ml_ctx_free(ctx);
}

/* Others are told who has the lock, as the options say. */
static void test_command(void **state)
{
    const struct place *place = *state;
    struct ml_ctx_options options = {.home = registry_path(place), .command = "modload dance"};
    struct ml_ctx *ctx;
    BUF_AUTO text = BUF_INIT;
    struct ml_key key;
    store_close(registry_open(place));
    assert_int_equal(ml_ctx_new(&options, &ctx, NULL), 0);
    ml_key_generate(&key);
    assert_int_equal(ml_rollback(ctx, &key, 0, NULL, NULL), -1); /* it had the lock for that */
    assert_int_equal(fs_read_file(place->fd, "home/locks/write", &text, 1000), 0);
    assert_non_null(strstr(buf_text(&text), "'modload dance'"));
    ml_ctx_free(ctx);
}

/* ---- what it holds ---- */

static bool goes_in_gc(struct store *store, const char *id)
{
    struct store_gc_result result;
    const struct store_gc policy = {.keep_last = 1, .older_than_s = -1};
    assert_int_equal(store_gc(store, &policy, &result, NULL), 0);
    return !store_bundle_exists(store, id);
}

static void test_hold(void **state)
{
    struct store *store = registry_open(*state);
    struct ml_ctx *ctx = new_ctx(*state);
    int fds = count_fds();
    for (const char *c = "abc"; *c != '\0'; c++) {
        registry_bundle(store, registry_id(*c), "x@1");
        assert_int_equal(ctx_hold(ctx, store_bundle_open(store, registry_id(*c), NULL), NULL), 0);
    }
    for (const char *c = "abc"; *c != '\0'; c++)
        assert_false(goes_in_gc(store, registry_id(*c)));
    ml_ctx_free(ctx);
    assert_int_equal(count_fds(), fds);
    for (const char *c = "abc"; *c != '\0'; c++)
        assert_true(goes_in_gc(store, registry_id(*c)));
    store_close(store);
}

static void test_entry_open(void **state)
{
    struct store *store = registry_open(*state);
    struct ml_ctx *ctx = new_ctx(*state);
    struct ml_error err = ML_ERROR_INIT;
    char bundle[ML_BUNDLE_ID_SIZE], path[64];
    const struct place *place = *state;
    registry_bundle(store, registry_id('a'), "x@1");
    assert_int_equal(ctx_entry_open(ctx, registry_uuid(1), bundle, &err), -1);
    assert_int_equal(err.status, ML_NO_INPUT);
    assert_int_equal(registry_change(store, registry_uuid(1), registry_id('a'), NULL), 1);
    int fd = ctx_entry_open(ctx, registry_uuid(1), bundle, &err);
    assert_true(fd >= 0);
    assert_string_equal(bundle, registry_id('a'));
    assert_int_equal(registry_change(store, registry_uuid(1), NULL, NULL), 1);
    assert_false(goes_in_gc(store, registry_id('a')));
    close(fd);
    assert_int_equal(registry_change(store, registry_uuid(1), registry_id('a'), NULL), 1);
    snprintf(path, sizeof path, "home/bundles/%s", registry_id('a'));
    assert_int_equal(fs_remove_tree(place->fd, path), 0); /* by hand */
    assert_int_equal(ctx_entry_open(ctx, registry_uuid(1), bundle, &err), -1);
    assert_int_equal(err.status, ML_REFUSED);
    assert_string_equal(err.code, "damaged");
    assert_non_null(strstr(err.hint, "modload rollback"));
    ml_ctx_free(ctx);
    store_close(store);
}

/* The entry moves on and its bundle goes, between any two calls of one who opens it. */
struct moving {
    const struct place *place;
    struct store *store;
};

static int open_moving(void *arg)
{
    const struct moving *m = arg;
    struct ml_ctx *ctx = new_ctx(m->place);
    char bundle[ML_BUNDLE_ID_SIZE], path[64];
    struct stat held, named;
    int fd = ctx_entry_open(ctx, registry_uuid(1), bundle, NULL);
    CHILD_CHECK(fd >= 0);
    snprintf(path, sizeof path, "home/bundles/%s", bundle);
    CHILD_CHECK(fstat(fd, &held) == 0 && fstatat(m->place->fd, path, &named, 0) == 0);
    CHILD_CHECK(held.st_ino == named.st_ino);
    return 0;
}

static void move_on(void *arg)
{
    const struct moving *m = arg;
    assert_int_equal(registry_change(m->store, registry_uuid(1), registry_id('b'), NULL), 1);
    goes_in_gc(m->store, registry_id('a')); /* unless it is held by now */
}

static void test_entry_open_moving(void **state)
{
    struct moving m = {*state, registry_open(*state)};
    int acted = 1;
    for (int call = 0; acted > 0; call++) {
        registry_bundle(m.store, registry_id('a'), "x@1");
        registry_bundle(m.store, registry_id('b'), "x@1");
        assert_true(registry_change(m.store, registry_uuid(1), registry_id('a'), NULL) >= 0);
        acted = interrupted(open_moving, &m, call, move_on, &m);
    }
    store_close(m.store);
    if (acted < 0)
        skip();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        place_test(test_store),
        place_test(test_store_fails),
        place_test(test_command),
        memory_place_test(test_hold),
        memory_place_test(test_entry_open),
        memory_place_test(test_entry_open_moving),
    };
    UNIT_RUN("client-context-store", tests);
}

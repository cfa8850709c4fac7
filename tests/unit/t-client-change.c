/* Goal of this test: what is asked of the library is done to the registry, and told; a list is
 * registered whole or not at all, and a mistake in it is told by its place. */
#include "registry.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "client/context.h"
#include "modload/modload.h"

static struct ml_ctx *open_ctx(const struct place *place)
{
    struct ml_ctx_options options = {.home = registry_path(place), .wait_ms = 10000};
    struct ml_ctx *ctx;
    assert_int_equal(ml_ctx_new(&options, &ctx, NULL), 0);
    return ctx;
}

static struct ml_key key_of(const char *uuid)
{
    struct ml_key key;
    assert_int_equal(ml_key_from_uuid(uuid, &key, NULL), 0);
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

/* ---- one ---- */

static void test_register(void **state)
{
    static const char *const one = "00000000-0000-4000-8000-000000000001";
    static const char *const two = "00000000-0000-4000-8000-000000000002";
    static const struct {
        const char *what, *uuid;
        char bundle;
        const char *name;
        int status;
        struct ml_register_result want;
    } steps[] = {
        {"a bad bundle", one, '1', NULL, ML_DATA, {0}},
        {"no such bundle", one, 'z', NULL, ML_NO_INPUT, {0}},
        {"a bad name", one, 'a', "a/b", ML_DATA, {0}},
        {"a key for a name", one, 'a', "0123456789abcdef0123456789abcdef", ML_DATA, {0}},
        {"new, the plugin's name",
         one,
         'a',
         NULL,
         0,
         {true, false, "math", "math", "1.2.0", "", 1}},
        {"again", one, 'a', NULL, 0, {false, false, "math", "math", "1.2.0", "", 1}},
        {"another entry, the name taken",
         two,
         'a',
         NULL,
         0,
         {true, true, "", "math", "1.2.0", "", 1}},
        {"a name that is another's", two, 'a', "math", ML_DATA, {0}},
        {"a name of its own", two, 'a', "mine", 0, {true, false, "mine", "math", "1.2.0", "", 2}},
        {"another bundle keeps it",
         two,
         'b',
         NULL,
         0,
         {true, false, "mine", "text", "0.1.0", "", 3}},
        {"without a name", two, 'b', "", 0, {true, false, "", "text", "0.1.0", "", 4}},
        {"the plugin's, free", two, 'b', NULL, 0, {true, false, "text", "text", "0.1.0", "", 5}},
        {"freed by its owner",
         one,
         'a',
         "other",
         0,
         {true, false, "other", "math", "1.2.0", "", 2}},
        {"and taken", two, 'a', "math", 0, {true, false, "math", "math", "1.2.0", "", 6}},
    };
    struct ml_ctx *ctx = open_ctx(*state);
    file_bundles(ctx);
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        const char *what = steps[i].what;
        const struct ml_register_result *want = &steps[i].want;
        struct ml_register_result result = {0};
        struct ml_error err = ML_ERROR_INIT;
        struct ml_key key = key_of(steps[i].uuid);
        int status = ml_register(ctx, &key, registry_id(steps[i].bundle), steps[i].name,
                                 "an origin", &result, &err);
        case_int(what, status, steps[i].status ? -1 : 0);
        case_int(what, err.status, steps[i].status);
        case_int(what, result.changed, want->changed);
        case_int(what, result.name_taken, want->name_taken);
        case_text(what, result.name, want->name);
        case_text(what, result.plugin, want->plugin);
        case_text(what, result.version, want->version);
        case_int(what, result.generation, want->generation);
        case_text(what, result.bundle, status == 0 ? registry_id(steps[i].bundle) : "");
    }
    ml_ctx_free(ctx);
}

/* ---- a list ---- */

static struct ml_registration want(unsigned key, char bundle, const char *name)
{
    return (struct ml_registration){
        .key = key_of(registry_uuid(key)), .bundle = registry_id(bundle), .name = name};
}

static void check_bundle(struct ml_ctx *ctx, unsigned key, char bundle, const char *name)
{
    struct ml_key k = key_of(registry_uuid(key));
    struct ml_entry entry = {.name = ""};
    case_int(registry_uuid(key), ml_entry_read(ctx, &k, &entry, NULL), bundle ? 0 : -1);
    case_text(registry_uuid(key), entry.bundle, bundle ? registry_id(bundle) : "");
    case_text(registry_uuid(key), entry.name, name);
}

static void test_list(void **state)
{
    struct ml_ctx *ctx = open_ctx(*state);
    size_t failed = 77;
    file_bundles(ctx);
    struct ml_registration list[] = {
        want(9, 'a', NULL), want(2, 'b', NULL), want(5, 'c', "math"),
        want(1, 'a', ""),   want(3, 'a', "x"),
    };
    list[4].origin = "/from/here";
    assert_int_equal(ml_register_all(ctx, list, 5, &failed, NULL), 0);
    assert_int_equal(failed, 5);
    check_bundle(ctx, 9, 'a', ""); /* the name was asked for by another */
    check_bundle(ctx, 2, 'b', "text");
    check_bundle(ctx, 5, 'c', "math");
    check_bundle(ctx, 1, 'a', "");
    check_bundle(ctx, 3, 'a', "x");
    assert_true(list[0].result.changed && list[0].result.name_taken);
    assert_string_equal(list[0].result.plugin, "math");
    assert_string_equal(list[1].result.name, "text");
    assert_false(list[1].result.name_taken);
    assert_string_equal(list[2].result.version, "3.0.0");
    assert_int_equal(list[2].result.generation, 1);
    char origin[32];
    assert_int_equal(ml_entry_origin(ctx, &list[4].key, origin, sizeof origin, NULL), 0);
    assert_string_equal(origin, "/from/here");
    assert_int_equal(ml_register_all(ctx, list, 5, NULL, NULL), 0); /* all of it is so already */
    for (int i = 0; i < 5; i++)
        assert_false(list[i].result.changed);
    ml_ctx_free(ctx);
}

/* Of a key that is there twice the last counts, and that is told of both. */
static void test_list_twice(void **state)
{
    struct ml_ctx *ctx = open_ctx(*state);
    file_bundles(ctx);
    struct ml_registration list[] = {
        want(2, 'a', "first"), want(1, 'a', NULL),    want(2, 'b', "second"),
        want(1, 'c', "third"), want(2, 'c', "first"),
    };
    assert_int_equal(ml_register_all(ctx, list, 5, NULL, NULL), 0);
    check_bundle(ctx, 2, 'c', "first");
    check_bundle(ctx, 1, 'c', "third");
    for (int i = 0; i < 5; i++) {
        assert_true(list[i].result.changed);
        assert_string_equal(list[i].result.bundle, registry_id('c'));
        assert_string_equal(list[i].result.name, i % 2 ? "third" : "first");
        assert_int_equal(list[i].result.generation, 1);
    }
    ml_ctx_free(ctx);
}

static void test_list_refused(void **state)
{
    static const struct {
        const char *what;
        size_t place;
        unsigned key;
        char bundle;
        const char *name;
        int status;
        const char *code;
    } cases[] = {
        {"no bundle id", 2, 3, '1', NULL, ML_DATA, "bad_bundle"},
        {"no such bundle", 1, 3, 'z', NULL, ML_NO_INPUT, "no_such_bundle"},
        {"no name", 0, 3, 'a', "a/b", ML_DATA, "bad_name"},
        {"a key for a name", 3, 3, 'a', "0123456789abcdef0123456789abcdef", ML_DATA, "bad_name"},
        {"another's name", 1, 3, 'a', "owned", ML_DATA, "name_taken"},
        {"a bundle without a name", 3, 3, 'd', NULL, ML_REFUSED, "damaged"},
        /* of a key whose last line is right */
        {"a mistake that would not count", 0, 30, 'z', NULL, ML_NO_INPUT, "no_such_bundle"},
        {"a name that would not count", 0, 30, 'a', "..", ML_DATA, "bad_name"},
    };
    struct ml_ctx *ctx = open_ctx(*state);
    struct store *store;
    struct ml_key owner = key_of(registry_uuid(20));
    file_bundles(ctx);
    assert_int_equal(ctx_store(ctx, true, &store, NULL), 0);
    registry_bundle(store, registry_id('d'), "no name");
    assert_int_equal(ml_register(ctx, &owner, registry_id('a'), "owned", NULL, NULL, NULL), 0);
    BUF_AUTO before = BUF_INIT;
    BUF_AUTO after = BUF_INIT;
    registry_picture(*state, "home", &before);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct ml_registration list[] = {want(40, 'a', NULL), want(10, 'b', NULL),
                                         want(30, 'c', NULL), want(5, 'a', NULL)};
        struct ml_error err = ML_ERROR_INIT;
        size_t failed = 77;
        list[cases[i].place] = want(cases[i].key, cases[i].bundle, cases[i].name);
        case_int(cases[i].what, ml_register_all(ctx, list, 4, &failed, &err), -1);
        case_int(cases[i].what, err.status, cases[i].status);
        case_text(cases[i].what, err.code, cases[i].code);
        case_int(cases[i].what, failed, cases[i].place);
        registry_picture(*state, "home", &after);
        case_text(cases[i].what, buf_text(&after), buf_text(&before));
    }
    ml_ctx_free(ctx);
}

/* However many entries get a bundle, its name is asked for once; and the whole list is one change.
 */
static void test_long_list(void **state)
{
    enum { MANY = 3000 };
    static struct ml_registration list[MANY];
    struct ml_ctx *ctx = open_ctx(*state);
    file_bundles(ctx);
    for (unsigned i = 0; i < MANY; i++) {
        ml_key_generate(&list[i].key);
        list[i].bundle = registry_id("abc"[i % 3]);
    }
    assert_int_equal(ml_register_all(ctx, list, MANY, NULL, NULL), 0);
    for (unsigned i = 0; i < MANY; i++) {
        char bundle[ML_BUNDLE_ID_SIZE];
        assert_int_equal(ml_lookup(ctx, &list[i].key, bundle, NULL), 0);
        assert_string_equal(bundle, list[i].bundle);
        assert_int_equal(list[i].result.generation, 1);
    }
    ml_ctx_free(ctx);
}

/* ---- other changes ---- */

/* Where there is no registry, none is made for what cannot be. */
static void test_no_registry(void **state)
{
    struct ml_ctx *ctx = open_ctx(*state);
    struct ml_key key = key_of(registry_uuid(1));
    struct ml_error err = ML_ERROR_INIT;
    struct ml_gc_result result;
    const struct ml_gc_policy policy = {.keep_last = 1};
    assert_int_equal(ml_unregister(ctx, &key, NULL), 0);
    assert_int_equal(ml_rollback(ctx, &key, 0, NULL, &err), -1);
    assert_int_equal(err.status, ML_NO_INPUT);
    assert_int_equal(ml_pin(ctx, &key, 0, true, NULL, &err), -1);
    assert_int_equal(err.status, ML_NO_INPUT);
    assert_int_equal(ml_register_all(ctx, NULL, 0, NULL, NULL), 0);
    assert_int_equal(ml_gc(ctx, &policy, &result, NULL), 0);
    assert_int_equal(result.bundles + result.generations + result.entries + result.in_use, 0);
    assert_int_equal(access(registry_path(*state), F_OK), -1);
    ml_ctx_free(ctx);
}

static void test_back_and_pin(void **state)
{
    struct ml_ctx *ctx = open_ctx(*state);
    struct ml_key key = key_of(registry_uuid(1));
    struct ml_register_result result = {0};
    struct ml_error err = ML_ERROR_INIT;
    unsigned long generation = 0;
    file_bundles(ctx);
    assert_int_equal(ml_rollback(ctx, &key, 0, NULL, &err), -1);
    assert_string_equal(err.code, "not_registered");
    for (const char *c = "abc"; *c != '\0'; c++)
        assert_int_equal(ml_register(ctx, &key, registry_id(*c), "n", NULL, NULL, NULL), 0);
    assert_int_equal(ml_rollback(ctx, &key, 1, &result, NULL), 0);
    assert_true(result.changed);
    assert_int_equal(result.generation, 4);
    assert_string_equal(result.bundle, registry_id('a'));
    assert_string_equal(result.plugin, "math");
    assert_string_equal(result.version, "1.2.0");
    assert_string_equal(result.name, "n");
    assert_int_equal(ml_rollback(ctx, &key, 1, &result, NULL), 0);
    assert_false(result.changed);
    assert_int_equal(ml_rollback(ctx, &key, 17, NULL, &err), -1);
    assert_string_equal(err.code, "no_generation");

    assert_int_equal(ml_pin(ctx, &key, 0, true, &generation, NULL), 1);
    assert_int_equal(generation, 4);
    assert_int_equal(ml_pin(ctx, &key, 4, true, &generation, NULL), 0);
    assert_int_equal(ml_pin(ctx, &key, 2, true, &generation, NULL), 1);
    assert_int_equal(generation, 2);
    assert_int_equal(ml_pin(ctx, &key, 2, false, NULL, NULL), 1);
    assert_int_equal(ml_pin(ctx, &key, 2, false, NULL, NULL), 0);
    assert_int_equal(ml_pin(ctx, &key, 17, true, NULL, &err), -1);
    assert_string_equal(err.code, "no_generation");

    assert_int_equal(ml_unregister(ctx, &key, NULL), 1);
    assert_int_equal(ml_unregister(ctx, &key, NULL), 0);
    assert_int_equal(ml_rollback(ctx, &key, 0, &result, NULL), 0);
    assert_string_equal(result.bundle, registry_id('a'));
    check_bundle(ctx, 1, 'a', "n");
    ml_ctx_free(ctx);
}

static int freed_add(const char *bundle, uint64_t bytes, void *arg)
{
    char *freed = arg;
    assert_true(bytes > 0);
    sprintf(freed + strlen(freed), "%c", bundle[2]);
    return 0;
}

static void test_gc(void **state)
{
    struct ml_ctx *ctx = open_ctx(*state);
    struct ml_key key = key_of(registry_uuid(1));
    struct ml_gc_result result;
    char freed[16] = "", would[16] = "";
    struct ml_gc_policy policy = {
        .by_age = true, .older_than_ms = 3600000, .freed = freed_add, .arg = freed};
    file_bundles(ctx);
    for (const char *c = "ab"; *c != '\0'; c++)
        assert_int_equal(ml_register(ctx, &key, registry_id(*c), NULL, NULL, NULL, NULL), 0);
    assert_int_equal(ml_gc(ctx, &policy, &result, NULL), 0); /* nothing is so old */
    assert_string_equal(freed, "");
    registry_clock(time(NULL) + 7200);
    policy.dry_run = true;
    policy.arg = would;
    assert_int_equal(ml_gc(ctx, &policy, &result, NULL), 0);
    assert_string_equal(would, "ac");
    policy.dry_run = false;
    policy.arg = freed;
    assert_int_equal(ml_gc(ctx, &policy, &result, NULL), 0);
    registry_clock(0);
    assert_int_equal(strlen(freed), 2);
    assert_int_equal(result.bundles, 2);
    assert_int_equal(result.generations, 1);
    assert_int_equal(result.entries, 1);
    assert_int_equal(result.in_use, 0);
    assert_true(result.bytes > 0);
    check_bundle(ctx, 1, 'b', "math");
    ml_ctx_free(ctx);
}

/* Times are whole seconds: parts of one count as one, and what is of this second is 0 s old. */
static void test_gc_seconds(void **state)
{
    static const struct {
        int64_t older_than_ms;
        time_t age;
        bool goes;
    } cases[] = {{1500, 2, false}, {1500, 3, true}, {2000, 2, false}, {2000, 3, true},
                 {1, 0, false},    {1, 1, false},   {1, 2, true},     {0, 0, true}};
    const struct place *place = *state;
    struct ml_ctx *ctx = open_ctx(place);
    struct ml_gc_result result;
    struct stat st;
    char path[64];
    file_bundles(ctx);
    snprintf(path, sizeof path, "home/bundles/%s", registry_id('c'));
    assert_int_equal(fstatat(place->fd, path, &st, 0), 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char freed[16] = "";
        const struct ml_gc_policy policy = {.by_age = true,
                                            .older_than_ms = cases[i].older_than_ms,
                                            .dry_run = true,
                                            .freed = freed_add,
                                            .arg = freed};
        registry_clock(st.st_ctime + cases[i].age);
        assert_int_equal(ml_gc(ctx, &policy, &result, NULL), 0);
        if ((strchr(freed, 'c') != NULL) != cases[i].goes)
            fail_msg("after %d s: '%s'", (int)cases[i].age, freed);
    }
    registry_clock(0);
    ml_ctx_free(ctx);
}

/* A registry that is locked makes nobody wait longer than he likes to. */
static void test_cancelled(void **state)
{
    struct ml_ctx *ctx = open_ctx(*state);
    struct ml_key key = key_of(registry_uuid(1));
    struct ml_error err = ML_ERROR_INIT;
    int cancel[2];
    const struct place *place = *state;
    file_bundles(ctx);
    assert_int_equal(pipe2(cancel, O_CLOEXEC), 0);
    assert_int_equal(write(cancel[1], "x", 1), 1);
    int lock = openat(place->fd, "home/locks/write", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_int_equal(fs_lock(lock, 0, -1), 0);
    ml_ctx_cancel_on(ctx, cancel[0]);
    assert_int_equal(ml_register(ctx, &key, registry_id('a'), NULL, NULL, NULL, &err), -1);
    assert_int_equal(err.status, ML_SIGNAL + SIGINT);
    ml_ctx_cancel_on(ctx, -1);
    close(lock);
    assert_int_equal(ml_register(ctx, &key, registry_id('a'), NULL, NULL, NULL, &err), 0);
    close(cancel[0]);
    close(cancel[1]);
    ml_ctx_free(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        place_test(test_register),         place_test(test_list),
        place_test(test_list_twice),       place_test(test_list_refused),
        memory_place_test(test_long_list), place_test(test_no_registry),
        place_test(test_back_and_pin),     place_test(test_gc),
        place_test(test_gc_seconds),       place_test(test_cancelled),
    };
    UNIT_RUN("client-change", tests);
}

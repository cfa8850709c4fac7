/* Goal of this test: a user's word stands for the one key that it should, or for none; and what is
 * registered is what is listed. */
#include "registry.h"

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

static void enter(struct ml_ctx *ctx, const char *uuid, char bundle, const char *name)
{
    struct ml_key key = key_of(uuid);
    case_int(uuid, ml_register(ctx, &key, registry_id(bundle), name, NULL, NULL, NULL), 0);
}

/* ---- words ---- */

static void test_resolve(void **state)
{
    static const char *const keys[] = {
        "cafe0000-0000-4000-8000-000000000001", /* 0: no name */
        "11112222-3333-4444-5555-666677778888", /* 1: named cafe */
        "abcdef01-2345-4678-8abc-def012345678", /* 2: named math */
        "abcdef01-2345-4678-8abc-def012345679", /* 3: no name */
        "abcd0000-0000-4000-8000-000000000000", /* 4: named Math-2.x */
        "00001234-0000-4000-8000-000000000000", /* 5: named by a version that looks like one */
        "dead0000-0000-4000-8000-000000000000", /* 6: taken out again */
    };
    enum { NOWHERE = 99 }; /* a key that need not be registered */
    static const struct {
        const char *word;
        int status, which;
    } cases[] = {
        /* keys, as they are */
        {"abcdef01-2345-4678-8abc-def012345678", 0, 2},
        {"ABCDEF01-2345-4678-8ABC-DEF012345678", 0, 2},
        {"abcdef01234546788abcdef012345679", 0, 3},
        {"12345678-1234-1234-1234-123456789012", 0, NOWHERE},
        {"12345678123412341234123456789012", 0, NOWHERE},
        /* names, before prefixes */
        {"math", 0, 2},
        {"cafe", 0, 1},
        {"Math-2.x", 0, 4},
        {"MATH", ML_NO_INPUT, 0},
        {"nothing", ML_NO_INPUT, 0},
        /* names with a version */
        {"math@1.2.0", 0, 2},
        {"math@1.2", ML_NO_INPUT, 0},
        {"math@", ML_NO_INPUT, 0},
        {"math@1.2.0 ", ML_NO_INPUT, 0},
        {"cafe@3.0.0", 0, 1},
        {"cafe@1.2.0", ML_NO_INPUT, 0},
        {"nothing@1.2.0", ML_NO_INPUT, 0},
        {"@1.2.0", ML_DATA, 0},
        {"abcdef01-2345-4678-8abc-def012345678@1.2.0", ML_DATA, 0},
        /* prefixes */
        {"cafe0", 0, 0},
        {"CAFE0", 0, 0},
        {"1111", 0, 1},
        {"0000", 0, 5},
        {"11112222-", 0, 1},
        {"11112222-3333-4", 0, 1},
        {"1111222233334", 0, 1},
        {"abcd0", 0, 4},
        {"abcd", ML_DATA, 0}, /* ambiguous */
        {"abcdef01", ML_DATA, 0},
        {"abcdef01-2345-4678-8abc-def01234567", ML_DATA, 0},
        {"abcdef01234546788abcdef01234567", ML_DATA, 0},
        {"dead", ML_NO_INPUT, 0},
        {"ffff", ML_NO_INPUT, 0},
        {"abc", ML_NO_INPUT, 0}, /* too short for a prefix: a name, and there is none */
        /* neither */
        {"", ML_DATA, 0},
        {"-", ML_DATA, 0},
        {"-abcd", ML_DATA, 0},
        {"a b", ML_DATA, 0},
        {"../x", ML_DATA, 0},
        {"{abcdef01-2345-4678-8abc-def012345678}", ML_DATA, 0},
        {"urn:uuid:abcdef01-2345-4678-8abc-def012345678", ML_DATA, 0},
        {"abcdef01-2345-4678-8abc-def012345678\n", ML_DATA, 0},
        {"math\n", ML_DATA, 0},
        {"cafe ", ML_DATA, 0},
        {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", ML_DATA, 0},
    };
    struct ml_ctx *ctx = open_ctx(*state);
    file_bundles(ctx);
    enter(ctx, keys[0], 'a', "");
    enter(ctx, keys[1], 'c', "cafe");
    enter(ctx, keys[2], 'a', "math");
    enter(ctx, keys[3], 'a', "");
    enter(ctx, keys[4], 'a', "Math-2.x");
    enter(ctx, keys[5], 'b', "1.2.0");
    enter(ctx, keys[6], 'b', "");
    struct ml_key out = key_of(keys[6]);
    assert_int_equal(ml_unregister(ctx, &out, NULL), 1);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct ml_key key;
        struct ml_error err = ML_ERROR_INIT;
        char uuid[ML_UUID_SIZE];
        const char *word = cases[i].word;
        case_int(word, ml_resolve(ctx, word, &key, &err), cases[i].status ? -1 : 0);
        case_int(word, err.status, cases[i].status);
        case_int(word, ml_resolve(ctx, word, &key, NULL), cases[i].status ? -1 : 0);
        if (cases[i].status == 0 && cases[i].which != NOWHERE) {
            ml_key_to_uuid(&key, uuid);
            case_text(word, uuid, keys[cases[i].which]);
        }
        if (cases[i].status != 0)
            case_true(word, err.message[0] != '\0' && err.hint[0] != '\0');
    }
    struct ml_error err = ML_ERROR_INIT;
    struct ml_key key;
    ml_resolve(ctx, "abcd", &key, &err);
    assert_string_equal(err.code, "ambiguous");
    ml_resolve(ctx, "math@9", &key, &err);
    assert_string_equal(err.code, "no_such_version");
    assert_non_null(strstr(err.message, "1.2.0"));
    assert_non_null(strstr(err.hint, "math@1.2.0"));
    ml_ctx_free(ctx);
}

/* A whole key with hyphens in wrong places is no prefix either, though its digits are one's. */
static void test_resolve_wrong_hyphens(void **state)
{
    static const char *const words[] = {
        "11112222-333344445555666677778888",   "1111222233334-44455556666-77778888",
        "11112222-3333-44445555666677778888",  "1111-2222333344445555666677778888",
        "111122223333-4444-5555-666677778888", "11112222333344445555666677778888-",
    };
    struct ml_ctx *ctx = open_ctx(*state);
    file_bundles(ctx);
    enter(ctx, "11112222-3333-4444-5555-666677778888", 'a', "");
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        struct ml_key key;
        case_int(words[i], ml_resolve(ctx, words[i], &key, NULL), -1);
    }
    ml_ctx_free(ctx);
}

static int no_entry(const struct ml_entry *entry, void *arg)
{
    return 1;
}

static void test_no_registry(void **state)
{
    const struct place *place = *state;
    struct ml_ctx *ctx = open_ctx(place);
    struct ml_key key = key_of(registry_uuid(1));
    struct ml_error err = ML_ERROR_INIT;
    struct ml_entry entry;
    char bundle[ML_BUNDLE_ID_SIZE];
    assert_int_equal(ml_resolve(ctx, "math", &key, &err), -1);
    assert_int_equal(err.status, ML_NO_INPUT);
    assert_int_equal(ml_lookup(ctx, &key, bundle, &err), -1);
    assert_int_equal(err.status, ML_NO_INPUT);
    assert_int_equal(ml_entry_read(ctx, &key, &entry, &err), -1);
    assert_int_equal(err.status, ML_NO_INPUT);
    char origin[8] = "x";
    assert_int_equal(ml_entry_origin(ctx, &key, origin, sizeof origin, &err), 0);
    assert_string_equal(origin, "");
    assert_int_equal(ml_entries(ctx, no_entry, NULL, &err), 0);
    assert_int_equal(ml_removed(ctx, no_entry, NULL, &err), 0);
    assert_int_equal(ml_resolve_removed(ctx, "math", &key, &err), -1);
    assert_int_equal(err.status, ML_NO_INPUT);
    assert_int_equal(access(registry_path(place), F_OK), -1); /* nothing was made for it */
    assert_int_equal(ml_bundle_resolve(ctx, "b-aaaa", bundle, &err), -1);
    assert_int_equal(err.status, ML_NO_INPUT);
    ml_ctx_free(ctx);
}

/* ---- entries ---- */

struct seen {
    int n, stop_at;
    char text[1000];
};

static int see(const struct ml_entry *entry, void *arg)
{
    struct seen *seen = arg;
    char uuid[ML_UUID_SIZE];
    ml_key_to_uuid(&entry->key, uuid);
    sprintf(seen->text + strlen(seen->text), "%.8s %.4s %s %s %s\n", uuid, entry->bundle,
            *entry->name ? entry->name : "-", *entry->plugin ? entry->plugin : "-",
            *entry->version ? entry->version : "-");
    return ++seen->n == seen->stop_at ? 17 : 0;
}

static void test_entries(void **state)
{
    const struct place *place = *state;
    struct ml_ctx *ctx = open_ctx(place);
    struct seen seen = {.n = 0}, stopped = {.stop_at = 2};
    struct ml_entry entry;
    file_bundles(ctx);
    enter(ctx, "ff000000-0000-4000-8000-000000000000", 'b', NULL);
    enter(ctx, "01000000-0000-4000-8000-000000000000", 'a', NULL);
    enter(ctx, "02000000-0000-4000-8000-000000000000", 'a', NULL);
    enter(ctx, "03000000-0000-4000-8000-000000000000", 'c', "");
    /* What its history does not say the bundle may: the entry is listed all the same. */
    assert_int_equal(unlink(place_path(place, "home/history/03")), 0);
    assert_int_equal(ml_entries(ctx, see, &seen, NULL), 0);
    assert_string_equal(seen.text, "01000000 b-aa math math 1.2.0\n"
                                   "02000000 b-aa - math 1.2.0\n"
                                   "03000000 b-cc - cafe 3.0.0\n"
                                   "ff000000 b-bb text text 0.1.0\n");
    assert_int_equal(ml_entries(ctx, see, &stopped, NULL), 17);
    assert_int_equal(stopped.n, 2);
    struct ml_key key = key_of("03000000-0000-4000-8000-000000000000");
    assert_int_equal(ml_entry_read(ctx, &key, &entry, NULL), 0);
    assert_string_equal(entry.plugin, "cafe");
    key = key_of("01000000-0000-4000-8000-000000000000");
    assert_int_equal(ml_entry_read(ctx, &key, &entry, NULL), 0);
    assert_string_equal(entry.name, "math");
    assert_string_equal(entry.bundle, registry_id('a'));
    assert_string_equal(entry.plugin, "math");
    assert_string_equal(entry.version, "1.2.0");
    assert_memory_equal(&entry.key, &key, sizeof key);
    assert_int_equal(ml_entry_read(ctx, &entry.key, &entry, NULL), 0); /* its own key */
    assert_memory_equal(&entry.key, &key, sizeof key);
    assert_int_equal(ml_unregister(ctx, &key, NULL), 1);
    assert_int_equal(ml_unregister(ctx, &key, NULL), 0);
    struct ml_error err = ML_ERROR_INIT;
    assert_int_equal(ml_entry_read(ctx, &key, &entry, &err), -1);
    assert_int_equal(err.status, ML_NO_INPUT);
    ml_ctx_free(ctx);
}

/* A context that was there before its registry sees it as soon as it is. */
static void test_made_by_another(void **state)
{
    struct ml_ctx *reader = open_ctx(*state), *writer = open_ctx(*state);
    struct ml_key key = key_of(registry_uuid(1));
    char bundle[ML_BUNDLE_ID_SIZE];
    assert_int_equal(ml_lookup(reader, &key, bundle, NULL), -1);
    file_bundles(writer);
    enter(writer, registry_uuid(1), 'a', NULL);
    assert_int_equal(ml_lookup(reader, &key, bundle, NULL), 0);
    assert_string_equal(bundle, registry_id('a'));
    ml_ctx_free(reader);
    ml_ctx_free(writer);
}

/* ---- where it came from ---- */

static void test_origin(void **state)
{
    struct ml_ctx *ctx = open_ctx(*state);
    struct ml_key key = key_of("01000000-0000-4000-8000-000000000000");
    static const char text[] = "/a path/with\nall%";
    file_bundles(ctx);
    assert_int_equal(ml_register(ctx, &key, registry_id('a'), "n", text, NULL, NULL), 0);
    ml_pin(ctx, &key, 0, true, NULL, NULL); /* a pin has none, and says nothing about it */
    for (size_t size = 1; size < sizeof text + 4; size++) { /* cut anywhere, never beyond */
        char *exact = malloc(size);
        assert_int_equal(ml_entry_origin(ctx, &key, exact, size, NULL), 0);
        assert_int_equal(strlen(exact), size < sizeof text ? size - 1 : sizeof text - 1);
        assert_memory_equal(exact, text, strlen(exact));
        free(exact);
    }
    char origin[32] = "x";
    assert_int_equal(ml_register(ctx, &key, registry_id('b'), NULL, NULL, NULL, NULL), 0);
    assert_int_equal(ml_entry_origin(ctx, &key, origin, sizeof origin, NULL), 0);
    assert_string_equal(origin, "");
    assert_int_equal(ml_rollback(ctx, &key, 0, NULL, NULL), 0);
    assert_int_equal(ml_entry_origin(ctx, &key, origin, sizeof origin, NULL), 0);
    assert_string_equal(origin, text); /* what came back came from there */
    ml_ctx_free(ctx);
}

/* ---- what was taken out ---- */

static void test_removed(void **state)
{
    static const char *const keys[] = {
        "aaaa0000-0000-4000-8000-000000000000", /* 0: out, was math */
        "aaaa1111-0000-4000-8000-000000000000", /* 1: out, was cafe */
        "bbbb0000-0000-4000-8000-000000000000", /* 2: here, named text */
        "cccc0000-0000-4000-8000-000000000000", /* 3: out and back */
        "bbbb1111-0000-4000-8000-000000000000", /* 4: out, was text before */
        "dddd0000-0000-4000-8000-000000000000", /* 5: out, was twice */
        "eeee0000-0000-4000-8000-000000000000", /* 6: out, was twice too */
    };
    static const struct {
        const char *word;
        int status, which;
        const char *code;
    } cases[] = {
        {"math", 0, 0, NULL},
        {"cafe", 0, 1, NULL},
        {"aaaa0", 0, 0, NULL},
        {"AAAA1", 0, 1, NULL},
        {"aaaa", ML_DATA, 0, "ambiguous"},
        {"text", 0, 2, NULL}, /* what is here comes first */
        {"bbbb", 0, 2, NULL},
        {"bbbb1", 0, 4, NULL},
        {"cccc", 0, 3, NULL},
        {"twice", ML_DATA, 0, "ambiguous"},
        {"aaaa0000-0000-4000-8000-000000000000", 0, 0, NULL},
        {"nothing", ML_NO_INPUT, 0, "no_such_name"},
        {"ffff", ML_NO_INPUT, 0, "not_registered"},
        {"a/b", ML_DATA, 0, "bad_key"},
    };
    struct ml_ctx *ctx = open_ctx(*state);
    struct seen seen = {.n = 0}, stopped = {.stop_at = 2};
    file_bundles(ctx);
    enter(ctx, keys[4], 'b', "text");
    for (int i = 0; i < 7; i++) {
        static const char *const names[] = {"math", "cafe", "text", "back", NULL, NULL, NULL};
        struct ml_key key = key_of(keys[i]);
        if (i >= 4)
            enter(ctx, keys[i], 'b', i == 4 ? "text" : "twice");
        else
            enter(ctx, keys[i], 'a', i == 2 ? "" : names[i]);
        if (i != 2)
            assert_int_equal(ml_unregister(ctx, &key, NULL), 1);
        if (i == 3)
            assert_int_equal(ml_rollback(ctx, &key, 0, NULL, NULL), 0);
    }
    enter(ctx, keys[2], 'a', "text");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct ml_key key;
        struct ml_error err = ML_ERROR_INIT;
        char uuid[ML_UUID_SIZE];
        const char *word = cases[i].word;
        case_int(word, ml_resolve_removed(ctx, word, &key, &err), cases[i].status ? -1 : 0);
        case_int(word, err.status, cases[i].status);
        if (cases[i].status != 0) {
            case_text(word, err.code, cases[i].code);
            case_true(word, err.hint[0] != '\0');
            continue;
        }
        ml_key_to_uuid(&key, uuid);
        case_text(word, uuid, keys[cases[i].which]);
    }
    assert_int_equal(ml_removed(ctx, see, &seen, NULL), 0);
    assert_int_equal(seen.n, 5);
    assert_non_null(strstr(seen.text, "aaaa1111 b-aa cafe math 1.2.0\n"));
    assert_int_equal(ml_removed(ctx, see, &stopped, NULL), 17);
    assert_int_equal(stopped.n, 2);
    ml_ctx_free(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        place_test(test_resolve),         place_test(test_resolve_wrong_hyphens),
        place_test(test_no_registry),     place_test(test_entries),
        place_test(test_made_by_another), place_test(test_origin),
        place_test(test_removed),
    };
    UNIT_RUN("client-registry", tests);
}

/* Goal of this test: keys and names are checked before they become paths; a lookup finds what was
 * registered or says that nothing was, whatever lies there; listings are complete and in order. */
#include "registry.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "base/fs.h"

static void test_uuid_valid(void **state)
{
    static const struct {
        const char *uuid;
        bool valid;
    } cases[] = {
        {"01234567-89ab-cdef-0123-456789abcdef", true},
        {"00000000-0000-0000-0000-000000000000", true},
        {"ffffffff-ffff-ffff-ffff-ffffffffffff", true},
        {"01234567-89AB-cdef-0123-456789abcdef", false},
        {"01234567-89ab-cdef-0123-456789abcde", false},
        {"01234567-89ab-cdef-0123-456789abcdef0", false},
        {"01234567-89ab-cdef-0123-456789abcdef\n", false},
        {"01234567-89ab-cdef-0123_456789abcdef", false},
        {"0123456-789ab-cdef-0123-456789abcdef", false},
        {"0123456789abcdef0123456789abcdef", false},
        {"0123456789abcdef0123456789abcdef0000", false},
        {"01234567-89ab-cdef-0123-456789abcdeg", false},
        {"{1234567-89ab-cdef-0123-456789abcde}", false},
        {"../../..-89ab-cdef-0123-456789abcdef", false},
        {" 1234567-89ab-cdef-0123-456789abcdef", false},
        {"-", false},
        {"", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *exact = strdup(cases[i].uuid); /* a byte too far is seen by ASan */
        case_int(cases[i].uuid, store_uuid_valid(exact), cases[i].valid);
        free(exact);
    }
}

static void test_name_valid(void **state)
{
    static const struct {
        const char *name;
        bool valid;
    } cases[] = {
        {"a", true},
        {"Z", true},
        {"0", true},
        {"math", true},
        {"Math-2.0_x", true},
        {"a.", true},
        {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", true},
        {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false},
        {"", false},
        {".", false},
        {"..", false},
        {".hidden", false},
        {"-x", false},
        {"_x", false},
        {"a/b", false},
        {"a b", false},
        {"a@1", false},
        {"a\n", false},
        {"a\x7f", false},
        {"gr\xc3\xbcn", false},
        {"\xe9t\xe9", false},
        {"a:b", false},
        {"a%", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *exact = strdup(cases[i].name);
        case_int(cases[i].name, store_name_valid(exact), cases[i].valid);
        free(exact);
    }
}

/* ---- one entry ---- */

static void test_lookup(void **state)
{
    struct store *store = registry_open(*state);
    struct ml_error err = ML_ERROR_INIT;
    char bundle[STORE_BUNDLE_SIZE] = "";
    registry_bundle(store, registry_id('a'), "a@1.0.0");
    registry_bundle(store, registry_id('b'), "b@1.0.0");
    assert_int_equal(store_lookup(store, registry_uuid(1), bundle, &err), -1);
    assert_int_equal(err.status, ML_NO_INPUT);
    assert_string_equal(err.code, "not_registered");
    assert_non_null(strstr(err.message, registry_uuid(1)));
    assert_true(err.hint[0] != '\0');
    for (const char *c = "aba"; *c != '\0'; c++) {
        assert_int_equal(registry_change(store, registry_uuid(1), registry_id(*c), "n"), 1);
        assert_int_equal(store_lookup(store, registry_uuid(1), bundle, &err), 0);
        assert_string_equal(bundle, registry_id(*c));
    }
    assert_int_equal(store_lookup(store, registry_uuid(2), bundle, NULL), -1);
    assert_int_equal(registry_change(store, registry_uuid(1), NULL, NULL), 1);
    assert_int_equal(store_lookup(store, registry_uuid(1), bundle, &err), -1);
    assert_string_equal(err.code, "not_registered");
    store_close(store);
}

/* The layout is a promise: readlink(1) and ls(1) see the same. */
static void test_links(void **state)
{
    const struct place *place = *state;
    struct store *store = registry_open(place);
    struct stat st;
    char target[128], path[128];
    registry_bundle(store, registry_id('a'), "a@1.0.0");
    const char *uuid = "8c000000-0000-4000-8000-000000000001";
    assert_int_equal(registry_change(store, uuid, registry_id('a'), "n"), 1);
    snprintf(path, sizeof path, "home/entries/8c/%s", uuid);
    assert_true(fs_read_link(place->fd, path, target, sizeof target) > 0);
    assert_string_equal(target, "../../bundles/b-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
    assert_int_equal(fstatat(place->fd, path, &st, 0), 0); /* and it leads there */
    assert_true(S_ISDIR(st.st_mode));
    assert_true(fs_read_link(place->fd, "home/names/n", target, sizeof target) > 0);
    assert_string_equal(target, "../entries/8c/8c000000-0000-4000-8000-000000000001");
    assert_int_equal(fstatat(place->fd, "home/names/n", &st, 0), 0);
    store_close(store);
}

/* ---- damage ---- */

/* What is damaged can be registered anew. */
static void check_anew(const char *what, struct store *store)
{
    char bundle[STORE_BUNDLE_SIZE], owner[STORE_UUID_SIZE];
    case_int(what, registry_change(store, registry_uuid(1), registry_id('a'), "n"), 1);
    case_int(what, store_lookup(store, registry_uuid(1), bundle, NULL), 0);
    case_text(what, bundle, registry_id('a'));
    case_int(what, store_name_lookup(store, "n", owner, NULL), 0);
    case_text(what, owner, registry_uuid(1));
    registry_sound(what, store);
}

static void test_damaged(void **state)
{
    const struct place *place = *state;
    struct store *store = registry_open(place);
    struct ml_error err = ML_ERROR_INIT;
    char path[128], bundle[STORE_BUNDLE_SIZE] = "x", owner[STORE_UUID_SIZE];
    registry_bundle(store, registry_id('a'), "a@1.0.0");
    registry_change(store, registry_uuid(1), registry_id('a'), "n");
    char far[201];
    memset(far, 'b', 200); /* longer than any of ours */
    far[200] = '\0';
    const char *const targets[] = {"/etc/passwd", "../../../bundles/..", "x",
                                   "../../../bundles/b-short", far};
    snprintf(path, sizeof path, "home/entries/%.2s/%s", registry_uuid(1), registry_uuid(1));
    for (size_t i = 0; i < sizeof targets / sizeof *targets; i++) {
        unlinkat(place->fd, path, 0);
        case_int(targets[i], symlinkat(targets[i], place->fd, path), 0);
        case_int(targets[i], store_lookup(store, registry_uuid(1), bundle, &err), -1);
        case_int(targets[i], err.status, ML_REFUSED);
        case_text(targets[i], err.code, "damaged");
        case_text(targets[i], bundle, "x");
        unlinkat(place->fd, "home/names/n", 0);
        case_int(targets[i], symlinkat(targets[i], place->fd, "home/names/n"), 0);
        case_int(targets[i], store_name_lookup(store, "n", owner, &err), -1);
        case_text(targets[i], err.code, "no_such_name");
        check_anew(targets[i], store);
    }
    unlinkat(place->fd, path, 0);
    fs_write_new(place->fd, path, "x", 1, 0600);
    assert_int_equal(store_lookup(store, registry_uuid(1), bundle, &err), -1);
    assert_true(err.status != ML_NO_INPUT);
    check_anew("a file", store);
    store_close(store);
}

/* ---- listings ---- */

struct listing {
    char text[4096];
    int n, stop_at;
};

static int list_one(const char *first, const char *second, void *arg)
{
    struct listing *l = arg;
    if (l->n < 64)
        sprintf(l->text + strlen(l->text), "%.12s ", first);
    return ++l->n == l->stop_at ? 42 : 0;
}

static int list_entry(const struct store_entry *entry, void *arg)
{
    struct listing *l = arg;
    sprintf(l->text + strlen(l->text), "%.2s %.3s %s %s\n", entry->uuid, entry->bundle,
            *entry->name ? entry->name : "-", *entry->plugin ? entry->plugin : "-");
    return ++l->n == l->stop_at ? 42 : 0;
}

static void test_listing_keys(void **state)
{
    static const char *const uuids[] = {
        "ff000000-0000-4000-8000-000000000000", "00000000-0000-4000-8000-000000000000",
        "ab120000-0000-4000-8000-000000000000", "ab12cd34-0000-4000-8000-000000000000",
        "ab12cd34-56ff-4000-8000-000000000000", "abff0000-0000-4000-8000-000000000000",
        "a0000000-0000-4000-8000-000000000000",
    };
    static const struct {
        const char *prefix, *want;
    } cases[] = {
        {"", "00000000-000 a0000000-000 ab120000-000 ab12cd34-000 ab12cd34-56f abff0000-000 "
             "ff000000-000 "},
        {"a", "a0000000-000 ab120000-000 ab12cd34-000 ab12cd34-56f abff0000-000 "},
        {"ab", "ab120000-000 ab12cd34-000 ab12cd34-56f abff0000-000 "},
        {"ab12", "ab120000-000 ab12cd34-000 ab12cd34-56f "},
        {"ab12cd34", "ab12cd34-000 ab12cd34-56f "},
        {"ab12cd345", "ab12cd34-56f "}, /* across a hyphen */
        {"ab12cd3456ff40008000000000000000", "ab12cd34-56f "},
        {"ab12cd3456ff400080000000000000000", ""}, /* longer than any */
        {"ab13", ""},
        {"b", ""},
        {"bb", ""},
    };
    const struct place *place = *state;
    struct store *store = registry_open(place);
    registry_bundle(store, registry_id('a'), "a@1.0.0");
    for (size_t i = 0; i < sizeof uuids / sizeof *uuids; i++)
        assert_int_equal(registry_change(store, uuids[i], registry_id('a'), NULL), 1);
    /* What is out, and what is none, is not listed. */
    registry_change(store, "ab120000-0000-4000-8000-000000000001", registry_id('a'), NULL);
    registry_change(store, "ab120000-0000-4000-8000-000000000001", NULL, NULL);
    mkdirat(place->fd, "home/entries/ab/stray", 0700);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct listing l = {.n = 0};
        case_int(cases[i].prefix, store_each_key(store, cases[i].prefix, list_one, &l, NULL), 0);
        case_text(cases[i].prefix, l.text, cases[i].want);
    }
    for (int stop = 1; stop <= 7; stop++) {
        struct listing l = {.stop_at = stop};
        assert_int_equal(store_each_key(store, "", list_one, &l, NULL), 42);
        assert_int_equal(l.n, stop);
    }
    store_close(store);
}

static void test_listing_names(void **state)
{
    const struct place *place = *state;
    static const char *const names[] = {"beta", "alpha", "Gamma", "0"};
    struct store *store = registry_open(place);
    registry_bundle(store, registry_id('a'), "a@1.0.0");
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(registry_change(store, registry_uuid(i), registry_id('a'), names[i]), 1);
    assert_int_equal(symlinkat("nowhere", place->fd, "home/names/stray"), 0);
    struct listing l = {.n = 0}, stopped = {.stop_at = 2};
    assert_int_equal(store_each_name(store, list_one, &l, NULL), 0);
    assert_string_equal(l.text, "0 Gamma alpha beta ");
    assert_int_equal(store_each_name(store, list_one, &stopped, NULL), 42);
    assert_int_equal(stopped.n, 2);
    store_close(store);
}

/* What history says of an entry is told with it, and what it does not say is not invented. */
static void test_listing_entries(void **state)
{
    const struct place *place = *state;
    struct store *store = registry_open(place);
    char target[64];
    struct store_change changes[] = {
        {.uuid = "11000000-0000-4000-8000-000000000000",
         .bundle = registry_id('a'),
         .plugin = "math@1.2.0",
         .name = "one"},
        {.uuid = "11000000-0000-4000-8000-000000000001",
         .bundle = registry_id('b'),
         .plugin = "text@0.1.0"},
        {.uuid = "22000000-0000-4000-8000-000000000000",
         .bundle = registry_id('b'),
         .plugin = "text@0.1.0",
         .name = "two"},
        {.uuid = "33000000-0000-4000-8000-000000000000",
         .bundle = registry_id('b'),
         .plugin = "text@0.1.0"},
    };
    registry_bundle(store, registry_id('a'), "a@1.0.0");
    registry_bundle(store, registry_id('b'), "b@1.0.0");
    assert_int_equal(store_change(store, changes, 4, NULL, NULL), 0);
    assert_int_equal(registry_change(store, changes[2].uuid, NULL, NULL), 1);
    assert_int_equal(registry_turn(store, STORE_PIN, changes[1].uuid, 1), 1);
    /* A history that is gone, and one that is damaged: then the link says what is. */
    fs_remove_tree(place->fd, "home/history/33");
    int fd = openat(place->fd, "home/history/11", O_WRONLY | O_APPEND | O_CLOEXEC);
    assert_int_equal(write(fd, "damaged\n", 8), 8);
    close(fd);
    unlinkat(place->fd, "home/entries/11/11000000-0000-4000-8000-000000000001", 0);
    snprintf(target, sizeof target, "../../bundles/%s", registry_id('a'));
    assert_int_equal(
        symlinkat(target, place->fd, "home/entries/11/11000000-0000-4000-8000-000000000001"), 0);
    struct listing l = {.n = 0}, part = {.n = 0}, stopped = {.stop_at = 2};
    assert_int_equal(store_each_entry(store, "", list_entry, &l, NULL), 0);
    assert_string_equal(l.text, "11 b-a one math@1.2.0\n11 b-a - -\n33 b-b - -\n");
    assert_int_equal(store_each_entry(store, "33", list_entry, &part, NULL), 0);
    assert_string_equal(part.text, "33 b-b - -\n");
    assert_int_equal(store_each_entry(store, "", list_entry, &stopped, NULL), 42);
    assert_int_equal(stopped.n, 2);
    store_close(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_uuid_valid), cmocka_unit_test(test_name_valid),
        place_test(test_lookup),           place_test(test_links),
        place_test(test_damaged),          place_test(test_listing_keys),
        place_test(test_listing_names),    place_test(test_listing_entries),
    };
    UNIT_RUN("store-entry", tests);
}

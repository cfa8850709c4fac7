/* Goal of this test: a list of changes is made whole or not at all, whatever its order; names have
 * one owner; what is so already is not written; generations are counted. */
#include "lists.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "registry_store/internal.h"

static int shape_add(const struct store_entry *e, void *arg)
{
    unsigned key = (unsigned)strtoul(e->uuid + 24, NULL, 16);
    buf_fmt(arg, "%u=%c%s%s ", key, e->bundle[2], *e->name ? ":" : "", e->name);
    return 0;
}

/* "1=a:n 2=b " is what is there, and links, names and histories agree on it. */
static void check_shape(const char *what, struct store *store, const char *want)
{
    BUF_AUTO shape = BUF_INIT;
    assert_int_equal(store_each_entry(store, "", shape_add, &shape, NULL), 0);
    case_text(what, buf_text(&shape), want);
    registry_sound(what, store);
}

/* ---- lists that can be ---- */

static void test_lists(void **state)
{
    static const struct {
        const char *name, *before, *list, *after;
    } cases[] = {
        {"nothing", "1 a n", "", "1=a:n "},
        {"several at once", "", "1 a x;2 b y;3 c", "1=a:x 2=b:y 3=c "},
        {"names exchanged", "1 a x;2 b y", "1 a y;2 b x", "1=a:y 2=b:x "},
        {"names and bundles", "1 a x;2 b y", "1 c y;2 a x", "1=c:y 2=a:x "},
        {"names in a circle", "1 a x;2 a y;3 a z", "1 a y;2 a z;3 a x", "1=a:y 2=a:z 3=a:x "},
        {"a chain", "1 a x;2 a y;3 a z", "1 a y;2 a z;3 a w", "1=a:y 2=a:z 3=a:w "},
        {"released and taken", "1 a n", "1 a !;2 b n", "1=a 2=b:n "},
        {"released for another and taken", "1 a n", "1 b m;2 b n", "1=b:m 2=b:n "},
        {"taken out and taken", "1 a n", "1 out;2 b n", "2=b:n "},
        {"the smaller key takes", "2 a n", "2 out;1 b n", "1=b:n "},
        {"released and welcome", "1 a n", "1 a m;2 a ?n", "1=a:m 2=a:n "},
        {"asked for, not welcome", "", "1 a ?n;2 a n", "1=a 2=a:n "},
        {"asked for by the smaller key", "", "2 a ?n;1 a n", "1=a:n 2=a "},
        {"welcome to several", "", "1 a ?n;2 a ?n;3 a ?n", "1=a:n 2=a 3=a "},
        {"welcome, and another's", "3 a n", "1 b ?n;2 b ?m", "1=b 2=b:m 3=a:n "},
        {"welcome, and it has one", "1 a m", "1 b ?n;2 b ?n", "1=b:m 2=b:n "},
        {"kept", "1 a m;2 a", "1 b;2 b", "1=b:m 2=b "},
        {"in and out", "1 a x;2 a y;3 a", "1 out;2 b;3 out", "2=b:y "},
        {"back and on", "1 a x;1 b x;2 a y", "1 back;2 b", "1=a:x 2=b:y "},
        {"back, its name asked for", "1 a x;1 out", "1 back;2 b x", "1=a 2=b:x "},
        {"with a pin", "1 a x;2 a", "1 pin;2 b y", "1=a:x 2=b:y "},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct list list;
        list_read(cases[i].list, &list);
        for (unsigned k = 0; k < list_orders(list.n); k++) {
            struct store *store = list_begin(*state, cases[i].before);
            struct ml_error err = ML_ERROR_INIT;
            size_t failed = 77;
            list_read(cases[i].list, &list);
            list_order(&list, k);
            case_int(cases[i].name, store_change(store, list.change, list.n, &failed, &err), 0);
            case_int(cases[i].name, failed, list.n);
            check_shape(cases[i].name, store, cases[i].after);
            store_close(store);
        }
    }
}

/* ---- and those that cannot ---- */

static void test_refused_whole(void **state)
{
    static const struct {
        const char *name, *before, *list;
        unsigned culprit; /* the key */
        int status;
        const char *code, *says;
    } cases[] = {
        {"no bundle", "1 a n", "1 b m;2 z;3 a", 2, ML_NO_INPUT, "no_such_bundle", "b-zzzz"},
        {"no bundle for what is there", "1 a n", "1 z;2 b", 1, ML_NO_INPUT, "no_such_bundle",
         "b-z"},
        {"another's name", "1 a n", "2 b n;3 b m", 2, ML_DATA, "name_taken", "'n'"},
        {"a name that is kept", "1 a n;2 a", "1 b;2 b n", 2, ML_DATA, "name_taken", "'n'"},
        {"a name asked for again", "2 a n", "2 b n;1 b n", 1, ML_DATA, "name_taken", "'n'"},
        {"a name for two", "", "1 a n;2 a n;3 a", 2, ML_DATA, "name_taken", "'n'"},
        {"an exchange that is none", "1 a x;2 a y", "1 a y;2 b", 1, ML_DATA, "name_taken", "'y'"},
        {"nothing to go back to", "1 a", "1 back;2 a", 1, ML_NO_INPUT, "no_generation", "earlier"},
        {"going back where nothing was", "1 a", "1 b;2 back", 2, ML_NO_INPUT, "not_registered", ""},
        {"pinning nothing", "1 a", "1 b;2 pin", 2, ML_NO_INPUT, "not_registered", ""},
        {"pinning what is out", "1 a;1 out", "1 pin;2 a", 1, ML_NO_INPUT, "not_registered", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct list list;
        list_read(cases[i].list, &list);
        for (unsigned k = 0; k < list_orders(list.n); k++) {
            struct store *store = list_begin(*state, cases[i].before);
            BUF_AUTO before = BUF_INIT;
            BUF_AUTO after = BUF_INIT;
            struct ml_error err = ML_ERROR_INIT;
            size_t failed = 77;
            registry_picture(*state, "home", &before);
            list_read(cases[i].list, &list);
            list_order(&list, k);
            case_int(cases[i].name, store_change(store, list.change, list.n, &failed, &err), -1);
            case_int(cases[i].name, err.status, cases[i].status);
            case_text(cases[i].name, err.code, cases[i].code);
            case_true(cases[i].name, strstr(err.message, cases[i].says) != NULL);
            case_true(cases[i].name, err.hint[0] != '\0');
            case_true(cases[i].name, failed < list.n);
            case_text(cases[i].name, list.change[failed].uuid, registry_uuid(cases[i].culprit));
            registry_picture(*state, "home", &after);
            case_text(cases[i].name, buf_text(&after), buf_text(&before));
            registry_sound(cases[i].name, store);
            store_close(store);
        }
    }
}

/* ---- one entry ---- */

static int newest_take(const struct store_record *r, void *arg)
{
    if (record_is_generation(r))
        *(unsigned long *)arg = r->generation;
    return 0;
}

static void test_one_after_the_other(void **state)
{
    static const struct {
        const char *name, *list, *after;
        int status;
        unsigned long generation;
    } steps[] = {
        {"out, and not there", "7 out", "", 0, 0},
        {"no such bundle", "7 z", "", -ML_NO_INPUT, 0},
        {"new", "7 a first", "7=a:first ", 1, 1},
        {"the same", "7 a first", "7=a:first ", 0, 1},
        {"the same, by its own name", "7 a", "7=a:first ", 0, 1},
        {"another bundle", "7 b first", "7=b:first ", 1, 2},
        {"another name", "7 b second", "7=b:second ", 1, 3},
        {"both", "7 a third", "7=a:third ", 1, 4},
        {"back", "7 b second", "7=b:second ", 1, 5},
        {"no name", "7 b !", "7=b ", 1, 6},
        {"no name, again", "7 b", "7=b ", 0, 6},
        {"a name again", "7 b first", "7=b:first ", 1, 7},
        {"pinned", "7 pin", "7=b:first ", 1, 7},
        {"pinned again", "7 pin", "7=b:first ", 0, 7},
        {"unpinned", "7 unpin", "7=b:first ", 1, 7},
        {"unpinned again", "7 unpin", "7=b:first ", 0, 7},
        {"out", "7 out", "", 1, 8},
        {"out again", "7 out", "", 0, 8},
        {"in again, without a name", "7 a", "7=a ", 1, 9},
        {"with a name", "7 a third", "7=a:third ", 1, 10},
    };
    struct store *store = list_begin(*state, "");
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        struct list list;
        unsigned long newest = 0;
        list_read(steps[i].list, &list);
        int status = registry_apply(store, &list.change[0]);
        case_int(steps[i].name, status, steps[i].status);
        if (status >= 0)
            case_int(steps[i].name, list.change[0].generation_now, steps[i].generation);
        assert_int_equal(store_history(store, registry_uuid(7), newest_take, &newest, NULL), 0);
        case_int(steps[i].name, newest, steps[i].generation);
        check_shape(steps[i].name, store, steps[i].after);
    }
    store_close(store);
    /* And another one who opens it reads the same. */
    store = registry_read(*state);
    check_shape("read by another", store, "7=a:third ");
    store_close(store);
}

/* What is told of a change is what has become of it. */
static void test_outcome(void **state)
{
    struct store *store = list_begin(*state, "1 a n;2 a m;2 b");
    struct store_change c = {
        .uuid = registry_uuid(1), .bundle = registry_id('b'), .plugin = "y@2.0.0", .own_name = "m"};
    assert_int_equal(registry_apply(store, &c), 1);
    assert_string_equal(c.name_now, "n"); /* it keeps the one that it has */
    assert_string_equal(c.bundle_now, registry_id('b'));
    assert_string_equal(c.plugin_now, "y@2.0.0");
    assert_int_equal(c.generation_now, 2);
    assert_false(c.name_taken);
    c = (struct store_change){
        .uuid = registry_uuid(3), .bundle = registry_id('b'), .plugin = "y@2.0.0", .own_name = "m"};
    assert_int_equal(registry_apply(store, &c), 1);
    assert_string_equal(c.name_now, "");
    assert_true(c.name_taken);
    c = (struct store_change){.uuid = registry_uuid(2), .op = STORE_ROLLBACK};
    assert_int_equal(registry_apply(store, &c), 1);
    assert_string_equal(c.name_now, "m");
    assert_string_equal(c.bundle_now, registry_id('a'));
    assert_string_equal(c.plugin_now, "x@1.0.0");
    assert_int_equal(c.generation_now, 3);
    c = (struct store_change){.uuid = registry_uuid(2), .op = STORE_PIN, .generation = 2};
    assert_int_equal(registry_apply(store, &c), 1);
    assert_string_equal(c.bundle_now, registry_id('b'));
    assert_int_equal(c.generation_now, 2);
    c = (struct store_change){.uuid = registry_uuid(2), .op = STORE_UNREGISTER};
    assert_int_equal(registry_apply(store, &c), 1);
    assert_string_equal(c.bundle_now, "");
    assert_string_equal(c.name_now, "");
    store_close(store);
}

/* What is so already is not even written down. */
static void test_unchanged(void **state)
{
    const struct place *place = *state;
    struct store *store = list_begin(place, "1 a x;2 b y;3 a;4 a;4 out;1 pin");
    BUF_AUTO before = BUF_INIT;
    BUF_AUTO after = BUF_INIT;
    struct stat was, is;
    struct list list;
    registry_picture(place, "home", &before);
    assert_int_equal(fstatat(place->fd, "home/journal", &was, 0), 0);
    list_read("1 a x;2 b;3 a !;4 out;5 out;1 pin", &list);
    assert_int_equal(store_change(store, list.change, 5, NULL, NULL), 0);
    assert_int_equal(store_change(store, &list.change[5], 1, NULL, NULL), 0);
    for (size_t i = 0; i < list.n; i++)
        assert_false(list.change[i].changed);
    registry_picture(place, "home", &after);
    assert_string_equal(buf_text(&after), buf_text(&before));
    assert_int_equal(fstatat(place->fd, "home/journal", &is, 0), 0);
    assert_memory_equal(&was.st_mtim, &is.st_mtim, sizeof was.st_mtim);
    store_close(store);
}

/* A link of a name that nobody has any more is in nobody's way. */
static void test_name_of_an_entry_that_is_out(void **state)
{
    const struct place *place = *state;
    struct store *store = list_begin(place, "1 a;1 out");
    char target[96];
    snprintf(target, sizeof target, "../entries/%.2s/%s", registry_uuid(1), registry_uuid(1));
    assert_int_equal(symlinkat(target, place->fd, "home/names/n"), 0);
    assert_int_equal(registry_change(store, registry_uuid(2), registry_id('a'), "n"), 1);
    check_shape("taken over", store, "2=a:n ");
    store_close(store);
}

/* The link is what people get: where it is gone, what history says is not so already. */
static void test_name_that_is_gone(void **state)
{
    const struct place *place = *state;
    struct store *store = list_begin(place, "1 a n");
    assert_int_equal(unlinkat(place->fd, "home/names/n", 0), 0);
    assert_int_equal(registry_change(store, registry_uuid(1), registry_id('a'), "n"), 1);
    check_shape("put back", store, "1=a:n ");
    store_close(store);
}

/* ---- many at once ---- */

enum { MANY = 5000 };

static int count_key(const char *uuid, const char *bundle, void *arg)
{
    ++*(int *)arg;
    return 0;
}

static void test_many(void **state)
{
    static struct store_change changes[MANY];
    static char uuids[MANY][STORE_UUID_SIZE], names[MANY][16];
    static const char *const rounds[] = {"made", "made again", "taken out"};
    struct store *store = list_begin(*state, "");
    BUF_AUTO before = BUF_INIT;
    BUF_AUTO after = BUF_INIT;
    for (int round = 0; round < 3; round++) {
        size_t changed = 0;
        int keys = 0, n_names = 0;
        for (unsigned i = 0; i < MANY; i++) {
            unsigned n = i * 2654435761U; /* spread over all shards, and in no order */
            snprintf(uuids[i], sizeof uuids[i], "%08x-0000-4000-8000-000000000000", n);
            snprintf(names[i], sizeof names[i], "n%u", (i + 1) % MANY);
            changes[i] = (struct store_change){.uuid = uuids[i],
                                               .op = round < 2 ? STORE_REGISTER : STORE_UNREGISTER,
                                               .bundle = registry_id('a'),
                                               .plugin = "x@1.0.0",
                                               .name = names[i]};
        }
        case_int(rounds[round], store_change(store, changes, MANY, NULL, NULL), 0);
        for (unsigned i = 0; i < MANY; i++)
            changed += changes[i].changed;
        case_int(rounds[round], changed, round == 1 ? 0 : MANY);
        assert_int_equal(store_each_key(store, "", count_key, &keys, NULL), 0);
        assert_int_equal(store_each_name(store, count_key, &n_names, NULL), 0);
        case_int(rounds[round], keys, round < 2 ? MANY : 0);
        case_int(rounds[round], n_names, round < 2 ? MANY : 0);
        registry_picture(*state, "home", round == 0 ? &before : &after);
        if (round == 1)
            assert_string_equal(buf_text(&after), buf_text(&before));
        registry_sound(rounds[round], store);
    }
    store_close(store);
}

/* A change that was decided on what is not so any more. */
static void test_seen(void **state)
{
    static const struct {
        const char *what, *list, *seen;
        int status;
        const char *after;
    } cases[] = {
        {"as it was", "1 c n", "a", 0, "1=c:n 2=b "},
        {"another bundle", "1 c n", "b", ML_BUSY, "1=a:n 2=b "},
        {"came meanwhile", "1 c n", "", ML_BUSY, "1=a:n 2=b "},
        {"came meanwhile as it shall be", "1 a m", "", 0, "1=a:m 2=b "},
        {"is not there", "3 c", "", 0, "1=a:n 2=b 3=c "},
        {"went meanwhile", "3 c", "a", ML_BUSY, "1=a:n 2=b "},
        {"out, as it was", "1 out", "a", 0, "2=b "},
        {"out, another bundle", "1 out", "b", ML_BUSY, "1=a:n 2=b "},
        {"out, and it is", "3 out", "a", 0, "1=a:n 2=b "},
        {"and all of the others", "2 c;1 c n", "b", ML_BUSY, "1=a:n 2=b "},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct list list;
        struct store *store = list_begin(*state, "1 a n;2 b");
        struct ml_error err = ML_ERROR_INIT;
        size_t failed = 77;
        list_read(cases[i].list, &list);
        struct store_change *last = &list.change[list.n - 1];
        last->seen = *cases[i].seen ? registry_id(*cases[i].seen) : "";
        int status = store_change(store, list.change, list.n, &failed, &err);
        case_int(cases[i].what, status < 0 ? err.status : 0, cases[i].status);
        case_int(cases[i].what, failed, status < 0 ? list.n - 1 : list.n);
        case_text(cases[i].what, err.code, status < 0 ? "changed_meanwhile" : "");
        check_shape(cases[i].what, store, cases[i].after);
        store_close(store);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        memory_place_test(test_lists),
        memory_place_test(test_refused_whole),
        memory_place_test(test_one_after_the_other),
        memory_place_test(test_seen),
        place_test(test_outcome),
        place_test(test_unchanged),
        place_test(test_name_of_an_entry_that_is_out),
        place_test(test_name_that_is_gone),
        memory_place_test(test_many),
    };
    UNIT_RUN("store-change", tests);
}

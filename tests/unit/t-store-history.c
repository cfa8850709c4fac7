/* Goal of this test: history tells what was, oldest first; going back leads where one was before;
 * what was taken out can be found; history from elsewhere is taken over whole or not at all. */
#include "lists.h"

#include <sys/stat.h>

#include "base/error.h"
#include "base/fs.h"
#include "registry_store/internal.h"

enum { NOW = 1767323045 };

/* ---- told as a text ---- */

static void record_text(struct buf *out, const struct store_record *r)
{
    static const char marks[] = {[STORE_UNREGISTER] = '-', [STORE_PIN] = 'p', [STORE_UNPIN] = 'u'};
    buf_fmt(out, "%lu%c", r->generation, *r->bundle ? r->bundle[2] : marks[r->op]);
    if (r->of != 0)
        buf_fmt(out, "<%lu", r->of);
    if (*r->name != '\0')
        buf_fmt(out, ":%s", r->name);
}

static int record_show(const struct store_record *r, void *arg)
{
    struct buf *out = arg;
    buf_str(out, out->len ? " " : "");
    record_text(out, r);
    return 0;
}

/* "1a:x 2b 3a<1 4- 1p" */
static void check_history(const char *what, struct store *store, unsigned key, const char *want)
{
    BUF_AUTO text = BUF_INIT;
    assert_int_equal(store_history(store, registry_uuid(key), record_show, &text, NULL), 0);
    case_text(what, buf_text(&text), want);
}

static int entry_show(const struct store_entry *e, void *arg)
{
    struct buf *out = arg;
    unsigned key = (unsigned)strtoul(e->uuid + 24, NULL, 16);
    buf_fmt(out, "%u=%c%s%s ", key, e->bundle[2], *e->name ? ":" : "", e->name);
    return 0;
}

static void check_entries(const char *what, struct store *store, const char *want)
{
    BUF_AUTO text = BUF_INIT;
    assert_int_equal(store_each_entry(store, "", entry_show, &text, NULL), 0);
    case_text(what, buf_text(&text), want);
    registry_sound(what, store);
}

/* ---- telling ---- */

struct seen {
    int n, stop_at;
    struct store_record want;
};

static int see(const struct store_record *r, void *arg)
{
    struct seen *seen = arg;
    if (++seen->n != seen->stop_at)
        return 0;
    assert_string_equal(r->uuid, seen->want.uuid);
    assert_string_equal(r->time, "2026-01-02T03:04:05Z");
    assert_int_equal(r->op, seen->want.op);
    assert_string_equal(r->bundle, seen->want.bundle);
    assert_string_equal(r->name, seen->want.name);
    assert_string_equal(r->plugin, seen->want.plugin);
    assert_string_equal(r->origin, seen->want.origin);
    return 42;
}

static void test_told(void **state)
{
    const struct place *place = *state;
    registry_clock(NOW);
    struct store *store = list_begin(place, "2 a;3 b");
    struct store_change c = {.uuid = registry_uuid(2),
                             .bundle = registry_id('b'),
                             .plugin = "math@1.2.0",
                             .name = "n",
                             .origin = "/a path/with\nall"};
    assert_int_equal(registry_apply(store, &c), 1);
    assert_int_equal(registry_turn(store, STORE_PIN, registry_uuid(2), 1), 1);
    assert_int_equal(registry_change(store, registry_uuid(2), NULL, NULL), 1);
    check_history("all of it", store, 2, "1a 2b:n 1p 3-");
    check_history("another's of the shard", store, 3, "1b");
    check_history("nobody's", store, 4, "");
    struct seen second = {.stop_at = 2,
                          .want = {.uuid = registry_uuid(2),
                                   .op = STORE_REGISTER,
                                   .bundle = registry_id('b'),
                                   .name = "n",
                                   .plugin = "math@1.2.0",
                                   .origin = "/a path/with\nall"}};
    assert_int_equal(store_history(store, registry_uuid(2), see, &second, NULL), 42);
    assert_int_equal(second.n, 2);
    assert_string_equal(store_op_word(STORE_REGISTER), "register");
    assert_string_equal(store_op_word(STORE_UNREGISTER), "unregister");
    assert_string_equal(store_op_word(STORE_ROLLBACK), "rollback");
    assert_string_equal(store_op_word(STORE_PIN), "pin");
    assert_string_equal(store_op_word(STORE_UNPIN), "unpin");
    store_close(store);
}

/* What cannot be read is passed over, and the rest is told. */
static void test_damaged(void **state)
{
    const struct place *place = *state;
    struct store *store = list_begin(place, "2 a;2 b;2 c");
    BUF_AUTO text = BUF_INIT;
    char path[64];
    snprintf(path, sizeof path, "home/history/%.2s", registry_uuid(2));
    assert_int_equal(fs_read_file(place->fd, path, &text, 10000), 0);
    strchr(text.data, '\n')[50] ^= 1; /* in the second line */
    fs_remove_tree(place->fd, path);
    assert_int_equal(fs_write_new(place->fd, path, text.data, text.len, 0600), 0);
    check_history("but one", store, 2, "1a 3c");
    /* A history that cannot be opened is an error, not an empty one. */
    fs_remove_tree(place->fd, path);
    assert_int_equal(mkdirat(place->fd, path, 0700), 0);
    struct ml_error err = ML_ERROR_INIT;
    assert_int_equal(store_history(store, registry_uuid(2), record_show, &text, &err), -1);
    assert_true(err.status != 0 && err.message[0] != '\0');
    store_close(store);
}

/* ---- all of it ---- */

static int shard_show(const struct store_record *r, bool newest, void *arg)
{
    struct buf *out = arg;
    buf_fmt(out, "%s%lu/", out->len ? " " : "", strtoul(r->uuid + 24, NULL, 16));
    record_text(out, r);
    buf_str(out, newest ? "!" : "");
    return strcmp(r->bundle, registry_id('c')) == 0 ? 17 : 0;
}

/* Of every entry, also of those that are out; by key, each one's lines in order. */
static void test_every_record(void **state)
{
    struct store *store = list_begin(*state, "9 a x;2 a;3 b;2 out;9 b;9 pin;300 b");
    struct ml_error err = ML_ERROR_INIT;
    BUF_AUTO text = BUF_INIT;
    assert_int_equal(store_each_record(store, shard_show, &text, NULL), 0);
    assert_string_equal(buf_text(&text), "2/1a 2/2-! 3/1b! 9/1a:x 9/2b:x! 9/2p 300/1b!");
    assert_int_equal(registry_change(store, registry_uuid(3), registry_id('c'), NULL), 1);
    buf_reset(&text);
    assert_int_equal(store_each_record(store, shard_show, &text, NULL), 17);
    assert_string_equal(buf_text(&text), "2/1a 2/2-! 3/1b 3/2c!");
    store_close(store);

    /* As of one moment: a writer is waited for. */
    assert_int_equal(registry_try(registry_path(*state), false, 0, &store, NULL), 0);
    int lock = lock_take(store, 0);
    assert_int_equal(store_each_record(store, shard_show, &text, &err), -1);
    assert_int_equal(err.status, ML_BUSY);
    close(lock);
    store_close(store);
}

/* ---- going back ---- */

static void test_back(void **state)
{
    static const struct {
        const char *name, *steps, *history, *now;
    } cases[] = {
        {"to the one before", "1 a;1 b;1 back", "1a 2b 3a<1", "1=a "},
        {"twice goes two steps", "1 a;1 b;1 c;1 back;1 back", "1a 2b 3c 4b<2 5a<1", "1=a "},
        {"to a number", "1 a;1 b;1 c;1 back 1", "1a 2b 3c 4a<1", "1=a "},
        {"and on again", "1 a;1 b;1 back;1 back 2", "1a 2b 3a<1 4b<2", "1=b "},
        {"over the same bundle", "1 a;1 b x;1 b y;1 back", "1a 2b:x 3b:y 4a<1:y", "1=a:y "},
        {"what was taken out", "1 a;1 b x;1 out;1 back", "1a 2b:x 3- 4b<2:x", "1=b:x "},
        {"over what was taken out", "1 a;1 out;1 b;1 back", "1a 2- 3b 4a<1", "1=a "},
        {"to a number, when it is out", "1 a;1 b;1 out;1 back 1", "1a 2b 3- 4a<1", "1=a "},
        {"its name is taken", "1 a x;1 out;2 b x;1 back", "1a:x 2- 3a<1", "1=a 2=b:x "},
        {"the name that it has", "1 a x;1 b y;1 back", "1a:x 2b:y 3a<1:y", "1=a:y "},
        {"pins are no steps", "1 a;1 b;1 pin;1 pin 1;1 back", "1a 2b 2p 1p 3a<1", "1=a "},
        /* What came back counts as what it came back from: it is what was there before. */
        {"from a newer one, and on", "1 a;1 b;1 c;1 back;1 c x;1 back;1 back", NULL, "1=a:x "},
        {"from a newer one", "1 a;1 b;1 back;1 c;1 back", NULL, "1=a "},
        {"out after it came back", "1 a;1 b;1 back;1 out;1 back", NULL, "1=a "},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct store *store = list_begin(*state, cases[i].steps);
        if (cases[i].history != NULL)
            check_history(cases[i].name, store, 1, cases[i].history);
        check_entries(cases[i].name, store, cases[i].now);
        store_close(store);
    }
}

static void test_no_way_back(void **state)
{
    static const struct {
        const char *name, *steps, *back, *code;
    } cases[] = {
        {"never there", "", "1 back", "not_registered"},
        {"a number of one never there", "", "1 back 1", "not_registered"},
        {"the first", "1 a", "1 back", "no_generation"},
        {"the first again", "1 a;1 b;1 back", "1 back", "no_generation"},
        {"always the same", "1 a x;1 a y", "1 back", "no_generation"},
        {"no such number", "1 a;1 b", "1 back 3", "no_generation"},
        {"the number of a pin", "1 a;1 pin 1", "1 back 2", "no_generation"},
        {"where it was taken out", "1 a;1 out;1 b", "1 back 2", "no_generation"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct store *store = list_begin(*state, cases[i].steps);
        struct list list;
        struct ml_error err = ML_ERROR_INIT;
        list_read(cases[i].back, &list);
        case_int(cases[i].name, store_change(store, list.change, 1, NULL, &err), -1);
        case_int(cases[i].name, err.status, ML_NO_INPUT);
        case_text(cases[i].name, err.code, cases[i].code);
        case_true(cases[i].name, err.hint[0] != '\0');
        store_close(store);
    }
}

/* A bundle that is gone cannot come back. */
static void test_back_without_bundle(void **state)
{
    const struct place *place = *state;
    struct store *store = list_begin(place, "1 a;1 b");
    struct ml_error err = ML_ERROR_INIT;
    struct store_change back = {.uuid = registry_uuid(1), .op = STORE_ROLLBACK};
    char path[64];
    snprintf(path, sizeof path, "home/bundles/%s", registry_id('a'));
    fs_remove_tree(place->fd, path);
    assert_int_equal(store_change(store, &back, 1, NULL, &err), -1);
    assert_int_equal(err.status, ML_NO_INPUT);
    assert_string_equal(err.code, "bundle_gone");
    check_history("as it was", store, 1, "1a 2b");
    store_close(store);
}

/* ---- what was taken out ---- */

static int removed_stop(const struct store_entry *entry, void *arg)
{
    ++*(int *)arg;
    return 17;
}

static void test_removed(void **state)
{
    static const struct {
        const char *name, *steps, *want;
    } cases[] = {
        {"nothing", "1 a;2 b", ""},
        {"one", "1 a x;1 b y;1 out;2 a", "1=b:y "},
        {"two of a shard", "2 a x;3 b;3 out;2 out", "2=a:x 3=b "},
        {"one that came back", "1 a;1 out;1 b", ""},
        {"one that was rolled back", "1 a;1 out;1 back", ""},
        {"one that came and went again", "1 a x;1 out;1 c z;1 out", "1=c:z "},
        {"one that is pinned", "1 a;1 out;1 pin 1", "1=a "},
        {"one that was rolled back before", "1 a;1 b;1 back;1 out", "1=a "},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct store *store = list_begin(*state, cases[i].steps);
        BUF_AUTO text = BUF_INIT;
        assert_int_equal(store_each_removed(store, entry_show, &text, NULL), 0);
        case_text(cases[i].name, buf_text(&text), cases[i].want);
        store_close(store);
    }
    struct store *store = list_begin(*state, "1 a;1 out;2 a;2 out");
    int n = 0;
    assert_int_equal(store_each_removed(store, removed_stop, &n, NULL), 17);
    assert_int_equal(n, 1);
    store_close(store);
}

/* ---- history from elsewhere ---- */

enum { MANY = 24 };
struct records {
    struct store_record r[MANY];
    char uuid[MANY][STORE_UUID_SIZE], text[MANY][32];
    size_t n;
};

/* "1 1a:x;1 2-;2 1b;1 1p": key, generation, bundle or "-" or "p", name. */
static void records_read(const char *text, struct records *records)
{
    char copy[256], *save;
    records->n = 0;
    snprintf(copy, sizeof copy, "%s", text);
    for (char *item = strtok_r(copy, ";", &save); item; item = strtok_r(NULL, ";", &save)) {
        struct store_record *r = &records->r[records->n];
        char *at = records->text[records->n];
        snprintf(at, sizeof records->text[0], "%s", strchr(item, ' ') + 1);
        strcpy(records->uuid[records->n], registry_uuid((unsigned)atoi(item)));
        *r = (struct store_record){.uuid = records->uuid[records->n++],
                                   .generation = strtoul(at, &at, 10),
                                   .time = "2001-02-03T04:05:06Z",
                                   .bundle = "",
                                   .name = "",
                                   .plugin = "",
                                   .origin = "elsewhere"};
        r->op = *at == '-' ? STORE_UNREGISTER : *at == 'p' ? STORE_PIN : STORE_REGISTER;
        if (r->op == STORE_REGISTER)
            r->bundle = registry_id(*at);
        if (at[1] == ':')
            r->name = at + 2;
    }
}

static void test_adopt(void **state)
{
    static const struct {
        const char *name, *here, *there, *entries, *history; /* of key 1 */
        size_t changed;
    } cases[] = {
        {"nothing", "1 a x", "", "1=a:x ", "1a:x", 0},
        {"one", "", "1 1a:x", "1=a:x ", "1a:x", 1},
        {"several generations", "", "1 1a:x;1 2b:x;1 1p;1 3c:y", "1=c:y ", "1a:x 2b:x 1p 3c:y", 1},
        {"several entries", "2 c", "4 1a;1 1b:x;3 1c;4 2b:z", "1=b:x 2=c 3=c 4=b:z ", "1b:x", 3},
        {"numbers with gaps", "", "1 7a;1 9b", "1=b ", "7a 9b", 1},
        {"a bundle of the past is missing", "", "1 1z;1 2a", "1=a ", "1z 2a", 1},
        {"taken out there", "", "1 1a:x;1 2-", "", "1a:x 2-", 1},
        {"a name that is taken", "2 b x", "1 1a:x", "1=a 2=b:x ", "1a", 1},
        {"a name for two", "", "1 1a:x;2 1b:x", "1=a:x 2=b ", "1a:x", 2},
        {"a name of the past", "2 b x", "1 1a:x;1 2a:y", "1=a:y 2=b:x ", "1a:x 2a:y", 1},
        {"here with another bundle", "1 b y;1 c y", "1 1a:x;1 2a:z", "1=a:y ", "1b:y 2c:y 3a:y", 1},
        {"here and the same", "1 a y", "1 4b;1 5a:x", "1=a:y ", "1a:y", 0},
        {"here, and out there", "1 a y", "1 1b;1 2-", "1=a:y ", "1a:y", 0},
        {"out here", "1 a y;1 out", "1 1b:x", "1=b:x ", "1a:y 2- 3b:x", 1},
        {"out on both sides", "1 a y;1 out", "1 1b:x;1 2-", "", "1a:y 2-", 0},
        {"here, with pins there", "1 a", "1 1b;1 1p", "1=b ", "1a 2b", 1},
        {"some here, some not", "1 a", "1 1b;2 1c:n", "1=b 2=c:n ", "1a 2b", 2},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct records there;
        struct ml_error err = ML_ERROR_INIT;
        struct store *store = list_begin(*state, cases[i].here);
        records_read(cases[i].there, &there);
        struct store_arrival arrival = {.records = there.r, .n = there.n};
        if (store_adopt(store, &arrival, &err) < 0)
            fail_msg("case '%s': %s", cases[i].name, err.message);
        case_int(cases[i].name, arrival.n_changed, cases[i].changed);
        check_history(cases[i].name, store, 1, cases[i].history);
        check_entries(cases[i].name, store, cases[i].entries);
        /* And then all of it is so already. */
        BUF_AUTO before = BUF_INIT;
        BUF_AUTO after = BUF_INIT;
        registry_picture(*state, "home", &before);
        case_int(cases[i].name, store_adopt(store, &arrival, NULL), 0);
        registry_picture(*state, "home", &after);
        case_int(cases[i].name, arrival.n_changed, 0);
        case_text(cases[i].name, buf_text(&after), buf_text(&before));
        store_close(store);
    }
}

/* Keys are counted once, however their lines lie. */
static void test_adopt_counts(void **state)
{
    struct records there;
    struct store *store = list_begin(*state, "");
    records_read("1 1a;2 1b;1 2b;2 2a;1 1p", &there);
    struct store_arrival arrival = {.records = there.r, .n = there.n};
    assert_int_equal(store_adopt(store, &arrival, NULL), 0);
    assert_int_equal(arrival.n_entries, 2);
    assert_int_equal(arrival.n_changed, 2);
    check_entries("all", store, "1=b 2=a ");
    store_close(store);
}

static void test_adopt_refused(void **state)
{
    static const char *const lists[] = {
        "3 1a;4 1z;5 1b",
        "3 1a;1 1z",
        "3 1a:x;3 2z",
        "3 1a;4 1a;3 2z;4 2a",
        "3 2a;3 1b",
        "3 1a;3 1b",
        "3 1p",
        "3 1a;3 2p",
        "3 1000000000a",
        "3 1a;1 2b;1 1a",
        "3 999999999a;3 1000000000-",
    };
    struct records there;
    struct ml_error err = ML_ERROR_INIT;
    struct store *store = list_begin(*state, "1 a;2 b n");
    BUF_AUTO before = BUF_INIT;
    BUF_AUTO after = BUF_INIT;
    registry_picture(*state, "home", &before);
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        records_read(lists[i], &there);
        struct store_arrival arrival = {.records = there.r, .n = there.n};
        case_int(lists[i], store_adopt(store, &arrival, &err), -1);
        case_int(lists[i], err.status, ML_REFUSED);
        case_text(lists[i], err.code, "bad_history");
        registry_picture(*state, "home", &after);
        case_text(lists[i], buf_text(&after), buf_text(&before));
    }
    store_close(store);
}

static int taken_note(const char *uuid, const char *name, void *arg, struct ml_error *err)
{
    struct buf *told = arg;
    buf_fmt(told, "%lu:%s ", strtoul(uuid + 24, NULL, 16), name);
    return told->len > 10 ? ml_error_set(err, ML_LIMIT, NULL, "no more") : 0;
}

/* Names that are left out, and no others. */
static void test_adopt_tells(void **state)
{
    struct records there;
    struct ml_error err = ML_ERROR_INIT;
    BUF_AUTO told = BUF_INIT;
    struct store *store = list_begin(*state, "2 b x;5 b y");
    records_read("1 1a:x;3 1b:n;4 1a:n;5 1a:x;6 1a:y;6 2a", &there);
    struct store_arrival arrival = {
        .records = there.r, .n = there.n, .name_taken = taken_note, .arg = &told};
    assert_int_equal(store_adopt(store, &arrival, &err), 0);
    assert_string_equal(buf_text(&told), "1:x 4:n ");
    check_entries("told", store, "1=a 2=b:x 3=b:n 4=a 5=a:y 6=a ");
    records_read("7 1a:x;8 1a:x", &there);
    arrival.n = there.n;
    assert_int_equal(store_adopt(store, &arrival, &err), -1);
    assert_string_equal(err.message, "no more");
    check_entries("ended", store, "1=a 2=b:x 3=b:n 4=a 5=a:y 6=a ");
    store_close(store);
}

/* Bundles that come along: filed when all else was found to be possible, and under the lock. */
struct load {
    const struct place *place;
    struct store *store;
    int filed, status;
};

static bool load_brings(const char *id, void *arg)
{
    return strcmp(id, registry_id('z')) == 0;
}

static int load_file(void *arg, struct ml_error *err)
{
    struct load *load = arg;
    struct store *other;
    struct ml_error busy = ML_ERROR_INIT;
    assert_int_equal(registry_try(registry_path(load->place), true, 0, &other, NULL), 0);
    assert_int_equal(store_write_lock(other, &busy), -1);
    assert_int_equal(busy.status, ML_BUSY);
    store_close(other);
    assert_int_equal(store_bundle_exists(load->store, registry_id('z')), false);
    load->filed++;
    if (load->status < 0)
        return ml_error_set(err, ML_IO, NULL, "the disk is full");
    registry_bundle(load->store, registry_id('z'), "z@1");
    return 0;
}

static void test_adopt_with_bundles(void **state)
{
    struct records there;
    struct ml_error err = ML_ERROR_INIT;
    struct store *store = list_begin(*state, "1 a");
    struct load load = {.place = *state, .store = store, .status = -1};
    records_read("3 1z;1 1y", &there);
    struct store_arrival arrival = {
        .records = there.r, .n = 2, .brings = load_brings, .file = load_file, .arg = &load};
    assert_int_equal(store_adopt(store, &arrival, &err), -1); /* y is nowhere */
    assert_string_equal(err.code, "bad_history");
    assert_int_equal(load.filed, 0);
    arrival.n = 1;
    assert_int_equal(store_adopt(store, &arrival, &err), -1);
    assert_string_equal(err.message, "the disk is full");
    check_entries("not filed", store, "1=a ");
    load.status = 0;
    assert_int_equal(store_adopt(store, &arrival, &err), 0);
    assert_int_equal(load.filed, 2);
    check_entries("filed", store, "1=a 3=z ");
    store_close(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        place_test(test_told),
        place_test(test_damaged),
        place_test(test_every_record),
        memory_place_test(test_back),
        memory_place_test(test_no_way_back),
        place_test(test_back_without_bundle),
        memory_place_test(test_removed),
        memory_place_test(test_adopt),
        place_test(test_adopt_counts),
        place_test(test_adopt_refused),
        place_test(test_adopt_tells),
        place_test(test_adopt_with_bundles),
    };
    UNIT_RUN("store-history", tests);
}

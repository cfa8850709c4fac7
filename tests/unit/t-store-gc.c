/* Goal of this test: gc forgets what it may and keeps everything else, by rank, age and pin; what
 * it says beforehand is what it does. */
#include "lists.h"

#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "registry_store/internal.h"

enum { DAY = 86400 };
static time_t day_0; /* bundles are filed on it, since that is the kernel's clock */

/* "0:1 a x;3:1 b" points key 1 at bundle a on day 0, and at b on day 3. */
static struct store *begin(const struct place *place, const char *text)
{
    char copy[256], *save;
    struct store *store = list_begin(place, "");
    registry_bundle(store, registry_id('d'), "d@1.0.0"); /* nobody's */
    snprintf(copy, sizeof copy, "%s", text);
    for (char *item = strtok_r(copy, ";", &save); item; item = strtok_r(NULL, ";", &save)) {
        struct list list;
        char *end;
        registry_clock(day_0 + strtol(item, &end, 10) * DAY);
        list_read(end + 1, &list);
        case_int(text, registry_apply(store, &list.change[0]), 1);
    }
    return store;
}

/* ---- what is there ---- */

static int record_show(const struct store_record *r, void *arg)
{
    static const char marks[] = {[STORE_UNREGISTER] = '-', [STORE_PIN] = 'p', [STORE_UNPIN] = 'u'};
    buf_fmt(arg, "%lu%c ", r->generation, *r->bundle ? r->bundle[2] : marks[r->op]);
    return 0;
}

static int bundle_show(const char *id, void *arg)
{
    buf_char(arg, id[2]);
    return 0;
}

/* "1: 1a 2b 2p; 2: 1c; abc": the histories of keys 1 to 3, and the bundles. */
static void show(struct store *store, struct buf *out)
{
    buf_reset(out);
    for (unsigned key = 1; key <= 3; key++) {
        size_t start = out->len;
        assert_int_equal(store_history(store, registry_uuid(key), record_show, out, NULL), 0);
        if (out->len > start)
            buf_str(out, "; ");
    }
    assert_int_equal(store_each_bundle(store, bundle_show, out, NULL), 0);
}

static int bundle_is_there(const struct store_record *r, void *arg)
{
    return *r->bundle == '\0' || store_bundle_exists(arg, r->bundle) ? 0 : -1;
}

/* Every generation that is left has its bundle, and all else is as it should be. */
static void check_whole(const char *what, struct store *store)
{
    for (unsigned key = 1; key <= 3; key++)
        case_int(what, store_history(store, registry_uuid(key), bundle_is_there, store, NULL), 0);
    registry_sound(what, store);
}

/* ---- what is told ---- */

struct told {
    struct store_gc_result result;
    char freed[64];
    uint64_t bytes;
};

static int freed_add(const char *id, uint64_t bytes, void *arg)
{
    struct told *told = arg;
    sprintf(told->freed + strlen(told->freed), "%c", id[2]);
    told->bytes += bytes;
    return 0;
}

static int letter_compare(const void *a, const void *b)
{
    return *(const char *)a - *(const char *)b;
}

/* -1 for no such bound. In the order of the ids, whatever the order in which they went. */
static struct told collect(struct store *store, unsigned long keep_last, int older_days, bool dry)
{
    struct told told = {.bytes = 0};
    struct ml_error err = ML_ERROR_INIT;
    const struct store_gc policy = {.keep_last = keep_last,
                                    .older_than_s = older_days < 0 ? -1 : (int64_t)older_days * DAY,
                                    .dry_run = dry,
                                    .freed = freed_add,
                                    .arg = &told};
    if (store_gc(store, &policy, &told.result, &err) < 0)
        fail_msg("gc: %s", err.message);
    qsort(told.freed, strlen(told.freed), 1, letter_compare);
    assert_int_equal(told.result.bundles, strlen(told.freed));
    assert_int_equal(told.result.bytes, told.bytes);
    return told;
}

/* ---- what goes ---- */

static const struct {
    const char *name, *steps;
    unsigned long keep_last;
    int older, today; /* days */
    const char *freed, *left;
    size_t generations, entries;
} cases[] = {
    {"only bundles", "0:1 a;1:1 b;2:2 a", 0, -1, 9, "cd", "1a 2b ; 1a ; ab", 0, 2},
    {"nothing", "0:1 a;0:2 b;0:3 c;1:3 d", 0, -1, 9, "", "1a ; 1b ; 1c 2d ; abcd", 0, 3},
    {"taken out", "0:1 a;1:1 b;2:1 out", 0, -1, 9, "abcd", "", 3, 0},
    {"taken out, the other stays", "0:2 a;0:3 a;2:2 out", 0, -1, 9, "bcd", "1a ; a", 2, 1},
    {"taken out and back", "0:1 a;1:1 out;2:1 b", 0, -1, 9, "cd", "1a 2- 3b ; ab", 0, 1},
    {"taken out, not long ago", "0:1 a;5:1 out", 0, 3, 7, "bcd", "1a 2- ; a", 0, 0},
    {"taken out, long ago", "0:1 a;5:1 out", 0, 3, 9, "abcd", "", 2, 0},
    {"taken out, whatever its rank", "0:1 a;5:1 out", 5, -1, 9, "abcd", "", 2, 0},
    {"the last one", "0:1 a;1:1 b;2:1 c", 1, -1, 9, "abd", "3c ; c", 2, 1},
    {"the last two", "0:1 a;1:1 b;2:1 c", 2, -1, 9, "ad", "2b 3c ; bc", 1, 1},
    {"the last of each", "0:1 a;1:1 b;2:2 a;3:2 c", 1, -1, 9, "ad", "2b ; 2c ; bc", 2, 2},
    {"what was out does not count", "0:1 a;1:1 out;2:1 b", 2, -1, 9, "cd", "1a 2- 3b ; ab", 0, 1},
    {"names are generations too", "0:1 a x;1:1 a y;2:1 a z", 2, -1, 9, "bcd", "2a 3a ; a", 1, 1},
    {"a bundle that came back", "0:1 a;1:1 b;2:1 a", 1, -1, 9, "bcd", "3a ; a", 2, 1},
    {"rolled back", "0:1 a;1:1 b;2:1 back", 1, -1, 9, "bcd", "3a ; a", 2, 1},
    {"by age, when it was replaced", "0:1 a;2:1 b;7:1 c", 0, 4, 9, "ad", "2b 3c ; bc", 1, 1},
    {"by age, all of them", "0:1 a;2:1 b;4:1 c", 0, 4, 9, "abd", "3c ; c", 2, 1},
    {"by age, all but what is now", "0:1 a;2:1 b;9:1 c", 0, 0, 9, "abd", "3c ; c", 2, 1},
    {"current, however old", "0:1 a", 0, 4, 900, "bcd", "1a ; a", 0, 1},
    {"both: young enough", "0:1 a;6:1 b;8:1 c", 1, 4, 9, "d", "1a 2b 3c ; abc", 0, 1},
    {"both: of rank", "0:1 a;1:1 b;2:1 c", 2, 4, 9, "ad", "2b 3c ; bc", 1, 1},
    {"both: neither", "0:1 a;1:1 b;7:1 c", 1, 4, 9, "ad", "2b 3c ; bc", 1, 1},
    {"pinned", "0:1 a;1:1 b;2:1 c;3:1 pin 1", 1, -1, 9, "bd", "1a 3c 1p ; ac", 1, 1},
    {"pinned and let go", "0:1 a;1:1 b;2:1 pin 1;3:1 unpin 1", 1, -1, 9, "acd", "2b ; b", 1, 1},
    {"pinned again", "0:1 a;1:1 b;2:1 pin 1;3:1 unpin 1;4:1 pin 1", 1, -1, 9, "cd", "1a 2b 1p ; ab",
     0, 1},
    {"the current is pinned", "0:1 a;1:1 b;2:1 pin", 1, -1, 9, "acd", "2b 2p ; b", 1, 1},
    {"pinned and taken out", "0:1 a;1:1 b;2:1 pin 1;3:1 out", 0, -1, 9, "bcd", "1a 1p 3- ; a", 1,
     0},
    {"let go and taken out", "0:1 a;1:1 pin 1;2:1 unpin 1;3:1 out", 0, -1, 9, "abcd", "", 2, 0},
    {"another's pin", "0:1 a;1:1 b;2:2 a;2:2 b;3:2 pin 1;3:1 a", 1, -1, 9, "cd",
     "3a ; 1a 2b 1p ; ab", 2, 2},
    {"filed a while ago", "0:1 a", 0, 9, 9, "", "1a ; abcd", 0, 1},
};

static void test_policies(void **state)
{
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *what = cases[i].name;
        struct store *store = begin(*state, cases[i].steps);
        BUF_AUTO before = BUF_INIT;
        BUF_AUTO after = BUF_INIT;
        registry_clock(day_0 + cases[i].today * DAY);
        registry_picture(*state, "home", &before);
        struct told dry = collect(store, cases[i].keep_last, cases[i].older, true);
        registry_picture(*state, "home", &after);
        case_text(what, buf_text(&after), buf_text(&before));
        struct told told = collect(store, cases[i].keep_last, cases[i].older, false);
        assert_memory_equal(&dry, &told, sizeof dry);
        case_text(what, told.freed, cases[i].freed);
        case_int(what, told.result.generations, cases[i].generations);
        case_int(what, told.result.entries, cases[i].entries);
        case_int(what, told.result.in_use, 0);
        show(store, &after);
        case_text(what, buf_text(&after), cases[i].left);
        check_whole(what, store);
        struct told again = collect(store, cases[i].keep_last, cases[i].older, false);
        case_text(what, again.freed, "");
        case_int(what, again.result.generations, 0);
        store_close(store);
    }
}

/* ---- afterwards ---- */

/* Numbers go on where they were; what was forgotten cannot come back, and what was kept can. */
static void test_afterwards(void **state)
{
    struct store *store = begin(*state, "0:1 a x;1:1 b;2:1 c;3:1 pin 1");
    struct store_change back = {.uuid = registry_uuid(1), .op = STORE_ROLLBACK};
    struct ml_error err = ML_ERROR_INIT;
    collect(store, 1, -1, false);
    back.generation = 2;
    assert_int_equal(store_change(store, &back, 1, NULL, &err), -1);
    assert_string_equal(err.code, "no_generation");
    back.generation = 0;
    assert_int_equal(registry_apply(store, &back), 1);
    assert_string_equal(back.bundle_now, registry_id('a'));
    assert_int_equal(back.generation_now, 4);
    assert_string_equal(back.name_now, "x");
    BUF_AUTO now = BUF_INIT;
    show(store, &now);
    assert_string_equal(buf_text(&now), "1a 3c 1p 4a ; ac");
    /* An entry that was forgotten begins anew. */
    assert_int_equal(registry_turn(store, STORE_UNPIN, registry_uuid(1), 1), 1);
    assert_int_equal(registry_change(store, registry_uuid(1), NULL, NULL), 1);
    collect(store, 0, -1, false);
    assert_int_equal(registry_turn(store, STORE_ROLLBACK, registry_uuid(1), 0), -ML_NO_INPUT);
    registry_bundle(store, registry_id('b'), "b@1.0.0");
    assert_int_equal(registry_change(store, registry_uuid(1), registry_id('b'), "x"), 1);
    show(store, &now);
    assert_string_equal(buf_text(&now), "1b ; b");
    check_whole("anew", store);
    store_close(store);
}

/* What stays in a shard stays in the order in which it happened. */
static void test_order(void **state)
{
    struct store *store = begin(*state, "0:2 a;1:3 a;2:2 b;3:3 b;4:2 c;5:3 c");
    LOG_AUTO log = {.n = 0};
    collect(store, 2, -1, false);
    assert_int_equal(log_read(store, shard_of(registry_uuid(2)), NULL, &log), 0);
    assert_int_equal(log.n, 4);
    for (size_t i = 0; i < log.n; i++)
        assert_string_equal(log.records[i].uuid, registry_uuid(i % 2 ? 3 : 2));
    store_close(store);
}

/* What is in the histories but cannot be read may be anything: nothing beside it is forgotten. */
static void test_damaged(void **state)
{
    const struct place *place = *state;
    struct store *store = begin(place, "0:1 a;1:1 b;2:2 a;3:2 b;4:2 c");
    char path[64];
    snprintf(path, sizeof path, "home/history/%.2s", registry_uuid(1));
    int fd = openat(place->fd, path, O_WRONLY | O_APPEND | O_CLOEXEC);
    assert_int_equal(write(fd, "damaged\n", 8), 8);
    close(fd);
    BUF_AUTO before = BUF_INIT;
    BUF_AUTO after = BUF_INIT;
    BUF_AUTO now = BUF_INIT;
    assert_int_equal(fs_read_file(place->fd, path, &before, 10000), 0);
    struct told told = collect(store, 1, -1, false);
    assert_string_equal(told.freed, "d");
    assert_int_equal(told.result.generations, 2);
    assert_int_equal(fs_read_file(place->fd, path, &after, 10000), 0);
    assert_string_equal(buf_text(&after), buf_text(&before));
    show(store, &now);
    assert_string_equal(buf_text(&now), "1a 2b ; 3c ; abc");
    store_close(store);
}

/* An entry whose link is damaged is still in its history. */
static void test_damaged_link(void **state)
{
    const struct place *place = *state;
    struct store *store = begin(place, "0:1 a;1:1 b");
    char path[96];
    snprintf(path, sizeof path, "home/entries/%.2s/%s", registry_uuid(1), registry_uuid(1));
    assert_int_equal(unlinkat(place->fd, path, 0), 0);
    assert_int_equal(symlinkat("nowhere", place->fd, path), 0);
    struct told told = collect(store, 1, -1, false);
    assert_string_equal(told.freed, "acd");
    assert_true(store_bundle_exists(store, registry_id('b')));
    store_close(store);
}

/* ---- the rest ---- */

static uint64_t counted;

static int size_add(const char *path, const struct stat *st, int type, struct FTW *at)
{
    counted += (uint64_t)st->st_blocks * 512;
    return 0;
}

static void test_bytes(void **state)
{
    const struct place *place = *state;
    struct store *store = begin(place, "0:1 a");
    struct store_stage stage;
    int hold;
    char text[20000];
    memset(text, 'x', sizeof text);
    assert_int_equal(store_stage_open(store, &stage, NULL), 0);
    assert_int_equal(mkdirat(stage.fd, "source", 0700), 0);
    assert_int_equal(fs_write_new(stage.fd, "source/big", text, sizeof text, 0600), 0);
    assert_int_equal(store_stage_commit(&stage, registry_id('e'), &hold, NULL), 1);
    close(hold);
    counted = 0;
    for (const char *c = "bcde"; *c != '\0'; c++) {
        char path[64];
        snprintf(path, sizeof path, "home/bundles/%s", registry_id(*c));
        nftw(place_path(place, path), size_add, 16, FTW_PHYS);
    }
    struct told told = collect(store, 0, -1, false);
    assert_string_equal(told.freed, "bcde");
    assert_int_equal(told.result.bytes, counted);
    assert_true(counted >= 20000);
    store_close(store);
}

static int stop_at_second(const char *id, uint64_t bytes, void *arg)
{
    return ++*(int *)arg == 2 ? 5 : 0;
}

/* Who is told can end it; what went until then is gone, all else is whole. */
static void test_ended(void **state)
{
    struct store *store = begin(*state, "0:1 a;1:1 b");
    struct store_gc_result result;
    struct ml_error err = ML_ERROR_INIT;
    int n = 0;
    const struct store_gc policy = {
        .keep_last = 1, .older_than_s = -1, .freed = stop_at_second, .arg = &n};
    assert_true(store_gc(store, &policy, &result, &err) != 0);
    assert_int_equal(n, 2);
    assert_int_equal(result.bundles, 2);
    check_whole("ended", store);
    BUF_AUTO now = BUF_INIT;
    show(store, &now);
    assert_string_equal(buf_text(&now), "1a 2b ; ab");
    store_close(store);
}

/* A key that was `n` generations, every tenth of which is pinned. */
static void write_long(const struct place *place, size_t n)
{
    BUF_AUTO text = BUF_INIT;
    struct store_record r = {.uuid = registry_uuid(1),
                             .time = "2026-01-02T03:04:05Z",
                             .op = STORE_REGISTER,
                             .name = "",
                             .plugin = "",
                             .origin = ""};
    for (r.generation = 1; r.generation <= n; r.generation++) {
        r.bundle = registry_id(r.generation % 2 ? 'a' : 'b');
        store_record_write(&text, &r);
    }
    r.bundle = "";
    r.op = STORE_PIN;
    for (r.generation = 10; r.generation <= n; r.generation += 10)
        store_record_write(&text, &r);
    assert_int_equal(
        fs_replace_file(place->fd, "home/tmp", "home/history/00", buf_text(&text), text.len, 0600),
        0);
}

static double cpu_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static double collect_long(const struct place *place, struct store *store, size_t n)
{
    write_long(place, n);
    double start = cpu_s();
    struct told told = collect(store, 5, -1, true);
    assert_int_equal(told.result.generations, n - 4 - n / 10);
    return cpu_s() - start;
}

/* Eight times as many generations of one key take about eight times as long, not sixty-four. */
static void test_many(void **state)
{
    struct store *store = begin(*state, "0:1 a;1:1 b");
    double few = collect_long(*state, store, 5000), many = collect_long(*state, store, 40000);
    if (many > 25 * few + 0.1)
        fail_msg("5000 generations took %.3f s, 40000 took %.3f s", few, many);
    store_close(store);
}

static void test_no_registry(void **state)
{
    const struct place *place = *state;
    struct store *store = registry_read(place);
    struct store_gc_result result;
    const struct store_gc policy = {.older_than_s = -1};
    assert_int_equal(store_gc(store, &policy, &result, NULL), 0);
    assert_int_equal(result.bundles + result.generations + result.entries + result.in_use, 0);
    assert_int_equal(access(registry_path(place), F_OK), -1);
    store_close(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        memory_place_test(test_policies),
        memory_place_test(test_afterwards),
        memory_place_test(test_order),
        memory_place_test(test_damaged),
        memory_place_test(test_damaged_link),
        place_test(test_bytes),
        place_test(test_ended),
        memory_place_test(test_many),
        place_test(test_no_registry),
    };
    day_0 = time(NULL);
    UNIT_RUN("store-gc", tests);
}

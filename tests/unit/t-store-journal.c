/* Goal of this test: wherever a writer dies, his change was made whole or not at all; whoever comes
 * next finishes it, and it does not matter how often; a journal that is damaged changes nothing. */
#include "lists.h"
#include "watched.h"

#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <linux/capability.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/fs.h"
#include "base/hash.h"
#include "registry_store/internal.h"

enum { NOW = 1767323045 };

/* ---- a change that is cut short ---- */

static const struct {
    const char *name, *before, *list;
} cases[] = {
    {"register", "", "1 a new"},
    {"register without a name", "", "1 a"},
    {"switch", "1 a old", "1 b"},
    {"rename", "1 a old", "1 a new"},
    {"switch and rename", "1 a old", "1 b new"},
    {"drop the name", "1 a old", "1 a !"},
    {"unregister", "1 a old", "1 out"},
    {"roll back", "1 a old;1 b new", "1 back 1"},
    {"pin", "1 a old", "1 pin"},
    {"exchange names", "1 a x;2 a y", "1 b y;2 b x"},
    {"several", "1 a x;2 a y;3 b z;4 a w;5 a", "1 b y;2 out;3 c x;4 b;6 c z;7 c w2;5 pin"},
};
enum { N_CASES = sizeof cases / sizeof *cases };

/* Homes "old" and "home": before and after a case's change; and what they say. */
static void make_homes(const struct place *place, size_t i, struct buf *old, struct buf *new)
{
    struct list list;
    registry_clock(NOW);
    struct store *store = list_begin(place, cases[i].before);
    registry_copy(place, "home", "old");
    registry_clock(NOW + 1);
    list_read(cases[i].list, &list);
    case_int(cases[i].name, store_change(store, list.change, list.n, NULL, NULL), 0);
    registry_sound(cases[i].name, store);
    registry_picture(place, "old", old);
    registry_picture(place, "home", new);
    assert_string_not_equal(buf_text(old), buf_text(new));
    store_close(store);
}

static bool is_pending(const struct place *place, const char *home)
{
    char path[64];
    snprintf(path, sizeof path, "%s/journal/apply", home);
    return faccessat(place->fd, path, F_OK, 0) == 0;
}

static bool home_is(const struct place *place, const char *home, const struct buf *picture)
{
    BUF_AUTO now = BUF_INIT;
    registry_picture(place, home, &now);
    return strcmp(buf_text(&now), buf_text(picture)) == 0;
}

static struct store *open_home(const struct place *place, const char *home)
{
    struct store *store;
    assert_int_equal(registry_try(place_path(place, home), false, 0, &store, NULL), 0);
    return store;
}

/* Opened while somebody else had the lock, so that nothing was finished by that. */
static struct store *open_busy(const struct place *place, const char *home)
{
    char path[64];
    snprintf(path, sizeof path, "%s/locks/write", home);
    int lock = openat(place->fd, path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_int_equal(fs_lock(lock, 0, -1), 0);
    struct store *store = open_home(place, home);
    close(lock);
    return store;
}

/* ---- at each system call ---- */

struct cut {
    const struct place *place;
    const char *list;
    struct buf old, new;
    int calls, pending;
    int at; /* the home "pending" is made at this pending call; -1: at none */
    char what[96];
};

static void cut_free(struct cut *cut)
{
    buf_free(&cut->old);
    buf_free(&cut->new);
}
#define CUT_AUTO __attribute__((cleanup(cut_free))) struct cut

static int change_once(void *arg)
{
    const struct cut *cut = arg;
    struct list list;
    struct store *store = open_home(cut->place, "home");
    list_read(cut->list, &list);
    return store_change(store, list.change, list.n, NULL, NULL) == 0 ? 0 : 1;
}

/* Whoever opens the registry next finishes it: what is written down is made, all else never was. */
static void check_reader_finishes(struct cut *cut, bool pending)
{
    struct store *reader = open_home(cut->place, "cut");
    case_true(cut->what, home_is(cut->place, "cut", &cut->new) ||
                             (!pending && home_is(cut->place, "cut", &cut->old)));
    store_close(reader);
}

/* And so does a writer who had it open already, before he makes his own change. */
static void check_writer_finishes(struct cut *cut)
{
    struct list list;
    struct names litter;
    struct store *writer = open_busy(cut->place, "cut");
    list_read(cut->list, &list);
    case_int(cut->what, store_change(writer, list.change, list.n, NULL, NULL), 0);
    case_true(cut->what, home_is(cut->place, "cut", &cut->new));
    assert_int_equal(names_read(cut->place->fd, "cut/tmp", &litter), 0);
    case_int(cut->what, litter.n, 0);
    names_free(&litter);
    store_close(writer);
}

static void look(void *arg)
{
    struct cut *cut = arg;
    bool pending = is_pending(cut->place, "home");
    snprintf(cut->what, sizeof cut->what, "'%s', cut short at call %d", cut->list, cut->calls++);
    cut->pending += pending;
    registry_copy(cut->place, "home", "cut");
    if (cut->calls % 2)
        check_reader_finishes(cut, pending);
    check_writer_finishes(cut);
}

static void test_cut_at_each_call(void **state)
{
    for (size_t i = 0; i < N_CASES; i++) {
        CUT_AUTO cut = {.place = *state, .list = cases[i].list};
        make_homes(*state, i, &cut.old, &cut.new);
        registry_copy(*state, "old", "home");
        if (watched(change_once, &cut, look, &cut) < 0)
            skip();
        assert_true(home_is(*state, "home", &cut.new));
        case_true(cases[i].name, cut.pending > 3); /* it was cut in the middle, too */
    }
}

/* ---- those who finish it may die over it ---- */

static void take_pending(void *arg)
{
    struct cut *cut = arg;
    if (is_pending(cut->place, "home") && cut->pending++ == cut->at)
        registry_copy(cut->place, "home", "pending");
}

/* Homes "old" and "pending" of a case: the latter has a change written down, and `at` calls of it
 * made. -1: nobody can be watched. */
static int make_pending(struct cut *cut, size_t i, int at)
{
    make_homes(cut->place, i, &cut->old, &cut->new);
    registry_copy(cut->place, "old", "home");
    cut->list = cases[i].list;
    cut->at = at;
    cut->pending = 0;
    return watched(change_once, cut, take_pending, cut);
}

static int open_once(void *arg)
{
    store_close(open_home(arg, "home"));
    return 0;
}

static int open_cut(void *arg)
{
    store_close(open_home(arg, "cut"));
    return 0;
}

static void look_twice_cut(void *arg)
{
    struct cut *cut = arg;
    registry_copy(cut->place, "cut", "cut2");
    store_close(open_home(cut->place, "cut2"));
    assert_true(home_is(cut->place, "cut2", &cut->new));
}

static void look_at_finishing(void *arg)
{
    struct cut *cut = arg;
    snprintf(cut->what, sizeof cut->what, "finishing was cut short at call %d", cut->calls++);
    registry_copy(cut->place, "home", "cut");
    if (cut->calls % 40 == 0)
        assert_int_equal(watched(open_cut, (void *)cut->place, look_twice_cut, cut), 0);
    else
        check_reader_finishes(cut, true);
}

static void test_finishing_cut_at_each_call(void **state)
{
    for (int at = 0; at <= 40; at += 40) {
        CUT_AUTO cut = {.place = *state};
        if (make_pending(&cut, N_CASES - 1, at) < 0)
            skip();
        assert_true(cut.pending > at);
        registry_copy(*state, "pending", "home");
        assert_int_equal(watched(open_once, *state, look_at_finishing, &cut), 0);
        assert_true(home_is(*state, "home", &cut.new));
    }
}

/* What cannot be finished any more is taken back, by whoever finds it: here a directory has come in
 * the way of an entry. A writer is told, once. */
static void test_taken_back(void **state)
{
    const struct place *place = *state;
    for (int writer = 0; writer < 2; writer++) {
        CUT_AUTO cut = {.place = place};
        struct ml_error err = ML_ERROR_INIT;
        struct store_change change = {.uuid = registry_uuid(9), .op = STORE_UNREGISTER};
        char path[96];
        if (make_pending(&cut, N_CASES - 1, writer ? 30 : 0) < 0)
            skip();
        const char *uuid = registry_uuid(6); /* that was to be new */
        snprintf(path, sizeof path, "pending/entries/%.2s", uuid);
        mkdirat(place->fd, path, 0700); /* may be there */
        snprintf(path, sizeof path, "pending/entries/%.2s/%s", uuid, uuid);
        unlinkat(place->fd, path, 0);
        assert_int_equal(mkdirat(place->fd, path, 0700), 0);
        struct store *store = writer ? open_busy(place, "pending") : open_home(place, "pending");
        if (writer) {
            assert_int_equal(store_change(store, &change, 1, NULL, &err), -1);
            assert_non_null(strstr(err.message, "which is as it was"));
        }
        assert_true(home_is(place, "pending", &cut.old));
        assert_int_equal(store_change(store, &change, 1, NULL, NULL), 0);
        store_close(store);
    }
}

/* ---- journals that are damaged ---- */

static void journal_put(const struct place *place, const char *text, size_t n)
{
    fs_remove_tree(place->fd, "home/journal/apply");
    assert_int_equal(fs_write_new(place->fd, "home/journal/apply", text, n, 0600), 0);
}

/* Readers pass it by, writers refuse in words, and neither changes anything. */
static void check_refused(const char *what, const struct place *place, struct store *store,
                          const struct buf *before)
{
    struct ml_error err = ML_ERROR_INIT;
    struct store_change change = {.uuid = registry_uuid(9), .op = STORE_UNREGISTER};
    case_int(what, store_change(store, &change, 1, NULL, &err), -1);
    case_int(what, err.status, ML_REFUSED);
    case_text(what, err.code, "damaged");
    case_true(what, strstr(err.message, "journal/apply") != NULL);
    case_true(what, strstr(err.hint, "verify --repair") != NULL);
    store_close(registry_read(place));
    unlinkat(place->fd, "home/journal/apply", 0);
    if (!home_is(place, "home", before))
        fail_msg("case '%s': it has changed something", what);
}

static void test_every_byte_of_it(void **state)
{
    const struct place *place = *state;
    CUT_AUTO cut = {.place = place};
    BUF_AUTO text = BUF_INIT;
    if (make_pending(&cut, N_CASES - 1, 0) < 0)
        skip();
    assert_int_equal(fs_read_file(place->fd, "pending/journal/apply", &text, 100000), 0);
    registry_copy(place, "old", "home");
    struct store *store = registry_open(place);
    for (size_t n = 0; n < text.len; n += UNIT_SLOWNESS) {
        char what[64], bit = (char)(1 << n % 8);
        snprintf(what, sizeof what, "byte %zu flipped", n);
        text.data[n] ^= bit;
        journal_put(place, text.data, text.len);
        check_refused(what, place, store, &cut.old);
        text.data[n] ^= bit;
        snprintf(what, sizeof what, "cut short at %zu", n);
        journal_put(place, text.data, n);
        check_refused(what, place, store, &cut.old);
    }
    buf_char(&text, '\n');
    journal_put(place, text.data, text.len);
    check_refused("one byte more", place, store, &cut.old);
    journal_put(place, text.data, --text.len); /* and as it was, it is good */
    store_close(registry_read(place));
    assert_true(home_is(place, "home", &cut.new));
    store_close(store);
}

/* A hash is easily made: what stands in a path is looked at whatever it says. */
static void test_well_hashed(void **state)
{
#define K "8c000000-0000-4000-8000-000000000001"
#define B "b-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
    static const struct {
        const char *name, *head, *shard, *was, *line; /* `line` without its hash */
        bool good;
    } texts[] = {
        {"a good one", "modload journal 1\n", "shard 8c 0\n", "was - -\n", "r", true},
        {"another version", "modload journal 2\n", "shard 8c 0\n", "was - -\n", "r", false},
        {"another shard", "modload journal 1\n", "shard 8d 0\n", "was - -\n", "r", false},
        {"no shard", "modload journal 1\n", "", "was - -\n", "r", false},
        {"a shard that is none", "modload journal 1\n", "shard xx 0\n", "was - -\n", "r", false},
        {"a long shard", "modload journal 1\n", "shard 18c 0\n", "was - -\n", "r", false},
        {"below nothing", "modload journal 1\n", "shard 8c -1\n", "was - -\n", "r", false},
        {"no size", "modload journal 1\n", "shard 8c\n", "was - -\n", "r", false},
        {"more than a size", "modload journal 1\n", "shard 8c 0 1\n", "was - -\n", "r", false},
        {"nothing that was", "modload journal 1\n", "shard 8c 0\n", "", "r", false},
        {"a bundle that is none", "modload journal 1\n", "shard 8c 0\n", "was ../x -\n", "r",
         false},
        {"a name that is none", "modload journal 1\n", "shard 8c 0\n", "was - a/b\n", "r", false},
        {"only half", "modload journal 1\n", "shard 8c 0\n", "was -\n", "r", false},
        {"a word too much", "modload journal 1\n", "shard 8c 0\n", "was - -\nwill\n", "r", false},
        {"no record", "modload journal 1\n", "shard 8c 0\n", "was - -\n", "x", false},
    };
    const struct place *place = *state;
    struct store *store = list_begin(place, "1 a x");
    BUF_AUTO before = BUF_INIT;
    registry_picture(place, "home", &before);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        BUF_AUTO text = BUF_INIT;
        const struct store_record r = {
            .uuid = K, .generation = 1, .time = "2026-01-02T03:04:05Z", .bundle = B, .name = "n"};
        buf_fmt(&text, "%s%s%s+", texts[i].head, texts[i].shard, texts[i].was);
        if (*texts[i].line == 'r')
            store_record_write(&text, &r);
        else
            buf_str(&text, "x\n");
        uint64_t hash = hash_fnv1a(HASH_FNV1A_INIT, text.data, text.len);
        buf_fmt(&text, "end %016" PRIx64 "\n", hash);
        journal_put(place, text.data, text.len);
        if (!texts[i].good) {
            check_refused(texts[i].name, place, store, &before);
            continue;
        }
        assert_int_equal(registry_change(store, K, NULL, NULL), 1); /* it was made, and undone */
        registry_sound(texts[i].name, store);
        registry_picture(place, "home", &before);
    }
    store_close(store);
}

/* ---- who finds it ---- */

/* A writer that lives is at it: what he has not done yet is nobody else's business. */
static void test_live_writer(void **state)
{
    const struct place *place = *state;
    CUT_AUTO cut = {.place = place};
    BUF_AUTO found = BUF_INIT;
    char bundle[STORE_BUNDLE_SIZE];
    if (make_pending(&cut, 9, 0) < 0)
        skip();
    registry_picture(place, "pending", &found);
    struct store *reader = open_busy(place, "pending");
    assert_int_equal(store_lookup(reader, registry_uuid(1), bundle, NULL), 0);
    assert_string_equal(bundle, registry_id('a'));
    assert_true(home_is(place, "pending", &found));
    store_close(reader);
    store_close(open_home(place, "pending")); /* now he is gone */
    assert_true(home_is(place, "pending", &cut.new));
}

static int close_to_writers(const char *path, const struct stat *st, int type, struct FTW *at)
{
    return type == FTW_SL ? 0 : chmod(path, st->st_mode & 07555);
}

/* Root may write whatever the mode says, unless it gives that up. */
static int read_closed_home(void *arg)
{
    const struct place *place = arg;
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct none[2] = {{0}};
    struct store *store;
    char bundle[STORE_BUNDLE_SIZE], uuid[STORE_UUID_SIZE];
    CHILD_CHECK(nftw(registry_path(place), close_to_writers, 16, FTW_PHYS) == 0);
    CHILD_CHECK(syscall(SYS_capset, &head, none) == 0);
    CHILD_CHECK(registry_try(registry_path(place), false, 0, &store, NULL) == 0);
    CHILD_CHECK(store_lookup(store, registry_uuid(1), bundle, NULL) == 0);
    CHILD_CHECK(bundle[2] == 'a' || bundle[2] == 'b');
    CHILD_CHECK(store_name_lookup(store, "x", uuid, NULL) == 0);
    struct ml_error err = ML_ERROR_INIT;
    struct store_change change = {.uuid = registry_uuid(1), .op = STORE_UNREGISTER};
    CHILD_CHECK(store_change(store, &change, 1, NULL, &err) < 0);
    CHILD_CHECK(err.status != 0 && strstr(err.message, "locks/write") != NULL);
    store_close(store);
    return 0;
}

static void test_read_only(void **state)
{
    const struct place *place = *state;
    CUT_AUTO cut = {.place = place};
    BUF_AUTO found = BUF_INIT;
    if (make_pending(&cut, 9, 0) < 0)
        skip();
    registry_copy(place, "pending", "home");
    registry_picture(place, "home", &found);
    assert_int_equal(child_run(read_closed_home, *state), 0);
    assert_true(home_is(place, "home", &found));
}

/* What was to follow lines that are lost cannot be made, and nothing is put where they were. */
static void test_shorter_history(void **state)
{
    const struct place *place = *state;
    CUT_AUTO cut = {.place = place};
    struct stat st;
    char path[64];
    if (make_pending(&cut, 2, 0) < 0)
        skip();
    registry_copy(place, "pending", "home");
    snprintf(path, sizeof path, "home/history/%.2s", registry_uuid(1));
    int fd = openat(place->fd, path, O_RDWR | O_CLOEXEC);
    assert_int_equal(fstat(fd, &st), 0);
    assert_int_equal(ftruncate(fd, st.st_size - 5), 0);
    store_close(registry_read(place));
    off_t cut_at = st.st_size - 5;
    assert_int_equal(fstat(fd, &st), 0);
    assert_int_equal(st.st_size, cut_at);
    assert_false(is_pending(place, "home"));
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        memory_place_test(test_cut_at_each_call),
        memory_place_test(test_finishing_cut_at_each_call),
        memory_place_test(test_taken_back),
        memory_place_test(test_every_byte_of_it),
        memory_place_test(test_well_hashed),
        memory_place_test(test_live_writer),
        memory_place_test(test_read_only),
        memory_place_test(test_shorter_history),
    };
    UNIT_RUN("store-journal", tests);
}

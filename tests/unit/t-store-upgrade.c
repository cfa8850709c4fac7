/* Goal of this test: a registry of format 1 is the same registry afterwards: every lookup, name and
 * generation; wherever the upgrade is cut short it is begun again; and where it cannot be it says
 * so. */
#include "registry.h"
#include "watched.h"

#include <fcntl.h>
#include <ftw.h>
#include <linux/capability.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/fs.h"
#include "base/scope.h"
#include "registry_store/internal.h"

/* ---- homes of format 1, made by hand ---- */

static void old_file(const struct place *place, const char *path, const char *text)
{
    if (fs_write_new(place->fd, path, text, strlen(text), 0600) < 0)
        fail_msg("cannot make '%s'", path);
}

static void old_link(const struct place *place, const char *path, const char *target)
{
    if (symlinkat(target, place->fd, path) < 0)
        fail_msg("cannot make '%s'", path);
}

static void old_bundle(const struct place *place, char c, const char *name)
{
    char path[96];
    snprintf(path, sizeof path, "home/bundles/%s", registry_id(c));
    assert_int_equal(mkdirat(place->fd, path, 0700), 0);
    snprintf(path, sizeof path, "home/bundles/%s/name", registry_id(c));
    old_file(place, path, name);
}

static const char *entry_file(unsigned key, const char *leaf)
{
    static char path[128];
    const char *uuid = registry_uuid(key);
    snprintf(path, sizeof path, "home/entries/%.2s/%s%s%s", uuid, uuid, *leaf ? "/" : "", leaf);
    return path;
}

/* Null: it is out. */
static void old_entry(const struct place *place, unsigned key, char bundle)
{
    char path[64];
    snprintf(path, sizeof path, "home/entries/%.2s", registry_uuid(key));
    mkdirat(place->fd, path, 0700); /* may be there */
    assert_int_equal(mkdirat(place->fd, entry_file(key, ""), 0700), 0);
    snprintf(path, sizeof path, "../../../bundles/%s", registry_id(bundle));
    if (bundle != '\0')
        old_link(place, entry_file(key, "current"), path);
}

/* `what` is "a", "a:n" or "-"; more lines may follow. */
static void old_record(const struct place *place, unsigned key, unsigned number, const char *what,
                       const char *more)
{
    char leaf[24];
    BUF_AUTO text = BUF_INIT;
    snprintf(leaf, sizeof leaf, "%u", number);
    buf_fmt(&text, "time 2025-01-02T03:04:%02uZ\n", number);
    if (*what != '-')
        buf_fmt(&text, "bundle %s\n", registry_id(*what));
    if (what[1] == ':')
        buf_fmt(&text, "name %s\n", what + 2);
    buf_str(&text, more);
    old_file(place, entry_file(key, leaf), buf_text(&text));
}

static void old_name(const struct place *place, const char *name, unsigned key)
{
    char path[96], target[96];
    snprintf(path, sizeof path, "home/names/%s", name);
    snprintf(target, sizeof target, "../entries/%.2s/%s", registry_uuid(key), registry_uuid(key));
    old_link(place, path, target);
}

/* "1a:x 2b 3-" makes an entry with these records, named as the last one says. */
static void old_history(const struct place *place, unsigned key, const char *text)
{
    char copy[128], *save, last[32] = "";
    snprintf(copy, sizeof copy, "%s", text);
    const char *end = strrchr(text, ' ') ? strrchr(text, ' ') + 1 : text;
    char *what;
    strtoul(end, &what, 10);
    old_entry(place, key, *what == '-' ? '\0' : *what);
    for (char *item = strtok_r(copy, " ", &save); item; item = strtok_r(NULL, " ", &save)) {
        unsigned number = (unsigned)strtoul(item, &item, 10);
        snprintf(last, sizeof last, "%s", item);
        old_record(place, key, number, item, "");
    }
    if (last[1] == ':')
        old_name(place, last + 2, key);
}

static void old_home(const struct place *place)
{
    static const char *const dirs[] = {"", "/bundles", "/entries", "/names", "/locks", "/tmp"};
    for (size_t i = 0; i < sizeof dirs / sizeof *dirs; i++) {
        char path[64];
        snprintf(path, sizeof path, "home%s", dirs[i]);
        assert_int_equal(mkdirat(place->fd, path, 0700), 0);
    }
    old_file(place, "home/FORMAT", "modload registry 1\n");
    old_file(place, "home/locks/write", "");
    old_bundle(place, 'a', "math@1.2.0\n");
    old_bundle(place, 'b', "text@0.1.0\n");
    old_bundle(place, 'c', "cafe@3.0.0\n");
}

/* ---- what it is afterwards ---- */

static int record_show(const struct store_record *r, void *arg)
{
    struct buf *out = arg;
    buf_fmt(out, "%s%lu%c", out->len ? " " : "", r->generation, *r->bundle ? r->bundle[2] : '-');
    if (*r->name != '\0')
        buf_fmt(out, ":%s", r->name);
    return 0;
}

static int name_add(const char *name, const char *uuid, void *arg)
{
    buf_fmt(arg, "%s=%lu ", name, strtoul(uuid + 24, NULL, 16));
    return 0;
}

static void check_entry(const char *what, struct store *store, unsigned key, char bundle,
                        const char *history)
{
    char id[STORE_BUNDLE_SIZE] = "";
    BUF_AUTO text = BUF_INIT;
    case_int(what, store_lookup(store, registry_uuid(key), id, NULL), bundle ? 0 : -1);
    case_text(what, id, bundle ? registry_id(bundle) : "");
    case_int(what, store_history(store, registry_uuid(key), record_show, &text, NULL), 0);
    case_text(what, buf_text(&text), history);
}

static void check_upgraded(const struct place *place, struct store *store)
{
    struct names litter;
    BUF_AUTO format = BUF_INIT;
    assert_int_equal(fs_read_file(place->fd, "home/FORMAT", &format, 100), 0);
    assert_string_equal(buf_text(&format), "modload registry 2\n");
    assert_int_equal(names_read(place->fd, "home/tmp", &litter), 0);
    assert_int_equal(litter.n, 0);
    names_free(&litter);
    registry_sound("upgraded", store);
}

/* ---- whole entries ---- */

static const struct {
    const char *name, *history;
    char bundle;
} entries[] = {
    {"one generation", "1a", 'a'},
    {"with a name", "1a:one", 'a'},
    {"several", "1a:two 2b:two 3c:two", 'c'},
    {"renamed", "1a:was 2a:is", 'a'},
    {"its name dropped", "1a:gone 2b", 'b'},
    {"taken out", "1a:out 2-", '\0'},
    {"taken out and back", "1a:back 2- 3b:back", 'b'},
    {"more than nine", "1a 2b 3a 4b 5a 6b 7a 8b 9a 10b 11a 12b", 'b'},
    {"numbers with gaps", "3a 7b:gap", 'b'},
    {"a bundle of the past is gone", "1z 2a", 'a'},
};
enum { N_ENTRIES = sizeof entries / sizeof *entries };

static void make_entries(const struct place *place)
{
    old_home(place);
    for (unsigned i = 0; i < N_ENTRIES; i++)
        old_history(place, i + 1, entries[i].history);
}

static void check_entries(const struct place *place, struct store *store)
{
    BUF_AUTO names = BUF_INIT;
    for (unsigned i = 0; i < N_ENTRIES; i++)
        check_entry(entries[i].name, store, i + 1, entries[i].bundle, entries[i].history);
    assert_int_equal(store_each_name(store, name_add, &names, NULL), 0);
    assert_string_equal(buf_text(&names), "back=7 gap=9 is=4 one=2 two=3 ");
    check_upgraded(place, store);
}

static int plugin_add(const struct store_entry *e, void *arg)
{
    buf_fmt(arg, "%s ", e->plugin);
    return 0;
}

static void test_entries(void **state)
{
    for (int create = 0; create < 2; create++) {
        const struct place *place = *state;
        struct store *store;
        BUF_AUTO plugins = BUF_INIT;
        fs_remove_tree(place->fd, "home");
        make_entries(place);
        assert_int_equal(registry_try(registry_path(place), create, 0, &store, NULL), 0);
        check_entries(place, store);
        assert_int_equal(store_each_entry(store, "", plugin_add, &plugins, NULL), 0);
        assert_string_equal(buf_text(&plugins), "math@1.2.0 math@1.2.0 cafe@3.0.0 math@1.2.0 "
                                                "text@0.1.0 text@0.1.0 text@0.1.0 text@0.1.0 "
                                                "math@1.2.0 ");
        store_close(store);
        store = registry_read(place); /* once is enough */
        check_entries(place, store);
        /* And it goes on: numbers count, names move, what was before comes back. */
        assert_int_equal(registry_change(store, registry_uuid(3), registry_id('a'), "one2"), 1);
        check_entry("goes on", store, 3, 'a', "1a:two 2b:two 3c:two 4a:one2");
        assert_int_equal(registry_turn(store, STORE_ROLLBACK, registry_uuid(6), 0), 1);
        check_entry("comes back", store, 6, 'a', "1a:out 2- 3a:out");
        registry_sound("goes on", store);
        store_close(store);
    }
}

/* ---- what else may stand in a record ---- */

static int origin_take(const struct store_record *r, void *arg)
{
    buf_fmt(arg, "[%s %s]", r->time, r->origin);
    return 0;
}

static void test_records(void **state)
{
    static const struct {
        const char *name, *text, *history, *origin;
    } records[] = {
        {"escapes", "origin /src/a b%0a%25%7f%41\n", "1a",
         "[T /src/a b\n%\x7f"
         "A]"},
        {"no escapes", "origin 100%\n", "1a", "[T 100%]"},
        {"a name in an origin", "origin x%0aname stolen\n", "1a", "[T x\nname stolen]"},
        {"a word twice", "name first\nname n\n", "1a:n", "[T ]"},
        {"words of later versions", "pinned yes\nsignature x\n\n", "1a", "[T ]"},
        {"no end", "origin x", "1a", "[T x]"},
        {"a name that is none", "name a/b\n", "1a", "[T ]"},
        {"a bundle that is none", "bundle ../../etc\n", "1a", "[T ]"},
    };
    const struct place *place = *state;
    for (size_t i = 0; i < sizeof records / sizeof *records; i++) {
        BUF_AUTO origin = BUF_INIT;
        BUF_AUTO want = BUF_INIT;
        fs_remove_tree(place->fd, "home");
        old_home(place);
        old_entry(place, 1, 'a');
        old_record(place, 1, 1, "a", records[i].text);
        old_name(place, "n", 1);
        if (strstr(records[i].history, ":n") == NULL)
            fs_remove_tree(place->fd, "home/names/n");
        old_file(place, entry_file(1, "notes"), "not a record\n");
        old_file(place, entry_file(1, "0"), "bundle x\n");
        struct store *store = registry_read(place);
        check_entry(records[i].name, store, 1, 'a', records[i].history);
        assert_int_equal(store_history(store, registry_uuid(1), origin_take, &origin, NULL), 0);
        buf_fmt(&want, "[2025-01-02T03:04:01Z %s", records[i].origin + 3);
        case_text(records[i].name, buf_text(&origin), buf_text(&want));
        check_upgraded(place, store);
        store_close(store);
    }
}

/* ---- changes that format 1 had cut short ---- */

static void make_cut_short(const struct place *place)
{
    old_home(place);
    old_entry(place, 1, 'a'); /* recorded, not switched */
    old_record(place, 1, 1, "a:n1", "");
    old_record(place, 1, 2, "b:n1", "");
    old_name(place, "n1", 1);
    old_entry(place, 2, 'a'); /* the name of a change that was not switched either */
    old_record(place, 2, 1, "a", "");
    old_record(place, 2, 2, "b:n2", "");
    old_name(place, "n2", 2);
    old_entry(place, 3, 'a'); /* to be taken out */
    old_record(place, 3, 1, "a:n3", "");
    old_record(place, 3, 2, "-", "");
    old_name(place, "n3", 3);
    old_entry(place, 4, 'b'); /* named by another since */
    old_record(place, 4, 1, "b:n3", "");
    old_entry(place, 5, '\0'); /* out, and recorded to come back */
    old_record(place, 5, 1, "a", "");
    old_record(place, 5, 2, "-", "");
    old_record(place, 5, 3, "c", "");
    old_entry(place, 6, 'c'); /* its records are gone */
}

/* A link decides, whatever a record had in mind: one more generation says so. */
static void test_cut_short_in_format_1(void **state)
{
    const struct place *place = *state;
    BUF_AUTO names = BUF_INIT;
    make_cut_short(place);
    struct store *store = registry_read(place);
    check_entry("not switched", store, 1, 'a', "1a:n1 2b:n1 3a:n1");
    check_entry("not switched, and named", store, 2, 'a', "1a 2b:n2 3a:n2");
    check_entry("not taken out", store, 3, 'a', "1a:n3 2- 3a:n3");
    check_entry("its name is another's", store, 4, 'b', "1b:n3 2b");
    check_entry("not back", store, 5, '\0', "1a 2- 3c 4-");
    check_entry("without records", store, 6, 'c', "1c");
    assert_int_equal(store_each_name(store, name_add, &names, NULL), 0);
    assert_string_equal(buf_text(&names), "n1=1 n2=2 n3=3 ");
    check_upgraded(place, store);
    store_close(store);
}

static void make_never_came_to_be(const struct place *place)
{
    old_home(place);
    old_entry(place, 1, '\0'); /* its directory was all that was made */
    old_entry(place, 2, '\0');
    old_record(place, 2, 1, "a:n2", "");
    old_name(place, "n2", 2);
    old_entry(place, 3, 'b'); /* switched, and the old name not dropped */
    old_record(place, 3, 1, "a:old", "");
    old_record(place, 3, 2, "b:new", "");
    old_name(place, "old", 3);
    old_name(place, "new", 3);
}

/* Of a first registration that never came to be, nothing is told; of names that lead to what is
 * out, or that an entry had before, none is left. */
static void test_never_came_to_be(void **state)
{
    const struct place *place = *state;
    BUF_AUTO names = BUF_INIT;
    make_never_came_to_be(place);
    struct store *store = registry_read(place);
    check_entry("nothing but a directory", store, 1, '\0', "");
    check_entry("switched", store, 3, 'b', "1a:old 2b:new");
    assert_int_equal(store_each_name(store, name_add, &names, NULL), 0);
    assert_string_equal(buf_text(&names), "new=3 ");
    check_upgraded(place, store);
    store_close(store);
}

/* ---- cut short ---- */

struct cut {
    const struct place *place;
    struct buf end;
    int calls;
};

static int upgrade_once(void *arg)
{
    const struct cut *cut = arg;
    store_close(registry_read(cut->place));
    return 0;
}

static void look(void *arg)
{
    struct cut *cut = arg;
    struct store *store;
    struct names litter;
    BUF_AUTO now = BUF_INIT;
    char what[64];
    snprintf(what, sizeof what, "cut short at call %d", cut->calls++);
    registry_copy(cut->place, "home", "cut");
    case_int(what, registry_try(place_path(cut->place, "cut"), true, 0, &store, NULL), 0);
    registry_picture(cut->place, "cut", &now);
    case_text(what, buf_text(&now), buf_text(&cut->end));
    store_close(store);
    assert_int_equal(names_read(cut->place->fd, "cut/tmp", &litter), 0);
    case_int(what, litter.n, 0);
    names_free(&litter);
}

static void test_cut_at_each_call(void **state)
{
    static void (*const makers[])(const struct place *place) = {make_entries, make_cut_short,
                                                                make_never_came_to_be};
    const struct place *place = *state;
    for (int i = 0; i < 3; i++) {
        struct cut cut = {.place = place};
        fs_remove_tree(place->fd, "home");
        makers[i](place);
        registry_copy(place, "home", "old");
        store_close(registry_read(place));
        registry_picture(place, "home", &cut.end);
        registry_copy(place, "old", "home");
        int status = watched(upgrade_once, &cut, look, &cut);
        buf_free(&cut.end);
        if (status < 0)
            skip();
        assert_true(cut.calls > 20);
    }
}

static int open_once(void *arg)
{
    struct store *store;
    struct ml_error err = ML_ERROR_INIT;
    CHILD_CHECK(registry_try(registry_path(arg), false, 20000, &store, &err) == 0);
    return 0;
}

static void test_several_at_once(void **state)
{
    pid_t pid[6];
    int failed = 0;
    make_entries(*state);
    for (int i = 0; i < 6; i++)
        pid[i] = child_begin(open_once, *state);
    for (int i = 0; i < 6; i++)
        failed += child_finish(pid[i]) != 0;
    assert_int_equal(failed, 0);
    struct store *store = registry_read(*state);
    check_entries(*state, store);
    store_close(store);
}

/* ---- where it cannot be ---- */

static void test_busy(void **state)
{
    const struct place *place = *state;
    struct store *store;
    struct ml_error err = ML_ERROR_INIT;
    make_entries(place);
    AUTO_CLOSE int lock = openat(place->fd, "home/locks/write", O_RDWR | O_CLOEXEC);
    assert_int_equal(fs_lock(lock, 0, -1), 0);
    assert_int_equal(registry_try(registry_path(place), false, 0, &store, &err), -1);
    assert_int_equal(err.status, ML_BUSY);
    assert_true(err.hint[0] != '\0');
}

static int close_to_writers(const char *path, const struct stat *st, int type, struct FTW *at)
{
    return type == FTW_SL ? 0 : chmod(path, st->st_mode & 07555);
}

static int open_closed_home(void *arg)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct none[2] = {{0}};
    struct store *store;
    CHILD_CHECK(nftw(registry_path(arg), close_to_writers, 16, FTW_PHYS) == 0);
    CHILD_CHECK(syscall(SYS_capset, &head, none) == 0);
    for (int create = 0; create < 2; create++) {
        struct ml_error err = ML_ERROR_INIT;
        CHILD_CHECK(registry_try(registry_path(arg), create, 0, &store, &err) < 0);
        CHILD_CHECK(err.status == ML_CONFIG && strcmp(err.code, "old_format") == 0);
        CHILD_CHECK(strstr(err.message, "older format") != NULL);
        CHILD_CHECK(strstr(err.message, "Permission denied") != NULL);
        CHILD_CHECK(err.hint[0] != '\0');
    }
    return 0;
}

static void test_read_only(void **state)
{
    BUF_AUTO before = BUF_INIT;
    BUF_AUTO after = BUF_INIT;
    make_entries(*state);
    registry_picture(*state, "home", &before);
    assert_int_equal(child_run(open_closed_home, *state), 0);
    registry_picture(*state, "home", &after);
    assert_string_equal(buf_text(&after), buf_text(&before));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        memory_place_test(test_entries),
        memory_place_test(test_records),
        memory_place_test(test_cut_short_in_format_1),
        memory_place_test(test_never_came_to_be),
        memory_place_test(test_cut_at_each_call),
        memory_place_test(test_several_at_once),
        memory_place_test(test_busy),
        memory_place_test(test_read_only),
    };
    UNIT_RUN("store-upgrade", tests);
}

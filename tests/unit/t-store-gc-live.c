/* Goal of this test: gc takes nothing from anybody who uses it, however close the race; and
 * wherever it is cut short, every generation that is left has its bundle. */
#include "lists.h"
#include "watched.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "registry_store/internal.h"

static const struct store_gc last_one = {.keep_last = 1, .older_than_s = -1};

static struct store_gc_result collect(struct store *store, const struct store_gc *policy)
{
    struct store_gc_result result;
    struct ml_error err = ML_ERROR_INIT;
    if (store_gc(store, policy, &result, &err) < 0)
        fail_msg("gc: %s", err.message);
    return result;
}

static int bundle_is_there(const struct store_record *r, void *arg)
{
    return *r->bundle == '\0' || store_bundle_exists(arg, r->bundle) ? 0 : -1;
}

/* Every generation that is left has its bundle, and all else is as it should be. */
static void check_whole(const char *what, struct store *store)
{
    for (unsigned key = 1; key <= 6; key++)
        case_int(what, store_history(store, registry_uuid(key), bundle_is_there, store, NULL), 0);
    registry_sound(what, store);
}

static size_t count_names(const struct place *place, const char *path)
{
    struct names names;
    assert_int_equal(names_read(place->fd, path, &names), 0);
    size_t n = names.n;
    names_free(&names);
    return n;
}

/* ---- in use ---- */

/* Bundles that nothing points at stay as long as somebody has them open: us, a copy of our
 * descriptor, another process. They are told of, once. */
static void test_in_use(void **state)
{
    struct store *store = list_begin(*state, "1 a;1 b;2 a;2 b;2 c");
    struct store_gc dry = last_one;
    dry.dry_run = true;
    registry_bundle(store, registry_id('d'), "d@1.0.0");
    registry_bundle(store, registry_id('e'), "e@1.0.0");
    int old = store_bundle_open(store, registry_id('a'), NULL); /* only lines that go point at it */
    int nobodys = store_bundle_open(store, registry_id('d'), NULL);
    int copy = fcntl(nobodys, F_DUPFD_CLOEXEC, 0);
    close(nobodys);
    struct store_gc_result would = collect(store, &dry);
    struct store_gc_result did = collect(store, &last_one);
    assert_int_equal(did.in_use, 2);
    assert_int_equal(did.bundles, 1);
    assert_int_equal(did.generations, 3);
    assert_memory_equal(&would, &did, sizeof did);
    assert_true(store_bundle_exists(store, registry_id('a')));
    assert_true(store_bundle_exists(store, registry_id('d')));
    assert_false(store_bundle_exists(store, registry_id('e')));
    close(copy);
    did = collect(store, &last_one);
    assert_int_equal(did.in_use, 1);
    assert_int_equal(did.bundles, 1);
    close(old);
    did = collect(store, &last_one);
    assert_int_equal(did.in_use, 0);
    assert_int_equal(did.bundles, 1);
    check_whole("let go", store);
    store_close(store);
}

struct holder {
    const struct place *place;
    int ready[2];
};

static int hold_bundle(void *arg)
{
    const struct holder *h = arg;
    struct store *store;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    CHILD_CHECK(registry_try(registry_path(h->place), false, 0, &store, NULL) == 0);
    CHILD_CHECK(store_bundle_open(store, registry_id('a'), NULL) >= 0);
    CHILD_CHECK(write(h->ready[1], "x", 1) == 1);
    for (;;)
        pause(); /* until it is killed */
}

static void test_in_use_by_another(void **state)
{
    struct holder h = {.place = *state};
    struct store *store = list_begin(*state, "1 b;2 c");
    char c;
    assert_int_equal(pipe2(h.ready, O_CLOEXEC), 0);
    pid_t pid = child_begin(hold_bundle, &h);
    assert_int_equal(read(h.ready[0], &c, 1), 1);
    assert_int_equal(collect(store, &last_one).in_use, 1);
    assert_true(store_bundle_exists(store, registry_id('a')));
    kill(pid, SIGKILL);
    child_finish(pid);
    assert_int_equal(collect(store, &last_one).bundles, 1);
    close(h.ready[0]);
    close(h.ready[1]);
    store_close(store);
}

/* A bundle in the making is nobody's yet, and no litter either. */
static void test_in_the_making(void **state)
{
    const struct place *place = *state;
    struct store *store = list_begin(place, "1 a");
    struct store_stage stage;
    int hold;
    assert_int_equal(store_stage_open(store, &stage, NULL), 0);
    assert_int_equal(fs_write_new(stage.fd, "name", "d@1\n", 4, 0600), 0);
    collect(store, &last_one);
    store_close(registry_open(place));
    assert_int_equal(faccessat(stage.fd, "name", F_OK, 0), 0);
    assert_int_equal(store_stage_commit(&stage, registry_id('d'), &hold, NULL), 1);
    assert_int_equal(collect(store, &last_one).in_use, 1); /* filed, and not registered yet */
    assert_int_equal(registry_change(store, registry_uuid(2), registry_id('d'), NULL), 1);
    close(hold);
    assert_int_equal(collect(store, &last_one).bundles, 0);
    check_whole("registered", store);
    store_close(store);
}

static void test_busy(void **state)
{
    struct store *store = list_begin(*state, "1 a"), *hasty;
    struct store_gc_result result;
    struct ml_error err = ML_ERROR_INIT;
    int lock = store_write_lock(store, NULL);
    assert_true(lock >= 0);
    assert_int_equal(registry_try(registry_path(*state), true, 0, &hasty, NULL), 0);
    assert_int_equal(store_gc(hasty, &last_one, &result, &err), -1);
    assert_int_equal(err.status, ML_BUSY);
    close(lock);
    collect(hasty, &last_one);
    store_close(hasty);
    store_close(store);
}

/* Who only looks changes nothing at all, needs no right to, and can be called off like all that
 * wait. */
static void test_dry_run(void **state)
{
    const struct place *place = *state;
    struct store *store = list_begin(place, "1 a;1 b");
    struct store_gc dry = last_one;
    struct store_gc_result result;
    struct ml_error err = ML_ERROR_INIT;
    int cancel[2];
    dry.dry_run = true;
    assert_int_equal(fs_write_new(place->fd, "home/tmp/litter", "x", 1, 0600), 0);
    assert_int_equal(collect(store, &dry).bundles, 2);
    assert_int_equal(count_names(place, "home/tmp"), 1);
    unlinkat(place->fd, "home/locks/write", 0); /* cannot be had */
    assert_int_equal(symlinkat("nowhere/at/all", place->fd, "home/locks/write"), 0);
    assert_int_equal(collect(store, &dry).bundles, 2);
    unlinkat(place->fd, "home/locks/write", 0);

    struct store *waiting;
    const struct store_options options = {.wait_ms = 3600000, .cancel_fd = -1};
    assert_int_equal(pipe2(cancel, O_CLOEXEC), 0);
    assert_int_equal(write(cancel[1], "x", 1), 1);
    int lock = store_write_lock(store, NULL);
    assert_int_equal(store_open(registry_path(place), &options, &waiting, NULL), 0);
    store_cancel_on(waiting, cancel[0]);
    assert_int_equal(store_gc(waiting, &dry, &result, &err), -1);
    assert_int_equal(err.status, ML_SIGNAL + SIGINT);
    close(lock);
    close(cancel[0]);
    close(cancel[1]);
    store_close(waiting);
    store_close(store);
}

/* ---- more than there may be open at once ---- */

static void test_many(void **state)
{
    enum { BUNDLES = 600 };
    const struct place *place = *state;
    struct store *store = list_begin(place, "1 a;2 b;3 c");
    struct rlimit all, few;
    for (unsigned i = 0; i < BUNDLES; i++)
        registry_bundle(store, registry_id_number(i), "n@1.0.0");
    int fds = count_fds();
    getrlimit(RLIMIT_NOFILE, &all);
    few = all;
    few.rlim_cur = 300;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    struct store_gc_result result = collect(store, &last_one);
    setrlimit(RLIMIT_NOFILE, &all);
    assert_int_equal(result.bundles, BUNDLES);
    assert_int_equal(count_names(place, "home/bundles"), 3);
    assert_int_equal(count_names(place, "home/tmp"), 0);
    assert_int_equal(count_fds(), fds);
    check_whole("many", store);
    store_close(store);
}

/* ---- cut short ---- */

struct cut {
    const struct place *place;
    struct buf end; /* what a whole gc leaves */
    int calls, half;
};

static int collect_once(void *arg)
{
    const struct cut *cut = arg;
    struct store_gc_result result;
    struct store *store = registry_read(cut->place);
    return store_gc(store, &last_one, &result, NULL) == 0 ? 0 : 1;
}

/* There is all of a bundle, or nothing. */
static int bundle_is_whole(const char *id, void *arg)
{
    const struct place *place = arg;
    char path[64];
    snprintf(path, sizeof path, "cut/bundles/%s/name", id);
    return faccessat(place->fd, path, F_OK, 0);
}

static void look(void *arg)
{
    struct cut *cut = arg;
    struct store *store;
    BUF_AUTO now = BUF_INIT;
    char what[64];
    snprintf(what, sizeof what, "cut short at call %d", cut->calls++);
    registry_copy(cut->place, "home", "cut");
    cut->half += count_names(cut->place, "cut/tmp") > 0;
    assert_int_equal(registry_try(place_path(cut->place, "cut"), true, 0, &store, NULL), 0);
    case_int(what, store_each_bundle(store, bundle_is_whole, (void *)cut->place, NULL), 0);
    for (unsigned key = 1; key <= 6; key++)
        case_int(what, store_history(store, registry_uuid(key), bundle_is_there, store, NULL), 0);
    if (cut->calls % 8 == 0)
        registry_sound(what, store);
    collect(store, &last_one);
    registry_picture(cut->place, "cut", &now);
    case_text(what, buf_text(&now), buf_text(&cut->end));
    case_int(what, count_names(cut->place, "cut/tmp"), 0);
    store_close(store);
}

static void test_cut_at_each_call(void **state)
{
    const struct place *place = *state;
    struct cut cut = {.place = place};
    struct store *store =
        list_begin(place, "1 a x;1 b;2 c y;2 a;2 out;3 a;3 pin;3 b;4 c;4 a;5 a;5 b z;6 c;6 b");
    for (const char *c = "def"; *c != '\0'; c++)
        registry_bundle(store, registry_id(*c), "d@1.0.0");
    registry_copy(place, "home", "old");
    collect(store, &last_one);
    registry_picture(place, "home", &cut.end);
    store_close(store);
    registry_copy(place, "old", "home");
    int status = watched(collect_once, &cut, look, &cut);
    buf_free(&cut.end);
    if (status < 0)
        skip();
    assert_true(cut.half > 3);
}

/* ---- between two calls of somebody else ---- */

struct between {
    const struct place *place;
    struct store *store; /* of who comes in between */
    bool back;           /* and it is filed again */
};

static void take_away(void *arg)
{
    const struct between *b = arg;
    collect(b->store, &last_one);
    if (b->back)
        registry_bundle(b->store, registry_id('d'), "d@1.0.0");
}

/* What is open and held is what everybody else finds under that name. */
static int is_what_it_is_called(const struct place *place, int fd)
{
    struct stat held, named;
    char path[64];
    snprintf(path, sizeof path, "home/bundles/%s", registry_id('d'));
    CHILD_CHECK(fstat(fd, &held) == 0 && fstatat(place->fd, path, &named, 0) == 0);
    CHILD_CHECK(held.st_ino == named.st_ino);
    CHILD_CHECK(faccessat(fd, "name", F_OK, 0) == 0);
    return 0;
}

static int open_bundle(void *arg)
{
    const struct between *b = arg;
    struct ml_error err = ML_ERROR_INIT;
    struct store *store = registry_read(b->place);
    int fd = store_bundle_open(store, registry_id('d'), &err);
    if (fd < 0) /* it was taken away before it was held */
        return err.status == ML_NO_INPUT && !b->back ? 0 : 1;
    return is_what_it_is_called(b->place, fd);
}

static int file_bundle(void *arg)
{
    const struct between *b = arg;
    struct store *store = registry_read(b->place);
    struct store_stage stage;
    int hold = -1;
    CHILD_CHECK(store_stage_open(store, &stage, NULL) == 0);
    CHILD_CHECK(fs_write_new(stage.fd, "name", "d@1\n", 4, 0600) == 0);
    CHILD_CHECK(store_stage_commit(&stage, registry_id('d'), &hold, NULL) >= 0);
    return is_what_it_is_called(b->place, hold);
}

static void test_between(void **state)
{
    static int (*const bodies[])(void *arg) = {open_bundle, file_bundle};
    for (int i = 0; i < 4; i++) {
        struct between b = {*state, list_begin(*state, "1 a"), i % 2};
        int acted = 1;
        for (int call = 0; acted > 0; call++) {
            registry_bundle(b.store, registry_id('d'), "d@1.0.0");
            acted = interrupted(bodies[i / 2], &b, call, take_away, &b);
        }
        store_close(b.store);
        if (acted < 0)
            skip();
    }
}

/* ---- beside others ---- */

enum { ROUNDS = 200 / UNIT_SLOWNESS };

struct maker {
    const struct place *place;
    int told[2]; /* a byte for each round */
};

/* Files a bundle that is nobody's yet, and points an entry at it, again and again. */
static int make_and_register(void *arg)
{
    const struct maker *m = arg;
    struct store *store;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    CHILD_CHECK(registry_try(registry_path(m->place), true, 60000, &store, NULL) == 0);
    for (unsigned i = 0; i < ROUNDS; i++) {
        struct store_stage stage;
        int hold = -1;
        const char *id = registry_id_number(i % 7); /* some are there again, or not gone yet */
        CHILD_CHECK(store_stage_open(store, &stage, NULL) == 0);
        CHILD_CHECK(fs_write_new(stage.fd, "name", "x@1\n", 4, 0600) == 0);
        CHILD_CHECK(store_stage_commit(&stage, id, &hold, NULL) >= 0);
        CHILD_CHECK(hold >= 0 && faccessat(hold, "name", F_OK, 0) == 0);
        CHILD_CHECK(registry_change(store, registry_uuid(1), id, NULL) >= 0);
        close(hold);
        CHILD_CHECK(write(m->told[1], "x", 1) == 1);
    }
    return 0;
}

/* Opens what the entry points at, as a reader does: another look finds another bundle, or the
 * bundle is there. What it holds stays whole. */
static int open_again_and_again(void *arg)
{
    struct store *store;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    CHILD_CHECK(registry_try(registry_path(arg), false, 0, &store, NULL) == 0);
    for (;;) {
        char id[STORE_BUNDLE_SIZE] = "", before[STORE_BUNDLE_SIZE] = "";
        struct ml_error err = ML_ERROR_INIT;
        int fd = -1;
        while (fd < 0) {
            CHILD_CHECK(store_lookup(store, registry_uuid(1), id, NULL) == 0);
            CHILD_CHECK(strcmp(id, before) != 0);
            fd = store_bundle_open(store, id, &err);
            CHILD_CHECK(fd >= 0 || err.status == ML_NO_INPUT);
            strcpy(before, id);
        }
        for (int look = 0; look < 20; look++) {
            BUF_AUTO text = BUF_INIT;
            CHILD_CHECK(fs_read_file(fd, "name", &text, 100) == 0);
            CHILD_CHECK(strcmp(buf_text(&text), "x@1\n") == 0);
            CHILD_CHECK(store_bundle_exists(store, id));
        }
        close(fd);
    }
}

static void test_beside_others(void **state)
{
    const struct place *place = *state;
    struct store *store = list_begin(place, "");
    struct maker m = {.place = place};
    size_t freed = 0;
    char c;
    registry_bundle(store, registry_id_number(6), "x@1");
    assert_int_equal(registry_change(store, registry_uuid(1), registry_id_number(6), NULL), 1);
    pid_t reader[2] = {child_begin(open_again_and_again, *state),
                       child_begin(open_again_and_again, *state)};
    assert_int_equal(pipe2(m.told, O_CLOEXEC), 0);
    pid_t maker = child_begin(make_and_register, &m);
    close(m.told[1]);
    while (read(m.told[0], &c, 1) == 1) /* beside his next round */
        freed += collect(store, &last_one).bundles;
    close(m.told[0]);
    assert_int_equal(child_finish(maker), 0);
    for (int i = 0; i < 2; i++) {
        kill(reader[i], SIGKILL);
        assert_int_equal(child_finish(reader[i]), 128 + SIGKILL); /* content until then */
    }
    freed += collect(store, &last_one).bundles;
    assert_true(freed >= 7);
    assert_int_equal(count_names(place, "home/bundles"), 1);
    assert_int_equal(count_names(place, "home/tmp"), 0);
    check_whole("at the end", store);
    store_close(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        place_test(test_in_use),
        place_test(test_in_use_by_another),
        place_test(test_in_the_making),
        place_test(test_busy),
        place_test(test_dry_run),
        memory_place_test(test_many),
        memory_place_test(test_cut_at_each_call),
        memory_place_test(test_between),
        memory_place_test(test_beside_others),
    };
    UNIT_RUN("store-gc-live", tests);
}

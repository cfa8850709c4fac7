/* Goal of this test: writers at once lose nothing of each other, and who reads meanwhile sees what
 * was or what is, of every entry, at every moment. */
#include "registry.h"
#include "watched.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>

#include "registry_store/internal.h"

/* ---- many writers ---- */

struct writer {
    const struct place *place;
    unsigned number;
};
enum { WRITERS = 8, CHANGES = 12 };

static int write_entries(void *arg)
{
    const struct writer *w = arg;
    struct store *store;
    struct ml_error err = ML_ERROR_INIT;
    CHILD_CHECK(registry_try(registry_path(w->place), true, 60000, &store, &err) == 0);
    for (unsigned i = 0; i < CHANGES; i++) {
        char name[32], taken[STORE_UUID_SIZE];
        unsigned n = i * WRITERS + w->number;
        snprintf(name, sizeof name, "n%u", n);
        CHILD_CHECK(registry_change(store, registry_uuid(n), registry_id('a'), name) == 1);
        /* All of them want this one: who has it, keeps it. */
        struct store_change change = {.uuid = registry_uuid(1000 + n),
                                      .bundle = registry_id('a'),
                                      .plugin = "x@1.0.0",
                                      .name = "wanted"};
        int status = store_change(store, &change, 1, NULL, &err);
        CHILD_CHECK(status == 0 || (status == -1 && strcmp(err.code, "name_taken") == 0));
        CHILD_CHECK(store_name_lookup(store, "wanted", taken, NULL) == 0);
        /* And all of them add to this one's history. */
        snprintf(name, sizeof name, "shared%u", n);
        CHILD_CHECK(registry_change(store, registry_uuid(5000), registry_id('a'), name) == 1);
    }
    return 0;
}

static int count_one(const char *first, const char *second, void *arg)
{
    ++*(int *)arg;
    return 0;
}

static int count_record(const struct store_record *r, void *arg)
{
    unsigned long *n = arg;
    assert_int_equal(r->generation, *n + 1); /* none twice, none left out */
    ++*n;
    return 0;
}

static void test_writers_at_once(void **state)
{
    struct store *store = registry_open(*state);
    struct writer writers[WRITERS];
    pid_t pid[WRITERS];
    int entries = 0, names = 0, failed = 0;
    unsigned long shared = 0;
    registry_bundle(store, registry_id('a'), "a@1.0.0");
    for (unsigned i = 0; i < WRITERS; i++) {
        writers[i] = (struct writer){*state, i};
        pid[i] = child_begin(write_entries, &writers[i]);
    }
    for (int i = 0; i < WRITERS; i++)
        failed += child_finish(pid[i]) != 0;
    assert_int_equal(failed, 0);
    for (unsigned n = 0; n < WRITERS * CHANGES; n++) {
        char name[32], owner[STORE_UUID_SIZE], bundle[STORE_BUNDLE_SIZE];
        snprintf(name, sizeof name, "n%u", n);
        case_int(name, store_lookup(store, registry_uuid(n), bundle, NULL), 0);
        case_int(name, store_name_lookup(store, name, owner, NULL), 0);
        case_text(name, owner, registry_uuid(n));
    }
    assert_int_equal(store_each_key(store, "", count_one, &entries, NULL), 0);
    assert_int_equal(store_each_name(store, count_one, &names, NULL), 0);
    assert_int_equal(entries, WRITERS * CHANGES + 2);
    assert_int_equal(names, WRITERS * CHANGES + 2);
    assert_int_equal(store_history(store, registry_uuid(5000), count_record, &shared, NULL), 0);
    assert_int_equal(shared, WRITERS * CHANGES);
    registry_sound("all of them", store);
    store_close(store);
}

/* ---- readers beside a writer ---- */

enum { KEYS = 6 };

/* Keys 1 to 6 go from bundle a to b and back, all at once, and hand their names on each time. */
struct switching {
    const struct place *place;
    unsigned rounds;
    int stop; /* or, when not 0: until it can be read */
};

static bool goes_on(const struct switching *s, unsigned round)
{
    struct pollfd told = {.fd = s->stop, .events = POLLIN};
    return s->stop > 0 ? poll(&told, 1, 0) == 0 : round < s->rounds;
}

static int switch_to_and_fro(void *arg)
{
    const struct switching *s = arg;
    struct store *store;
    CHILD_CHECK(registry_try(registry_path(s->place), true, 20000, &store, NULL) == 0);
    for (unsigned round = 0; goes_on(s, round); round++) {
        struct store_change change[KEYS];
        char uuid[KEYS][STORE_UUID_SIZE], name[KEYS][8];
        for (unsigned i = 0; i < KEYS; i++) {
            strcpy(uuid[i], registry_uuid(i + 1));
            snprintf(name[i], sizeof name[i], "n%u", (i + round) % KEYS);
            change[i] = (struct store_change){.uuid = uuid[i],
                                              .bundle = registry_id(round % 2 ? 'a' : 'b'),
                                              .plugin = round % 2 ? "a@1" : "b@1",
                                              .name = name[i]};
        }
        CHILD_CHECK(store_change(store, change, KEYS, NULL, NULL) == 0);
    }
    return 0;
}

struct seen {
    unsigned n, with[2];
};

static int see_entry(const struct store_entry *e, void *arg)
{
    struct seen *seen = arg;
    assert_string_equal(e->uuid, registry_uuid(++seen->n)); /* each, in order */
    assert_true(e->bundle[2] == 'a' || e->bundle[2] == 'b');
    seen->with[e->bundle[2] == 'b']++;
    assert_true(e->name[0] == 'n' && strlen(e->name) == 2);
    assert_true(e->plugin[0] == '\0' || e->plugin[0] == e->bundle[2]);
    return 0;
}

static int see_record(const struct store_record *r, void *arg)
{
    unsigned long *n = arg;
    assert_int_equal(r->generation, ++*n);
    return 0;
}

static void look_around(struct store *store, unsigned turn)
{
    char bundle[STORE_BUNDLE_SIZE], uuid[STORE_UUID_SIZE], name[8];
    unsigned long generations = 0;
    snprintf(name, sizeof name, "n%u", turn % KEYS);
    assert_int_equal(store_lookup(store, registry_uuid(1 + turn % KEYS), bundle, NULL), 0);
    assert_true(bundle[2] == 'a' || bundle[2] == 'b');
    assert_int_equal(store_name_lookup(store, name, uuid, NULL), 0);
    assert_int_equal(store_lookup(store, uuid, bundle, NULL), 0);
    assert_int_equal(store_history(store, uuid, see_record, &generations, NULL), 0);
    assert_true(generations > 0);
}

static void look_at_all(const struct place *place, struct seen *all)
{
    struct seen seen = {.n = 0};
    struct store *store = registry_read(place);
    assert_int_equal(store_each_entry(store, "", see_entry, &seen, NULL), 0);
    assert_int_equal(seen.n, KEYS);
    all->with[0] += seen.with[0];
    all->with[1] += seen.with[1];
    store_close(store);
}

static struct store *begin_readers(const struct place *place)
{
    struct store *store = registry_open(place);
    registry_bundle(store, registry_id('a'), "a@1.0.0");
    registry_bundle(store, registry_id('b'), "b@1.0.0");
    for (unsigned i = 0; i < KEYS; i++) {
        char name[8];
        snprintf(name, sizeof name, "n%u", (i + KEYS - 1) % KEYS);
        struct store_change change = {.uuid = registry_uuid(i + 1),
                                      .bundle = registry_id('a'),
                                      .plugin = "a@1",
                                      .name = name};
        assert_int_equal(registry_apply(store, &change), 1);
    }
    return store;
}

static void test_readers(void **state)
{
    struct store *store = begin_readers(*state);
    struct seen all = {.n = 0};
    int stop[2];
    assert_int_equal(pipe2(stop, O_CLOEXEC), 0);
    struct switching s = {.place = *state, .stop = stop[0]};
    pid_t pid = child_begin(switch_to_and_fro, &s);
    for (unsigned turn = 0; turn < 1000 / UNIT_SLOWNESS || !all.with[0] || !all.with[1]; turn++) {
        look_around(store, turn);
        if (turn % 16 == 0)
            look_at_all(*state, &all);
    }
    assert_int_equal(write(stop[1], "", 1), 1);
    assert_int_equal(child_finish(pid), 0);
    close(stop[0]);
    close(stop[1]);
    registry_sound("at the end", store);
    store_close(store);
}

/* The same where the writer stands still at each of its system calls. */
struct looking {
    const struct place *place;
    struct store *store;
    struct seen all;
};

static void look(void *arg)
{
    struct looking *l = arg;
    for (unsigned key = 0; key < KEYS; key++)
        look_around(l->store, key);
    look_at_all(l->place, &l->all);
}

static void test_readers_at_each_call(void **state)
{
    struct looking l = {.place = *state, .store = begin_readers(*state)};
    struct switching s = {.place = *state, .rounds = 2};
    if (watched(switch_to_and_fro, &s, look, &l) < 0) {
        store_close(l.store);
        skip();
    }
    assert_true(l.all.with[0] > 0 && l.all.with[1] > 0);
    registry_sound("at the end", l.store);
    store_close(l.store);
}

/* ---- writers that are killed beside others ---- */

static int write_for_ever(void *arg)
{
    struct store *store;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    CHILD_CHECK(registry_try(registry_path(arg), true, 60000, &store, NULL) == 0);
    for (unsigned i = 0;; i++) {
        struct store_change change[2] = {{.uuid = "00000000-0000-4000-8000-000000000001",
                                          .bundle = registry_id(i % 2 ? 'a' : 'b'),
                                          .plugin = "x@1",
                                          .name = i % 2 ? "x" : "y"},
                                         {.uuid = "ff000000-0000-4000-8000-000000000002",
                                          .bundle = registry_id(i % 2 ? 'a' : 'b'),
                                          .plugin = "x@1",
                                          .name = i % 2 ? "y" : "x"}};
        CHILD_CHECK(store_change(store, change, 2, NULL, NULL) == 0);
    }
}

/* The two entries always are of one change, whoever was killed when. */
static void test_killed_writers(void **state)
{
    struct store *store = registry_open(*state);
    struct store_change one = {.uuid = "00000000-0000-4000-8000-000000000001",
                               .bundle = registry_id('a'),
                               .plugin = "x@1"};
    registry_bundle(store, registry_id('a'), "a@1.0.0");
    registry_bundle(store, registry_id('b'), "b@1.0.0");
    for (unsigned i = 0; i < 150 / UNIT_SLOWNESS; i++) {
        char first[STORE_BUNDLE_SIZE], second[STORE_BUNDLE_SIZE], x[STORE_UUID_SIZE];
        pid_t pid[2] = {child_begin(write_for_ever, *state), child_begin(write_for_ever, *state)};
        /* Until one of them has changed something, and then a little: not the same each time. */
        while (store_name_lookup(store, "x", x, NULL) < 0)
            ;
        for (unsigned n = 0; n < i * 37 % 900; n++)
            store_lookup(store, one.uuid, first, NULL);
        kill(pid[i % 2], SIGKILL);
        kill(pid[1 - i % 2], SIGKILL);
        child_finish(pid[0]);
        child_finish(pid[1]);
        struct store *next = registry_read(*state);
        assert_int_equal(store_lookup(next, one.uuid, first, NULL), 0);
        assert_int_equal(store_lookup(next, "ff000000-0000-4000-8000-000000000002", second, NULL),
                         0);
        assert_string_equal(first, second);
        assert_int_equal(store_name_lookup(next, "x", x, NULL), 0);
        assert_int_equal(x[0], first[2] == 'a' ? '0' : 'f');
        registry_sound("after the kill", next);
        store_close(next);
    }
    store_close(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        memory_place_test(test_writers_at_once),
        memory_place_test(test_readers),
        memory_place_test(test_readers_at_each_call),
        memory_place_test(test_killed_writers),
    };
    UNIT_RUN("store-writers", tests);
}

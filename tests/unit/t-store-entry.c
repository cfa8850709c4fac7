/* Goal of this test: an entry changes whole or not at all, whoever else writes and whenever the
 * writer is killed; names have one owner; listings are complete and in order. */
#include "registry.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/fs.h"
#include "registry_store/internal.h"

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

static void check_entry(const char *what, struct store *store, const char *uuid, const char *bundle,
                        const char *name)
{
    char got[STORE_BUNDLE_SIZE] = "", named[STORE_NAME_SIZE] = "x", owner[STORE_UUID_SIZE];
    struct ml_error err = ML_ERROR_INIT;
    int status = store_lookup(store, uuid, got, &err);
    case_int(what, status, bundle ? 0 : -1);
    case_text(what, got, bundle ? bundle : "");
    if (bundle == NULL) {
        case_int(what, err.status, ML_NO_INPUT);
        case_text(what, err.code, "not_registered");
        case_true(what, strstr(err.message, uuid) != NULL && err.hint[0] != '\0');
    }
    case_int(what, store_entry_name(store, uuid, named, NULL), 0);
    case_text(what, named, name);
    if (*name != '\0') {
        case_int(what, store_name_lookup(store, name, owner, NULL), 0);
        case_text(what, owner, uuid);
    }
}

static void check_no_name(const char *what, struct store *store, const char *name)
{
    char owner[STORE_UUID_SIZE];
    struct ml_error err = ML_ERROR_INIT;
    case_int(what, store_name_lookup(store, name, owner, &err), -1);
    case_int(what, err.status, ML_NO_INPUT);
    case_text(what, err.code, "no_such_name");
}

static void test_changes(void **state)
{
    struct store *store = registry_open(*state);
    registry_bundle(store, registry_id('a'), "a@1.0.0");
    registry_bundle(store, registry_id('b'), "b@1.0.0");
    const struct {
        const char *name, *bundle, *named;
        int status;
    } steps[] = {
        {"out, and not there", NULL, NULL, 0},
        {"no such bundle", registry_id('z'), NULL, -ML_NO_INPUT},
        {"new", registry_id('a'), "first", 1},
        {"the same", registry_id('a'), "first", 0},
        {"another bundle", registry_id('b'), "first", 1},
        {"another name", registry_id('b'), "second", 1},
        {"both", registry_id('a'), "third", 1},
        {"back", registry_id('b'), "second", 1},
        {"no name", registry_id('b'), NULL, 1},
        {"no name, again", registry_id('b'), NULL, 0},
        {"a name again", registry_id('b'), "first", 1},
        {"out", NULL, NULL, 1},
        {"out again", NULL, NULL, 0},
        {"in again, without a name", registry_id('a'), NULL, 1},
        {"with a name", registry_id('a'), "third", 1},
    };
    const char *bundle = NULL, *named = "";
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        case_int(steps[i].name,
                 registry_change(store, registry_uuid(7), steps[i].bundle, steps[i].named),
                 steps[i].status);
        if (*named != '\0' && steps[i].status == 1 &&
            strcmp(named, steps[i].named ? steps[i].named : "") != 0)
            check_no_name(steps[i].name, store, named);
        if (steps[i].status >= 0) {
            bundle = steps[i].bundle;
            named = steps[i].named ? steps[i].named : "";
        }
        check_entry(steps[i].name, store, registry_uuid(7), bundle, named);
    }
    store_close(store);
    /* And another one who opens it reads the same. */
    assert_int_equal(store_open(registry_path(*state), false, 0, &store, NULL), 0);
    check_entry("read by another", store, registry_uuid(7), bundle, named);
    store_close(store);
}

static void test_names_have_one_owner(void **state)
{
    struct store *store = registry_open(*state);
    struct ml_error err = ML_ERROR_INIT;
    registry_bundle(store, registry_id('a'), "a@1.0.0");
    assert_int_equal(registry_change(store, registry_uuid(1), registry_id('a'), "n"), 1);
    struct store_change wish = {.uuid = registry_uuid(2), .bundle = registry_id('a'), .name = "n"};
    assert_int_equal(store_change_entry(store, &wish, &err), -1);
    assert_int_equal(err.status, ML_DATA);
    assert_string_equal(err.code, "name_taken");
    assert_non_null(strstr(err.message, registry_uuid(1)));
    check_entry("refused whole", store, registry_uuid(2), NULL, "");
    check_entry("the owner", store, registry_uuid(1), registry_id('a'), "n");

    /* Freed by another name, and by taking the entry out. */
    assert_int_equal(registry_change(store, registry_uuid(1), registry_id('a'), "m"), 1);
    assert_int_equal(registry_change(store, registry_uuid(2), registry_id('a'), "n"), 1);
    check_entry("moved", store, registry_uuid(2), registry_id('a'), "n");
    check_entry("renamed", store, registry_uuid(1), registry_id('a'), "m");
    assert_int_equal(registry_change(store, registry_uuid(2), NULL, NULL), 1);
    check_no_name("gone with its entry", store, "n");
    assert_int_equal(registry_change(store, registry_uuid(1), registry_id('a'), "n"), 1);
    assert_int_equal(registry_change(store, registry_uuid(2), registry_id('a'), NULL), 1);
    check_entry("not what it once had", store, registry_uuid(2), registry_id('a'), "");
    check_entry("the new owner", store, registry_uuid(1), registry_id('a'), "n");
    store_close(store);
}

static void test_name_of_an_entry_that_is_out(void **state)
{
    const struct place *place = *state;
    struct store *store = registry_open(place);
    char target[96];
    registry_bundle(store, registry_id('a'), "a@1.0.0");
    assert_int_equal(registry_change(store, registry_uuid(1), registry_id('a'), NULL), 1);
    assert_int_equal(registry_change(store, registry_uuid(1), NULL, NULL), 1);
    snprintf(target, sizeof target, "../entries/%.2s/%s", registry_uuid(1), registry_uuid(1));
    assert_int_equal(symlinkat(target, place->fd, "home/names/n"), 0);
    assert_int_equal(registry_change(store, registry_uuid(2), registry_id('a'), "n"), 1);
    check_entry("taken over", store, registry_uuid(2), registry_id('a'), "n");
    store_close(store);
}

/* ---- records ---- */

static void check_record(const struct place *place, const char *uuid, int number,
                         const char *const *lines, size_t n)
{
    char path[128], want[600] = "";
    BUF_AUTO text = BUF_INIT;
    snprintf(path, sizeof path, "home/entries/%.2s/%s/%d", uuid, uuid, number);
    case_int(path, fs_read_file(place->fd, path, &text, 4096), 0);
    int year;
    case_int(path, sscanf(buf_text(&text), "time %4d-%*2d-%*2dT%*2d:%*2d:%*2dZ\n", &year), 1);
    case_true(path, year >= 2024);
    for (size_t i = 0; i < n; i++) {
        strcat(want, lines[i]);
        strcat(want, "\n");
    }
    case_text(path, strchr(buf_text(&text), '\n') + 1, want);
}

static void test_records(void **state)
{
    const struct place *place = *state;
    struct store *store = registry_open(place);
    registry_bundle(store, registry_id('a'), "a@1.0.0");
    registry_bundle(store, registry_id('b'), "b@1.0.0");
    const char *uuid = registry_uuid(3);
    struct store_change first = {uuid, registry_id('a'), "n", "/src/a b"};
    struct store_change second = {.uuid = uuid, .bundle = registry_id('b')};
    struct store_change third = {.uuid = uuid};
    char origin[32];
    assert_int_equal(store_change_entry(store, &first, NULL), 1);
    assert_int_equal(store_change_entry(store, &first, NULL), 0); /* no change, no record */
    store_entry_origin(store, uuid, origin, sizeof origin, NULL);
    assert_string_equal(origin, "/src/a b");
    assert_int_equal(store_change_entry(store, &second, NULL), 1);
    store_entry_origin(store, uuid, origin, sizeof origin, NULL);
    assert_string_equal(origin, "");
    assert_int_equal(store_change_entry(store, &third, NULL), 1);
    const char *const one[] = {"bundle b-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "name n",
                               "origin /src/a b"};
    const char *const two[] = {"bundle b-bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"};
    check_record(place, uuid, 1, one, 3);
    check_record(place, uuid, 2, two, 1);
    check_record(place, uuid, 3, NULL, 0);
    char path[128];
    snprintf(path, sizeof path, "home/entries/%.2s/%s/4", uuid, uuid);
    assert_int_equal(faccessat(place->fd, path, F_OK, 0), -1);
    store_close(store);
}

/* Numbers are counted, not sorted as texts. */
static void test_many_records(void **state)
{
    struct store *store = registry_open(*state);
    const char *const bundles[] = {registry_id('a'), registry_id('b')};
    char name[16], before[16] = "";
    registry_bundle(store, bundles[0], "a@1.0.0");
    registry_bundle(store, bundles[1], "b@1.0.0");
    for (int i = 0; i < 12; i++) {
        snprintf(name, sizeof name, "n%d", i);
        assert_int_equal(registry_change(store, registry_uuid(3), bundles[i % 2], name), 1);
        check_entry(name, store, registry_uuid(3), bundles[i % 2], name);
        if (i > 0)
            check_no_name(name, store, before);
        strcpy(before, name);
    }
    store_close(store);
}

/* Whatever a path holds, it comes back; and it opens no line of its own. */
static void test_origin(void **state)
{
    static const char *const origins[] = {
        "plain",        "with blank",      "",           "%",    "%%",
        "100%",         "a%41b",           "%4",         "\n",   "a\nname stolen\nb",
        "\x01\x7f\x1f", "gr\xc3\xbcn\xff", "trailing\n", "% 41", "%+5x",
        "tab\there",
    };
    struct store *store = registry_open(*state);
    registry_bundle(store, registry_id('a'), "a@1.0.0");
    for (size_t i = 0; i < sizeof origins / sizeof *origins; i++) {
        char origin[64] = "x", named[STORE_NAME_SIZE];
        const char *uuid = registry_uuid((unsigned)i + 1);
        struct store_change change = {uuid, registry_id('a'), NULL, origins[i]};
        case_int(origins[i], store_change_entry(store, &change, NULL), 1);
        case_int(origins[i], store_entry_origin(store, uuid, origin, sizeof origin, NULL), 0);
        case_text(origins[i], origin, origins[i]);
        store_entry_name(store, uuid, named, NULL);
        case_text(origins[i], named, "");
        for (size_t size = 1; size < 20; size++) { /* cut anywhere, never beyond */
            char *exact = malloc(size);
            assert_non_null(exact);
            store_entry_origin(store, uuid, exact, size, NULL);
            case_true(origins[i], strlen(exact) < size);
            case_true(origins[i], strncmp(exact, origins[i], strlen(exact)) == 0);
            free(exact);
        }
    }
    store_close(store);
}

/* ---- damage ---- */

static void test_damaged(void **state)
{
    const struct place *place = *state;
    struct store *store = registry_open(place);
    struct ml_error err = ML_ERROR_INIT;
    char path[128], bundle[STORE_BUNDLE_SIZE], owner[STORE_UUID_SIZE];
    registry_bundle(store, registry_id('a'), "a@1.0.0");
    registry_change(store, registry_uuid(1), registry_id('a'), "n");
    static const char *const targets[] = {"/etc/passwd", "../../../bundles/..", "x",
                                          "../../../bundles/b-short"};
    snprintf(path, sizeof path, "home/entries/%.2s/%s/current", registry_uuid(1), registry_uuid(1));
    for (size_t i = 0; i < sizeof targets / sizeof *targets; i++) {
        unlinkat(place->fd, path, 0);
        case_int(targets[i], symlinkat(targets[i], place->fd, path), 0);
        case_int(targets[i], store_lookup(store, registry_uuid(1), bundle, &err), -1);
        case_int(targets[i], err.status, ML_REFUSED);
        unlinkat(place->fd, "home/names/n", 0);
        case_int(targets[i], symlinkat(targets[i], place->fd, "home/names/n"), 0);
        case_int(targets[i], store_name_lookup(store, "n", owner, &err), -1);
    }
    char far[201];
    memset(far, 'b', 200);
    far[200] = '\0';
    unlinkat(place->fd, path, 0);
    assert_int_equal(symlinkat(far, place->fd, path), 0);
    assert_int_equal(store_lookup(store, registry_uuid(1), bundle, &err), -1);
    unlinkat(place->fd, path, 0);
    fs_write_new(place->fd, path, "x", 1, 0600);
    assert_int_equal(store_lookup(store, registry_uuid(1), bundle, &err), -1);
    assert_true(err.status != ML_NO_INPUT);
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

static void test_listing(void **state)
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
        case_int(cases[i].prefix, store_each_entry(store, cases[i].prefix, list_one, &l, NULL), 0);
        case_text(cases[i].prefix, l.text, cases[i].want);
    }
    for (int stop = 1; stop <= 7; stop++) {
        struct listing l = {.stop_at = stop};
        assert_int_equal(store_each_entry(store, "", list_one, &l, NULL), 42);
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

/* ---- the lock ---- */

struct holder {
    const struct place *place;
    int ready[2], go[2];
};

static int hold_write_lock(void *arg)
{
    const struct holder *h = arg;
    struct store *store;
    char c;
    close(h->go[1]);
    CHILD_CHECK(store_open(registry_path(h->place), true, 0, &store, NULL) == 0);
    CHILD_CHECK(store_write_lock(store, NULL) >= 0);
    CHILD_CHECK(write(h->ready[1], "x", 1) == 1);
    CHILD_CHECK(read(h->go[0], &c, 1) == 0);
    return 0;
}

static pid_t holder_begin(struct holder *h)
{
    char c;
    assert_int_equal(pipe2(h->ready, O_CLOEXEC), 0);
    assert_int_equal(pipe2(h->go, O_CLOEXEC), 0);
    pid_t pid = child_begin(hold_write_lock, h);
    assert_int_equal(read(h->ready[0], &c, 1), 1);
    return pid;
}

static void holder_end(struct holder *h, pid_t pid)
{
    close(h->go[1]);
    assert_int_equal(child_finish(pid), 0);
    close(h->go[0]);
    close(h->ready[0]);
    close(h->ready[1]);
}

static void test_busy(void **state)
{
    struct holder h = {.place = *state};
    struct store *store = registry_open(*state), *hasty;
    struct ml_error err = ML_ERROR_INIT;
    char bundle[STORE_BUNDLE_SIZE], pid_text[32];
    registry_bundle(store, registry_id('a'), "a@1.0.0");
    registry_change(store, registry_uuid(1), registry_id('a'), NULL);
    pid_t pid = holder_begin(&h);
    for (int64_t wait = 0; wait <= 20; wait += 20) {
        assert_int_equal(store_open(registry_path(*state), true, wait, &hasty, NULL), 0);
        struct store_change change = {.uuid = registry_uuid(1)};
        assert_int_equal(store_change_entry(hasty, &change, &err), -1);
        assert_int_equal(err.status, ML_BUSY);
        snprintf(pid_text, sizeof pid_text, "(pid %d since 2", pid);
        assert_non_null(strstr(err.message, pid_text));
        assert_true(err.hint[0] != '\0');
        /* Readers do not care. */
        assert_int_equal(store_lookup(hasty, registry_uuid(1), bundle, NULL), 0);
        store_close(hasty);
    }
    holder_end(&h, pid);
    assert_int_equal(registry_change(store, registry_uuid(1), NULL, NULL), 1);
    store_close(store);
}

/* A wait of more milliseconds than an int holds is a long one. */
static int change_patiently(void *arg)
{
    struct store *store;
    CHILD_CHECK(store_open(registry_path(arg), true, (int64_t)1 << 32, &store, NULL) == 0);
    struct store_change change = {.uuid = "00000000-0000-0000-0000-000000000001",
                                  .bundle = "b-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"};
    CHILD_CHECK(store_change_entry(store, &change, NULL) == 1);
    return 0;
}

static void test_long_wait(void **state)
{
    struct holder h = {.place = *state};
    struct store *store = registry_open(*state);
    registry_bundle(store, registry_id('a'), "a@1.0.0");
    store_close(store);
    pid_t holder = holder_begin(&h), waiter = fork();
    assert_true(waiter >= 0);
    if (waiter == 0) {
        close(h.go[1]);
        _exit(change_patiently(*state));
    }
    /* It has no event to tell that it is waiting; that it has not given up by now is enough. */
    siginfo_t info = {.si_pid = 0};
    int pidfd = (int)syscall(SYS_pidfd_open, waiter, 0);
    struct pollfd p = {.fd = pidfd, .events = POLLIN};
    assert_int_equal(poll(&p, 1, 60), 0);
    assert_int_equal(waitid(P_PID, (id_t)waiter, &info, WEXITED | WNOHANG | WNOWAIT), 0);
    close(pidfd);
    holder_end(&h, holder);
    assert_int_equal(child_finish(waiter), 0);
}

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
    CHILD_CHECK(store_open(registry_path(w->place), true, 60000, &store, &err) == 0);
    for (unsigned i = 0; i < CHANGES; i++) {
        char name[32], taken[STORE_UUID_SIZE];
        unsigned n = i * WRITERS + w->number;
        snprintf(name, sizeof name, "n%u", n);
        struct store_change change = {registry_uuid(n), registry_id('a'), name, NULL};
        if (store_change_entry(store, &change, &err) != 1) {
            fprintf(stderr, "# a writer: %s\n", err.message);
            return 1;
        }
        /* All of them want this one: who has it, keeps it. */
        change = (struct store_change){registry_uuid(1000 + n), registry_id('a'), "wanted", NULL};
        int status = store_change_entry(store, &change, &err);
        CHILD_CHECK(status == 1 || (status == -1 && strcmp(err.code, "name_taken") == 0));
        CHILD_CHECK(store_name_lookup(store, "wanted", taken, NULL) == 0);
    }
    return 0;
}

static int count_one(const char *first, const char *second, void *arg)
{
    ++*(int *)arg;
    return 0;
}

static void test_writers_at_once(void **state)
{
    struct store *store = registry_open(*state);
    struct writer writers[WRITERS];
    pid_t pid[WRITERS];
    int entries = 0, names = 0, failed = 0;
    registry_bundle(store, registry_id('a'), "a@1.0.0");
    for (unsigned i = 0; i < WRITERS; i++) {
        writers[i] = (struct writer){*state, i};
        pid[i] = child_begin(write_entries, &writers[i]);
    }
    for (int i = 0; i < WRITERS; i++)
        failed += child_finish(pid[i]) != 0;
    assert_int_equal(failed, 0);
    for (unsigned n = 0; n < WRITERS * CHANGES; n++) {
        char name[32];
        snprintf(name, sizeof name, "n%u", n);
        check_entry(name, store, registry_uuid(n), registry_id('a'), name);
    }
    assert_int_equal(store_each_entry(store, "", count_one, &entries, NULL), 0);
    assert_int_equal(store_each_name(store, count_one, &names, NULL), 0);
    assert_int_equal(entries, WRITERS * CHANGES + 1);
    assert_int_equal(names, WRITERS * CHANGES + 1);
    store_close(store);
}

/* Who looks an entry up while it is switched to and fro sees it, always. */
static int switch_to_and_fro(void *arg)
{
    struct store *store;
    CHILD_CHECK(store_open(registry_path(arg), true, 20000, &store, NULL) == 0);
    for (int i = 0; i < 60; i++) {
        struct store_change change = {registry_uuid(1), registry_id(i % 2 ? 'a' : 'b'), "n", NULL};
        CHILD_CHECK(store_change_entry(store, &change, NULL) == 1);
    }
    return 0;
}

static void test_readers(void **state)
{
    struct store *store = registry_open(*state);
    int done[2], seen[2] = {0, 0};
    registry_bundle(store, registry_id('a'), "a@1.0.0");
    registry_bundle(store, registry_id('b'), "b@1.0.0");
    registry_change(store, registry_uuid(1), registry_id('a'), "n");
    assert_int_equal(pipe2(done, O_CLOEXEC | O_NONBLOCK), 0);
    pid_t pid = child_begin(switch_to_and_fro, *state);
    close(done[1]);
    for (char c; read(done[0], &c, 1) < 0;) {
        char bundle[STORE_BUNDLE_SIZE], uuid[STORE_UUID_SIZE], name[STORE_NAME_SIZE];
        assert_int_equal(store_lookup(store, registry_uuid(1), bundle, NULL), 0);
        assert_true(bundle[2] == 'a' || bundle[2] == 'b');
        seen[bundle[2] == 'b']++;
        assert_int_equal(store_name_lookup(store, "n", uuid, NULL), 0);
        assert_string_equal(uuid, registry_uuid(1));
        store_entry_name(store, registry_uuid(1), name, NULL);
        assert_string_equal(name, "n");
    }
    close(done[0]);
    assert_int_equal(child_finish(pid), 0);
    assert_true(seen[0] > 0 && seen[1] > 0);
    store_close(store);
}

/* ---- a writer killed at each of its system calls ---- */

/* Runs `body` in a child, and kills it before its n-th system call. False when it has ended before.
 * -1: this machine lets nobody watch a child. */
static int run_until_call(int (*body)(void *arg), void *arg, int n)
{
    int status;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
            _exit(77);
        raise(SIGSTOP);
        _exit(body(arg));
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (!WIFSTOPPED(status))
        return -1;
    ptrace(PTRACE_SETOPTIONS, pid, NULL, (void *)(PTRACE_O_EXITKILL | PTRACE_O_TRACESYSGOOD));
    for (int stops = 0; stops < 2 * n + 1; stops++) { /* at each call's begin and end */
        ptrace(PTRACE_SYSCALL, pid, NULL, NULL);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        if (WIFEXITED(status)) {
            assert_int_equal(WEXITSTATUS(status), 0);
            return 0;
        }
        assert_true(WIFSTOPPED(status) && WSTOPSIG(status) == (SIGTRAP | 0x80));
    }
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    return 1;
}

struct cut {
    struct store *store;
    struct store_change change;
};

static int change_once(void *arg)
{
    const struct cut *cut = arg;
    return store_change_entry(cut->store, &cut->change, NULL) == 1 ? 0 : 1;
}

struct owned {
    const char *uuid;
    int n;
    char names[256];
};

static int owned_one(const char *name, const char *uuid, void *arg)
{
    struct owned *o = arg;
    if (strcmp(uuid, o->uuid) == 0 && ++o->n < 4) {
        strcat(o->names, name);
        strcat(o->names, " ");
    }
    return 0;
}

static bool is_either(const char *text, const char *a, const char *b)
{
    return strcmp(text, a) == 0 || strcmp(text, b) == 0;
}

struct shape {
    char bundle; /* 0: not registered */
    const char *name;
};

/* The shape of one name that no other round uses. */
static const char *round_name(const char *name, int round, char text[24])
{
    snprintf(text, 24, "%s%d", name, round);
    return *name ? text : "";
}

static const char *shape_bundle(const struct shape *shape)
{
    return shape->bundle ? registry_id(shape->bundle) : NULL;
}

/* What is there after the kill: old or new in each of its parts, and no name but these. */
static void check_cut(const char *what, struct store *store, const char *uuid,
                      const struct shape *old, const char *old_name, const struct shape *new,
                      const char *new_name)
{
    char bundle[STORE_BUNDLE_SIZE] = "", name[STORE_NAME_SIZE];
    struct owned owned = {.uuid = uuid};
    store_lookup(store, uuid, bundle, NULL);
    case_true(what, is_either(bundle, old->bundle ? shape_bundle(old) : "",
                              new->bundle ? shape_bundle(new) : ""));
    store_entry_name(store, uuid, name, NULL);
    if (!is_either(name, old_name, new_name))
        fail_msg("case '%s': the name is '%s', neither '%s' nor '%s'", what, name, old_name,
                 new_name);
    case_int(what, store_each_name(store, owned_one, &owned, NULL), 0);
    case_true(what, owned.n <= 2);
}

static void test_killed_at_each_call(void **state)
{
    static const struct {
        const char *name;
        struct shape old, new;
    } cases[] = {
        {"register", {0, ""}, {'a', "new"}},
        {"register without a name", {0, ""}, {'a', ""}},
        {"switch", {'a', "old"}, {'b', "old"}},
        {"rename", {'a', "old"}, {'a', "new"}},
        {"switch and rename", {'a', "old"}, {'b', "new"}},
        {"drop the name", {'a', "old"}, {'a', ""}},
        {"unregister", {'a', "old"}, {0, ""}},
    };
    const struct place *place = *state;
    struct store *store = registry_open(place);
    registry_bundle(store, registry_id('a'), "a@1.0.0");
    registry_bundle(store, registry_id('b'), "b@1.0.0");
    unsigned entry = 0;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct shape *old = &cases[i].old, *new = &cases[i].new;
        int killed = 1;
        for (int call = 0; killed; call++) {
            char what[64], old_text[24], new_text[24];
            char uuid[STORE_UUID_SIZE];
            strcpy(uuid, registry_uuid(++entry));
            snprintf(what, sizeof what, "%s, killed at call %d", cases[i].name, call);
            const char *old_name = round_name(old->name, (int)entry, old_text);
            const char *new_name = round_name(new->name, (int)entry, new_text);
            if (old->bundle)
                case_int(
                    what,
                    registry_change(store, uuid, shape_bundle(old), *old_name ? old_name : NULL),
                    1);
            struct cut cut = {store, {uuid, shape_bundle(new), *new_name ? new_name : NULL, NULL}};
            killed = run_until_call(change_once, &cut, call);
            if (killed < 0) {
                print_message("# nobody may watch a child here\n");
                store_close(store);
                skip();
            }
            check_cut(what, store, uuid, old, old_name, new, new_name);
            /* Whoever comes next brings it about, and nothing of the old is left. */
            int status =
                registry_change(store, uuid, shape_bundle(new), *new_name ? new_name : NULL);
            case_true(what, status == 0 || status == 1);
            check_entry(what, store, uuid, shape_bundle(new), new_name);
            struct owned owned = {.uuid = uuid};
            store_each_name(store, owned_one, &owned, NULL);
            char want[32] = "";
            if (*new_name)
                snprintf(want, sizeof want, "%s ", new_name);
            case_text(what, owned.names, want);
            /* The next round has shorter listings. */
            case_true(what, registry_change(store, uuid, NULL, NULL) >= 0);
            assert_true(call < 1000);
        }
    }
    store_close(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_uuid_valid),
        cmocka_unit_test(test_name_valid),
        place_test(test_changes),
        place_test(test_names_have_one_owner),
        place_test(test_name_of_an_entry_that_is_out),
        place_test(test_records),
        place_test(test_many_records),
        place_test(test_origin),
        place_test(test_damaged),
        place_test(test_listing),
        place_test(test_listing_names),
        place_test(test_busy),
        place_test(test_long_wait),
        place_test(test_writers_at_once),
        place_test(test_readers),
        memory_place_test(test_killed_at_each_call),
    };
    UNIT_RUN("store-entry", tests);
}

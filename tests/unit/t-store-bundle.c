/* Goal of this test: a bundle's id is checked before it becomes a path; a bundle that is open is
 * held against gc; bundles are found by their beginnings and name their plugins. */
#include "registry.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/fs.h"

static void file_bundle(struct store *store, const char *id, const char *name, const char *text)
{
    struct store_stage stage;
    int hold;
    assert_int_equal(store_stage_open(store, &stage, NULL), 0);
    assert_int_equal(fs_write_new(stage.fd, name, text, strlen(text), 0600), 0);
    case_int(id, store_stage_commit(&stage, id, &hold, NULL), 1);
    close(hold);
}

static void test_valid(void **state)
{
    static const struct {
        const char *id;
        bool valid;
    } cases[] = {
        {"b-abcdefghijklmnopqrstuvwxyz234567", true},
        {"b-22222222222222222222222222222222", true},
        {"b-abcdefghijklmnopqrstuvwxyz23456", false},
        {"b-abcdefghijklmnopqrstuvwxyz2345677", false},
        {"b-Abcdefghijklmnopqrstuvwxyz234567", false},
        {"b-abcdefghijklmnopqrstuvwxyz234561", false},
        {"b-abcdefghijklmnopqrstuvwxyz234568", false},
        {"b-abcdefghijklmnopqrstuvwxyz23456=", false},
        {"b-abcdefghijklmnopqrstuvwxyz23456/", false},
        {"b-abcdefghijklmnopqrstuvwxyz23456\n", false},
        {"b_abcdefghijklmnopqrstuvwxyz234567", false},
        {"B-abcdefghijklmnopqrstuvwxyz234567", false},
        {"abcdefghijklmnopqrstuvwxyz23456722", false},
        {"b-../../../../../../../../../../..", false},
        {"b-", false},
        {"b", false},
        {"", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        case_int(cases[i].id, store_bundle_valid(cases[i].id), cases[i].valid);
}

/* ---- finding bundles ---- */

static void test_names(void **state)
{
    static const struct {
        const char *text, *name, *version; /* null: damaged */
    } cases[] = {
        {"math@1.2.0\n", "math", "1.2.0"},
        {"math@1.2.0", "math", "1.2.0"},
        {"a.b_c-D9@0.0.0-rc.1+x\n", "a.b_c-D9", "0.0.0-rc.1+x"},
        {"math\n", NULL, NULL},
        {"", NULL, NULL},
        {"\n", NULL, NULL},
        {"@1.0\n", NULL, NULL},
        {"../x@1.0\n", NULL, NULL},
        {"-x@1.0\n", NULL, NULL},
        {"a b@1.0\n", NULL, NULL},
        {"\n\nmath@1.0\n", NULL, NULL},
        {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa@1\n", NULL, NULL},
        {"m@11111111111111111111111111111111111111111111111111111111111111111\n", NULL, NULL},
    };
    const struct place *place = *state;
    struct store *store = registry_open(place);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *id = registry_id((char)('a' + i));
        char name[STORE_NAME_SIZE] = "", version[STORE_NAME_SIZE] = "";
        struct ml_error err = ML_ERROR_INIT;
        file_bundle(store, id, "name", cases[i].text);
        int status = store_bundle_name(store, id, name, version, &err);
        case_int(cases[i].text, status, cases[i].name ? 0 : -1);
        case_text(cases[i].text, name, cases[i].name ? cases[i].name : "");
        case_text(cases[i].text, version, cases[i].name ? cases[i].version : "");
        if (status < 0) {
            case_int(cases[i].text, err.status, ML_REFUSED);
            case_true(cases[i].text, strstr(err.message, id) != NULL);
        }
    }
    struct ml_error err = ML_ERROR_INIT;
    char text[STORE_NAME_SIZE];
    file_bundle(store, registry_id('7'), "other", "x");
    assert_int_equal(store_bundle_name(store, registry_id('7'), text, text, &err), -1);
    assert_int_equal(err.status, ML_REFUSED);
    store_close(store);
}

static void test_resolve(void **state)
{
    static const char *const ids[] = {
        "b-aaaabbbbccccddddeeeeffffgggghhhh",
        "b-aaaabbbbccccddddeeeeffffgggghhh2",
        "b-aaaaccccccccddddeeeeffffgggghhhh",
        "b-zzzzbbbbccccddddeeeeffffgggghhhh",
    };
    static const struct {
        const char *prefix;
        int status, which;
    } cases[] = {
        {"b-zzzz", 0, 3},
        {"b-zzzzb", 0, 3},
        {"b-aaaac", 0, 2},
        {"b-aaaabbbbccccddddeeeeffffgggghhhh", 0, 0},
        {"b-aaaabbbbccccddddeeeeffffgggghhh2", 0, 1},
        {"b-aaaabbbbccccddddeeeeffffgggghhh", ML_DATA, 0}, /* ambiguous */
        {"b-aaaab", ML_DATA, 0},
        {"b-aaaa", ML_DATA, 0},
        {"b-yyyy", ML_NO_INPUT, 0},
        {"b-aaaabbbbccccddddeeeeffffgggghhh3", ML_NO_INPUT, 0},
        {"b-zzz", ML_DATA, 0}, /* too short */
        {"b-", ML_DATA, 0},
        {"", ML_DATA, 0},
        {"zzzz", ML_DATA, 0},
        {"B-zzzz", ML_DATA, 0},
        {"b-ZZZZ", ML_DATA, 0},
        {"b-zzz*", ML_DATA, 0},
        {"b-zzzz/", ML_DATA, 0},
        {"b-zzzz ", ML_DATA, 0},
        {"../bundles/b-zzzz", ML_DATA, 0},
        {"b-zzzzbbbbccccddddeeeeffffgggghhhhh", ML_DATA, 0},
    };
    const struct place *place = *state;
    struct store *store = registry_open(place);
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++)
        registry_bundle(store, ids[i], "x@1.0.0");
    mkdirat(place->fd, "home/bundles/b-zzzzstray", 0700); /* no bundle: does not count */
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char id[STORE_BUNDLE_SIZE];
        struct ml_error err = ML_ERROR_INIT;
        int status = store_bundle_resolve(store, cases[i].prefix, id, &err);
        case_int(cases[i].prefix, err.status, cases[i].status);
        case_int(cases[i].prefix, status, cases[i].status ? -1 : 0);
        if (status == 0)
            case_text(cases[i].prefix, id, ids[cases[i].which]);
    }
    struct ml_error err = ML_ERROR_INIT;
    char id[STORE_BUNDLE_SIZE];
    store_bundle_resolve(store, "b-aaaabbbb", id, &err);
    assert_string_equal(err.code, "ambiguous");
    assert_non_null(strstr(err.message, "2 bundles"));
    store_close(store);
}

static void test_open_is_a_directory(void **state)
{
    const struct place *place = *state;
    struct store *store = registry_open(place);
    struct ml_error err = ML_ERROR_INIT;
    char path[64];
    snprintf(path, sizeof path, "home/bundles/%s", registry_id('l'));
    assert_int_equal(symlinkat("/", place->fd, path), 0);
    /* No link is followed. */
    assert_int_equal(store_bundle_open(store, registry_id('l'), &err), -1);
    assert_int_equal(err.status, ML_REFUSED);
    assert_string_equal(err.code, "damaged");
    assert_false(store_bundle_exists(store, registry_id('l')));
    snprintf(path, sizeof path, "home/bundles/%s", registry_id('f'));
    fs_write_new(place->fd, path, "x", 1, 0600);
    assert_int_equal(store_bundle_open(store, registry_id('f'), &err), -1);
    assert_string_equal(err.code, "damaged");
    assert_false(store_bundle_exists(store, registry_id('f')));
    assert_int_equal(store_bundle_open(store, registry_id('m'), &err), -1);
    assert_int_equal(err.status, ML_NO_INPUT);
    assert_string_equal(err.code, "no_such_bundle");
    store_close(store);
}

/* ---- holding ---- */

/* Whether nobody holds a bundle, as gc asks. */
static bool is_free(const struct place *place, const char *id)
{
    char path[64];
    snprintf(path, sizeof path, "home/bundles/%s", id);
    int fd = openat(place->fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(fd >= 0);
    bool yes = flock(fd, LOCK_EX | LOCK_NB) == 0;
    close(fd);
    return yes;
}

static void test_hold(void **state)
{
    struct store *store = registry_open(*state);
    int fds = count_fds();
    registry_bundle(store, registry_id('a'), "a@1.0.0");
    assert_true(is_free(*state, registry_id('a')));
    int first = store_bundle_open(store, registry_id('a'), NULL);
    int second = store_bundle_open(store, registry_id('a'), NULL); /* as many as like */
    assert_true(first >= 0 && second >= 0);
    assert_true(fcntl(first, F_GETFD) & FD_CLOEXEC);
    assert_false(is_free(*state, registry_id('a')));
    close(first);
    assert_false(is_free(*state, registry_id('a')));
    int copy = fcntl(second, F_DUPFD_CLOEXEC, 0);
    close(second);
    assert_false(is_free(*state, registry_id('a'))); /* a copy is as good */
    close(copy);
    assert_true(is_free(*state, registry_id('a')));
    assert_int_equal(count_fds(), fds);
    store_close(store);
}

/* What is just filed is held by who filed it, without a moment in which nobody does. */
static void test_hold_of_the_maker(void **state)
{
    struct store *store = registry_open(*state);
    for (int twice = 0; twice < 2; twice++) {
        struct store_stage stage;
        int hold;
        assert_int_equal(store_stage_open(store, &stage, NULL), 0);
        assert_int_equal(store_stage_commit(&stage, registry_id('a'), &hold, NULL), !twice);
        assert_true(hold >= 0);
        assert_true(fcntl(hold, F_GETFD) & FD_CLOEXEC);
        assert_false(is_free(*state, registry_id('a')));
        close(hold);
        assert_true(is_free(*state, registry_id('a')));
    }
    store_close(store);
}

/* Who takes a bundle away is not waited for without end: he may have been stopped over it. */
static void test_being_removed(void **state)
{
    struct store *store = registry_open(*state);
    struct ml_error err = ML_ERROR_INIT;
    const struct place *place = *state;
    char path[64];
    registry_bundle(store, registry_id('a'), "a@1.0.0");
    snprintf(path, sizeof path, "home/bundles/%s", registry_id('a'));
    int gc = openat(place->fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), fds = count_fds();
    assert_int_equal(flock(gc, LOCK_EX | LOCK_NB), 0);
    assert_int_equal(store_bundle_open(store, registry_id('a'), &err), -1);
    assert_int_equal(err.status, ML_BUSY);
    assert_non_null(strstr(err.message, registry_id('a')));
    assert_int_equal(count_fds(), fds);
    close(gc);
    int fd = store_bundle_open(store, registry_id('a'), &err);
    assert_true(fd >= 0);
    close(fd);
    store_close(store);
}

/* ---- all of them ---- */

struct listing {
    char text[256];
    int n, stop_at;
};

static int list_one(const char *id, void *arg)
{
    struct listing *l = arg;
    sprintf(l->text + strlen(l->text), "%.4s ", id);
    return ++l->n == l->stop_at ? 42 : 0;
}

static void test_each(void **state)
{
    const struct place *place = *state;
    struct store *store = registry_open(place);
    for (const char *c = "zb7a"; *c != '\0'; c++)
        registry_bundle(store, registry_id(*c), "x@1.0.0");
    mkdirat(place->fd, "home/bundles/b-stray", 0700);
    struct listing l = {.n = 0}, stopped = {.stop_at = 3};
    assert_int_equal(store_each_bundle(store, list_one, &l, NULL), 0);
    assert_string_equal(l.text, "b-77 b-aa b-bb b-zz ");
    assert_int_equal(store_each_bundle(store, list_one, &stopped, NULL), 42);
    assert_int_equal(stopped.n, 3);
    store_close(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_valid),   place_test(test_names),
        place_test(test_resolve),       place_test(test_open_is_a_directory),
        place_test(test_hold),          place_test(test_hold_of_the_maker),
        place_test(test_being_removed), place_test(test_each),
    };
    UNIT_RUN("store-bundle", tests);
}

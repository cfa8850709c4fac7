/* Goal of this test: a registry is opened where it is ours and of our format, made where nothing
 * is, and nowhere else. */
#include "registry.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/fs.h"

static int no_key(const char *uuid, const char *bundle, void *arg)
{
    return 1;
}

static int no_entry(const struct store_entry *entry, void *arg)
{
    return 1;
}

static int no_record(const struct store_record *record, void *arg)
{
    return 1;
}

static int no_bundle(const char *id, void *arg)
{
    return 1;
}

/* Everything that can be read in it says that there is nothing. */
static void check_reads_empty(const char *name, struct store *store)
{
    struct ml_error err = ML_ERROR_INIT;
    char text[STORE_NAME_SIZE] = "x", bundle[STORE_BUNDLE_SIZE];
    case_int(name, store_lookup(store, registry_uuid(1), bundle, &err), -1);
    case_int(name, err.status, ML_NO_INPUT);
    case_int(name, store_each_key(store, "", no_key, NULL, &err), 0);
    case_int(name, store_each_key(store, "a", no_key, NULL, &err), 0);
    case_int(name, store_each_key(store, "abcd", no_key, NULL, &err), 0);
    case_int(name, store_each_entry(store, "", no_entry, NULL, &err), 0);
    case_int(name, store_each_name(store, no_key, NULL, &err), 0);
    case_int(name, store_each_removed(store, no_entry, NULL, &err), 0);
    case_int(name, store_each_bundle(store, no_bundle, NULL, &err), 0);
    case_int(name, store_history(store, registry_uuid(1), no_record, NULL, &err), 0);
    case_int(name, store_name_lookup(store, "name", text, &err), -1);
    case_int(name, err.status, ML_NO_INPUT);
    case_int(name, store_bundle_exists(store, registry_id('a')), false);
    case_int(name, store_bundle_open(store, registry_id('a'), &err), -1);
    case_int(name, err.status, ML_NO_INPUT);
    case_int(name, store_bundle_resolve(store, "b-aaaa", bundle, &err), -1);
    case_int(name, err.status, ML_NO_INPUT);
    case_int(name, store_bundle_resolve(store, registry_id('a'), bundle, &err), -1);
    case_int(name, err.status, ML_NO_INPUT);
    case_int(name, store_bundle_name(store, registry_id('a'), text, text, &err), -1);
    case_int(name, err.status, ML_NO_INPUT);
}

static void test_fresh(void **state)
{
    const struct place *place = *state;
    static const char *const dirs[] = {"",        "deep",  "deep/er", "bundles", "entries",
                                       "history", "names", "journal", "locks",   "tmp"};
    struct store *store;
    struct stat st;
    BUF_AUTO format = BUF_INIT;
    umask(022);
    const char *home = place_path(place, "deep/er/home");
    assert_int_equal(registry_try(home, true, 0, &store, NULL), 0);
    for (size_t i = 0; i < sizeof dirs / sizeof *dirs; i++) {
        char path[64];
        snprintf(path, sizeof path, i < 3 ? "%s" : "deep/er/home/%s", i ? dirs[i] : "deep");
        case_int(path, fstatat(place->fd, path, &st, 0), 0);
        case_int(path, st.st_mode, S_IFDIR | 0700);
    }
    assert_int_equal(fs_read_file(place->fd, "deep/er/home/FORMAT", &format, 100), 0);
    assert_string_equal(buf_text(&format), "modload registry 2\n");
    assert_true(store_present(store));
    check_reads_empty("fresh", store);
    store_close(store);
    assert_int_equal(registry_try(home, true, 0, &store, NULL), 0); /* again, as it is */
    store_close(store);
    assert_int_equal(registry_try(home, false, 0, &store, NULL), 0);
    check_reads_empty("fresh, for reading", store);
    store_close(store);
    store_close(NULL);
}

static void test_missing(void **state)
{
    const struct place *place = *state;
    struct store *store;
    assert_int_equal(registry_try(place_path(place, "no/home"), false, 0, &store, NULL), 0);
    assert_false(store_present(store));
    check_reads_empty("missing", store);
    store_close(store);
    assert_int_equal(access(place_path(place, "no"), F_OK), -1); /* and nothing was made */
}

/* What a maker that died early leaves behind reads as empty, and can be finished. */
static void test_half_made(void **state)
{
    static const char *const parts[] = {"",      "bundles", "entries", "history",
                                        "names", "journal", "locks",   "tmp"};
    const struct place *place = *state;
    for (size_t n = 0; n < sizeof parts / sizeof *parts; n++) {
        char name[32], part[64];
        snprintf(name, sizeof name, "half%zu", n);
        struct store *store;
        for (size_t i = 0; i <= n; i++) {
            snprintf(part, sizeof part, "%s/%s", name, parts[i]);
            case_int(name, mkdirat(place->fd, part, 0700), 0);
        }
        case_int(name, registry_try(place_path(place, name), false, 0, &store, NULL), 0);
        check_reads_empty(name, store);
        store_close(store);
        case_int(name, registry_try(place_path(place, name), true, 0, &store, NULL), 0);
        registry_bundle(store, registry_id('a'), "a@1.0.0");
        case_int(name, registry_change(store, registry_uuid(1), registry_id('a'), NULL), 1);
        store_close(store);
    }
}

/* What a backup leaves out that knows no empty directories: readers miss nothing, and a writer
 * makes it again. */
static void test_parts_missing(void **state)
{
    static const char *const parts[] = {"tmp",     "journal", "locks",  "names",
                                        "history", "entries", "bundles"};
    const struct place *place = *state;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        char path[64];
        struct store *store;
        fs_remove_tree(place->fd, "home");
        store_close(registry_open(place));
        snprintf(path, sizeof path, "home/%s", parts[i]);
        case_int(parts[i], fs_remove_tree(place->fd, path), 0);
        case_int(parts[i], registry_try(registry_path(place), false, 0, &store, NULL), 0);
        check_reads_empty(parts[i], store);
        store_close(store);
        store = registry_open(place);
        registry_bundle(store, registry_id('a'), "a@1.0.0");
        case_int(parts[i], registry_change(store, registry_uuid(1), registry_id('a'), "n"), 1);
        registry_sound(parts[i], store);
        store_close(store);
    }
}

static void test_foreign(void **state)
{
    static const char *const files[] = {"notes.txt", ".git", ".bashrc", "entries.old", "format"};
    const struct place *place = *state;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char path[64];
        struct store *store;
        struct ml_error err = ML_ERROR_INIT;
        snprintf(path, sizeof path, "foreign%zu", i);
        mkdirat(place->fd, path, 0700);
        const char *home = place_path(place, path);
        snprintf(path, sizeof path, "foreign%zu/%s", i, files[i]);
        assert_int_equal(fs_write_new(place->fd, path, "x", 1, 0600), 0);
        case_int(files[i], registry_try(home, true, 0, &store, &err), -1);
        case_int(files[i], err.status, ML_CONFIG);
        case_text(files[i], err.code, "not_a_registry");
        case_true(files[i], strstr(err.message, home) != NULL);
        case_true(files[i], strstr(err.message, files[i]) != NULL);
        case_true(files[i], err.hint[0] != '\0');
        snprintf(path, sizeof path, "foreign%zu/bundles", i);
        case_int(files[i], faccessat(place->fd, path, F_OK, 0), -1);
    }
}

static void test_modes(void **state)
{
    static const struct {
        const char *name;
        mode_t mode;
        bool fine;
    } cases[] = {
        {"0700", 0700, true},  {"0750", 0750, true},   {"0755", 0755, true},
        {"0770", 0770, false}, {"0720", 0720, false},  {"0702", 0702, false},
        {"0777", 0777, false}, {"1777", 01777, false}, {"0775", 0775, false},
    };
    const struct place *place = *state;
    store_close(registry_open(place));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (int create = 0; create < 2; create++) {
            struct store *store;
            struct ml_error err = ML_ERROR_INIT;
            assert_int_equal(fchmodat(place->fd, "home", cases[i].mode, 0), 0);
            int status = registry_try(registry_path(place), create, 0, &store, &err);
            case_int(cases[i].name, status, cases[i].fine ? 0 : -1);
            if (status == 0) {
                store_close(store);
                continue;
            }
            case_int(cases[i].name, err.status, ML_REFUSED);
            case_true(cases[i].name, strstr(err.message, cases[i].name) != NULL);
            case_true(cases[i].name, strstr(err.hint, "chmod") != NULL);
        }
    }
}

static void test_owner(void **state)
{
    const struct place *place = *state;
    struct store *store;
    struct ml_error err = ML_ERROR_INIT;
    const char *home = "/"; /* is root's */
    store_close(registry_open(place));
    if (geteuid() == 0) {
        assert_int_equal(fchownat(place->fd, "home", 4711, 4711, 0), 0);
        home = registry_path(place);
    }
    for (int create = 0; create < 2; create++) {
        assert_int_equal(registry_try(home, create, 0, &store, &err), -1);
        assert_int_equal(err.status, ML_REFUSED);
        assert_non_null(strstr(err.message, "belongs to uid"));
        assert_true(err.hint[0] != '\0');
    }
}

static void test_format(void **state)
{
    static const struct {
        const char *name, *text, *code, *says;
    } cases[] = {
        {"the next one", "modload registry 3\n", "newer_format", "format 3"},
        {"a far one", "modload registry 999999\n", "newer_format", "format 999999"},
        {"a next one with more", "modload registry 3\nflags x\n", "newer_format", "format 3"},
        {"ours with more", "modload registry 2\nflags x\n", "bad_format", "FORMAT"},
        {"ours and another", "modload registry 2 3\n", "bad_format", "FORMAT"},
        {"none of ours", "modload registry 0\n", "bad_format", "FORMAT"},
        {"below", "modload registry -1\n", "bad_format", "FORMAT"},
        {"another program's", "apt 1\n", "bad_format", "FORMAT"},
        {"empty", "", "bad_format", "FORMAT"},
        {"no number", "modload registry x\n", "bad_format", "FORMAT"},
    };
    const struct place *place = *state;
    store_close(registry_open(place));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fs_remove_tree(place->fd, "home/FORMAT");
        fs_write_new(place->fd, "home/FORMAT", cases[i].text, strlen(cases[i].text), 0600);
        for (int create = 0; create < 2; create++) {
            struct store *store;
            struct ml_error err = ML_ERROR_INIT;
            case_int(cases[i].name, registry_try(registry_path(place), create, 0, &store, &err),
                     -1);
            case_int(cases[i].name, err.status, ML_CONFIG);
            case_text(cases[i].name, err.code, cases[i].code);
            case_true(cases[i].name, strstr(err.message, cases[i].says) != NULL);
            case_true(cases[i].name, strstr(err.message, registry_path(place)) != NULL);
        }
    }
    struct store *store;
    fs_remove_tree(place->fd, "home/FORMAT");
    mkdirat(place->fd, "home/FORMAT", 0700);
    assert_int_equal(registry_try(registry_path(place), true, 0, &store, NULL), -1);
}

static void test_no_directory(void **state)
{
    const struct place *place = *state;
    int fds = count_fds();
    fs_write_new(place->fd, "file", "x", 1, 0600);
    static const char *const paths[] = {"file", "file/home"};
    for (size_t i = 0; i < 2; i++) {
        for (int create = 0; create < 2; create++) {
            struct store *store;
            struct ml_error err = ML_ERROR_INIT;
            case_int(paths[i], registry_try(place_path(place, paths[i]), create, 0, &store, &err),
                     -1);
            case_true(paths[i], err.status != 0 && strstr(err.message, paths[i]) != NULL);
        }
    }
    assert_int_equal(count_fds(), fds);
}

/* ---- two at once ---- */

struct maker {
    const char *home;
    int go; /* an end of file there starts all of them */
};

static int make(void *arg)
{
    const struct maker *m = arg;
    struct store *store;
    struct ml_error err = ML_ERROR_INIT;
    char c;
    if (read(m->go, &c, 1) != 0 || registry_try(m->home, true, 20000, &store, &err) < 0) {
        fprintf(stderr, "# a maker: %s\n", err.message);
        return 1;
    }
    struct store_stage stage; /* and it is whole for whoever has opened it */
    int hold;
    CHILD_CHECK(store_stage_open(store, &stage, &err) == 0);
    CHILD_CHECK(store_stage_commit(&stage, registry_id('a'), &hold, &err) >= 0);
    CHILD_CHECK(hold >= 0);
    struct store_change change = {
        .uuid = registry_uuid(1), .bundle = registry_id('a'), .plugin = "a@1.0.0"};
    if (store_change(store, &change, 1, NULL, &err) < 0) {
        fprintf(stderr, "# a maker: %s\n", err.message);
        return 1;
    }
    return 0;
}

static void test_makers_at_once(void **state)
{
    enum { ROUNDS = 12, MAKERS = 6 };
    for (int round = 0; round < ROUNDS; round++) {
        char name[16];
        int go[2];
        pid_t pid[MAKERS];
        snprintf(name, sizeof name, "home%d", round);
        struct maker m = {.home = place_path(*state, name)};
        assert_int_equal(pipe2(go, O_CLOEXEC), 0);
        m.go = go[0];
        for (int i = 0; i < MAKERS; i++) {
            pid[i] = fork();
            assert_true(pid[i] >= 0);
            if (pid[i] == 0) {
                close(go[1]);
                _exit(make(&m));
            }
        }
        close(go[1]);
        int failed = 0;
        for (int i = 0; i < MAKERS; i++)
            failed += child_finish(pid[i]) != 0;
        close(go[0]);
        case_int(name, failed, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        place_test(test_fresh),          place_test(test_missing), place_test(test_half_made),
        place_test(test_parts_missing),  place_test(test_foreign), place_test(test_modes),
        place_test(test_owner),          place_test(test_format),  place_test(test_no_directory),
        place_test(test_makers_at_once),
    };
    UNIT_RUN("store-store", tests);
}

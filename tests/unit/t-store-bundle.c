/* Goal of this test: a bundle is filed whole, once, and never changes after that; what a dead maker
 * left is swept, what a live one makes is not. */
#include "registry.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>

#include "base/fs.h"

static int count_names(const struct place *place, const char *path)
{
    int n = -2; /* "." and ".." */
    DIR *dir = opendir(place_path(place, path));
    assert_non_null(dir);
    while (readdir(dir) != NULL)
        n++;
    closedir(dir);
    return n;
}

static struct store_stage stage_with(struct store *store, const char *name, const char *text)
{
    struct store_stage stage;
    assert_int_equal(store_stage_open(store, &stage, NULL), 0);
    assert_int_equal(fs_write_new(stage.fd, name, text, strlen(text), 0600), 0);
    return stage;
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

static void test_commit(void **state)
{
    static const char *const files[] = {"plugin.so",   "name",           ".hidden", "source/main.c",
                                        "source/.dot", "source/a/b/c.h", ".d/.e/f"};
    static const char *const dirs[] = {"", "source", "source/a", "source/a/b", ".d", ".d/.e"};
    const struct place *place = *state;
    struct store *store = registry_open(place);
    struct store_stage stage;
    struct stat st;
    int fds = count_fds();
    assert_int_equal(store_stage_open(store, &stage, NULL), 0);
    for (size_t i = 1; i < sizeof dirs / sizeof *dirs; i++)
        assert_int_equal(mkdirat(stage.fd, dirs[i], 0755), 0);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        assert_int_equal(fs_write_new(stage.fd, files[i], files[i], strlen(files[i]), 0664), 0);
    assert_int_equal(store_bundle_exists(store, registry_id('a')), false);
    assert_int_equal(store_stage_commit(&stage, registry_id('a'), NULL), 1);
    assert_int_equal(store_bundle_exists(store, registry_id('a')), true);
    store_stage_drop(&stage); /* harmless now */

    int fd = store_bundle_open(store, registry_id('a'), NULL);
    assert_true(fd >= 0);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        BUF_AUTO text = BUF_INIT;
        case_int(files[i], fs_read_file(fd, files[i], &text, 100), 0);
        case_text(files[i], buf_text(&text), files[i]);
        case_int(files[i], fstatat(fd, files[i], &st, 0), 0);
        case_int(files[i], st.st_mode, S_IFREG | 0400);
    }
    for (size_t i = 1; i < sizeof dirs / sizeof *dirs; i++) {
        case_int(dirs[i], fstatat(fd, dirs[i], &st, 0), 0);
        case_int(dirs[i], st.st_mode, S_IFDIR | 0700);
    }
    close(fd);
    assert_int_equal(count_names(place, "home/tmp"), 0);
    assert_int_equal(count_fds(), fds);
    store_close(store);
}

static void test_commit_twice(void **state)
{
    const struct place *place = *state;
    struct store *store = registry_open(place);
    int fds = count_fds();
    struct store_stage first = stage_with(store, "which", "first");
    struct store_stage second = stage_with(store, "which", "second");
    assert_int_equal(store_stage_commit(&second, registry_id('a'), NULL), 1);
    assert_int_equal(store_stage_commit(&first, registry_id('a'), NULL), 0);
    BUF_AUTO text = BUF_INIT;
    int fd = store_bundle_open(store, registry_id('a'), NULL);
    assert_int_equal(fs_read_file(fd, "which", &text, 100), 0);
    assert_string_equal(buf_text(&text), "second");
    close(fd);
    assert_int_equal(count_names(place, "home/tmp"), 0);
    assert_int_equal(count_names(place, "home/bundles"), 1);
    assert_int_equal(count_fds(), fds);
    store_close(store);
}

static void test_drop(void **state)
{
    const struct place *place = *state;
    struct store *store = registry_open(place);
    int fds = count_fds();
    struct store_stage stage = stage_with(store, "file", "x");
    struct store_stage never = {0};
    char *path = store_stage_path(&stage);
    assert_non_null(path);
    assert_int_equal(path[0], '/');
    assert_int_equal(access(path, F_OK), 0);
    store_stage_drop(&stage);
    assert_int_equal(access(path, F_OK), -1);
    free(path);
    store_stage_drop(&stage);
    store_stage_drop(&never);
    assert_int_equal(count_names(place, "home/tmp"), 0);
    assert_int_equal(count_fds(), fds);
    store_close(store);
}

/* Only files and directories can be filed: a link would lead out of the bundle. */
static void test_commit_refuses(void **state)
{
    const struct place *place = *state;
    struct store *store = registry_open(place);
    int fds = count_fds();
    static const char *const names[] = {"link", "source/link", "fifo", ".link"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct ml_error err = ML_ERROR_INIT;
        struct store_stage stage = stage_with(store, "file", "x");
        mkdirat(stage.fd, "source", 0700);
        if (strcmp(names[i], "fifo") == 0)
            case_int(names[i], mkfifoat(stage.fd, names[i], 0600), 0);
        else
            case_int(names[i], symlinkat("/etc/passwd", stage.fd, names[i]), 0);
        case_int(names[i], store_stage_commit(&stage, registry_id('a'), &err), -1);
        case_int(names[i], err.status, ML_CANT_CREATE);
        case_true(names[i], !store_bundle_exists(store, registry_id('a')));
        case_int(names[i], count_names(place, "home/tmp"), 0);
    }
    assert_int_equal(count_fds(), fds);
    store_close(store);
}

/* ---- what the dead leave ---- */

struct maker {
    const struct place *place;
    int ready[2];
};

static int hold_stage(void *arg)
{
    const struct maker *m = arg;
    struct store *store;
    struct store_stage stage;
    CHILD_CHECK(store_open(registry_path(m->place), true, 0, &store, NULL) == 0);
    CHILD_CHECK(store_stage_open(store, &stage, NULL) == 0);
    CHILD_CHECK(mkdirat(stage.fd, "source", 0700) == 0);
    CHILD_CHECK(fs_write_new(stage.fd, "source/file", "x", 1, 0600) == 0);
    CHILD_CHECK(write(m->ready[1], &stage.name, sizeof stage.name) == sizeof stage.name);
    poll(NULL, 0, 30000); /* until it is killed, or at last */
    return 1;
}

static void test_sweep(void **state)
{
    const struct place *place = *state;
    struct maker m = {.place = place};
    char name[24], path[64];
    assert_int_equal(pipe2(m.ready, O_CLOEXEC), 0);
    store_close(registry_open(place));
    pid_t pid = child_begin(hold_stage, &m);
    assert_int_equal(read(m.ready[0], name, sizeof name), sizeof name);
    mkdirat(place->fd, "home/tmp/0123456789abcdef", 0700); /* litter of one killed early */
    fs_write_new(place->fd, "home/tmp/0123456789abcdef/f", "x", 1, 0400);
    struct store *ours = registry_open(place);
    struct store_stage stage = stage_with(ours, "mine", "x");

    store_close(registry_open(place));
    snprintf(path, sizeof path, "home/tmp/%s/source/file", name);
    assert_int_equal(faccessat(place->fd, path, F_OK, 0), 0); /* its maker lives */
    assert_int_equal(faccessat(stage.fd, "mine", F_OK, 0), 0);
    assert_int_equal(count_names(place, "home/tmp"), 2);

    kill(pid, SIGKILL);
    assert_int_equal(child_finish(pid), 128 + SIGKILL);
    struct store *reader;
    assert_int_equal(store_open(registry_path(place), false, 0, &reader, NULL), 0);
    store_close(reader);
    assert_int_equal(count_names(place, "home/tmp"), 2); /* readers sweep nothing */
    store_close(registry_open(place));
    assert_int_equal(count_names(place, "home/tmp"), 1);
    assert_int_equal(store_stage_commit(&stage, registry_id('a'), NULL), 1);
    assert_int_equal(count_names(place, "home/tmp"), 0);
    store_close(ours);
    close(m.ready[0]);
    close(m.ready[1]);
}

/* Files in tmp/ are swept by the next writer, who holds the lock that their makers must have. */
static void test_sweep_files(void **state)
{
    const struct place *place = *state;
    struct store *store = registry_open(place);
    struct store_stage stage = stage_with(store, "mine", "x");
    registry_bundle(store, registry_id('a'), "a@1.0.0");
    fs_write_new(place->fd, "home/tmp/fedcba9876543210", "half", 4, 0600);
    assert_int_equal(symlinkat("x", place->fd, "home/tmp/fedcba9876543211"), 0);
    store_close(registry_open(place));
    assert_int_equal(count_names(place, "home/tmp"), 3);
    assert_int_equal(registry_change(store, registry_uuid(1), registry_id('a'), NULL), 1);
    assert_int_equal(count_names(place, "home/tmp"), 1);
    assert_int_equal(faccessat(stage.fd, "mine", F_OK, 0), 0);
    store_stage_drop(&stage);
    store_close(store);
}

/* Makers and sweepers at once: no stage of a living maker is lost. */
static int make_bundles(void *arg)
{
    const struct place *place = arg;
    for (int i = 0; i < 20; i++) {
        struct store *store;
        struct store_stage stage;
        char id[STORE_BUNDLE_SIZE] = "b-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
        pid_t pid = getpid();
        for (int c = 0; c < 8; c++, pid /= 16)
            id[2 + c] = (char)('a' + pid % 16);
        id[12] = (char)('a' + i);
        CHILD_CHECK(store_open(registry_path(place), true, 20000, &store, NULL) == 0);
        CHILD_CHECK(store_stage_open(store, &stage, NULL) == 0);
        CHILD_CHECK(fs_write_new(stage.fd, "name", "x@1\n", 4, 0600) == 0);
        CHILD_CHECK(store_stage_commit(&stage, id, NULL) == 1);
        CHILD_CHECK(store_bundle_exists(store, id));
        store_close(store);
    }
    return 0;
}

static void test_makers_and_sweepers(void **state)
{
    const struct place *place = *state;
    pid_t pid[6];
    store_close(registry_open(place));
    for (int i = 0; i < 6; i++)
        pid[i] = child_begin(make_bundles, *state);
    int failed = 0;
    for (int i = 0; i < 6; i++)
        failed += child_finish(pid[i]) != 0;
    assert_int_equal(failed, 0);
    assert_int_equal(count_names(place, "home/bundles"), 120);
    assert_int_equal(count_names(place, "home/tmp"), 0);
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
        struct store_stage stage = stage_with(store, "name", cases[i].text);
        char name[STORE_NAME_SIZE] = "", version[STORE_NAME_SIZE] = "";
        struct ml_error err = ML_ERROR_INIT;
        case_int(cases[i].text, store_stage_commit(&stage, id, NULL), 1);
        int status = store_bundle_name(store, id, name, version, &err);
        case_int(cases[i].text, status, cases[i].name ? 0 : -1);
        case_text(cases[i].text, name, cases[i].name ? cases[i].name : "");
        case_text(cases[i].text, version, cases[i].name ? cases[i].version : "");
        if (status < 0) {
            case_int(cases[i].text, err.status, ML_REFUSED);
            case_true(cases[i].text, strstr(err.message, id) != NULL);
        }
    }
    struct store_stage stage = stage_with(store, "other", "x");
    struct ml_error err = ML_ERROR_INIT;
    char text[STORE_NAME_SIZE];
    store_stage_commit(&stage, registry_id('7'), NULL);
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
    assert_int_equal(store_bundle_open(store, registry_id('l'), &err),
                     -1); /* no link is followed */
    assert_false(store_bundle_exists(store, registry_id('l')));
    snprintf(path, sizeof path, "home/bundles/%s", registry_id('f'));
    fs_write_new(place->fd, path, "x", 1, 0600);
    assert_int_equal(store_bundle_open(store, registry_id('f'), &err), -1);
    assert_false(store_bundle_exists(store, registry_id('f')));
    assert_int_equal(store_bundle_open(store, registry_id('m'), &err), -1);
    assert_int_equal(err.status, ML_NO_INPUT);
    assert_string_equal(err.code, "no_such_bundle");
    store_close(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_valid),
        place_test(test_commit),
        place_test(test_commit_twice),
        place_test(test_drop),
        place_test(test_commit_refuses),
        place_test(test_sweep),
        place_test(test_sweep_files),
        place_test(test_makers_and_sweepers),
        place_test(test_names),
        place_test(test_resolve),
        place_test(test_open_is_a_directory),
    };
    UNIT_RUN("store-bundle", tests);
}

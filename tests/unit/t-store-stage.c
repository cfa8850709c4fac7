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

/* Files a stage, and lets go of what came of it. */
static int commit(struct store_stage *stage, const char *id, struct ml_error *err)
{
    int hold = -1, status = store_stage_commit(stage, id, &hold, err);
    if (hold >= 0)
        close(hold);
    return status;
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
    assert_int_equal(commit(&stage, registry_id('a'), NULL), 1);
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
    assert_int_equal(commit(&second, registry_id('a'), NULL), 1);
    assert_int_equal(commit(&first, registry_id('a'), NULL), 0);
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
        case_int(names[i], commit(&stage, registry_id('a'), &err), -1);
        case_int(names[i], err.status, ML_CANT_CREATE);
        case_true(names[i], !store_bundle_exists(store, registry_id('a')));
        case_int(names[i], count_names(place, "home/tmp"), 0);
    }
    assert_int_equal(count_fds(), fds);
    store_close(store);
}

/* ---- places that are taken ---- */

/* By what is no bundle: the maker is told, and does not try for ever. */
struct taken {
    struct store *store;
    const char *id;
    bool part; /* of a stage, not the whole of it */
};

static int commit_soon(void *arg)
{
    const struct taken *t = arg;
    struct store_stage stage;
    struct ml_error err = ML_ERROR_INIT;
    int hold = -1;
    alarm(2);
    CHILD_CHECK(store_stage_open(t->store, &stage, NULL) == 0);
    CHILD_CHECK(mkdirat(stage.fd, "part", 0700) == 0);
    if (t->part)
        CHILD_CHECK(store_stage_file(&stage, "part", t->id, &hold, &err) < 0);
    else
        CHILD_CHECK(store_stage_commit(&stage, t->id, &hold, &err) < 0);
    store_stage_drop(&stage);
    CHILD_CHECK(err.status != 0 && strstr(err.message, t->id) != NULL);
    CHILD_CHECK(hold < 0);
    return 0;
}

static void test_place_is_no_directory(void **state)
{
    const struct place *place = *state;
    struct store *store = registry_open(place);
    char path[64];
    snprintf(path, sizeof path, "home/bundles/%s", registry_id('f'));
    assert_int_equal(fs_write_new(place->fd, path, "x", 1, 0600), 0);
    snprintf(path, sizeof path, "home/bundles/%s", registry_id('l'));
    assert_int_equal(symlinkat("/", place->fd, path), 0);
    for (int part = 0; part < 2; part++)
        for (const char *c = "fl"; *c != '\0'; c++) {
            struct taken taken = {store, registry_id(*c), part};
            case_int(part ? "a part" : "a whole", child_run(commit_soon, &taken), 0);
        }
    assert_int_equal(count_names(place, "home/tmp"), 0);
    store_close(store);
}

/* An empty directory in the place is there, and is not written over. */
static void test_place_is_empty(void **state)
{
    const struct place *place = *state;
    struct store *store = registry_open(place);
    char path[64];
    snprintf(path, sizeof path, "home/bundles/%s", registry_id('e'));
    assert_int_equal(mkdirat(place->fd, path, 0700), 0);
    struct store_stage stage = stage_with(store, "file", "x");
    assert_int_equal(commit(&stage, registry_id('e'), NULL), 0);
    assert_int_equal(count_names(place, path), 0);
    store_close(store);
}

/* Who has the damaged one open keeps it; the place has the new one, with no moment between. */
static void test_replace(void **state)
{
    const struct place *place = *state;
    struct store *store = registry_open(place);
    int hold = -1, fds = count_fds();
    struct store_stage old = stage_with(store, "which", "damaged");
    assert_int_equal(commit(&old, registry_id('a'), NULL), 1);
    int before = store_bundle_open(store, registry_id('a'), NULL);
    int kept = openat(before, "which", O_RDONLY | O_CLOEXEC);
    struct store_stage new = stage_with(store, "which", "whole");
    assert_int_equal(store_stage_replace(&new, registry_id('a'), &hold, NULL), 0);
    assert_true(hold >= 0);
    BUF_AUTO text = BUF_INIT;
    BUF_AUTO other = BUF_INIT;
    assert_int_equal(fs_read_file(hold, "which", &text, 100), 0);
    assert_string_equal(buf_text(&text), "whole");
    assert_int_equal(fs_read_all(kept, &other, 100), 0);
    assert_string_equal(buf_text(&other), "damaged");
    close(kept);
    close(before);
    close(hold);
    assert_int_equal(count_names(place, "home/tmp"), 0);
    assert_int_equal(count_names(place, "home/bundles"), 1);

    struct ml_error err = ML_ERROR_INIT; /* nothing to replace */
    struct store_stage none = stage_with(store, "which", "whole");
    hold = -1;
    assert_int_equal(store_stage_replace(&none, registry_id('m'), &hold, &err), -1);
    assert_int_equal(err.status, ML_CANT_CREATE);
    assert_int_equal(hold, -1);
    assert_false(store_bundle_exists(store, registry_id('m')));
    assert_int_equal(count_names(place, "home/tmp"), 0);
    assert_int_equal(count_fds(), fds);
    store_close(store);
}

/* Several bundles come out of one stage, each filed as one that has a stage of its own. */
static void test_parts(void **state)
{
    const struct place *place = *state;
    struct store *store = registry_open(place);
    struct ml_error err = ML_ERROR_INIT;
    struct stat st;
    int hold[3] = {-1, -1, -1}, fds = count_fds();
    struct store_stage stage = stage_with(store, "list", "x");
    assert_int_equal(mkdirat(stage.fd, "one", 0755), 0);
    assert_int_equal(fs_write_new(stage.fd, "one/name", "a@1\n", 4, 0644), 0);
    assert_int_equal(mkdirat(stage.fd, "two", 0755), 0);
    assert_int_equal(store_stage_settle(&stage, "one", &err), 0);
    assert_int_equal(store_stage_settle(&stage, "none", &err), -1);
    assert_int_equal(store_stage_file(&stage, "one", registry_id('a'), &hold[0], &err), 1);
    assert_int_equal(store_stage_file(&stage, "two", registry_id('a'), &hold[1], &err), 0);
    assert_int_equal(store_stage_file(&stage, "none", registry_id('b'), &hold[2], &err), -1);
    assert_int_equal(err.status, ML_CANT_CREATE);
    assert_true(hold[0] >= 0 && hold[1] >= 0 && hold[2] < 0);
    assert_int_equal(fstatat(hold[1], "name", &st, 0), 0);
    assert_int_equal(st.st_mode, S_IFREG | 0400);
    assert_int_equal(fstat(hold[1], &st), 0);
    assert_int_equal(st.st_mode, S_IFDIR | 0700);
    assert_int_equal(faccessat(stage.fd, "list", F_OK, 0), 0);
    store_stage_drop(&stage);
    close(hold[0]);
    close(hold[1]);
    assert_int_equal(count_names(place, "home/tmp"), 0);
    assert_int_equal(count_names(place, "home/bundles"), 1);
    assert_int_equal(count_fds(), fds);
    store_close(store);
}

/* Whatever is in the way lies in the stage afterwards. */
static void test_parts_over(void **state)
{
    const struct place *place = *state;
    static const char *const in_the_way[] = {"bundle", "file", "link"};
    struct store *store = registry_open(place);
    for (size_t i = 0; i < sizeof in_the_way / sizeof *in_the_way; i++) {
        struct ml_error err = ML_ERROR_INIT;
        struct stat st;
        char path[64];
        int hold = -1, fds = count_fds();
        struct store_stage stage = stage_with(store, "list", "x");
        snprintf(path, sizeof path, "home/bundles/%s", registry_id('a'));
        assert_int_equal(fs_remove_tree(place->fd, path), 0);
        assert_int_equal(mkdirat(stage.fd, "one", 0700), 0);
        assert_int_equal(fs_write_new(stage.fd, "one/name", "a@1\n", 4, 0400), 0);
        assert_int_equal(store_stage_file_over(&stage, "one", registry_id('a'), &hold, &err), -1);
        assert_int_equal(err.status, ML_CANT_CREATE); /* nothing is there */
        assert_int_equal(i == 0   ? mkdirat(place->fd, path, 0700)
                         : i == 1 ? fs_write_new(place->fd, path, "x", 1, 0600)
                                  : symlinkat("/etc", place->fd, path),
                         0);
        case_int(in_the_way[i], store_stage_file_over(&stage, "one", registry_id('a'), &hold, &err),
                 0);
        case_int(in_the_way[i], fstatat(hold, "name", &st, 0), 0);
        case_int(in_the_way[i], fstatat(stage.fd, "one", &st, AT_SYMLINK_NOFOLLOW), 0);
        store_stage_drop(&stage);
        close(hold);
        assert_int_equal(count_names(place, "home/tmp"), 0);
        assert_int_equal(count_fds(), fds);
        assert_true(store_bundle_exists(store, registry_id('a')));
    }
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
    CHILD_CHECK(registry_try(registry_path(m->place), true, 0, &store, NULL) == 0);
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
    assert_int_equal(registry_try(registry_path(place), false, 0, &reader, NULL), 0);
    store_close(reader);
    assert_int_equal(count_names(place, "home/tmp"), 2); /* readers sweep nothing */
    store_close(registry_open(place));
    assert_int_equal(count_names(place, "home/tmp"), 1);
    assert_int_equal(commit(&stage, registry_id('a'), NULL), 1);
    assert_int_equal(count_names(place, "home/tmp"), 0);
    store_close(ours);
    close(m.ready[0]);
    close(m.ready[1]);
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
        CHILD_CHECK(registry_try(registry_path(place), true, 20000, &store, NULL) == 0);
        CHILD_CHECK(store_stage_open(store, &stage, NULL) == 0);
        CHILD_CHECK(fs_write_new(stage.fd, "name", "x@1\n", 4, 0600) == 0);
        CHILD_CHECK(commit(&stage, id, NULL) == 1);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        place_test(test_commit),
        place_test(test_commit_twice),
        place_test(test_drop),
        place_test(test_commit_refuses),
        place_test(test_place_is_no_directory),
        place_test(test_place_is_empty),
        place_test(test_replace),
        place_test(test_parts),
        place_test(test_parts_over),
        place_test(test_sweep),
        memory_place_test(test_makers_and_sweepers),
    };
    UNIT_RUN("store-stage", tests);
}

#include "registry.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/fs.h"
#include "base/scope.h"
#include "registry_store/internal.h"

const char *registry_path(const struct place *place)
{
    return place_path(place, "home");
}

int registry_try(const char *home, bool create, int64_t wait_ms, struct store **ret,
                 struct ml_error *err)
{
    const struct store_options options = {.create = create, .wait_ms = wait_ms, .cancel_fd = -1};
    return store_open(home, &options, ret, err);
}

static struct store *open_or_fail(const struct place *place, bool create)
{
    struct store *store;
    struct ml_error err = ML_ERROR_INIT;
    if (registry_try(registry_path(place), create, 20000, &store, &err) < 0)
        fail_msg("cannot open a registry: %s", err.message);
    return store;
}

struct store *registry_open(const struct place *place)
{
    return open_or_fail(place, true);
}

struct store *registry_read(const struct place *place)
{
    return open_or_fail(place, false);
}

const char *registry_id(char c)
{
    static char ids[128][STORE_BUNDLE_SIZE];
    char *id = ids[c & 127];
    memcpy(id, "b-", 2);
    memset(id + 2, c, STORE_BUNDLE_SIZE - 3);
    return id;
}

const char *registry_id_number(unsigned n)
{
    static char ids[4][STORE_BUNDLE_SIZE];
    static unsigned turn;
    char *id = ids[turn++ % 4];
    memcpy(id, registry_id('2'), STORE_BUNDLE_SIZE);
    for (int i = 2; i < 8; i++, n /= 26)
        id[i] = (char)('a' + n % 26);
    return id;
}

void registry_bundle(struct store *store, const char *id, const char *name)
{
    struct store_stage stage;
    struct ml_error err = ML_ERROR_INIT;
    char line[200];
    int hold, n = snprintf(line, sizeof line, "%s\n", name);
    if (store_stage_open(store, &stage, &err) < 0 ||
        fs_write_new(stage.fd, "name", line, (size_t)n, 0600) < 0 ||
        store_stage_commit(&stage, id, &hold, &err) < 0)
        fail_msg("cannot file a bundle: %s", err.message);
    if (hold >= 0)
        close(hold);
}

const char *registry_uuid(unsigned n)
{
    static char uuids[4][STORE_UUID_SIZE];
    static unsigned turn;
    char *uuid = uuids[turn++ % 4];
    unsigned first = n < 400 ? n << 23 : 0xc8000000 + (n << 12);
    snprintf(uuid, STORE_UUID_SIZE, "%08x-0000-4000-8000-%012x", first, n);
    return uuid;
}

int registry_apply(struct store *store, struct store_change *change)
{
    struct ml_error err = ML_ERROR_INIT;
    return store_change(store, change, 1, NULL, &err) < 0 ? -err.status : change->changed;
}

int registry_change(struct store *store, const char *uuid, const char *bundle, const char *name)
{
    struct store_change change = {.uuid = uuid,
                                  .op = bundle ? STORE_REGISTER : STORE_UNREGISTER,
                                  .bundle = bundle,
                                  .plugin = "x@1.0.0",
                                  .name = name};
    return registry_apply(store, &change);
}

int registry_turn(struct store *store, enum store_op op, const char *uuid, unsigned long generation)
{
    struct store_change change = {.uuid = uuid, .op = op, .generation = generation};
    return registry_apply(store, &change);
}

struct problems {
    struct buf text;
    size_t n_lost;
};

static int problem_add(const char *path, const char *what, bool mended, void *arg)
{
    struct problems *problems = arg;
    bool lost = strcmp(path, "bundles/b-zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz") == 0;
    problems->n_lost += lost;
    if (!lost)
        buf_fmt(&problems->text, "%s %s; ", path, what);
    return 0;
}

static int find_lost(const struct store_record *r, bool newest, void *arg)
{
    bool *lost = arg;
    *lost = *lost || strcmp(r->bundle, registry_id('z')) == 0;
    return 0;
}

void registry_sound(const char *what, struct store *store)
{
    struct problems problems = {.text = BUF_INIT};
    struct ml_error err = ML_ERROR_INIT;
    struct store_check_result result;
    const struct store_check check = {.problem = problem_add, .arg = &problems};
    if (store_check(store, &check, &result, &err) < 0 || problems.text.len > 0)
        fail_msg("case '%s': %s%s", what, buf_text(&problems.text), err.message);
    bool lost = false;
    assert_int_equal(store_each_record(store, find_lost, &lost, NULL), 0);
    lost = lost && store_bundle_filed(store, registry_id('z'), NULL) == 0;
    case_int(what, problems.n_lost, lost);
    buf_free(&problems.text);
}

/* ---- the clock ---- */

static time_t clock_now;

void registry_clock(time_t now)
{
    clock_now = now;
}

/* Both in the place of libc's. */
int clock_gettime(clockid_t clock, struct timespec *now)
{
    if (clock != CLOCK_REALTIME || clock_now == 0)
        return (int)syscall(SYS_clock_gettime, clock, now);
    *now = (struct timespec){.tv_sec = clock_now};
    return 0;
}

time_t time(time_t *t)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (t != NULL)
        *t = now.tv_sec;
    return now.tv_sec;
}

/* ---- copies and pictures ---- */

static void copy_file(int from, int to, const char *name)
{
    BUF_AUTO text = BUF_INIT;
    struct stat st;
    assert_int_equal(fstatat(from, name, &st, 0), 0);
    assert_int_equal(fs_read_file(from, name, &text, 1 << 26), 0);
    AUTO_CLOSE int fd =
        openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, st.st_mode & 07777);
    assert_true(fd >= 0);
    assert_int_equal(fs_write_all(fd, buf_text(&text), text.len), 0);
}

static void copy_tree(int from, int to)
{
    struct names names;
    assert_int_equal(names_read(from, ".", &names), 0);
    for (size_t i = 0; i < names.n; i++) {
        const char *name = names.item[i];
        struct stat st;
        char target[LINK_SIZE];
        assert_int_equal(fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW), 0);
        if (S_ISLNK(st.st_mode)) {
            assert_true(fs_read_link(from, name, target, sizeof target) > 0);
            assert_int_equal(symlinkat(target, to, name), 0);
        } else if (S_ISDIR(st.st_mode)) {
            assert_int_equal(mkdirat(to, name, st.st_mode & 07777), 0);
            AUTO_CLOSE int inner_from = openat(from, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
            AUTO_CLOSE int inner_to = openat(to, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
            copy_tree(inner_from, inner_to);
        } else {
            copy_file(from, to, name);
        }
    }
    names_free(&names);
}

void registry_copy(const struct place *place, const char *from, const char *to)
{
    assert_int_equal(fs_remove_tree(place->fd, to), 0);
    assert_int_equal(mkdirat(place->fd, to, 0700), 0);
    AUTO_CLOSE int from_fd = openat(place->fd, from, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    AUTO_CLOSE int to_fd = openat(place->fd, to, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    copy_tree(from_fd, to_fd);
}

static void picture_tree(int dirfd, const char *path, struct buf *out)
{
    struct names names;
    assert_int_equal(names_read(dirfd, path, &names), 0);
    for (size_t i = 0; i < names.n; i++) {
        char inner[512], target[LINK_SIZE];
        BUF_AUTO text = BUF_INIT;
        struct stat st;
        snprintf(inner, sizeof inner, "%s/%s", path, names.item[i]);
        assert_int_equal(fstatat(dirfd, inner, &st, AT_SYMLINK_NOFOLLOW), 0);
        if (S_ISDIR(st.st_mode)) {
            picture_tree(dirfd, inner, out);
        } else if (fs_read_link(dirfd, inner, target, sizeof target) > 0) {
            buf_fmt(out, "%s -> %s\n", inner, target);
        } else if (fs_read_file(dirfd, inner, &text, 1 << 26) == 0 && text.len > 0) {
            buf_fmt(out, "%s:\n", inner);
            buf_add(out, text.data, text.len);
        }
    }
    names_free(&names);
}

void registry_picture(const struct place *place, const char *home, struct buf *out)
{
    static const char *const parts[] = {"bundles", "entries", "history", "journal", "names"};
    AUTO_CLOSE int fd = openat(place->fd, home, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(fd >= 0);
    buf_reset(out);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (faccessat(fd, parts[i], F_OK, 0) == 0)
            picture_tree(fd, parts[i], out);
    assert_false(out->failed);
}

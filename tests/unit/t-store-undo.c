/* Goal of this test: a change that the disk does not let happen is taken back, whatever it was that
 * failed, and that is said; where not even that can be, the next one who comes finishes it. */
#include "lists.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>

#include "base/fs.h"
#include "registry_store/internal.h"

/* ---- system calls that fail ---- */

enum how { ONCE, FROM_THEN_ON, NO_ROOM, ONE_LOOK };

/* In the place of libc's: counts the calls while it is armed, and from the n-th on lets one or all
 * of them fail, or those that need room on the disk. ONE_LOOK counts looks at links alone. */
static struct {
    bool armed, half;
    enum how how;
    int at, calls, failed;
    int room; /* that was made */
} fault;

static bool fails(bool needs_room)
{
    if (!fault.armed || fault.how == ONE_LOOK)
        return false;
    int call = fault.calls++;
    if (call < fault.at || (call > fault.at && fault.how == ONCE) ||
        (fault.how == NO_ROOM && !needs_room))
        return false;
    fault.failed++;
    errno = fault.how == NO_ROOM ? ENOSPC : EIO;
    return true;
}

/* What is there needs no room, and says so before anything else; what went has made some. */
static bool fails_at(int dirfd, const char *path)
{
    struct stat st;
    if (!fails(true))
        return false;
    if (fault.how != NO_ROOM)
        return true;
    bool there = fstatat(dirfd, path, &st, AT_SYMLINK_NOFOLLOW) == 0;
    errno = there ? EEXIST : ENOSPC;
    if (there || fault.room == 0)
        return true;
    fault.room--;
    return false;
}

int openat(int dirfd, const char *path, int flags, ...)
{
    va_list ap;
    va_start(ap, flags);
    unsigned mode = flags & O_CREAT ? va_arg(ap, unsigned) : 0;
    va_end(ap);
    return fails((flags & O_EXCL) != 0) ? -1 : (int)syscall(SYS_openat, dirfd, path, flags, mode);
}

/* A full disk takes some of it first. */
ssize_t write(int fd, const void *data, size_t n)
{
    if (!fault.half && !fails(true))
        return syscall(SYS_write, fd, data, n);
    fault.half = !fault.half && n > 1;
    return fault.half ? syscall(SYS_write, fd, data, n / 2) : -1;
}

int symlinkat(const char *target, int fd, const char *path)
{
    return fails_at(fd, path) ? -1 : (int)syscall(SYS_symlinkat, target, fd, path);
}

int mkdirat(int fd, const char *path, mode_t mode)
{
    return fails_at(fd, path) ? -1 : (int)syscall(SYS_mkdirat, fd, path, mode);
}

int fsync(int fd)
{
    return fails(false) ? -1 : (int)syscall(SYS_fsync, fd);
}

int ftruncate(int fd, off_t size)
{
    return fails(false) ? -1 : (int)syscall(SYS_ftruncate, fd, size);
}

int unlinkat(int fd, const char *path, int flags)
{
    int status = fails(false) ? -1 : (int)syscall(SYS_unlinkat, fd, path, flags);
    fault.room += status == 0;
    return status;
}

int renameat(int a, const char *from, int b, const char *to)
{
    struct stat st;
    bool there = fstatat(b, to, &st, AT_SYMLINK_NOFOLLOW) == 0;
    int status = fails(false) ? -1 : (int)syscall(SYS_renameat2, a, from, b, to, 0);
    fault.room += there && status == 0;
    return status;
}

ssize_t read(int fd, void *data, size_t n)
{
    return fails(false) ? -1 : syscall(SYS_read, fd, data, n);
}

ssize_t readlinkat(int fd, const char *path, char *to, size_t size)
{
    if (!fault.armed || fault.how != ONE_LOOK || fault.calls++ != fault.at)
        return syscall(SYS_readlinkat, fd, path, to, size);
    fault.failed++;
    errno = EIO;
    return -1;
}

/* ---- a change, and what became of it ---- */

enum { NOW = 1767323045 };
static const char before[] = "1 a x;2 a y;3 b z;4 a w;5 a v";
static const char change[] = "1 b y;2 out;3 c x;4 b;6 c z;8 c w2;5 pin";

struct tried {
    const struct place *place;
    struct store *store;
    struct buf old, new;
    struct ml_error err;
    int status, fds;
    bool pending;
};

static void tried_free(struct tried *t)
{
    buf_free(&t->old);
    buf_free(&t->new);
    store_close(t->store);
}
#define TRIED_AUTO __attribute__((cleanup(tried_free))) struct tried

static int try_list(struct store *store, const char *text, struct ml_error *err)
{
    struct list list;
    list_read(text, &list);
    return store_change(store, list.change, list.n, NULL, err);
}

/* The homes "old" and "home", before and after. */
static void tried_begin(struct tried *t)
{
    registry_clock(NOW);
    t->store = list_begin(t->place, before);
    registry_copy(t->place, "home", "old");
    registry_clock(NOW + 1);
    assert_int_equal(try_list(t->store, change, NULL), 0);
    registry_sound("the change", t->store);
    registry_picture(t->place, "old", &t->old);
    registry_picture(t->place, "home", &t->new);
    store_close(t->store);
    t->store = NULL;
}

/* The old home again, opened. */
static void tried_reset(struct tried *t)
{
    store_close(t->store);
    registry_copy(t->place, "old", "home");
    t->store = registry_open(t->place);
    t->fds = count_fds();
}

static bool home_is(const struct place *place, const struct buf *picture)
{
    BUF_AUTO now = BUF_INIT;
    registry_picture(place, "home", &now);
    return strcmp(buf_text(&now), buf_text(picture)) == 0;
}

/* Made or not made, and either of them whole and told. `strict`: what was not made is taken back,
 * and nothing is left to be finished. */
static void check_tried(const char *what, struct tried *t, bool strict)
{
    t->pending = journal_pending(t->store);
    case_int(what, count_fds(), t->fds);
    if (t->status == 0)
        case_true(what, home_is(t->place, &t->new));
    if (t->status == 0)
        return;
    case_true(what, t->err.status != 0);
    if (strstr(t->err.message, registry_path(t->place)) == NULL)
        fail_msg("case '%s': it does not say where: %s", what, t->err.message);
    if (strict && t->pending)
        fail_msg("case '%s': not taken back (%s)", what, t->err.message);
    if (!t->pending && !home_is(t->place, &t->old))
        fail_msg("case '%s': not as it was (%s)", what, t->err.message);
    if (t->pending) {
        case_true(what, strstr(t->err.message, "cannot finish") != NULL);
        case_true(what, t->err.hint[0] != '\0');
    }
}

/* Where the disk is well again, whoever comes finishes what is left, and writers go on. */
static void check_mended(const char *what, struct tried *t)
{
    store_close(registry_read(t->place));
    case_true(what, home_is(t->place, &t->new) || home_is(t->place, &t->old));
    case_true(what, t->pending || t->status == 0 || home_is(t->place, &t->old));
    case_int(what, try_list(t->store, change, NULL), 0);
    case_true(what, home_is(t->place, &t->new));
}

static void fail_at_each_call(struct tried *t, enum how how, const char *name)
{
    static const char *const undone = "which is as it was";
    int told = 0;
    tried_begin(t);
    fault.failed = 1;
    for (int at = 0; fault.failed > 0; at++) {
        char what[64];
        snprintf(what, sizeof what, "%s, call %d", name, at);
        tried_reset(t);
        t->err = (struct ml_error)ML_ERROR_INIT;
        fault.at = at;
        fault.how = how;
        fault.calls = fault.failed = fault.room = 0;
        fault.armed = true;
        t->status = try_list(t->store, change, &t->err);
        fault.armed = fault.half = false;
        check_tried(what, t, how != FROM_THEN_ON);
        told += strstr(t->err.message, undone) != NULL;
        check_mended(what, t);
        assert_true(at < 1000);
    }
    case_true(name, how == FROM_THEN_ON || how == ONE_LOOK || told > 0); /* some were taken back */
}

static void test_each_call_fails(void **state)
{
    TRIED_AUTO t = {.place = *state};
    fail_at_each_call(&t, ONCE, "one call fails");
}

static void test_all_calls_fail(void **state)
{
    TRIED_AUTO t = {.place = *state};
    fail_at_each_call(&t, FROM_THEN_ON, "the disk is gone");
}

static void test_no_room(void **state)
{
    TRIED_AUTO t = {.place = *state};
    fail_at_each_call(&t, NO_ROOM, "no room");
}

/* A link that cannot be read is not one that is not there. */
static void test_each_look_fails(void **state)
{
    TRIED_AUTO t = {.place = *state};
    fail_at_each_call(&t, ONE_LOOK, "one look fails");
}

/* ---- mending where the disk fails ---- */

static int take_problem(const char *path, const char *what, bool mended, void *arg)
{
    return 0;
}

/* What is wrong is mended or is not; what was right stays so. */
static void check_repaired(const char *what, struct tried *t, int status)
{
    char owner[STORE_UUID_SIZE], bundle[STORE_BUNDLE_SIZE];
    store_close(t->store);
    t->store = registry_open(t->place);
    bool named = store_name_lookup(t->store, "x", owner, NULL) == 0;
    case_int(what, store_lookup(t->store, registry_uuid(1), bundle, NULL), 0);
    case_text(what, bundle, registry_id('a'));
    case_true(what, status == 0 ? named : t->err.status != 0);
}

static void repair_at_each_call(struct tried *t, enum how how, const char *name)
{
    const struct store_check policy = {.repair = true, .problem = take_problem};
    fault.failed = 1;
    for (int at = 0; fault.failed > 0; at++) {
        char what[64];
        struct store_check_result found;
        snprintf(what, sizeof what, "%s, call %d", name, at);
        tried_reset(t);
        t->err = (struct ml_error)ML_ERROR_INIT;
        fault.at = at;
        fault.how = how;
        fault.calls = fault.failed = fault.room = 0;
        fault.armed = true;
        int status = store_check(t->store, &policy, &found, &t->err);
        fault.armed = fault.half = false;
        case_int(what, count_fds(), t->fds);
        check_repaired(what, t, status);
        assert_true(at < 2000);
    }
}

/* The name is lost; putting it right must not cost the entry. */
static void test_repair_fails(void **state)
{
    TRIED_AUTO t = {.place = *state};
    t.store = list_begin(t.place, "1 a x;2 b y");
    assert_int_equal(unlinkat(t.place->fd, "home/names/x", 0), 0);
    registry_copy(t.place, "home", "old");
    repair_at_each_call(&t, ONCE, "one call fails");
    repair_at_each_call(&t, FROM_THEN_ON, "the disk is gone");
    repair_at_each_call(&t, NO_ROOM, "no room");
}

/* ---- a disk that is full ---- */

static void remount(const char *path, const char *limit, unsigned long n)
{
    char options[64];
    snprintf(options, sizeof options, "%s=%lu", limit, n);
    assert_int_equal(mount(NULL, path, NULL, MS_REMOUNT, options), 0);
}

/* A disk of its own in a name space of its own. False where that is not allowed. */
static bool mount_small(const char *path)
{
    assert_int_equal(mkdir(path, 0700), 0);
    return unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
           mount("modload-test", path, "tmpfs", 0, "size=16m,nr_inodes=10000") == 0;
}

/* One more inode, or one more page, each time, until it is enough. */
static void fill(struct tried *t, const char *path, bool inodes)
{
    const char *limit = inodes ? "nr_inodes" : "nr_blocks";
    int refused = 0;
    for (unsigned long room = 0;; room++) {
        struct statvfs fs;
        char what[64];
        snprintf(what, sizeof what, "%s: %lu more", limit, room);
        tried_reset(t);
        assert_int_equal(statvfs(path, &fs), 0);
        remount(path, limit, (inodes ? fs.f_files - fs.f_ffree : fs.f_blocks - fs.f_bfree) + room);
        t->err = (struct ml_error)ML_ERROR_INIT;
        t->status = try_list(t->store, change, &t->err);
        check_tried(what, t, true);
        remount(path, limit, 10000);
        check_mended(what, t);
        if (t->status == 0)
            break;
        case_int(what, t->err.status, ML_IO);
        case_true(what, strstr(t->err.message, "No space left on device") != NULL);
        refused++;
        assert_true(room < 200);
    }
    assert_true(refused > 1);
}

static void test_full_disk(void **state)
{
    const struct place *place = *state;
    struct place small = {.fd = -1};
    snprintf(small.path, sizeof small.path, "%.200s/small", place->path);
    if (!mount_small(small.path))
        skip(); /* nobody may mount here */
    small.fd = open(small.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    {
        TRIED_AUTO t = {.place = &small};
        tried_begin(&t);
        fill(&t, small.path, true);
        fill(&t, small.path, false);
    }
    close(small.fd);
}

static int unmount_small(void **state)
{
    umount2(place_path(*state, "small"), MNT_DETACH);
    return place_teardown(state);
}

/* A history that may not grow any more: it takes a part of the line, and gives it back. */
static void test_file_limit(void **state)
{
    TRIED_AUTO t = {.place = *state};
    struct rlimit all, few;
    char origin[3000];
    memset(origin, 'o', sizeof origin - 1);
    origin[sizeof origin - 1] = '\0';
    struct stat st;
    t.store = list_begin(*state, "1 a x;2 a y");
    for (int i = 0; i < 4; i++) {
        struct store_change c = {.uuid = registry_uuid(1),
                                 .bundle = registry_id(i % 2 ? 'a' : 'b'),
                                 .plugin = "x@1",
                                 .origin = origin};
        assert_int_equal(registry_apply(t.store, &c), 1);
    }
    char path[64];
    snprintf(path, sizeof path, "home/history/%.2s", registry_uuid(1));
    assert_int_equal(fstatat(t.place->fd, path, &st, 0), 0);
    registry_picture(*state, "home", &t.old);
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &all);
    few = all;
    few.rlim_cur = (rlim_t)st.st_size + 20;
    t.fds = count_fds();
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &few), 0);
    t.status = try_list(t.store, "2 b;1 b;4 c", &t.err);
    setrlimit(RLIMIT_FSIZE, &all);
    signal(SIGXFSZ, SIG_DFL);
    assert_int_equal(t.status, -1);
    check_tried("a file that may not grow", &t, true);
    assert_non_null(strstr(t.err.message, "which is as it was"));
    assert_non_null(strstr(t.err.message, "File too large"));
    assert_int_equal(try_list(t.store, "2 b;1 b;4 c", NULL), 0);
    registry_sound("afterwards", t.store);
}

/* ---- places that cannot be written to ---- */

/* Root may write whatever the mode says, unless it gives that up for a while. */
static void privileges(bool on)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct caps[2];
    assert_int_equal(syscall(SYS_capget, &head, caps), 0);
    for (int i = 0; i < 2; i++)
        caps[i].effective = on ? caps[i].permitted : 0;
    assert_int_equal(syscall(SYS_capset, &head, caps), 0);
}

static void test_closed(void **state)
{
    static const struct {
        const char *name, *path, *list;
        mode_t mode;
    } cases[] = {
        {"a shard, for a new entry", "home/entries/04", "9 a;8 c;1 b", 0500},
        {"a shard, for a switch", "home/entries/01", "1 b;2 b;4 b", 0500},
        {"a shard, for what is taken out", "home/entries/01", "1 b;2 out;4 b", 0500},
        {"the names, for a new one", "home/names", "1 b new;2 b", 0500},
        {"the names, for an exchange", "home/names", "1 b y;2 b x", 0500},
        {"the names, for one that goes", "home/names", "1 b;2 out", 0500},
        {"a history", "home/history/01", "1 b;2 b", 0400},
        {"the histories, for a new one", "home/history", "1 b;20 a", 0500},
        {"the entries, for a new shard", "home/entries", "1 b;20 a", 0500},
        {"the journal", "home/journal", "1 b;20 a", 0500},
        {"the place for new files", "home/tmp", "1 b;20 a", 0500},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        TRIED_AUTO t = {.place = *state};
        struct stat st;
        t.store = list_begin(*state, "1 a x;2 a y;4 a z;9 b;9 out");
        registry_picture(*state, "home", &t.old);
        assert_int_equal(fstatat(t.place->fd, cases[i].path, &st, 0), 0);
        assert_int_equal(fchmodat(t.place->fd, cases[i].path, cases[i].mode, 0), 0);
        t.fds = count_fds();
        privileges(false);
        t.status = try_list(t.store, cases[i].list, &t.err);
        privileges(true);
        assert_int_equal(fchmodat(t.place->fd, cases[i].path, st.st_mode & 07777, 0), 0);
        case_int(cases[i].name, t.status, -1);
        check_tried(cases[i].name, &t, true);
        case_true(cases[i].name, strstr(t.err.message, "Permission denied") != NULL);
        case_int(cases[i].name, try_list(t.store, cases[i].list, NULL), 0);
        registry_sound(cases[i].name, t.store);
    }
}

/* A directory where a link belongs does not go away by itself; what else was wanted is taken back,
 * and the rest of the registry can be changed. */
static void test_in_the_way(void **state)
{
    static const char *const paths[] = {"an entry", "a name"};
    for (int name = 0; name < 2; name++) {
        TRIED_AUTO t = {.place = *state};
        char path[64];
        t.store = list_begin(*state, "1 a x;2 a y;9 a z;9 out");
        if (name)
            strcpy(path, "home/names/n");
        else
            snprintf(path, sizeof path, "home/entries/%.2s/%s", registry_uuid(9), registry_uuid(9));
        assert_int_equal(mkdirat(t.place->fd, path, 0700), 0);
        registry_picture(*state, "home", &t.old);
        t.fds = count_fds();
        t.status = try_list(t.store, "1 b y;9 a n;2 b x", &t.err);
        case_int(paths[name], t.status, -1);
        check_tried(paths[name], &t, true);
        case_int(paths[name], try_list(t.store, "1 b y;2 b x", &t.err), 0);
        case_int(paths[name], fs_remove_tree(t.place->fd, path), 0);
        case_int(paths[name], try_list(t.store, "9 a n", &t.err), 0);
        registry_sound(paths[name], t.store);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        memory_place_test(test_each_call_fails),
        memory_place_test(test_all_calls_fail),
        memory_place_test(test_no_room),
        memory_place_test(test_each_look_fails),
        memory_place_test(test_repair_fails),
        memory_place_test(test_file_limit),
        memory_place_test(test_closed),
        memory_place_test(test_in_the_way),
        cmocka_unit_test_setup_teardown(test_full_disk, place_setup_memory, unmount_small),
    };
    UNIT_RUN("store-undo", tests);
}

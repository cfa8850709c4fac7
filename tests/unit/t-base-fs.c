/* Goal of this test: files come whole or not at all, nothing outside of a tree is removed with it,
 * and no special file makes us wait. */
#include "fixture.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>

#include "base/fs.h"

/* ---- calls that are interrupted ---- */

/* In the place of libc's: so many calls are interrupted, or the next one fails. A close lets the
 * descriptor go all the same. */
static struct {
    int interrupts, error, calls;
} sync_fault, close_fault;

int fsync(int fd)
{
    sync_fault.calls++;
    if (sync_fault.interrupts-- > 0 || sync_fault.error) {
        errno = sync_fault.error ? sync_fault.error : EINTR;
        return -1;
    }
    return (int)syscall(SYS_fsync, fd);
}

int close(int fd)
{
    int status = (int)syscall(SYS_close, fd);
    close_fault.calls++;
    if (status == 0 && (close_fault.interrupts-- > 0 || close_fault.error)) {
        errno = close_fault.error ? close_fault.error : EINTR;
        return -1;
    }
    return status;
}

static void put_file(const struct place *place, const char *name, const char *text)
{
    assert_int_equal(fs_write_new(place->fd, name, text, strlen(text), 0600), 0);
}

static void put_link(const struct place *place, const char *name, const char *target)
{
    assert_int_equal(symlinkat(target, place->fd, name), 0);
}

static void check_file(const struct place *place, const char *name, const char *want)
{
    BUF_AUTO text = BUF_INIT;
    case_int(name, fs_read_file(place->fd, name, &text, 1 << 20), 0);
    case_text(name, buf_text(&text), want);
}

static bool there(const struct place *place, const char *name)
{
    struct stat st;
    return fstatat(place->fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

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

/* ---- writing ---- */

static void test_write_new(void **state)
{
    const struct place *place = *state;
    struct stat st;
    char big[100000];
    umask(022);
    memset(big, 'x', sizeof big);
    int fds = count_fds();
    assert_int_equal(fs_write_new(place->fd, "f", big, sizeof big, 0640), 0);
    assert_int_equal(fstatat(place->fd, "f", &st, 0), 0);
    assert_int_equal(st.st_size, sizeof big);
    assert_int_equal(st.st_mode & 07777, 0640);
    assert_int_equal(fs_write_new(place->fd, "empty", "", 0, 0600), 0);
    check_file(place, "empty", "");
    assert_int_equal(fs_write_new(place->fd, "f", "y", 1, 0600), -1);
    assert_int_equal(errno, EEXIST);
    assert_int_equal(fstatat(place->fd, "f", &st, 0), 0);
    assert_int_equal(st.st_size, sizeof big);
    assert_int_equal(fs_write_new(place->fd, "no/such", "y", 1, 0600), -1);
    assert_int_equal(errno, ENOENT);
    /* A dangling link is not written through. */
    put_link(place, "link", "target");
    assert_int_equal(fs_write_new(place->fd, "link", "y", 1, 0600), -1);
    assert_false(there(place, "target"));
    assert_int_equal(count_fds(), fds);
}

static void test_replace_file(void **state)
{
    const struct place *place = *state;
    assert_int_equal(fs_mkdir(place->fd, "tmp", 0700), 1);
    assert_int_equal(fs_mkdir(place->fd, "d", 0700), 1);
    static const char *const paths[] = {"f", "d/f"};
    for (size_t i = 0; i < 2; i++) {
        case_int(paths[i], fs_replace_file(place->fd, "tmp", paths[i], "one", 3, 0600), 0);
        check_file(place, paths[i], "one");
        case_int(paths[i], fs_replace_file(place->fd, "tmp", paths[i], "other", 5, 0600), 0);
        check_file(place, paths[i], "other");
    }
    /* A link is replaced itself, not what it leads to. */
    put_link(place, "link", "f");
    assert_int_equal(fs_replace_file(place->fd, "tmp", "link", "new", 3, 0600), 0);
    check_file(place, "f", "other");
    check_file(place, "link", "new");
    assert_int_equal(count_names(place, "tmp"), 0);
}

static void test_replace_fails_whole(void **state)
{
    const struct place *place = *state;
    fs_mkdir(place->fd, "tmp", 0700);
    fs_mkdir(place->fd, "d", 0700);
    put_file(place, "d/f", "old");
    assert_int_equal(fs_replace_file(place->fd, "tmp", "d", "new", 3, 0600), -1); /* a directory */
    assert_int_equal(fs_replace_file(place->fd, "tmp", "no/f", "new", 3, 0600), -1);
    assert_int_equal(errno, ENOENT);
    assert_int_equal(fs_replace_link(place->fd, "tmp", "no/f", "new"), -1);
    assert_int_equal(errno, ENOENT);
    assert_int_equal(fs_replace_file(place->fd, "no", "d/f", "new", 3, 0600), -1);
    assert_int_equal(fs_replace_link(place->fd, "no", "d/f", "new"), -1);
    assert_int_equal(fs_replace_link(place->fd, "tmp", "d", "new"), -1);
    assert_int_equal(errno, EISDIR);
    check_file(place, "d/f", "old");
    assert_int_equal(count_names(place, "tmp"), 0);
}

/* A reader sees the old or the new content, never a part and never nothing. */
static int replace_again_and_again(void *arg)
{
    const struct place *place = arg;
    static char text[2][50000];
    memset(text[0], 'a', sizeof text[0]);
    memset(text[1], 'b', sizeof text[1]);
    for (int i = 0; i < 100; i++)
        CHILD_CHECK(fs_replace_file(place->fd, "tmp", "f", text[i % 2],
                                    i % 2 ? sizeof text[1] : 20000, 0600) == 0);
    return 0;
}

static void test_replace_readers(void **state)
{
    struct place *place = *state;
    fs_mkdir(place->fd, "tmp", 0700);
    char first[20000];
    memset(first, 'a', sizeof first);
    assert_int_equal(fs_write_new(place->fd, "f", first, sizeof first, 0600), 0);
    int done[2];
    assert_int_equal(pipe2(done, O_CLOEXEC), 0);
    pid_t pid = child_begin(replace_again_and_again, place);
    close(done[1]);
    fcntl(done[0], F_SETFL, O_NONBLOCK);
    for (char c; read(done[0], &c, 1) < 0;) {
        BUF_AUTO text = BUF_INIT;
        assert_int_equal(fs_read_file(place->fd, "f", &text, 1 << 20), 0);
        bool a = text.len == 20000 && text.data[0] == 'a' && text.data[19999] == 'a';
        bool b = text.len == 50000 && text.data[0] == 'b' && text.data[49999] == 'b';
        assert_true(a || b);
    }
    close(done[0]);
    assert_int_equal(child_finish(pid), 0);
    assert_int_equal(count_names(place, "tmp"), 0);
}

static void test_replace_link(void **state)
{
    const struct place *place = *state;
    char target[16];
    fs_mkdir(place->fd, "tmp", 0700);
    assert_int_equal(fs_replace_link(place->fd, "tmp", "l", "one"), 0);
    assert_int_equal(fs_replace_link(place->fd, "tmp", "l", "three"), 0);
    assert_int_equal(fs_read_link(place->fd, "l", target, sizeof target), 5);
    assert_string_equal(target, "three");
    put_file(place, "f", "x");
    assert_int_equal(fs_replace_link(place->fd, "tmp", "f", "one"), 0);
    assert_int_equal(fs_read_link(place->fd, "f", target, sizeof target), 3);
    assert_int_equal(count_names(place, "tmp"), 0);
}

static void test_read_link(void **state)
{
    const struct place *place = *state;
    char target[8] = "before";
    put_link(place, "fits", "1234567");
    put_link(place, "too-long", "12345678");
    put_file(place, "file", "x");
    assert_int_equal(fs_read_link(place->fd, "fits", target, sizeof target), 7);
    assert_string_equal(target, "1234567");
    assert_int_equal(fs_read_link(place->fd, "too-long", target, sizeof target), -1);
    assert_int_equal(errno, ENAMETOOLONG);
    assert_int_equal(fs_read_link(place->fd, "missing", target, sizeof target), -1);
    assert_int_equal(errno, ENOENT);
    assert_int_equal(fs_read_link(place->fd, "file", target, sizeof target), -1);
    assert_int_equal(errno, EINVAL);
}

static void on_alarm(int sig)
{
}

/* A pipe that is read slowly, and signals: short writes and EINTR. */
static int read_slowly(void *arg)
{
    const int *fds = arg;
    close(fds[1]);
    char part[777];
    uint64_t total = 0;
    unsigned char next = 0;
    ssize_t n;
    while ((n = read(fds[0], part, sizeof part)) > 0) {
        for (ssize_t i = 0; i < n; i++)
            CHILD_CHECK((unsigned char)part[i] == next++);
        total += (uint64_t)n;
        if (total % 7 == 0)
            kill(getppid(), SIGALRM);
    }
    CHILD_CHECK(total == 300000);
    return 0;
}

static void test_write_all(void **state)
{
    static unsigned char data[300000];
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (unsigned char)i;
    int fds[2];
    struct sigaction old, act = {.sa_handler = on_alarm};
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    sigaction(SIGALRM, &act, &old);
    pid_t pid = child_begin(read_slowly, fds);
    close(fds[0]);
    assert_int_equal(fs_write_all(fds[1], data, sizeof data), 0);
    close(fds[1]);
    assert_int_equal(child_finish(pid), 0);
    sigaction(SIGALRM, &old, NULL);
    assert_int_equal(fs_write_all(-1, "x", 1), -1);
    assert_int_equal(errno, EBADF);
    assert_int_equal(fs_write_all(-1, "", 0), 0);
}

/* ---- reading ---- */

static void test_read_limit(void **state)
{
    static const struct {
        const char *name;
        size_t size, max;
        int errnum;
    } cases[] = {
        {"empty", 0, 0, 0},
        {"empty, with room", 0, 10, 0},
        {"as long as allowed", 10, 10, 0},
        {"one more", 11, 10, EFBIG},
        {"a byte where none may be", 1, 0, EFBIG},
        {"many blocks", 200000, 200000, 0},
        {"many blocks and one more", 200001, 200000, EFBIG},
        {"far too long", 1000000, 10, EFBIG},
    };
    const struct place *place = *state;
    static char data[1000000];
    memset(data, 'd', sizeof data);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        BUF_AUTO text = BUF_INIT;
        fs_remove_tree(place->fd, "f");
        assert_int_equal(fs_write_new(place->fd, "f", data, cases[i].size, 0600), 0);
        int status = fs_read_file(place->fd, "f", &text, cases[i].max);
        case_int(cases[i].name, status < 0 ? errno : 0, cases[i].errnum);
        if (status == 0)
            case_int(cases[i].name, text.len, cases[i].size);
        case_int(cases[i].name, buf_text(&text)[text.len], '\0');
    }
}

static void test_read_appends(void **state)
{
    const struct place *place = *state;
    BUF_AUTO text = BUF_INIT;
    put_file(place, "f", "12345");
    buf_str(&text, "before ");
    assert_int_equal(fs_read_file(place->fd, "f", &text, 5), 0); /* the limit is the file's */
    assert_string_equal(buf_text(&text), "before 12345");
}

/* Nothing but a file is read, and nobody is waited for. */
static void test_read_special(void **state)
{
    const struct place *place = *state;
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    snprintf(addr.sun_path, sizeof addr.sun_path, "%s", place_path(place, "socket"));
    assert_int_equal(bind(sock, (struct sockaddr *)&addr, sizeof addr), 0);
    close(sock);
    assert_int_equal(mkfifoat(place->fd, "fifo", 0600), 0);
    assert_int_equal(mkdirat(place->fd, "dir", 0700), 0);
    put_link(place, "to-fifo", "fifo");
    put_link(place, "dangling", "missing");
    put_link(place, "loop", "loop");
    static const struct {
        const char *path;
        int errnum;
    } cases[] = {
        {"fifo", EINVAL},      {"to-fifo", EINVAL},   {"dir", EINVAL},      {"socket", ENXIO},
        {"/dev/null", EINVAL}, {"/dev/zero", EINVAL}, {"dangling", ENOENT}, {"loop", ELOOP},
        {"missing", ENOENT},   {"", ENOENT},
    };
    int fds = count_fds();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        BUF_AUTO text = BUF_INIT;
        case_int(cases[i].path, fs_read_file(place->fd, cases[i].path, &text, 100), -1);
        case_int(cases[i].path, errno, cases[i].errnum);
        case_text(cases[i].path, buf_text(&text), "");
    }
    assert_int_equal(count_fds(), fds);
}

/* ---- directories ---- */

static void test_mkdir(void **state)
{
    const struct place *place = *state;
    struct stat st;
    umask(022);
    assert_int_equal(fs_mkdir(place->fd, "d", 0700), 1);
    assert_int_equal(fs_mkdir(place->fd, "d", 0700), 0);
    assert_int_equal(fs_mkdir(place->fd, "no/d", 0700), -1);
    assert_int_equal(errno, ENOENT);
    assert_int_equal(fs_mkdir_parents(place_path(place, "a/b//c/"), 0700), 0);
    assert_int_equal(fs_mkdir_parents(place_path(place, "a/b/c"), 0700), 0);
    static const char *const made[] = {"a", "a/b", "a/b/c"};
    for (size_t i = 0; i < 3; i++) {
        case_int(made[i], fstatat(place->fd, made[i], &st, 0), 0);
        case_int(made[i], st.st_mode, S_IFDIR | 0700);
    }
    put_file(place, "file", "x");
    assert_int_equal(fs_mkdir_parents(place_path(place, "file/d"), 0700), -1);
    assert_int_equal(errno, ENOTDIR);
    assert_int_equal(fs_mkdir_parents("/", 0700), 0);
    assert_int_equal(fs_mkdir_parents("", 0700), -1);
    assert_int_equal(errno, ENOENT);
}

static void test_sync_dir(void **state)
{
    const struct place *place = *state;
    put_file(place, "file", "x");
    assert_int_equal(fs_sync_dir(place->fd, "."), 0);
    assert_int_equal(fs_sync_dir(place->fd, "missing"), -1);
    assert_int_equal(errno, ENOENT);
    assert_int_equal(fs_sync_dir(place->fd, "file"), -1);
    assert_int_equal(errno, ENOTDIR);
}

static void test_remove_tree(void **state)
{
    const struct place *place = *state;
    int fds = count_fds();
    /* What must stay, and everything that could lead to it. */
    fs_mkdir(place->fd, "outside", 0700);
    put_file(place, "outside/file", "stays");
    fs_mkdir(place->fd, "tree", 0700);
    put_link(place, "tree/link", "../outside");
    put_link(place, "tree/file-link", "../outside/file");
    put_link(place, "tree/root", "/");
    put_link(place, "tree/self", ".");
    assert_int_equal(linkat(place->fd, "outside/file", place->fd, "tree/hard", 0), 0);
    mkfifoat(place->fd, "tree/fifo", 0600);
    put_file(place, "tree/.hidden", "x");
    assert_int_equal(fs_mkdir_parents(place_path(place, "tree/a/b/c"), 0700), 0);
    put_file(place, "tree/a/b/c/file", "x");
    char deep[1200] = "tree";
    for (int i = 0; i < 100; i++) {
        strcat(deep, "/deep");
        assert_int_equal(mkdirat(place->fd, deep, 0700), 0);
    }
    for (int i = 0; i < 300; i++) {
        char name[32];
        snprintf(name, sizeof name, "tree/a/%d", i);
        put_file(place, name, "");
    }
    assert_int_equal(fs_remove_tree(place->fd, "tree"), 0);
    assert_false(there(place, "tree"));
    check_file(place, "outside/file", "stays");
    assert_int_equal(count_fds(), fds);

    assert_int_equal(fs_remove_tree(place->fd, "tree"), 0); /* missing is fine */
    assert_int_equal(fs_remove_tree(place->fd, "no/such/path"), 0);
    put_file(place, "single", "x");
    assert_int_equal(fs_remove_tree(place->fd, "single"), 0);
    assert_false(there(place, "single"));
    put_link(place, "link", "outside");
    assert_int_equal(fs_remove_tree(place->fd, "link"), 0);
    assert_false(there(place, "link"));
    check_file(place, "outside/file", "stays");
    assert_int_equal(fs_remove_tree(place->fd, "outside/file/x"), -1);
    assert_int_equal(errno, ENOTDIR);
}

static void test_random_name(void **state)
{
    char a[24], b[24];
    fs_random_name(a, sizeof a, "x-");
    fs_random_name(b, sizeof b, "x-");
    assert_int_equal(strlen(a), 18);
    assert_true(strncmp(a, "x-", 2) == 0);
    assert_int_equal(strspn(a + 2, "0123456789abcdef"), 16);
    assert_string_not_equal(a, b);
}

/* A signal makes nothing fail; what cannot be synced or closed has failed, and is not tried again.
 */
static void test_interrupted(void **state)
{
    const struct place *place = *state;
    fs_mkdir(place->fd, "tmp", 0700);
    sync_fault.interrupts = 3;
    close_fault.interrupts = 1;
    assert_int_equal(fs_write_new(place->fd, "f", "x", 1, 0600), 0);
    sync_fault.interrupts = 2;
    assert_int_equal(fs_sync_dir(place->fd, "tmp"), 0);
    check_file(place, "f", "x");
    sync_fault.error = EIO;
    sync_fault.calls = 0;
    assert_int_equal(fs_write_new(place->fd, "g", "x", 1, 0600), -1);
    assert_int_equal(errno, EIO);
    assert_int_equal(sync_fault.calls, 1);
    sync_fault.error = 0;
    close_fault.error = EDQUOT;
    close_fault.calls = 0;
    assert_int_equal(fs_write_new(place->fd, "g", "x", 1, 0600), -1);
    assert_int_equal(errno, EDQUOT);
    assert_int_equal(close_fault.calls, 1);
    close_fault.error = 0;
    assert_false(there(place, "g"));
}

static void test_no_descriptor_left(void **state)
{
    const struct place *place = *state;
    int fds = count_fds();
    BUF_AUTO text = BUF_INIT;
    fs_mkdir(place->fd, "tmp", 0700);
    fs_replace_file(place->fd, "tmp", "f", "x", 1, 0600);
    fs_replace_file(place->fd, "missing", "f", "x", 1, 0600);
    fs_read_file(place->fd, "f", &text, 0);
    fs_read_file(place->fd, "missing", &text, 10);
    fs_sync_dir(place->fd, "tmp");
    assert_int_equal(count_fds(), fds);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        place_test(test_write_new),
        place_test(test_replace_file),
        place_test(test_replace_fails_whole),
        place_test(test_replace_readers),
        place_test(test_replace_link),
        place_test(test_read_link),
        cmocka_unit_test(test_write_all),
        place_test(test_read_limit),
        place_test(test_read_appends),
        place_test(test_read_special),
        place_test(test_mkdir),
        place_test(test_sync_dir),
        place_test(test_remove_tree),
        place_test(test_interrupted),
        cmocka_unit_test(test_random_name),
        place_test(test_no_descriptor_left),
    };
    UNIT_RUN("base-fs", tests);
}

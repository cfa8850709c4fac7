/* Goal of this test: in the box there is what compilers need, and nothing that somebody would
 * miss. */
#include "base/cc-box.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sys/xattr.h>

#include "base/landlock.h"
#include "fixture.h"

/* ---- the world: work/ is the build's, tree/ the sources' ---- */

static void put(const struct place *place, const char *path)
{
    int fd = openat(place->fd, path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0 && write(fd, "text", 4) == 4);
    close(fd);
}

static void given_world(const struct place *place)
{
    static const char *const dirs[] = {"work", "tree", "tree/sub", "other", "home", "home/src"};
    static const char *const files[] = {"tree/a.c", "tree/.hidden",  "tree/sub/b.h", "other/secret",
                                        "home/a.c", "home/.profile", "home/src/x.c"};
    for (size_t i = 0; i < sizeof dirs / sizeof *dirs; i++)
        assert_int_equal(mkdirat(place->fd, dirs[i], 0700), 0);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        put(place, files[i]);
    assert_int_equal(symlinkat("../other/secret", place->fd, "tree/link"), 0);
    assert_int_equal(symlinkat("../other", place->fd, "tree/away"), 0);
}

struct world {
    struct place *place;
    const char *read; /* in the place */
    int (*body)(const struct place *place);
};

static int boxed(void *arg)
{
    const struct world *world = arg;
    struct cc_box box = CC_BOX_INIT;
    CHILD_CHECK(cc_box_open(&box, place_path(world->place, "work"), NULL) == 0);
    if (world->read != NULL)
        CHILD_CHECK(cc_box_read(&box, place_path(world->place, world->read), NULL) == 0);
    CHILD_CHECK(cc_box_enter(&box) == 0);
    return world->body(world->place);
}

static void runs(void **state, const char *read, int (*body)(const struct place *place))
{
    struct world world = {*state, read, body};
    assert_int_equal(child_run(boxed, &world), 0);
}

static bool opens(const struct place *place, const char *path, int flags)
{
    int fd = openat(place->fd, path, flags | O_NONBLOCK | O_CLOEXEC, 0600);
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

static bool is_refused(const struct place *place, const char *path, int flags)
{
    errno = 0;
    return !opens(place, path, flags) && errno == EACCES;
}

/* ---- files ---- */

static int files_body(const struct place *place)
{
    static const char *const readable[] = {"tree/a.c", "tree/.hidden", "tree/sub/b.h",
                                           "/usr/include/stdio.h", "/dev/null"};
    static const char *const refused[] = {
        "other/secret",       "tree/link",       "tree/away/secret", "home/a.c", "/etc/passwd",
        "/proc/self/environ", "/proc/self/maps", "/dev/zero",        "/root",    "/tmp"};
    for (size_t i = 0; i < sizeof readable / sizeof *readable; i++)
        CHILD_CHECK(opens(place, readable[i], O_RDONLY));
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
        if (!is_refused(place, refused[i], O_RDONLY)) {
            fprintf(stderr, "# %s\n", refused[i]);
            return 1;
        }
    CHILD_CHECK(is_refused(place, "tree/a.c", O_WRONLY));
    CHILD_CHECK(is_refused(place, "tree/new", O_WRONLY | O_CREAT));
    CHILD_CHECK(is_refused(place, "tree/a.c", O_RDONLY | O_TRUNC));
    CHILD_CHECK(truncate(place_path(place, "tree/a.c"), 0) < 0 && errno == EACCES);
    CHILD_CHECK(unlinkat(place->fd, "tree/a.c", 0) < 0);
    CHILD_CHECK(linkat(place->fd, "other/secret", place->fd, "work/l", 0) < 0);
    CHILD_CHECK(opens(place, "work/x", O_RDWR | O_CREAT | O_TRUNC));
    CHILD_CHECK(mkdirat(place->fd, "work/d", 0700) == 0);
    CHILD_CHECK(renameat(place->fd, "work/x", place->fd, "work/y") == 0);
    CHILD_CHECK(symlinkat("/", place->fd, "work/s") < 0 && mkfifoat(place->fd, "work/f", 0600) < 0);
    CHILD_CHECK(unlinkat(place->fd, "work/y", 0) == 0);
    return 0;
}

static void files(void **state)
{
    given_world(*state);
    if (landlock_abi() < 1)
        skip(); /* then files are not confined, which doctor tells */
    runs(state, "tree", files_body);
}

/* The home directory is where sources lie as well: what is beside them there is their owner's. */
static int home_body(const struct place *place)
{
    CHILD_CHECK(opens(place, "home/a.c", O_RDONLY));
    CHILD_CHECK(is_refused(place, "home/.profile", O_RDONLY));
    CHILD_CHECK(is_refused(place, "home/src/x.c", O_RDONLY));
    return 0;
}

static int inner_body(const struct place *place)
{
    CHILD_CHECK(opens(place, "home/src/x.c", O_RDONLY));
    CHILD_CHECK(is_refused(place, "home/a.c", O_RDONLY));
    return 0;
}

static int outer_body(const struct place *place)
{
    CHILD_CHECK(is_refused(place, "other/secret", O_RDONLY));
    CHILD_CHECK(is_refused(place, "home/a.c", O_RDONLY));
    return 0;
}

static void homes(void **state)
{
    const char *home = getenv("HOME");
    char before[512];
    given_world(*state);
    if (landlock_abi() < 1)
        skip();
    snprintf(before, sizeof before, "%s", home ? home : "/");
    setenv("HOME", place_path(*state, "home"), 1);
    runs(state, "home", home_body);
    runs(state, "home/src", inner_body);
    runs(state, ".", outer_body); /* what holds it */
    setenv("HOME", before, 1);
}

/* Of a directory with something in it that could block a reader, all else can be read. */
static int fifo_body(const struct place *place)
{
    CHILD_CHECK(opens(place, "tree/a.c", O_RDONLY) && opens(place, "tree/sub/b.h", O_RDONLY));
    CHILD_CHECK(is_refused(place, "tree/pipe", O_RDONLY));
    CHILD_CHECK(is_refused(place, "tree/deep/pipe", O_RDONLY));
    CHILD_CHECK(opens(place, "tree/deep/c.h", O_RDONLY));
    return 0;
}

static void fifos(void **state)
{
    const struct place *place = *state;
    given_world(place);
    if (landlock_abi() < 1)
        skip();
    assert_int_equal(mkdirat(place->fd, "tree/deep", 0700), 0);
    put(place, "tree/deep/c.h");
    assert_int_equal(mkfifoat(place->fd, "tree/deep/pipe", 0600), 0);
    assert_int_equal(mkfifoat(place->fd, "tree/pipe", 0600), 0);
    runs(state, "tree", fifo_body);
}

/* ---- programs ---- */

static int run_true(const struct place *place)
{
    execl(place_path(place, "tool/bin/mycc"), "mycc", NULL);
    return 1;
}

static int run_other(const struct place *place)
{
    CHILD_CHECK(opens(place, "tool/lib/part", O_RDONLY));
    execl(place_path(place, "other/prog"), "prog", NULL);
    return errno == EACCES ? 0 : 1;
}

/* $CC may lie anywhere: with what is beside its "bin", also where it is called by a link. */
static void programs(void **state)
{
    const struct place *place = *state;
    char cc[600];
    given_world(place);
    assert_int_equal(mkdirat(place->fd, "tool", 0700), 0);
    assert_int_equal(mkdirat(place->fd, "tool/bin", 0700), 0);
    assert_int_equal(mkdirat(place->fd, "tool/lib", 0700), 0);
    put(place, "tool/lib/part");
    snprintf(cc, sizeof cc, "cp /bin/true '%s' && cp /bin/true '%s' && ln -s tool/bin/mycc '%s'",
             place_path(place, "tool/bin/mycc"), place_path(place, "other/prog"),
             place_path(place, "called"));
    assert_int_equal(system(cc), 0);
    if (landlock_abi() < 1)
        skip();
    snprintf(cc, sizeof cc, "ccache %s -m64", place_path(place, "called"));
    setenv("CC", cc, 1);
    runs(state, NULL, run_true);
    runs(state, NULL, run_other);
    unsetenv("CC");
}

/* ---- system calls ---- */

#define REFUSED(call, errnum) CHILD_CHECK((errno = 0, (long)(call) < 0 && errno == (errnum)))

static int calls_body(const struct place *place)
{
    struct clone_args args = {.flags = CLONE_NEWUSER, .exit_signal = SIGCHLD};
    REFUSED(socket(AF_INET, SOCK_STREAM, 0), EACCES);
    REFUSED(socket(AF_INET6, SOCK_DGRAM, 0), EACCES);
    REFUSED(socket(AF_UNIX, SOCK_STREAM, 0), EACCES);
    REFUSED(socket(AF_NETLINK, SOCK_RAW, 0), EACCES);
    REFUSED(socketpair(AF_UNIX, SOCK_STREAM, 0, (int[2]){0}), EACCES);
    REFUSED(syscall(SYS_io_uring_setup, 1, NULL), ENOSYS);
    REFUSED(setsid(), EPERM);
    REFUSED(setpgid(0, 0), EPERM);
    REFUSED(ptrace(PTRACE_TRACEME, 0, NULL, NULL), EPERM);
    REFUSED(unshare(CLONE_NEWNS), EPERM);
    REFUSED(syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, NULL, NULL, NULL, NULL), EPERM);
    REFUSED(syscall(SYS_clone3, &args, sizeof args), ENOSYS);
    REFUSED(syscall(SYS_openat2, -1, NULL, NULL, 0), ENOSYS);
    REFUSED(mount("none", "/", "tmpfs", 0, NULL), EPERM);
    REFUSED(chown(place_path(place, "tree/a.c"), 1, 1), EPERM);
    REFUSED(utimensat(place->fd, "tree/a.c", NULL, 0), EPERM);
    REFUSED(setxattr(place_path(place, "tree/a.c"), "user.x", "x", 1, 0), EPERM);
    REFUSED(shmget(IPC_PRIVATE, 4096, IPC_CREAT), EPERM);
    pid_t pid = fork();
    if (pid == 0)
        _exit(0);
    CHILD_CHECK(pid > 0 && waitpid(pid, NULL, 0) == pid);
    return 0;
}

static void calls(void **state)
{
    given_world(*state);
    runs(state, NULL, calls_body);
}

#ifdef __x86_64__
/* The calls of 32 bits have other numbers, which the filter does not know. */
static int other_numbers(const struct place *place)
{
    int pid = 0;
    __asm__ volatile("int $0x80" : "=a"(pid) : "a"(20) : "memory");
    return pid == 0;
}

/* 0 when the kernel has calls of 32 bits at all. */
static int has_other_numbers(void *arg)
{
    signal(SIGSEGV, SIG_DFL);
    return other_numbers(NULL);
}

static void another_architecture(void **state)
{
    if (child_run(has_other_numbers, NULL) != 0)
        skip();
    struct world world = {*state, NULL, other_numbers};
    given_world(*state);
    assert_int_equal(child_run(boxed, &world), 128 + SIGSYS);
}
#endif

/* ---- limits ---- */

static bool is_limit(int resource, rlim_t least, rlim_t most)
{
    struct rlimit now;
    return getrlimit(resource, &now) == 0 && now.rlim_cur == now.rlim_max &&
           now.rlim_cur >= least && now.rlim_cur <= most;
}

static int limits_body(const struct place *place)
{
    CHILD_CHECK(is_limit(RLIMIT_CORE, 0, 0));
    CHILD_CHECK(is_limit(RLIMIT_AS, 1, 4ULL << 30));
    CHILD_CHECK(is_limit(RLIMIT_FSIZE, 1, 256 << 20));
    CHILD_CHECK(is_limit(RLIMIT_NPROC, 1, 1 << 20));
    return 0;
}

static void limits(void **state)
{
    given_world(*state);
    runs(state, NULL, limits_body);
}

/* Root's processes are not counted (getrlimit(2)). */
static int bomb(void *arg)
{
    struct cc_box box = CC_BOX_INIT;
    pid_t pids[100];
    int n = 0;
    CHILD_CHECK(cc_box_open(&box, place_path(arg, "work"), NULL) == 0);
    box.processes = 16; /* as if there were none of this user's */
    CHILD_CHECK(setgroups(0, NULL) == 0 && setresuid(64999, 64999, 64999) == 0);
    CHILD_CHECK(cc_box_enter(&box) == 0);
    while (n < 100 && (pids[n] = fork()) > 0)
        n++;
    int errnum = errno;
    if (n < 100 && pids[n] == 0) {
        pause();
        _exit(0);
    }
    for (int i = 0; i < n; i++)
        if (kill(pids[i], SIGKILL) == 0)
            waitpid(pids[i], NULL, 0);
    return n < 100 && errnum == EAGAIN ? 0 : 1;
}

static void processes(void **state)
{
    given_world(*state);
    if (geteuid() != 0)
        skip();
    assert_int_equal(child_run(bomb, *state), 0);
}

/* ---- what was refused ---- */

static void refusals(void **state)
{
    const struct place *place = *state;
    struct cc_box box = CC_BOX_INIT;
    given_world(place);
    if (landlock_abi() < 1)
        skip();
    assert_int_equal(cc_box_open(&box, place_path(place, "work"), NULL), 0);
    assert_int_equal(cc_box_read(&box, place_path(place, "tree"), NULL), 0);
    assert_true(cc_box_refuses(&box, place->fd, "other/secret"));
    assert_true(cc_box_refuses(&box, place->fd, "tree/link"));
    assert_true(cc_box_refuses(&box, AT_FDCWD, "/etc/passwd"));
    assert_false(cc_box_refuses(&box, place->fd, "tree/a.c"));
    assert_false(cc_box_refuses(&box, place->fd, "other/nothing"));
    assert_false(cc_box_refuses(&box, AT_FDCWD, "/usr/include/stdio.h"));
    int fds = count_fds();
    cc_box_close(&box);
    cc_box_close(&box);
    assert_int_equal(count_fds(), fds - 1);
    assert_false(cc_box_refuses(&box, AT_FDCWD, "/etc/passwd")); /* nothing is, without Landlock */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        place_test(files),
        place_test(homes),
        place_test(fifos),
        place_test(programs),
        place_test(calls),
        place_test(limits),
        place_test(refusals),
        place_test(processes),
#ifdef __x86_64__
        place_test(another_architecture),
#endif
    };
    UNIT_RUN("base/cc-box", tests);
}

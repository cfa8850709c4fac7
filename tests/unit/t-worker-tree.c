/* Goal of this test: when a call is over, nothing that it started is left, however it hid; and
 * nothing else is touched. */
#include "fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "worker/tree.h"

/* Every process of a tree holds the writing end of `alive`, and says by a byte in `ready` that it
 * stands where it should. An end of file in `alive` means that all are gone. */
struct family {
    int ready[2], alive[2];
};

static void say_ready(const struct family *f)
{
    if (write(f->ready[1], "x", 1) != 1)
        _exit(99);
}

/* What a descendant does until it is ended. It leaves by itself at last, lest a test that failed
 * leaves it for ever. */
enum { LAST_MS = 30000 };

_Noreturn static void linger(const struct family *f)
{
    say_ready(f);
    poll(NULL, 0, LAST_MS);
    _exit(98);
}

static void block_signals(void)
{
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, NULL);
    for (int sig = 1; sig < 32; sig++)
        signal(sig, SIG_IGN);
}

/* ---- families: each is run in a process of its own and leaves `n` descendants ---- */

static void grow_child(const struct family *f)
{
    if (fork() == 0)
        linger(f);
}

static void grow_session(const struct family *f)
{
    if (fork() == 0) {
        setsid();
        linger(f);
    }
}

static void grow_double_fork(const struct family *f)
{
    if (fork() == 0) {
        setsid();
        if (fork() == 0) {
            setsid();
            linger(f);
        }
        _exit(0); /* the grandchild is an orphan */
    }
}

static void grow_stopped(const struct family *f)
{
    if (fork() == 0) {
        say_ready(f);
        raise(SIGSTOP);
        _exit(1);
    }
}

static void grow_deaf(const struct family *f)
{
    if (fork() == 0) {
        block_signals();
        linger(f);
    }
}

static void grow_zombie(const struct family *f)
{
    if (fork() == 0) {
        say_ready(f);
        _exit(0);
    }
}

static void grow_reaper(const struct family *f)
{
    if (fork() == 0) {
        prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); /* keeps its own orphans */
        if (fork() == 0) {
            if (fork() == 0)
                linger(f);
            _exit(0);
        }
        linger(f);
    }
}

static void grow_chain(const struct family *f)
{
    for (int depth = 0; depth < 60; depth++) {
        if (fork() != 0) {
            if (depth > 0)
                linger(f);
            return;
        }
    }
    linger(f);
}

static void grow_fan(const struct family *f)
{
    for (int i = 0; i < 100; i++)
        grow_child(f);
}

static void *thread_with_child(void *arg)
{
    if (fork() == 0)
        linger(arg);
    poll(NULL, 0, LAST_MS);
    return NULL;
}

static void grow_from_thread(const struct family *f)
{
    if (fork() == 0) {
        pthread_t thread;
        pthread_create(&thread, NULL, thread_with_child, (void *)(uintptr_t)f);
        linger(f);
    }
}

static void grow_odd_name(const struct family *f)
{
    if (fork() == 0) {
        prctl(PR_SET_NAME, "a) R 1 (b", 0, 0, 0); /* /proc tells names as they are */
        if (fork() == 0) {
            prctl(PR_SET_NAME, "\n) S 1", 0, 0, 0);
            linger(f);
        }
        linger(f);
    }
}

/* Forks for ever, faster than anybody counts: each child replaces its parent. */
static void grow_runner(const struct family *f)
{
    if (fork() == 0) {
        block_signals();
        say_ready(f);
        for (int64_t last = clock_ms() + LAST_MS; clock_ms() < last;)
            if (fork() != 0)
                break;
        _exit(0);
    }
}

static void grow_two_runners(const struct family *f)
{
    grow_runner(f);
    grow_runner(f);
    grow_double_fork(f);
}

struct kind {
    const char *name;
    void (*grow)(const struct family *f);
    int n;          /* how many say that they are ready */
    rlim_t max_fds; /* for the one who ends them; 0: as it is */
};

static const struct kind kinds[] = {
    {"nobody", NULL, 0, 0},
    {"a child", grow_child, 1, 0},
    {"a session of its own", grow_session, 1, 0},
    {"a double fork", grow_double_fork, 1, 0},
    {"stopped", grow_stopped, 1, 0},
    {"deaf to signals", grow_deaf, 1, 0},
    {"dead already", grow_zombie, 1, 0},
    {"a reaper of its own", grow_reaper, 2, 0},
    {"a chain", grow_chain, 60, 0},
    {"a fan", grow_fan, 100, 0},
    {"a thread's child", grow_from_thread, 2, 0},
    {"names that look like something else", grow_odd_name, 2, 0},
    {"one that runs away", grow_runner, 1, 0},
    {"two that run away", grow_two_runners, 3, 0},
    {"a chain, and few descriptors", grow_chain, 60, 32},
    {"a fan, and few descriptors", grow_fan, 100, 32},
};

/* Checks that a process has no child left, not even a dead one. */
static int no_children(void)
{
    siginfo_t info;
    CHILD_CHECK(waitid(P_ALL, 0, &info, WEXITED | WNOHANG | __WALL) < 0 && errno == ECHILD);
    return 0;
}

static void family_open(struct family *f)
{
    assert_int_equal(pipe2(f->ready, O_CLOEXEC), 0);
    assert_int_equal(pipe2(f->alive, O_CLOEXEC), 0);
}

static void family_close(struct family *f)
{
    close(f->ready[0]);
    close(f->ready[1]);
    close(f->alive[0]);
    close(f->alive[1]);
}

struct run {
    const struct kind *kind;
    struct family family;
};

static int wait_ready(const struct family *f, int n)
{
    char c;
    for (int i = 0; i < n; i++)
        CHILD_CHECK(read(f->ready[0], &c, 1) == 1);
    return 0;
}

/* True when all who hold the writing end are gone. They are at most still being buried. */
static bool all_gone(const struct family *f)
{
    struct pollfd p = {.fd = f->alive[0], .events = POLLIN};
    return poll(&p, 1, 5000) == 1 && (p.revents & POLLHUP);
}

static int end_family(void *arg)
{
    const struct run *run = arg;
    const struct family *f = &run->family;
    tree_adopt();
    if (run->kind->grow != NULL)
        run->kind->grow(f);
    if (wait_ready(f, run->kind->n) != 0)
        return 1;
    if (run->kind->max_fds != 0) {
        struct rlimit limit = {run->kind->max_fds, run->kind->max_fds};
        CHILD_CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    }
    int fds = count_fds();
    tree_end(NULL, 0);
    if (no_children() != 0)
        return 1;
    CHILD_CHECK(count_fds() == fds);
    close(f->alive[1]);
    CHILD_CHECK(all_gone(f));
    tree_end(NULL, 0); /* nobody there: fine */
    return 0;
}

static void test_end(void **state)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        struct run run = {.kind = &kinds[i]};
        family_open(&run.family);
        pid_t pid = child_begin(end_family, &run);
        close(run.family.alive[1]);
        int status = child_finish(pid);
        bool gone = all_gone(&run.family);
        run.family.alive[1] = -1;
        family_close(&run.family);
        case_int(kinds[i].name, status, 0);
        case_true(kinds[i].name, gone);
    }
}

/* ---- who is kept ---- */

static int keep_some(void *arg)
{
    const struct run *run = arg;
    const struct family *f = &run->family;
    struct family kept;
    char c;
    tree_adopt();
    CHILD_CHECK(pipe2(kept.ready, O_CLOEXEC) == 0 && pipe2(kept.alive, O_CLOEXEC) == 0);
    pid_t keep[2];
    for (int i = 0; i < 2; i++) {
        keep[i] = fork();
        if (keep[i] == 0) { /* echoes, with a child of its own that echoes as well */
            pid_t inner = fork();
            close(kept.alive[1]);
            say_ready(&kept);
            while (read(kept.alive[0], &c, 1) == 1)
                say_ready(&kept);
            if (inner > 0)
                kill(inner, SIGKILL);
            _exit(7);
        }
    }
    if (wait_ready(&kept, 4) != 0)
        return 1;
    grow_child(f);
    grow_double_fork(f);
    if (wait_ready(f, 2) != 0)
        return 1;
    tree_end(keep, 2);
    tree_end(keep, 2);
    siginfo_t info = {.si_pid = 0};
    CHILD_CHECK(waitid(P_ALL, 0, &info, WEXITED | WSTOPPED | WNOHANG | __WALL) == 0);
    CHILD_CHECK(info.si_pid == 0); /* both are there, neither has ended, neither is stopped */
    /* All four still answer, so that none of them is stopped either. */
    for (int i = 0; i < 4; i++) {
        CHILD_CHECK(write(kept.alive[1], "x", 1) == 1);
        if (wait_ready(&kept, 1) != 0)
            return 1;
    }
    tree_end(keep, 1); /* the other one goes, with its child */
    CHILD_CHECK(waitid(P_PID, (id_t)keep[1], &info, WEXITED | WNOHANG) < 0 && errno == ECHILD);
    CHILD_CHECK(waitid(P_PID, (id_t)keep[0], &info, WEXITED | WNOHANG) == 0);
    tree_end(NULL, 0);
    return no_children();
}

static void test_keep(void **state)
{
    struct run run = {.kind = NULL};
    family_open(&run.family);
    pid_t pid = child_begin(keep_some, &run);
    close(run.family.alive[1]);
    int status = child_finish(pid);
    bool gone = all_gone(&run.family);
    run.family.alive[1] = -1;
    family_close(&run.family);
    assert_int_equal(status, 0);
    assert_true(gone);
}

/* Nobody who is no descendant is touched: neither a brother nor the parent. */
static void test_others(void **state)
{
    struct family brother;
    family_open(&brother);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        linger(&brother);
    char c;
    assert_int_equal(read(brother.ready[0], &c, 1), 1);
    struct run run = {.kind = &kinds[9]};
    family_open(&run.family);
    pid_t caller = child_begin(end_family, &run);
    close(run.family.alive[1]);
    run.family.alive[1] = -1;
    int status = child_finish(caller);
    family_close(&run.family);
    siginfo_t info = {.si_pid = 0};
    int waited = waitid(P_PID, (id_t)pid, &info, WEXITED | WSTOPPED | WNOHANG);
    kill(pid, SIGKILL);
    int end = child_finish(pid);
    family_close(&brother);
    assert_int_equal(status, 0);
    assert_int_equal(waited, 0);
    assert_int_equal(info.si_pid, 0); /* neither ended nor stopped */
    assert_int_equal(end, 128 + SIGKILL);
}

/* Adoption is this process's own: a child that does not ask for it gets no orphans. */
static int child_adopts_nobody(void *arg)
{
    int is = 1;
    tree_adopt();
    CHILD_CHECK(prctl(PR_GET_CHILD_SUBREAPER, &is, 0, 0, 0) == 0 && is == 1);
    pid_t pid = fork();
    if (pid == 0)
        _exit(prctl(PR_GET_CHILD_SUBREAPER, &is, 0, 0, 0) == 0 && is == 0 ? 0 : 1);
    int status;
    CHILD_CHECK(waitpid(pid, &status, 0) == pid && status == 0);
    return 0;
}

static void test_adopt(void **state)
{
    assert_int_equal(child_run(child_adopts_nobody, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_end),
        cmocka_unit_test(test_keep),
        cmocka_unit_test(test_others),
        cmocka_unit_test(test_adopt),
    };
    UNIT_RUN("worker-tree", tests);
}

/* Goal of this test: a lock has one holder; who waits for it gets it as soon as it is free, or
 * gives up when he said that he would. */
#include "fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>

#include "base/clock.h"
#include "base/fs.h"

static int open_lock(const struct place *place)
{
    return openat(place->fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
}

static void test_lock_descriptors(void **state)
{
    const struct place *place = *state;
    int first = open_lock(place), second = open_lock(place);
    assert_int_equal(fs_lock(first, 0, -1), 0);
    assert_int_equal(fs_lock(first, 0, -1), 0); /* ours already */
    assert_int_equal(fs_lock(second, 0, -1), -1);
    assert_int_equal(errno, EWOULDBLOCK);
    assert_int_equal(fs_lock(second, -1, -1), -1);
    assert_int_equal(errno, EWOULDBLOCK);
    int64_t before = clock_ms();
    assert_int_equal(fs_lock(second, 30, -1), -1);
    assert_int_equal(errno, EWOULDBLOCK);
    assert_true(clock_ms() - before >= 30);
    close(first);
    assert_int_equal(fs_lock(second, 0, -1), 0);
    close(second);
    assert_int_equal(fs_lock(second, 0, -1), -1);
    assert_int_equal(errno, EBADF);
}

struct holder {
    const struct place *place;
    int ready[2], go[2];
};

static int hold_lock(void *arg)
{
    const struct holder *h = arg;
    char c;
    close(h->go[1]);
    int fd = open_lock(h->place);
    CHILD_CHECK(fs_lock(fd, 0, -1) == 0);
    CHILD_CHECK(write(h->ready[1], "x", 1) == 1);
    CHILD_CHECK(read(h->go[0], &c, 1) == 0);
    return 0;
}

/* Held by another process; free as soon as that has ended, whichever way. */
static void test_lock_processes(void **state)
{
    for (int killed = 0; killed < 2; killed++) {
        struct holder h = {.place = *state};
        char c;
        assert_int_equal(pipe2(h.ready, O_CLOEXEC), 0);
        assert_int_equal(pipe2(h.go, O_CLOEXEC), 0);
        pid_t pid = child_begin(hold_lock, &h);
        assert_int_equal(read(h.ready[0], &c, 1), 1);
        int fd = open_lock(h.place);
        assert_int_equal(fs_lock(fd, 0, -1), -1);
        assert_int_equal(errno, EWOULDBLOCK);
        if (killed)
            kill(pid, SIGKILL);
        close(h.go[1]);
        assert_int_equal(fs_lock(fd, 10000, -1), 0); /* waits for the holder */
        assert_int_equal(child_finish(pid), killed ? 128 + SIGKILL : 0);
        close(fd);
        close(h.go[0]);
        close(h.ready[0]);
        close(h.ready[1]);
    }
}

/* A counter in a file, which processes raise under the lock, loses no step. */
static int count_up(void *arg)
{
    const struct place *place = arg;
    for (int i = 0; i < 50; i++) {
        int fd = open_lock(place), n = 0;
        CHILD_CHECK(fs_lock(fd, 20000, -1) == 0);
        CHILD_CHECK(pread(fd, &n, sizeof n, 0) >= 0);
        n++;
        CHILD_CHECK(pwrite(fd, &n, sizeof n, 0) == sizeof n);
        close(fd);
    }
    return 0;
}

static void test_lock_excludes(void **state)
{
    struct place *place = *state;
    pid_t pid[4];
    for (int i = 0; i < 4; i++)
        pid[i] = child_begin(count_up, place);
    for (int i = 0; i < 4; i++)
        assert_int_equal(child_finish(pid[i]), 0);
    int fd = open_lock(place), n = 0;
    assert_int_equal(pread(fd, &n, sizeof n, 0), sizeof n);
    close(fd);
    assert_int_equal(n, 200);
}

/* ---- calling it off ---- */

static void test_cancelled(void **state)
{
    int first = open_lock(*state), second = open_lock(*state);
    int cancel[2];
    assert_int_equal(pipe2(cancel, O_CLOEXEC), 0);
    assert_int_equal(fs_lock(first, 0, cancel[0]), 0); /* a lock that is free is not waited for */
    assert_int_equal(fs_lock(second, 20, cancel[0]), -1);
    assert_int_equal(errno, EWOULDBLOCK); /* nobody called it off */
    assert_int_equal(write(cancel[1], "x", 1), 1);
    int64_t before = clock_ms();
    assert_int_equal(fs_lock(second, 3600000, cancel[0]), -1);
    assert_int_equal(errno, ECANCELED);
    assert_true(clock_ms() - before < 60000);
    assert_int_equal(fs_lock(second, 0, cancel[0]), -1); /* who does not wait is told as ever */
    assert_int_equal(errno, EWOULDBLOCK);
    close(first);
    assert_int_equal(fs_lock(second, 0, cancel[0]), 0); /* what is free can be had all the same */
    close(second);
    close(cancel[0]);
    close(cancel[1]);
}

struct waiter {
    const struct place *place;
    int cancel[2];
};

static int wait_for_ever(void *arg)
{
    const struct waiter *w = arg;
    int fd = open_lock(w->place);
    close(w->cancel[1]);
    CHILD_CHECK(fs_lock(fd, INT64_MAX / 2, w->cancel[0]) < 0);
    CHILD_CHECK(errno == ECANCELED);
    return 0;
}

/* Who waits already notices, also where the other end is just closed. */
static void test_cancelled_later(void **state)
{
    struct waiter w = {.place = *state};
    int first = open_lock(*state);
    assert_int_equal(fs_lock(first, 0, -1), 0);
    assert_int_equal(pipe2(w.cancel, O_CLOEXEC), 0);
    pid_t pid = child_begin(wait_for_ever, &w);
    int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    struct pollfd p = {.fd = pidfd, .events = POLLIN};
    assert_int_equal(poll(&p, 1, 60), 0); /* it waits */
    close(w.cancel[1]);
    assert_int_equal(child_finish(pid), 0);
    close(pidfd);
    close(w.cancel[0]);
    close(first);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        place_test(test_lock_descriptors), place_test(test_lock_processes),
        place_test(test_lock_excludes),    place_test(test_cancelled),
        place_test(test_cancelled_later),
    };
    UNIT_RUN("base-fs-lock", tests);
}

/* Goal of this test: whatever becomes of the process that reads an archive, and whatever it says,
 * its caller gets an error in words and an empty directory. Its archive_parse() is this one. */
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/wait.h>

#include "archive/parse.h"
#include "archive/unpack.h"
#include "base/clock.h"
#include "base/error.h"
#include "packed.h"

static int (*parse)(int fd, int dirfd, struct ml_error *err);

int archive_parse(int fd, int dirfd, const struct archive_limits *limits, struct ml_error *err)
{
    return parse(fd, dirfd, err);
}

static int leave_something(int dirfd)
{
    int fd = openat(dirfd, "left", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    return mkdirat(dirfd, "dir", 0700) < 0 || close(fd) < 0 ? -1 : 0;
}

static int unpack(const struct place *place, const struct archive_limits *limits,
                  int64_t deadline_ms, int cancel_fd, struct ml_error *err)
{
    BUF_AUTO tar = BUF_INIT;
    struct ml_error problem = ML_ERROR_INIT;
    tar_small(&tar, "a", "x");
    int fd = packed_fd(&tar);
    int status = archive_unpack(fd, "x.tar", place->fd, limits, deadline_ms, cancel_fd, &problem);
    close(fd);
    assert_int_equal(status < 0, problem.status != 0);
    assert_string_equal(packed_list(place->fd), "");
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    *err = problem;
    return problem.status;
}

/* ---- ways to die ---- */

static int die_of_segv(int fd, int dirfd, struct ml_error *err)
{
    leave_something(dirfd);
    return raise(SIGSEGV);
}

static int die_of_kill(int fd, int dirfd, struct ml_error *err)
{
    leave_something(dirfd);
    return kill(getpid(), SIGKILL);
}

static int end_well(int fd, int dirfd, struct ml_error *err)
{
    leave_something(dirfd);
    _exit(0);
}

static int end_badly(int fd, int dirfd, struct ml_error *err)
{
    leave_something(dirfd);
    _exit(3);
}

/* As libarchive does where there is no memory for a text. */
static int end_without_memory(int fd, int dirfd, struct ml_error *err)
{
    leave_something(dirfd);
    _exit(1);
}

static void crashes(void **state)
{
    static const struct {
        int (*parse)(int fd, int dirfd, struct ml_error *err);
        const char *message;
    } cases[] = {
        {die_of_segv, "cannot unpack 'x.tar': the process that read it was killed by signal 11 "
                      "(Segmentation fault)"},
        {die_of_kill,
         "cannot unpack 'x.tar': the process that read it was killed by signal 9 (Killed)"},
        {end_well, "cannot unpack 'x.tar': the process that read it exited with status 0"},
        {end_badly, "cannot unpack 'x.tar': the process that read it exited with status 3"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct ml_error err;
        parse = cases[i].parse;
        assert_int_equal(unpack(*state, NULL, -1, -1, &err), ML_DATA);
        assert_string_equal(err.message, cases[i].message);
        assert_string_equal(err.code, "bad_archive");
        assert_true(*err.hint != '\0');
    }
}

static void has_no_memory(void **state)
{
    struct ml_error err;
    parse = end_without_memory;
    assert_int_equal(unpack(*state, NULL, -1, -1, &err), ML_LIMIT);
    assert_string_equal(err.code, "archive_too_large");
}

/* ---- lies ---- */

static struct ml_error lie;
static size_t lie_size;
static int lie_exit;

static int tell_it(int fd, int dirfd, struct ml_error *err)
{
    leave_something(dirfd);
    _exit(write(STDOUT_FILENO, &lie, lie_size) == (ssize_t)lie_size ? lie_exit : 3);
}

static void lies(void **state)
{
    static const struct {
        const char *name;
        int status, exit;
        size_t size;
        int want;
    } cases[] = {
        {"an error", ML_DATA, 1, sizeof lie, ML_DATA},
        {"another", ML_REFUSED, 1, sizeof lie, ML_REFUSED},
        {"an error that it does not end with", ML_REFUSED, 0, sizeof lie, ML_DATA},
        {"an end that it gives no error for", 0, 1, sizeof lie, ML_DATA},
        {"a status that is none of its", ML_USAGE, 1, sizeof lie, ML_DATA},
        {"one that is none at all", -7, 1, sizeof lie, ML_DATA},
        {"one that stands for a signal", ML_SIGNAL + SIGINT, 1, sizeof lie, ML_DATA},
        {"half of a report", ML_REFUSED, 1, sizeof lie / 2, ML_DATA},
        {"nothing", ML_REFUSED, 2, 0, ML_DATA},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct ml_error err;
        memset(&lie, 'x', sizeof lie); /* no text in it ends */
        lie.status = cases[i].status;
        lie_exit = cases[i].exit;
        lie_size = cases[i].size;
        parse = tell_it;
        case_int(cases[i].name, unpack(*state, NULL, -1, -1, &err), cases[i].want);
        case_true(cases[i].name, strnlen(err.code, sizeof err.code) < sizeof err.code);
        case_true(cases[i].name, strnlen(err.message, sizeof err.message) < sizeof err.message);
        case_true(cases[i].name, strnlen(err.hint, sizeof err.hint) < sizeof err.hint);
        case_text(cases[i].name, err.outcome, "");
    }
}

static int talk_without_end(int fd, int dirfd, struct ml_error *err)
{
    leave_something(dirfd);
    for (;;)
        if (write(STDOUT_FILENO, &lie, sizeof lie) < 0)
            return -1;
}

static void too_much_talk(void **state)
{
    struct ml_error err;
    parse = talk_without_end;
    assert_int_equal(unpack(*state, NULL, -1, -1, &err), ML_LIMIT);
}

/* ---- time ---- */

static int wait_for_ever(int fd, int dirfd, struct ml_error *err)
{
    leave_something(dirfd);
    while (pause() < 0)
        ;
    return -1;
}

static int spin(int fd, int dirfd, struct ml_error *err)
{
    leave_something(dirfd);
    for (volatile unsigned i = 1; i != 0; i |= 1)
        ;
    return -1;
}

static void time_is_up(void **state)
{
    struct ml_error err;
    struct archive_limits limits = ARCHIVE_LIMITS_INIT;
    parse = wait_for_ever;
    int64_t before = clock_ms();
    assert_int_equal(unpack(*state, NULL, before + 50, -1, &err), ML_TIMEOUT);
    limits.time_ms = 50;
    assert_int_equal(unpack(*state, &limits, -1, -1, &err), ML_TIMEOUT);
    assert_string_equal(err.message, "cannot unpack 'x.tar': it took too long");
    assert_true(clock_ms() - before < 10000);
    parse = spin;
    limits = (struct archive_limits)ARCHIVE_LIMITS_INIT;
    limits.cpu_s = 1;
    assert_int_equal(unpack(*state, &limits, -1, -1, &err), ML_LIMIT);
    assert_non_null(strstr(err.message, "more than 1 s of processor time"));
}

/* A timer for somebody who changes his mind while it is at work. */
static void cancelled(void **state)
{
    struct ml_error err;
    const struct itimerspec soon = {.it_value.tv_nsec = 50000000};
    int timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
    assert_int_equal(timerfd_settime(timer, 0, &soon, NULL), 0);
    parse = wait_for_ever;
    assert_int_equal(unpack(*state, NULL, -1, timer, &err), ML_SIGNAL + SIGINT);
    assert_string_equal(err.message, "cannot unpack 'x.tar': it was cancelled");
    close(timer);
}

/* ---- what it can reach ---- */

static int can_do_little(int fd, int dirfd, struct ml_error *err)
{
    char byte;
    if (fd != STDIN_FILENO || read(STDERR_FILENO, &byte, 1) >= 0 || fcntl(3, F_GETFD) < 0)
        return ml_error_set(err, ML_DATA, NULL, "three descriptors and the directory");
    for (int i = 4; i < 1024; i++)
        if (fcntl(i, F_GETFD) >= 0)
            return ml_error_set(err, ML_DATA, NULL, "descriptor %d is open", i);
    return leave_something(dirfd) < 0 ? -1 : ml_error_set(err, ML_REFUSED, NULL, "as it should be");
}

static void few_descriptors(void **state)
{
    struct ml_error err;
    int extra = dup(STDIN_FILENO); /* not close-on-exec */
    parse = can_do_little;
    unpack(*state, NULL, -1, -1, &err);
    assert_string_equal(err.message, "cannot unpack 'x.tar': as it should be");
    close(extra);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        place_test(crashes),         place_test(has_no_memory), place_test(lies),
        place_test(too_much_talk),   place_test(time_is_up),    place_test(cancelled),
        place_test(few_descriptors),
    };
    UNIT_RUN("archive/child", tests);
}

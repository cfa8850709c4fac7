/* Goal of this test: a program runs without a shell, ends in words, and leaves nothing behind,
 * whatever it does and whatever becomes of us. */
#include "base/child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "fixture.h"

static int capture(const char *const *argv, int64_t deadline, size_t max, struct buf *out,
                   struct child_end *end, struct ml_error *err)
{
    struct child_spec spec = CHILD_SPEC_INIT;
    spec.argv = argv;
    return child_capture(&spec, deadline, out, max, end, err);
}

static void output_and_status(void **state)
{
    static const char *const argv[] = {"sh", "-c", "echo \"$1\"; exit 3", "sh", "a  $b;c", NULL};
    BUF_AUTO out = BUF_INIT;
    struct child_end end;
    char text[64];
    assert_int_equal(capture(argv, -1, 100, &out, &end, NULL), 0);
    assert_string_equal(buf_text(&out), "a  $b;c\n");
    assert_int_equal(end.code, 3);
    assert_string_equal(child_end_text(&end, text, sizeof text), "exited with status 3");
}

static void signals_in_words(void **state)
{
    static const char *const argv[] = {"sh", "-c", "kill -SEGV $$", NULL};
    BUF_AUTO out = BUF_INIT;
    struct child_end end;
    char text[64];
    assert_int_equal(capture(argv, -1, 100, &out, &end, NULL), 0);
    assert_int_equal(end.signal, SIGSEGV);
    assert_string_equal(child_end_text(&end, text, sizeof text),
                        "was killed by signal 11 (Segmentation fault)");
}

static void no_such_program(void **state)
{
    static const struct {
        const char *program;
        int status;
    } cases[] = {
        {"/no/such/program", ML_NO_INPUT},
        {"no-such-program", ML_NO_INPUT},
        {"", ML_NO_INPUT},
        {"/etc/passwd", ML_REFUSED},
        {"/", ML_REFUSED},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *const argv[] = {cases[i].program, NULL};
        BUF_AUTO out = BUF_INIT;
        struct child_end end;
        struct ml_error err = ML_ERROR_INIT;
        case_int(cases[i].program, capture(argv, -1, 100, &out, &end, &err), -1);
        case_int(cases[i].program, err.status, cases[i].status);
    }
}

static void relative_path_entries(void **state)
{
    char *path = strdup(getenv("PATH")), found[4096];
    setenv("PATH", ":.:bin:/bin", 1);
    assert_int_equal(child_find_program("sh", found, sizeof found), 0);
    assert_string_equal(found, "/bin/sh");
    setenv("PATH", ":.:bin", 1);
    assert_int_equal(child_find_program("sh", found, sizeof found), -1);
    assert_int_equal(errno, ENOENT);
    setenv("PATH", path, 1);
    free(path);
}

static void too_much_output(void **state)
{
    static const char *const argv[] = {"sh", "-c", "while :; do echo xxxxxxxxxxxxxxxx; done", NULL};
    BUF_AUTO out = BUF_INIT;
    struct child_end end;
    struct ml_error err = ML_ERROR_INIT;
    assert_int_equal(capture(argv, -1, 1000, &out, &end, &err), -1);
    assert_int_equal(err.status, ML_LIMIT);
}

static void deadline(void **state)
{
    static const char *const argv[] = {"sh", "-c", "trap '' TERM INT HUP; while :; do :; done",
                                       NULL};
    BUF_AUTO out = BUF_INIT;
    struct child_end end;
    struct ml_error err = ML_ERROR_INIT;
    int64_t before = clock_ms();
    assert_int_equal(capture(argv, before + 100, 100, &out, &end, &err), -1);
    assert_int_equal(err.status, ML_TIMEOUT);
    assert_true(clock_ms() - before < 5000);
}

/* What a program leaves in the background holds its output open: it is killed, not waited for. */
static void background(void **state)
{
    static const char *const argv[] = {"sh", "-c", "sleep 1000 & echo done", NULL};
    BUF_AUTO out = BUF_INIT;
    struct child_end end;
    assert_int_equal(capture(argv, clock_ms() + 20000, 100, &out, &end, NULL), 0);
    assert_string_equal(buf_text(&out), "done\n");
}

static void descriptors_stay_here(void **state)
{
    static const char *const argv[] = {"sh", "-c", "ls /proc/self/fd | wc -l", NULL};
    int extra = open("/dev/null", O_RDONLY); /* not close-on-exec */
    BUF_AUTO out = BUF_INIT;
    struct child_end end;
    int before = count_fds();
    assert_int_equal(capture(argv, -1, 100, &out, &end, NULL), 0);
    assert_string_equal(buf_text(&out), "4\n"); /* 0, 1, 2 and the directory that ls reads */
    assert_int_equal(count_fds(), before);
    close(extra);
}

static void environment_and_directory(void **state)
{
    static const char *const argv[] = {"/bin/sh", "-c", "pwd; echo $A-$HOME", NULL};
    static const char *const env[] = {"A=b", NULL};
    struct child_spec spec = CHILD_SPEC_INIT;
    struct child_end end;
    BUF_AUTO out = BUF_INIT;
    spec.argv = argv;
    spec.env = env;
    spec.cwd_fd = open("/usr", O_PATH | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(child_capture(&spec, -1, &out, 100, &end, NULL), 0);
    assert_string_equal(buf_text(&out), "/usr\nb-\n");
    close(spec.cwd_fd);
}

static void file_size_limit(void **state)
{
    struct place *place = *state;
    static const char *const argv[] = {"head", "-c", "100000", "/dev/zero", NULL};
    struct child_spec spec = CHILD_SPEC_INIT;
    struct child_end end;
    CHILD_AUTO child = CHILD_INIT;
    spec.argv = argv;
    spec.max_file_size = 1000;
    spec.stdio[1] = openat(place->fd, "out", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_int_equal(child_start(&spec, &child, NULL), 0);
    assert_int_equal(child_wait(&child, -1, &end, NULL), 0);
    assert_int_equal(end.signal, SIGXFSZ);
    assert_int_equal(lseek(spec.stdio[1], 0, SEEK_END), 1000);
    close(spec.stdio[1]);
}

static int close_nothing(void *arg)
{
    return close(-1);
}

static int no_more_files(void *arg)
{
    struct rlimit none = {*(rlim_t *)arg, *(rlim_t *)arg};
    return setrlimit(RLIMIT_FSIZE, &none);
}

/* What confines a program comes before it, and when it cannot, there is no program. */
static void before_all_else(void **state)
{
    static const char *const argv[] = {"sh", "-c", "ulimit -f", NULL};
    BUF_AUTO out = BUF_INIT;
    struct child_spec spec = CHILD_SPEC_INIT;
    struct child_end end;
    struct ml_error err = ML_ERROR_INIT;
    rlim_t limit = 1024;
    spec.argv = argv;
    spec.before = no_more_files;
    spec.before_arg = &limit;
    assert_int_equal(child_capture(&spec, -1, &out, 100, &end, &err), 0);
    assert_string_equal(buf_text(&out), "2\n");
    spec.before = close_nothing;
    assert_int_equal(child_capture(&spec, -1, &out, 100, &end, &err), -1);
    assert_int_equal(err.status, ML_LIMIT);
    assert_string_equal(err.code, "not_confined");
    assert_string_equal(err.message, "cannot confine 'sh': Bad file descriptor");
}

static void several_at_once(void **state)
{
    static const char *const argv[] = {"cat", NULL};
    struct child children[8];
    int pipes[8][2];
    for (int i = 0; i < 8; i++) {
        struct child_spec spec = CHILD_SPEC_INIT;
        assert_int_equal(pipe2(pipes[i], O_CLOEXEC), 0);
        spec.argv = argv;
        spec.stdio[0] = pipes[i][0];
        assert_int_equal(child_start(&spec, &children[i], NULL), 0);
        close(pipes[i][0]);
    }
    for (int i = 7; i >= 0; i--) { /* each ends when its own pipe does: no other child holds it */
        struct child_end end;
        close(pipes[i][1]);
        assert_int_equal(child_wait(&children[i], clock_ms() + 20000, &end, NULL), 0);
        assert_int_equal(end.code, 0);
    }
}

/* Starts a program that never ends, tells its number of the group's members, and waits to be
 * killed. */
static int start_and_wait(void *arg)
{
    static const char *const argv[] = {"sh", "-c", "sleep 1000 & wait", NULL};
    struct child child = CHILD_INIT;
    struct child_spec spec = CHILD_SPEC_INIT;
    const int *report = arg;
    spec.argv = argv;
    spec.stdio[1] = report[1];
    if (child_start(&spec, &child, NULL) < 0 || write(report[1], "x", 1) != 1)
        return 1;
    close(report[1]);
    pause();
    return 1;
}

/* The pipe's end is held by the program and by what it started: it closes when all of them are
 * gone. */
static void die_with(int (*start)(void *arg))
{
    int report[2];
    char byte;
    assert_int_equal(pipe2(report, O_CLOEXEC), 0);
    pid_t pid = child_begin(start, report);
    close(report[1]);
    assert_int_equal(read(report[0], &byte, 1), 1);
    kill(pid, SIGKILL);
    assert_int_equal(child_finish(pid), 128 + SIGKILL);
    struct pollfd end = {.fd = report[0], .events = POLLIN};
    assert_int_equal(poll(&end, 1, 20000), 1);
    assert_int_equal(read(report[0], &byte, 1), 0);
    close(report[0]);
}

static void our_own_death(void **state)
{
    die_with(start_and_wait);
}

/* ---- functions of ours ---- */

/* 7 when it has three descriptors, and stands where it should. */
static int body(void *arg)
{
    char here[4096];
    for (int fd = 3; fd < 1024; fd++)
        if (fcntl(fd, F_GETFD) >= 0)
            return fd;
    if (getcwd(here, sizeof here) == NULL || write(STDOUT_FILENO, arg, strlen(arg)) < 0)
        return 1;
    return strcmp(here, "/usr") == 0 ? 7 : 2;
}

static void functions(void **state)
{
    struct child_spec spec = CHILD_SPEC_INIT;
    struct child_end end;
    BUF_AUTO out = BUF_INIT;
    char text[] = "said";
    int extra = open("/dev/null", O_RDONLY), fds = count_fds(); /* not close-on-exec */
    spec.body = body;
    spec.body_arg = text;
    spec.cwd_fd = open("/usr", O_PATH | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(child_capture(&spec, clock_ms() + 20000, &out, 100, &end, NULL), 0);
    assert_string_equal(buf_text(&out), "said");
    assert_int_equal(end.code, 7);
    close(spec.cwd_fd);
    assert_int_equal(count_fds(), fds);
    close(extra);
}

static int body_for_ever(void *arg)
{
    while (pause() < 0)
        ;
    return 0;
}

static void functions_are_late(void **state)
{
    struct child_spec spec = CHILD_SPEC_INIT;
    struct child_end end;
    struct ml_error err = ML_ERROR_INIT;
    BUF_AUTO out = BUF_INIT;
    spec.body = body_for_ever;
    assert_int_equal(child_capture(&spec, clock_ms() + 50, &out, 100, &end, &err), -1);
    assert_int_equal(err.status, ML_TIMEOUT);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

/* As start_and_wait(), of a function. */
static int start_body_and_wait(void *arg)
{
    struct child child = CHILD_INIT;
    struct child_spec spec = CHILD_SPEC_INIT;
    const int *report = arg;
    spec.body = body_for_ever;
    spec.stdio[1] = report[1];
    if (child_start(&spec, &child, NULL) < 0 || write(report[1], "x", 1) != 1)
        return 1;
    close(report[1]);
    pause();
    return 1;
}

static void our_own_death_and_functions(void **state)
{
    die_with(start_body_and_wait);
}

static void kill_is_harmless(void **state)
{
    struct child child = CHILD_INIT;
    child_kill(&child);
    child_kill(&child);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    assert_int_equal(errno, ECHILD);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(output_and_status),
        cmocka_unit_test(signals_in_words),
        cmocka_unit_test(no_such_program),
        cmocka_unit_test(relative_path_entries),
        cmocka_unit_test(too_much_output),
        cmocka_unit_test(deadline),
        cmocka_unit_test(background),
        cmocka_unit_test(descriptors_stay_here),
        cmocka_unit_test(environment_and_directory),
        place_test(file_size_limit),
        cmocka_unit_test(before_all_else),
        cmocka_unit_test(several_at_once),
        cmocka_unit_test(our_own_death),
        cmocka_unit_test(functions),
        cmocka_unit_test(functions_are_late),
        cmocka_unit_test(our_own_death_and_functions),
        cmocka_unit_test(kill_is_harmless),
    };
    UNIT_RUN("base/child", tests);
}

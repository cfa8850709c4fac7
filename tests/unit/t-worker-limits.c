/* Goal of this test: who says what a call may use, and what is told of one that used more; what a
 * process and its children use is measured, and what they share counts once. */
#include "fixture.h"

#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "worker/limits.h"
#include "worker/meter.h"

/* ---- whose limits ---- */

static void merging(void **state)
{
    static const struct ml_plugin_limits own = {.version = ML_LIMITS_VERSION,
                                                .cpu_ms = 100,
                                                .memory = 200,
                                                .output = ML_NO_LIMIT,
                                                .descriptors = 64};
    const struct object with = {.limits = &own}, without = {0};
    const struct ml_limits asked = {.memory = 300, .descriptors = ML_NO_LIMIT, .processes = 8};
    struct ml_limits got;
    limits_merge(&with, &asked, &got);
    assert_int_equal(got.cpu_ms, 100);
    assert_int_equal(got.memory, 300);
    assert_int_equal(got.output, 0);
    assert_int_equal(got.descriptors, 0);
    assert_int_equal(got.processes, 8);
    limits_merge(&without, &(struct ml_limits){0}, &got);
    assert_memory_equal(&got, &(struct ml_limits){0}, sizeof got);
    assert_false(limits_need_looks(&got));
    assert_false(limits_need_looks(&(struct ml_limits){.output = 1}));
    assert_true(limits_need_looks(&(struct ml_limits){.processes = 1}));
}

static void time_limits(void **state)
{
    static const struct {
        const char *name;
        uint64_t own;
        uint32_t asked, is_default, expected;
    } cases[] = {
        {"nobody", 0, 0, 1, 0},
        {"the default", 0, 5000, 1, 5000},
        {"shorter than the default", 200, 5000, 1, 200},
        {"longer than the default", 9000, 5000, 1, 5000},
        {"instead of none", 9000, 0, 1, 9000},
        {"asked for", 200, 5000, 0, 5000},
        {"none was asked for", 200, 0, 0, 0},
        {"more than the wire has", UINT64_C(1) << 33, 0, 1, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct ml_plugin_limits own = {.timeout_ms = cases[i].own};
        const struct object object = {.limits = &own};
        case_int(cases[i].name, limits_timeout(&object, cases[i].asked, cases[i].is_default),
                 cases[i].expected);
    }
    assert_int_equal(limits_timeout(&(struct object){0}, 5000, 1), 5000);
}

/* ---- words ---- */

static void words(void **state)
{
    static const struct ml_limits l = {2000, 64 << 20, 1000, 3, 8};
    static const struct {
        enum limit which;
        const char *code, *message;
    } cases[] = {
        {LIMIT_MEMORY, "limit_memory", "used more than 64 MiB of memory"},
        {LIMIT_CPU, "limit_cpu", "used more than 2000 ms of processor time"},
        {LIMIT_OUTPUT, "limit_output", "wrote more than 1000 bytes of output"},
        {LIMIT_FILES, "limit_files", "had more than 3 descriptors open"},
        {LIMIT_PROCESSES, "limit_processes", "had more than 8 processes"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct ml_error err = ML_ERROR_INIT;
        limits_explain(&l, cases[i].which, &err);
        case_text(cases[i].code, err.code, cases[i].code);
        case_text(cases[i].code, err.message, cases[i].message);
        case_text(cases[i].code, err.outcome, "plugin_error");
        case_int(cases[i].code, err.status, ML_LIMIT);
    }
}

/* Only a function's own failure, and only where there is such a limit. */
static void excuses(void **state)
{
    const struct ml_error failed = {
        .status = ML_FAILED, .outcome = "plugin_error", .code = "x", .message = "no room"};
    const struct ml_error refused = {
        .status = ML_DATA, .outcome = "bad_argument", .code = "bad_argument", .message = "bad"};
    const struct ml_limits some = {.memory = 1 << 20}, none = {0};
    struct ml_error err = failed;
    limits_excuse(&some, ENOMEM, &err);
    assert_string_equal(err.code, "limit_memory");
    assert_string_equal(err.message, "no room: used more than 1 MiB of memory");
    assert_int_equal(err.status, ML_LIMIT);
    err = failed;
    limits_excuse(&some, ENOENT, &err);
    assert_string_equal(err.code, "x");
    limits_excuse(&none, ENOMEM, &err);
    assert_string_equal(err.code, "x");
    err = refused;
    limits_excuse(&some, ENOMEM, &err);
    assert_string_equal(err.code, "bad_argument");
}

/* What a call has died of: its record, its time, its memory; in a session its time is that of all
 * calls before it as well. */
static void guesses(void **state)
{
    const struct ml_limits l = {.cpu_ms = 100, .memory = 1 << 20, .descriptors = 8};
    struct rusage little = {.ru_maxrss = 0}, much = {.ru_maxrss = 1L << 40};
    struct rusage busy = {.ru_utime = {.tv_usec = 60000}, .ru_stime = {.tv_usec = 60000}};
    struct crash_record *crash = calloc(1, sizeof *crash);
    assert_non_null(crash);
    assert_int_equal(limits_guess(&l, crash, &little, false), LIMIT_NONE);
    assert_int_equal(limits_guess(&l, crash, &much, false), LIMIT_MEMORY);
    assert_int_equal(limits_guess(&l, crash, &busy, false), LIMIT_CPU);
    assert_int_equal(limits_guess(&l, crash, &busy, true), LIMIT_NONE);
    crash->errnum = ENOMEM; /* not told, yet */
    assert_int_equal(limits_guess(&l, crash, &little, false), LIMIT_NONE);
    atomic_store(&crash->whole, 1);
    assert_int_equal(limits_guess(&l, crash, &little, false), LIMIT_MEMORY);
    crash->errnum = 0;
    crash->descriptors_out = 1;
    assert_int_equal(limits_guess(&l, crash, &little, false), LIMIT_FILES);
    assert_int_equal(limits_guess(&(struct ml_limits){0}, crash, &much, false), LIMIT_NONE);
    free(crash);
}

/* ---- in a process of its own ---- */

static int confined(void *arg)
{
    const struct ml_limits l = {.cpu_ms = 1500, .memory = 8 << 20, .descriptors = 16};
    struct rlimit now;
    limits_confine(&l, false);
    CHILD_CHECK(getrlimit(RLIMIT_CPU, &now) == 0 && now.rlim_cur == 3);
    CHILD_CHECK(getrlimit(RLIMIT_NOFILE, &now) == 0 && now.rlim_max == 17);
    CHILD_CHECK(!limits_descriptors_out());
    while (dup(0) >= 0)
        continue;
    CHILD_CHECK(limits_descriptors_out());
    CHILD_CHECK(SANITIZED || mmap(NULL, 64 << 20, PROT_READ | PROT_WRITE,
                                  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED);
    CHILD_CHECK(mmap(NULL, 8 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) !=
                MAP_FAILED);
    return 0;
}

static void confining(void **state)
{
    assert_int_equal(child_run(confined, NULL), 0);
}

static void fill(size_t bytes)
{
    char *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        _exit(1);
    memset(p, 1, bytes);
}

/* A child that has said so, and then waits to be killed. */
static pid_t child_with(size_t bytes, int descriptors, int children)
{
    int ready[2];
    char byte;
    if (pipe(ready) < 0)
        _exit(1);
    pid_t pid = fork();
    if (pid == 0) {
        fill(bytes);
        for (int i = 0; i < children; i++)
            if (fork() == 0)
                for (;;)
                    pause();
        for (int i = 0; i < descriptors; i++)
            if (dup(0) < 0)
                _exit(1);
        if (write(ready[1], "", 1) != 1)
            _exit(1);
        for (;;)
            pause();
    }
    close(ready[1]);
    if (read(ready[0], &byte, 1) != 1)
        _exit(1);
    close(ready[0]);
    return pid;
}

enum { MIB = 1 << 20, OWN = 16 * MIB }; /* OWN: more than a copy of this program has by itself */

static int measured(void *arg)
{
    struct meter m;
    CHILD_CHECK(setpgid(0, 0) == 0);
    pid_t large = child_with(64 * MIB, 0, 3), open = child_with(MIB, 100, 0);
    meter_read(METER_MEMORY | METER_DESCRIPTORS, 0, &m);
    CHILD_CHECK(m.processes == 5);
    CHILD_CHECK(m.descriptors >= 103 && m.descriptors < 150);
    CHILD_CHECK(m.memory >= 4 * 64 * (uint64_t)MIB); /* in each of the four */
    meter_read(METER_SHARED, 0, &m);
    CHILD_CHECK(SANITIZED || (m.memory >= 64 * MIB && m.memory < 64 * MIB + OWN));
    meter_read(METER_MEMORY, large, &m);
    CHILD_CHECK(m.processes == 1 && m.descriptors == 0);
    CHILD_CHECK(SANITIZED || m.memory < OWN);
    CHILD_CHECK(kill(open, SIGKILL) == 0);
    CHILD_CHECK(waitid(P_PID, (id_t)open, &(siginfo_t){0}, WEXITED | WNOWAIT) == 0);
    meter_read(0, 0, &m); /* the dead do not count */
    CHILD_CHECK(m.processes == 4);
    CHILD_CHECK(waitpid(open, NULL, 0) == open);
    return kill(0, SIGKILL);
}

/* It ends itself with all its children, by its process group. */
static void measuring(void **state)
{
    assert_int_equal(child_run(measured, NULL), ML_SIGNAL + SIGKILL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(merging),   cmocka_unit_test(time_limits), cmocka_unit_test(words),
        cmocka_unit_test(excuses),   cmocka_unit_test(guesses),     cmocka_unit_test(confining),
        cmocka_unit_test(measuring),
    };
    UNIT_RUN("worker-limits", tests);
}

/* What tests share: cases with names, a place of their own, children. */
#ifndef UNIT_FIXTURE_H
#define UNIT_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include <cmocka.h>

/* Sanitizers make everything slower, and what takes strings quadratic: rounds are divided by this.
 */
#ifdef __SANITIZE_ADDRESS__
enum { UNIT_SLOWNESS = 5 };
#else
enum { UNIT_SLOWNESS = 1 };
#endif

/* Runs a table of tests: int main(void) { UNIT_RUN(name, tests); } */
#define UNIT_RUN(name, tests) return cmocka_run_group_tests_name(name, tests, NULL, NULL)

/* Checks within a table: a failure says in which case it was. */
#define case_true(name, condition)                                                                 \
    do {                                                                                           \
        if (!(condition))                                                                          \
            fail_msg("case '%s': %s", name, #condition);                                           \
    } while (0)
#define case_int(name, got, want)                                                                  \
    do {                                                                                           \
        long long got_ = (long long)(got), want_ = (long long)(want);                              \
        if (got_ != want_)                                                                         \
            fail_msg("case '%s': %s is %lld, not %lld", name, #got, got_, want_);                  \
    } while (0)
#define case_text(name, got, want)                                                                 \
    do {                                                                                           \
        const char *got_ = (got), *want_ = (want);                                                 \
        if (strcmp(got_, want_) != 0)                                                              \
            fail_msg("case '%s': %s is '%s', not '%s'", name, #got, got_, want_);                  \
    } while (0)

/* A directory that is there for one test: its setup and teardown for cmocka. */
struct place {
    char path[256];
    int fd;
};
int place_setup(void **state);
int place_teardown(void **state);
#define place_test(f) cmocka_unit_test_setup_teardown(f, place_setup, place_teardown)

/* The same in memory, where there is such a place: for tests that sync too often for a disk. */
int place_setup_memory(void **state);
#define memory_place_test(f) cmocka_unit_test_setup_teardown(f, place_setup_memory, place_teardown)

/* The path of `leaf` in the place. Four of them are good at a time. */
const char *place_path(const struct place *place, const char *leaf);

/* Runs `body` in a child process and ends it with what it returns. A cmocka check must not fail
 * there: use CHILD_CHECK. */
pid_t child_begin(int (*body)(void *arg), void *arg);
/* Its exit status, or 128 + the signal that it died of. */
int child_finish(pid_t pid);
int child_run(int (*body)(void *arg), void *arg);

#define CHILD_CHECK(condition)                                                                     \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "# %s:%d: %s\n", __FILE__, __LINE__, #condition);                      \
            return 1;                                                                              \
        }                                                                                          \
    } while (0)

/* Whether AddressSanitizer is in it, whose memory no limit holds. */
#ifdef __SANITIZE_ADDRESS__
enum { SANITIZED = true };
#else
enum { SANITIZED = false };
#endif

/* Open descriptors of this process. */
int count_fds(void);

/* The same numbers in every run. */
uint64_t next_random(uint64_t *state);

#endif

/* What every unit test needs before it names the module that it tests. */
#ifndef UNIT_H
#define UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* Makes a directory of the test's own beneath $TMPDIR, and returns its path in `path`. */
static inline char *unit_tmpdir(char *path, size_t size)
{
    const char *base = getenv("TMPDIR");
    int n = snprintf(path, size, "%s/unit.XXXXXX", base && *base ? base : "/tmp");
    assert_true(n > 0 && (size_t)n < size);
    assert_non_null(mkdtemp(path));
    return path;
}

/* Runs a table of tests: int main(void) { UNIT_RUN(name, tests); } */
#define UNIT_RUN(name, tests) return cmocka_run_group_tests_name(name, tests, NULL, NULL)

#endif

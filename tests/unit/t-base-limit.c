/* Goal of this test: limits go down, for good; what goes up stays within what is allowed. */
#include "fixture.h"

#include <sys/mman.h>
#include <sys/resource.h>

#include "base/limit.h"

static bool is(int resource, rlim_t soft, rlim_t hard)
{
    struct rlimit now;
    return getrlimit(resource, &now) == 0 && now.rlim_cur == soft && now.rlim_max == hard;
}

static int lower(void *arg)
{
    const struct rlimit low = {3, 5};
    CHILD_CHECK(limit_lower(RLIMIT_NOFILE, 20, NULL) == 0 && is(RLIMIT_NOFILE, 20, 20));
    CHILD_CHECK(limit_lower(RLIMIT_NOFILE, 30, NULL) == 0 && is(RLIMIT_NOFILE, 20, 20));
    CHILD_CHECK(limit_lower(RLIMIT_CPU, 7, NULL) == 0 && is(RLIMIT_CPU, 7, 8));
    CHILD_CHECK(setrlimit(RLIMIT_CPU, &low) == 0);
    CHILD_CHECK(limit_lower(RLIMIT_CPU, 4, NULL) == 0 && is(RLIMIT_CPU, 4, 5));
    CHILD_CHECK(limit_lower(RLIMIT_CPU, 7, NULL) == 0 && is(RLIMIT_CPU, 5, 5));
    return 0;
}

static void limits_go_down(void **state)
{
    assert_int_equal(child_run(lower, NULL), 0);
}

static int no_such_limit(void *arg)
{
    struct ml_error err = ML_ERROR_INIT;
    CHILD_CHECK(limit_lower(4711, 1, &err) == -1 && err.status == ML_LIMIT);
    return 0;
}

static void failure(void **state)
{
    assert_int_equal(child_run(no_such_limit, NULL), 0);
}

enum { ROOM = 64 << 20 };

static bool can_have(size_t size)
{
    void *p = mmap(NULL, size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return p != MAP_FAILED && munmap(p, size) == 0;
}

static int memory(void *arg)
{
    CHILD_CHECK(limit_memory(ROOM, NULL) == 0);
    CHILD_CHECK(can_have(ROOM / 2));
    CHILD_CHECK(SANITIZED || !can_have(2 * ROOM));
    return 0;
}

static void memory_is_limited(void **state)
{
    assert_int_equal(child_run(memory, NULL), 0);
}

/* But for one of them, within what is allowed. */
static int files(void *arg)
{
    const struct rlimit low = {20, 30};
    CHILD_CHECK(setrlimit(RLIMIT_NOFILE, &low) == 0);
    limit_files_raise();
    CHILD_CHECK(is(RLIMIT_NOFILE, 30, 30));
    return 0;
}

static void files_go_up(void **state)
{
    assert_int_equal(child_run(files, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(limits_go_down),
        cmocka_unit_test(failure),
        cmocka_unit_test(memory_is_limited),
        cmocka_unit_test(files_go_up),
    };
    UNIT_RUN("base/limit", tests);
}

/* Goal of this test: what a process takes shows where it should. */
#include "fixture.h"

#include <sys/mman.h>

#include "base/statm.h"

enum { SIZE = 64 << 20 };

static void statm_grows(void **state)
{
    (void)state;
    uint64_t addresses = statm_bytes(STATM_ADDRESSES), resident = statm_bytes(STATM_RESIDENT),
             data = statm_bytes(STATM_DATA);
    assert_true(resident > 0 && data > 0 && addresses > resident && addresses > data);
    char *more = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(more, MAP_FAILED);
    assert_true(statm_bytes(STATM_ADDRESSES) >= addresses + SIZE);
    assert_true(statm_bytes(STATM_DATA) >= data + SIZE);
    assert_true(statm_bytes(STATM_RESIDENT) < resident + SIZE / 2);
    memset(more, 1, SIZE);
    assert_true(statm_bytes(STATM_RESIDENT) >= resident + SIZE / 2);
    munmap(more, SIZE);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {cmocka_unit_test(statm_grows)};
    UNIT_RUN("base/statm", tests);
}

/* Goal of this test: a process is told by its state and its parent, whatever its name is. */
#include "fixture.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "base/proc.h"

static void of_this_process(void **state)
{
    struct proc_stat stat;
    static const char *const names[] = {"plain", ") T 1 (", "a b) Z", "))))"};
    for (size_t i = 0; i < 4; i++) {
        prctl(PR_SET_NAME, names[i]);
        case_true(names[i], proc_stat_read(getpid(), &stat));
        case_int(names[i], stat.state, 'R');
        case_int(names[i], stat.parent, getppid());
        case_true(names[i], !proc_is_stopped(getpid()));
    }
}

static void of_others(void **state)
{
    struct proc_stat stat = {'x', 7};
    int status;
    pid_t child = fork();
    if (child == 0) {
        raise(SIGSTOP);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, WUNTRACED), child);
    assert_true(proc_is_stopped(child));
    assert_true(proc_stat_read(child, &stat));
    assert_int_equal(stat.parent, getpid());
    kill(child, SIGKILL);
    assert_int_equal(waitpid(child, &status, 0), child);
    stat = (struct proc_stat){'x', 7};
    assert_false(proc_stat_read(child, &stat) || proc_stat_read(0, &stat) ||
                 proc_stat_read(-1, &stat) || proc_is_stopped(child));
    assert_int_equal(stat.state, 'x');
    assert_int_equal(stat.parent, 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(of_this_process),
        cmocka_unit_test(of_others),
    };
    UNIT_RUN("base-proc", tests);
}

/* Goal of this test: every signal has a word, also those that have no name. */
#include "fixture.h"

#include <signal.h>

#include "base/signal-word.h"

static void words(void **state)
{
    char buf[SIGNAL_WORD], want[SIGNAL_WORD];
    (void)state;
    assert_string_equal(signal_word(SIGSEGV, buf), "SIGSEGV");
    for (int signo = 1; signo < SIGRTMIN; signo++) {
        const char *name = sigabbrev_np(signo);
        if (name != NULL)
            snprintf(want, sizeof want, "SIG%s", name);
        else
            snprintf(want, sizeof want, "signal %d", signo);
        assert_string_equal(signal_word(signo, buf), want);
    }
    for (int signo = SIGRTMIN; signo <= SIGRTMAX; signo++) {
        snprintf(want, sizeof want, "signal %d", signo);
        assert_string_equal(signal_word(signo, buf), want);
    }
    assert_string_equal(signal_word(INT32_MIN, buf), "signal -2147483648");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {cmocka_unit_test(words)};
    UNIT_RUN("base/signal-word", tests);
}

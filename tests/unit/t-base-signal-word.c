/* Goal of this test: every signal has a word, also those that have no name. */
#include "fixture.h"

#include <signal.h>

#include "base/signal-word.h"

static void words(void **state)
{
    char buf[SIGNAL_WORD], want[SIGNAL_WORD];
    (void)state;
    assert_string_equal(signal_word(SIGSEGV, buf), "SIGSEGV");
    assert_string_equal(signal_word(SIGKILL, buf), "SIGKILL");
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

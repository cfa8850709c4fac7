/* Goal of this test: $CC is split as make does it, and whatever could make a compiler run other
 * programs is not handed on. */
#include "base/cc.h"

#include "fixture.h"

static void words(void **state)
{
    static const struct {
        const char *cc, *words; /* with | behind each; null: not set */
    } cases[] = {
        {NULL, "cc|"},
        {"", "cc|"},
        {" \t\n", "cc|"},
        {"gcc", "gcc|"},
        {"  ccache  gcc\t-m64 \n", "ccache|gcc|-m64|"},
        {"'a b' \"c\"", "'a|b'|\"c\"|"},
        {"/opt/c\\ c", "/opt/c\\|c|"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char said[128] = "";
        if (cases[i].cc != NULL)
            setenv("CC", cases[i].cc, 1);
        else
            unsetenv("CC");
        const char *at = cc_text();
        for (size_t n; (n = cc_next_word(&at)) > 0; at += n)
            sprintf(said + strlen(said), "%.*s|", (int)n, at);
        case_text(cases[i].cc ? cases[i].cc : "(none)", said, cases[i].words);
    }
    unsetenv("CC");
}

static void environment(void **state)
{
    static const char *const dangerous[] = {
        "LD_PRELOAD", "LD_LIBRARY_PATH", "COMPILER_PATH",       "TMPDIR", "GCC_EXEC_PREFIX",
        "CC",         "MODLOAD_HOME",    "DEPENDENCIES_OUTPUT", "CFLAGS", "COLLECT_GCC_OPTIONS"};
    size_t n = 0;
    for (; cc_environment[n] != NULL; n++)
        for (size_t i = 0; i < sizeof dangerous / sizeof *dangerous; i++)
            case_true(dangerous[i], strcmp(cc_environment[n], dangerous[i]) != 0);
    assert_true(n > 0);
    assert_string_equal(cc_environment[0], "PATH");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words),
        cmocka_unit_test(environment),
    };
    UNIT_RUN("base/cc", tests);
}

/* Goal of this test: what is suggested to somebody who mistyped is what he may have meant. */
#include "fixture.h"

#include "base/words.h"

static const char sixty_four[] = "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffgggg";
static const char sixty_five[] =
    "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffggggg";

static void test_distance(void **state)
{
    static const struct {
        const char *a, *b;
        int limit, want;
    } cases[] = {
        {"", "", 0, 0},
        {"a", "a", 0, 0},
        {"", "a", 1, 1},
        {"", "abc", 3, 3},
        {"load", "load", 3, 0},
        {"laod", "load", 3, 1}, /* a swap */
        {"laod", "load", 0, 1}, /* over the limit is the limit and one */
        {"ab", "ba", 3, 1},
        {"abcd", "badc", 3, 2}, /* two swaps */
        {"oload", "loado", 5, 2},
        {"kitten", "sitting", 5, 3},
        {"exec", "exce", 3, 1},
        {"exec", "exc", 3, 1},
        {"exec", "exxec", 3, 1},
        {"exec", "ezec", 3, 1},
        {"ca", "abc", 5, 3}, /* a swapped pair is not edited again */
        {"abcdef", "uvwxyz", 6, 6},
        {"abcdef", "uvwxyz", 5, 6},
        {"abcdef", "uvwxyz", 2, 3},
        {"a", "abcdefgh", 3, 4},
        {"Load", "load", 3, 1},
        {"gr\xc3\xbcn", "gr\xc3\xbcn", 1, 0},
        {sixty_four, sixty_four, 2, 0},
        {sixty_five, sixty_five, 2, 3}, /* too long to be looked at */
        {sixty_four, sixty_five, 2, 3},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char name[160];
        snprintf(name, sizeof name, "%s / %s", cases[i].a, cases[i].b);
        case_int(name, words_distance(cases[i].a, cases[i].b, cases[i].limit), cases[i].want);
        case_int(name, words_distance(cases[i].b, cases[i].a, cases[i].limit), cases[i].want);
    }
}

static void test_nearest(void **state)
{
    static const char *const commands[] = {"compile", "exec",    "help", "info",
                                           "list",    "load",    "ps",   "register",
                                           "release", "version", "uuid", "unregister"};
    static const struct {
        const char *wanted, *want;
    } cases[] = {
        {"laod", "load"},
        {"lod", "load"},
        {"load", "load"},
        {"complie", "compile"},
        {"regsiter", "register"},
        {"unregistr", "unregister"},
        {"vresion", "version"},
        {"lits", "list"},
        {"hlep", "help"},
        {"frobnicate", NULL},
        {"", NULL},
        {"loading", NULL},
        {"xyz", NULL},
        {"uiud", "uuid"},
        {"pss", "ps"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct words_nearest best = {0};
        for (size_t c = 0; c < sizeof commands / sizeof *commands; c++)
            words_consider(&best, cases[i].wanted, commands[c]);
        case_text(cases[i].wanted, best.word ? best.word : "(none)",
                  cases[i].want ? cases[i].want : "(none)");
    }
}

static void test_nearest_prefers(void **state)
{
    struct words_nearest best = {0};
    words_consider(&best, "release", "relaxes");
    words_consider(&best, "release", "releas");
    assert_string_equal(best.word, "releas");
    assert_int_equal(best.distance, 1);
    words_consider(&best, "release", "eleased"); /* farther */
    words_consider(&best, "release", "releaze"); /* as near: the first one stays */
    assert_string_equal(best.word, "releas");
    words_consider(&best, "release", "release");
    assert_string_equal(best.word, "release");
    assert_int_equal(best.distance, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_distance),
        cmocka_unit_test(test_nearest),
        cmocka_unit_test(test_nearest_prefers),
    };
    UNIT_RUN("base-words", tests);
}

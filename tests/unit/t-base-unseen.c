/* Goal of this test: what nobody sees is found where it stands, and nothing else is. */
#include "base/unseen.h"

#include "fixture.h"

static void found(void **state)
{
    static const struct {
        const char *text;
        size_t n;
    } cases[] = {
        {"", 0},
        {"a", 0},
        {" ", 0},
        {"\n", 1},
        {"\033[2J", 1},
        {"\177", 1},
        {"\xc2\x9b", 2}, /* CSI */
        {"\xc2\xa0", 0},
        {"\xc2", 0},
        {"\xc3\xa4", 0},
        {"\xd8\x9c", 2},
        {"\xe2\x80\x8b", 3},
        {"\xe2\x80\x90", 0},
        {"\xe2\x80\xae", 3},
        {"\xe2\x80", 0},
        {"\xe2\x81\xa6", 3},
        {"\xef\xbb\xbf", 3},
        {"\xef\xbb\xbe", 0},
        {"\xff", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (unseen_at(cases[i].text) != cases[i].n)
            fail_msg("case %zu: %zu bytes, not %zu", i, unseen_at(cases[i].text), cases[i].n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(found)};
    UNIT_RUN("base/unseen", tests);
}

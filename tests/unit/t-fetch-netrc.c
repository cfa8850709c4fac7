/* Goal of this test: a password is found for its own host, and for no other. */
#include "fetch/netrc.h"

#include "fixture.h"

struct netrc_case {
    const char *text, *login, *password; /* null: none */
};

static void check(const struct netrc_case *cases, size_t n,
                  bool (*find)(const char *, const char *, struct netrc *))
{
    for (size_t i = 0; i < n; i++) {
        struct netrc got = {"", ""};
        bool found = find(cases[i].text, "h.org", &got);
        case_int(cases[i].text, found, cases[i].password != NULL);
        case_text(cases[i].text, found ? got.password : "", found ? cases[i].password : "");
        case_text(cases[i].text, found ? got.login : "", found ? cases[i].login : "");
    }
}

static void netrc(void **state)
{
    static const struct netrc_case cases[] = {
        {"machine h.org login me password x", "me", "x"},
        {"machine H.ORG\n\tlogin me\n\tpassword x\n", "me", "x"},
        {"machine a login b password c machine h.org password x login me", "me", "x"},
        {"machine h.org login me password x machine h.org login you password y", "me", "x"},
        {"machine h.org login me machine h.org login you password y", "you", "y"},
        {"machine h.org login \"m e\" password \"a\\\"b\"", "m e", "a\"b"},
        {"machine h.org login me account z password x", "me", "x"},
        {"machine h.org password x", "", "x"},
        {"machine a login b\nmacdef init\nmachine h.org password z\n\nmachine h.org password x", "",
         "x"},
        {"", NULL, NULL},
        {"machine", NULL, NULL},
        {"machine h.org", NULL, NULL},
        {"machine h.org login me", NULL, NULL},
        {"machine h.org login me password", NULL, NULL},
        {"machine evil.h.org login me password x", NULL, NULL},
        {"machine h.org.evil login me password x", NULL, NULL},
        {"machine h.org login me default password x", NULL, NULL},
        {"default login me password x", NULL, NULL},
        {"macdef h.org password x", NULL, NULL},
    };
    check(cases, sizeof cases / sizeof *cases, netrc_find);
}

static void tokens(void **state)
{
    static const struct netrc_case cases[] = {
        {"h.org x", "x-access-token", "x"},
        {"H.org me x\r\n", "me", "x"},
        {"# comment\n\nother y\n  h.org\tx#y\n", "x-access-token", "x#y"},
        {"h.org x # why", "x-access-token", "x"},
        {"h.org", NULL, NULL},
        {"x", NULL, NULL},
        {"", NULL, NULL},
        {"h.org a b c", NULL, NULL},
        {"evil.h.org x", NULL, NULL},
        {"# h.org x", NULL, NULL},
        {"h.orgx y", NULL, NULL},
    };
    check(cases, sizeof cases / sizeof *cases, token_find);
}

/* Longer than any password: none, and nothing is written behind its place. */
static void too_long(void **state)
{
    char text[4 * NETRC_WORD_MAX] = "machine h.org password ";
    struct netrc got;
    memset(text + strlen(text), 'x', NETRC_WORD_MAX);
    assert_false(netrc_find(text, "h.org", &got));
    memcpy(text, "h.org                  ", 23);
    assert_false(token_find(text, "h.org", &got));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(netrc),
        cmocka_unit_test(tokens),
        cmocka_unit_test(too_long),
    };
    UNIT_RUN("fetch/netrc", tests);
}

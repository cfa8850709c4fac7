/* Goal of this test: versions are told from what is none, have the order of SemVer 2.0.0, and are
 * in a range exactly where its words say so. */
#include "base/semver.h"

#include "fixture.h"

static void grammar(void **state)
{
    static const struct {
        const char *text;
        bool good;
    } cases[] = {
        {"0.0.0", true},
        {"1.2.3", true},
        {"1.2.3-rc.1", true},
        {"1.2.3-0a.b-c", true},
        {"1.2.3+b.01", true},
        {"1.2.3-a+b", true},
        {"99999999999999999999.0.1", true},
        {"", false},
        {"1", false},
        {"1.2", false},
        {"1.2.3.4", false},
        {"1.2.", false},
        {".1.2", false},
        {"01.2.3", false},
        {"1.2.3-", false},
        {"1.2.3-01", false},
        {"1.2.3-a..b", false},
        {"1.2.3-a.", false},
        {"1.2.3+", false},
        {"1.2.3+a+b", false},
        {"v1.2.3", false},
        {"1.2.3 ", false},
        {" 1.2.3", false},
        {"-1.2.3", false},
        {"1.2.3-\303\244", false},
        {"1.2.3-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false}, /* 65 bytes */
    };
    struct semver version;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        case_int(cases[i].text, semver_parse(cases[i].text, &version), cases[i].good);
}

/* Each before all that follow it: the example of item 11 is among them. */
static void order(void **state)
{
    static const char *const sorted[] = {
        "0.0.1",
        "0.1.0",
        "1.0.0-1",
        "1.0.0-2",
        "1.0.0-11",
        "1.0.0-alpha",
        "1.0.0-alpha.1",
        "1.0.0-alpha.beta",
        "1.0.0-beta",
        "1.0.0-beta.2",
        "1.0.0-beta.11",
        "1.0.0-rc.1",
        "1.0.0",
        "1.0.1",
        "1.2.0",
        "1.10.0",
        "2.0.0",
        "10.0.0",
        "18446744073709551616.0.0",
        "18446744073709551617.0.0",
    };
    const size_t n = sizeof sorted / sizeof *sorted;
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++) {
            struct semver a, b;
            char name[128];
            snprintf(name, sizeof name, "%s, %s", sorted[i], sorted[j]);
            case_true(name, semver_parse(sorted[i], &a) && semver_parse(sorted[j], &b));
            case_int(name, semver_compare(&a, &b), (i > j) - (i < j));
        }
}

static void build_has_no_order(void **state)
{
    struct semver a, b;
    assert_true(semver_parse("1.2.3+a", &a) && semver_parse("1.2.3+b", &b));
    assert_int_equal(semver_compare(&a, &b), 0);
}

static void ranges(void **state)
{
    static const struct {
        const char *range, *in, *out; /* versions, each with a blank behind it */
    } cases[] = {
        {"*", "0.0.0 1.2.3 ", "1.2.3-rc.1 "},
        {"^1.2.3", "1.2.3 1.2.4 1.9.0 ", "1.2.2 2.0.0 0.9.0 1.3.0-rc.1 2.0.0-rc.1 "},
        {"^1.2", "1.2.0 1.99.7 ", "1.1.9 2.0.0 "},
        {"^1", "1.0.0 1.2.3 ", "0.9.9 2.0.0 "},
        {"^0.2.3", "0.2.3 0.2.9 ", "0.2.2 0.3.0 1.0.0 "},
        {"^0.2", "0.2.0 0.2.9 ", "0.1.0 0.3.0 "},
        {"^0.0.3", "0.0.3 ", "0.0.2 0.0.4 "},
        {"^0.0", "0.0.0 0.0.9 ", "0.1.0 "},
        {"^0", "0.0.0 0.9.0 ", "1.0.0 "},
        {"^1.2.3-rc.2", "1.2.3-rc.2 1.2.3-rc.10 1.2.3 1.3.0 ", "1.2.3-rc.1 1.3.0-rc.3 2.0.0 "},
        {"~1.2.3", "1.2.3 1.2.9 ", "1.2.2 1.3.0 "},
        {"~1.2", "1.2.0 1.2.9 ", "1.3.0 1.1.0 "},
        {"~1", "1.0.0 1.9.0 ", "2.0.0 0.9.0 "},
        {">=1.2 <2", "1.2.0 1.9.9 ", "1.1.9 2.0.0 2.0.0-rc.1 "},
        {">=1.2, <2", "1.2.0 1.9.9 ", "1.1.9 2.0.0 "},
        {">= 1.2", "1.2.0 ", "1.1.9 "},
        {">1.2", "1.3.0 2.0.0 ", "1.2.0 1.2.9 "},
        {">1.2.3", "1.2.4 ", "1.2.3 1.2.4-rc.1 "},
        {"<=1.2", "1.2.0 1.2.9 0.1.0 ", "1.3.0 "},
        {"<1.2", "1.1.9 ", "1.2.0 1.2.0-rc.1 "},
        {"=1.2.3", "1.2.3 1.2.3+x ", "1.2.4 1.2.3-rc.1 "},
        {"1.2.3", "1.2.3 ", "1.2.4 "},
        {"=1.2", "1.2.0 1.2.9 ", "1.3.0 "},
        {"<1 >2", "", "0.9.0 1.5.0 3.0.0 "},
        {">=18446744073709551616", "18446744073709551616.0.0 ", "18446744073709551615.9.9 "},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct semver_range range;
        case_true(cases[i].range, semver_range_parse(cases[i].range, &range));
        for (int in = 0; in < 2; in++)
            for (const char *at = in ? cases[i].in : cases[i].out; *at != '\0';) {
                char text[128], name[256];
                struct semver version;
                size_t n = strcspn(at, " ");
                snprintf(text, sizeof text, "%.*s", (int)n, at);
                snprintf(name, sizeof name, "%s in %s", text, cases[i].range);
                case_true(name, semver_parse(text, &version));
                case_int(name, semver_range_has(&range, &version), in);
                at += n + 1;
            }
    }
}

static void no_ranges(void **state)
{
    static const char *const cases[] = {
        "",        " ",     ",",        "^",         "^^1",
        "x",       "1.x",   "^1.2.3.4", ">=",        "> =1",
        "=>1",     "1 ||2", "^01",      "^1.2-rc.1", "* *",
        "^1.2.3-", "^v1.2", "~-1",      "^1\n",      "1 1 1 1 1 1 1 1 1",
    };
    struct semver_range range;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        case_true(cases[i], !semver_range_parse(cases[i], &range));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(grammar),
        cmocka_unit_test(order),
        cmocka_unit_test(build_has_no_order),
        cmocka_unit_test(ranges),
        cmocka_unit_test(no_ranges),
    };
    UNIT_RUN("base/semver", tests);
}

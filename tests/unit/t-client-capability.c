/* Goal of this test: every capability has one spelling, whatever is none is told, and which has
 * which in it is by what they mean. */
#include "client/capability.h"

#include "fixture.h"
#include "modload/build.h"

#define NONE "is no capability"
#define PORT "must name a port from 1 to 65535"
#define PATH "must name an absolute path without '.', '..', '//', and '/' at its end"
#define SHUT "would open a place that no plugin is let into: /proc, /sys, /dev"
#define NAME "must name a variable of A-Z 0-9 _, no digit first"
#define OWN  "is never granted: that variable changes what other code does"
#define SEEN "has characters that nobody sees"

static void reading(void **state)
{
    static const struct {
        const char *text, *wrong; /* null: nothing is */
    } cases[] = {
        {"net", NULL},
        {"net=tcp:1", NULL},
        {"net=tcp:65535", NULL},
        {"net=listen:8080", NULL},
        {"fs:read=/etc/ssl/certs", NULL},
        {"fs:read=/a b/.c/..d/e.", NULL},
        {"fs:read=/procession", NULL},
        {"fs:write=/var/lib/\xc3\xa9", NULL},
        {"exec=/usr/bin/git", NULL},
        {"env=HOME", NULL},
        {"env=_X9", NULL},
        {"env=ENVIRONMENT", NULL},
        {"env=LDFLAGS", NULL},
        {"", NONE},
        {"NET", NONE},
        {"net ", NONE},
        {" net", NONE},
        {"net=", NONE},
        {"net=443", NONE},
        {"net=udp:53", NONE},
        {"fs=/a", NONE},
        {"fs:exec=/a", NONE},
        {"exec", NONE},
        {"none", NONE},
        {"net=tcp:", PORT},
        {"net=tcp:0", PORT},
        {"net=tcp:0443", PORT},
        {"net=tcp:+1", PORT},
        {"net=tcp: 1", PORT},
        {"net=tcp:65536", PORT},
        {"net=tcp:4294967297", PORT},
        {"net=tcp:443,80", PORT},
        {"net=listen:http", PORT},
        {"fs:read=", PATH},
        {"fs:read=a", PATH},
        {"fs:read=~", PATH},
        {"fs:read=/a/", PATH},
        {"fs:read=//a", PATH},
        {"fs:read=/a//b", PATH},
        {"fs:read=/a/./b", PATH},
        {"fs:write=/a/../b", PATH},
        {"fs:write=/..", PATH},
        {"exec=/usr/bin/.", PATH},
        {"exec=git", PATH},
        {"fs:read=/", SHUT},
        {"fs:read=/proc", SHUT},
        {"fs:read=/proc/self/mem", SHUT},
        {"fs:write=/sys/fs", SHUT},
        {"exec=/dev/fd/3", SHUT},
        {"env=", NAME},
        {"env=home", NAME},
        {"env=9A", NAME},
        {"env=A,B", NAME},
        {"env=A=B", NAME},
        {"env=LD_PRELOAD", OWN},
        {"env=LD_", OWN},
        {"env=GLIBC_TUNABLES", OWN},
        {"env=GCONV_PATH", OWN},
        {"env=LOCPATH", OWN},
        {"env=NLSPATH", OWN},
        {"env=MALLOC_CHECK_", OWN},
        {"env=BASH_ENV", OWN},
        {"env=ENV", OWN},
        {"env=IFS", OWN},
        {"env=PYTHONPATH", OWN},
        {"env=PERL5OPT", OWN},
        {"env=GIT_SSH_COMMAND", OWN},
        {"env=TMPDIR", OWN},
        {"env=PATH", OWN},
        {"env=MODLOAD_HOME", OWN},
        {"fs:read=/a\n", SEEN},
        {"fs:read=/a\x1b[2K", SEEN},
        {"fs:read=/a\xe2\x80\xae/b", SEEN},
        {"net\x7f", SEEN},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct capability c;
        const char *wrong = capability_read(cases[i].text, &c);
        case_text(cases[i].text, wrong ? wrong : "", cases[i].wrong ? cases[i].wrong : "");
    }
}

static void lengths(void **state)
{
    char text[CAPABILITY_TEXT_MAX + 2];
    struct capability c;
    memset(text, 'a', sizeof text);
    memcpy(text, "fs:read=/", 9);
    text[CAPABILITY_TEXT_MAX + 1] = '\0';
    assert_string_equal(capability_read(text, &c), "is too long");
    text[CAPABILITY_TEXT_MAX] = '\0';
    assert_null(capability_read(text, &c));
}

static void hints(void **state)
{
    static const struct {
        const char *text, *hint;
    } cases[] = {
        {"nte", "did you mean 'net'?"},
        {"net=tpc:443", "did you mean 'net=tcp:PORT'?"},
        {"net=listne:80", "did you mean 'net=listen:PORT'?"},
        {"fs:raed=/etc/passwd", "did you mean 'fs:read=PATH'?"},
        {"fs:writ=/x", "did you mean 'fs:write=PATH'?"},
        {"exec", "did you mean 'exec=PATH'?"},
        {"envv=HOME", "did you mean 'env=NAME'?"},
        {"net=tcp:0", ""},
        {"fs:read=x", ""},
        {"something=else", "there are: net, net=tcp:PORT, net=listen:PORT, fs:read=PATH, "
                           "fs:write=PATH, exec=PATH, env=NAME"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct ml_error err = ML_ERROR_INIT;
        case_int(cases[i].text, ml_capability_check(cases[i].text, &err), -1);
        case_int(cases[i].text, err.status, ML_DATA);
        case_text(cases[i].text, err.code, "bad_capability");
        case_text(cases[i].text, err.hint, cases[i].hint);
    }
    assert_int_equal(ml_capability_check("net", NULL), 0);
}

/* Each against each: only these pairs, and each itself. */
static void covering(void **state)
{
    static const char *const all[] = {
        "env=HOME",        "env=HOMES",       "exec=/a",     "exec=/a/b",     "fs:read=/a",
        "fs:read=/a/b",    "fs:read=/ab",     "fs:write=/a", "fs:write=/a/b", "net",
        "net=listen:4430", "net=listen:8080", "net=tcp:443", "net=tcp:4430",
    };
    static const char *const pairs[][2] = {
        {"fs:read=/a", "fs:read=/a/b"},    {"fs:write=/a", "fs:write=/a/b"},
        {"fs:write=/a", "fs:read=/a"},     {"fs:write=/a", "fs:read=/a/b"},
        {"fs:write=/a/b", "fs:read=/a/b"}, {"net", "net=tcp:443"},
        {"net", "net=tcp:4430"},
    };
    enum { N = sizeof all / sizeof *all };
    for (size_t i = 0; i < N * N; i++) {
        const char *have = all[i / N], *want = all[i % N], *rest[1];
        bool covers = i / N == i % N;
        for (size_t k = 0; k < sizeof pairs / sizeof *pairs; k++)
            covers = covers || (strcmp(pairs[k][0], have) == 0 && strcmp(pairs[k][1], want) == 0);
        char name[64];
        snprintf(name, sizeof name, "%s, %s", have, want);
        case_int(name, ml_capabilities_beyond(&have, 1, &want, 1, rest), covers ? 0 : 1);
    }
}

static void beyond(void **state)
{
    const char *have[] = {"fs:write=/data", "net=tcp:443"};
    const char *want[] = {"env=HOME", "fs:read=/data/x", "net", "net=tcp:443", "nonsense"};
    const char *rest[5];
    assert_int_equal(ml_capabilities_beyond(have, 2, want, 5, rest), 3);
    assert_ptr_equal(rest[0], want[0]);
    assert_ptr_equal(rest[1], want[2]);
    assert_ptr_equal(rest[2], want[4]);
    assert_int_equal(ml_capabilities_beyond(NULL, 0, NULL, 0, NULL), 0);
}

static void normalising(void **state)
{
    const char *list[] = {"net=tcp:443", "fs:read=/a/b", "net",   "fs:read=/a",   "net",
                          "env=B",       "fs:write=/a",  "env=A", "net=listen:1", "fs:write=/a/b"};
    static const char *const want[] = {"env=A", "env=B", "fs:write=/a", "net", "net=listen:1"};
    assert_int_equal(capabilities_normalise(list, sizeof list / sizeof *list), 5);
    for (size_t i = 0; i < 5; i++)
        assert_string_equal(list[i], want[i]);
    assert_int_equal(capabilities_normalise(list, 5), 5);
    assert_int_equal(capabilities_normalise(NULL, 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reading),  cmocka_unit_test(lengths), cmocka_unit_test(hints),
        cmocka_unit_test(covering), cmocka_unit_test(beyond),  cmocka_unit_test(normalising),
    };
    UNIT_RUN("client/capability", tests);
}

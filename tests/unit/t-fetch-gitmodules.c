/* Goal of this test: of .gitmodules that is read which git writes, and a submodule comes by https
 * or not at all. */
#include "fetch/gitmodules.h"

#include "fixture.h"

#define LIB "[submodule \"lib\"]\n\tpath = third/lib\n\turl = https://h/lib\n"

static void found(void **state)
{
    static const char *const cases[] = {
        LIB,
        "# a comment\n; another\n\n" LIB,
        LIB "[submodule \"x\"]\n\tpath = x\n\turl = ext::sh\n",
        "[submodule \"x\"]\n\tpath = x\n" LIB,
        "[core]\n\tpath = third/lib\n\turl = https://h/evil\n[a.b \"c\"]\n" LIB,
        "[submodule \"a b\"]\r\n path=third/lib\r\n url=https://h/lib\r\n",
        "[SUBMODULE \"lib\"]\nPATH = \"third/lib\"\nURL = \"https://h/lib\"\n",
        "[submodule \"lib\"]\npath = third/lib # here\nurl = https://h/lib ; there",
        LIB "\tupdate = !touch x\n\tbranch = -x\n\tfetchRecurseSubmodules\n\tshallow = true\n",
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char url[FETCH_MODULE_URL_SIZE];
        struct ml_error err = ML_ERROR_INIT;
        gitmodules_find(cases[i], strlen(cases[i]), "third/lib", url, &err);
        case_text(cases[i], err.message, "");
        case_text(cases[i], url, "https://h/lib");
    }
}

static void refused(void **state)
{
    static const struct {
        const char *text, *why;
    } cases[] = {
        {"", "does not say where that comes from"},
        {"[submodule \"x\"]\npath = lib\nurl = https://h/lib\n", "does not say where"},
        {"[submodule.lib]\npath = third/lib\nurl = https://h/lib\n", "does not say where"},
        {"[submodule]\npath = third/lib\nurl = https://h/lib\n", "does not say where"},
        {"[submodule \"lib\"]\npath = third/lib\n", "without a URL"},
        {"[submodule \"lib\"]\npath = third/lib\n" LIB, "without a URL"},
        {LIB LIB, "second submodule of the same path"},
        {LIB "url = https://h/evil\n", "second time"},
        {LIB "path = third/lib\n", "second time"},
        {"[submodule \"a\nb\"]\npath = third/lib\n", "no section"},
        {"[submodule \"a\\\"b\"]\npath = third/lib\n", "no section"},
        {"[submodule \"a\" \"b\"]\n", "no section"},
        {"[submodule \"a\"] path = third/lib\n", "no section"},
        {"[submodule a]\n", "no section"},
        {"[]\n", "no section"},
        {"[", "no section"},
        {"[submodule \"\"]\n", "empty name"},
        {"[submodule \"-x\"]\n", "begins with a dash"},
        {"[submodule \"..\"]\n", "climbs out"},
        {"[submodule \"a/../b\"]\n", "climbs out"},
        {"[submodule \"a\001\"]\n", "control characters"},
        {"[submodule \"a\"]\npath = ../x\n", "plain names"},
        {"[submodule \"a\"]\npath = /x\n", "plain names"},
        {"[submodule \"a\"]\npath = -x\n", "plain names"},
        {"[submodule \"a\"]\npath = x/\n", "plain names"},
        {"[submodule \"a\"]\npath =\n", "plain names"},
        {"[submodule \"a\"]\npath\n", "plain names"},
        {"[submodule \"a\"]\npath = \"x\\\"\"\n", "marks or escapes"},
        {"[submodule \"a\"]\npath = x\\ty\n", "marks or escapes"},
        {"[submodule \"a\"]\nurl =\n", "empty URL"},
        {"[submodule \"a\"]\nurl = -x\n", "begins with a dash"},
        {"[submodule \"a\"]\nurl = https://h/a b\n", "characters that no URL has"},
        {"[submodule \"a\"]\nurl = https://h/\303\244\n", "characters that no URL has"},
        {"[submodule \"a\"]\nupdate = !x \\\nurl = https://h/lib\n", "goes on"},
        {"path = third/lib\n" LIB, "no key"},
        {"[a]\n= x\n", "no key"},
        {"[a]\nx y\n", "no key"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char url[FETCH_MODULE_URL_SIZE];
        struct ml_error err = ML_ERROR_INIT;
        case_int(cases[i].text,
                 gitmodules_find(cases[i].text, strlen(cases[i].text), "third/lib", url, &err), -1);
        case_int(cases[i].text, err.status, ML_REFUSED);
        case_text(cases[i].text, err.code, "refused_submodule");
        case_true(cases[i].text, strstr(err.message, cases[i].why) != NULL);
        case_true(cases[i].text, *err.hint != '\0');
    }
}

/* What is too long, and what ends in the middle. */
static void sizes(void **state)
{
    char text[2 * FETCH_MODULE_URL_SIZE], url[FETCH_MODULE_URL_SIZE];
    struct ml_error err = ML_ERROR_INIT;
    memset(text, 'a', sizeof text);
    memcpy(text, "[submodule \"a\"]\nurl=", 20);
    assert_int_equal(gitmodules_find(text, 20 + FETCH_MODULE_URL_SIZE, "p", url, &err), -1);
    assert_non_null(strstr(err.message, "too long"));
    memcpy(text + 16, "path=", 5);
    assert_int_equal(gitmodules_find(text, 21 + FETCH_MODULE_PATH_SIZE, "p", url, &err), -1);
    assert_non_null(strstr(err.message, "too long"));
    const size_t enough = (size_t)(strstr(LIB, "https") - LIB);
    for (size_t n = 0; n < sizeof LIB - 1; n++)
        assert_int_equal(gitmodules_find(LIB, n, "third/lib", url, NULL) == 0, n > enough);
    assert_int_equal(gitmodules_find("[a]\n\0x\n", 7, "p", url, &err), -1);
    assert_non_null(strstr(err.message, "control characters"));
}

static void urls(void **state)
{
    static const struct {
        const char *super, *url, *want;
    } cases[] = {
        {"https://h/a/b", "https://h/c", "https://h/c"},
        {"https://h/a/b", "HTTPS://O:443/c.git/", "https://o/c.git"},
        {"ssh://git@h/a/b", "https://h/c", "https://h/c"},
        {"https://h/a/b", "https://h/c@d", "https://h/c@d"},
        {"https://h/a/b", "../c", "https://h/a/c"},
        {"https://h/a/b", "./c", "https://h/a/b/c"},
        {"https://h/a/b", "../", "https://h/a"},
        {"https://h/a/b", "../../c", "https://h/c"},
        {"https://h/a/b", "../.././c/d", "https://h/c/d"},
        {"https://h:1/a", "../c", "https://h:1/c"},
        {"https://h/@a@", "../c@d", "https://h/c@d"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct source super, got = {0};
        struct ml_error err = ML_ERROR_INIT;
        assert_int_equal(source_parse(cases[i].super, &super, NULL), 0);
        gitmodules_source(&super, cases[i].url, &got, &err);
        case_text(cases[i].url, err.message, "");
        case_text(cases[i].url, got.url, cases[i].want);
        case_int(cases[i].url, got.kind, SOURCE_HTTPS);
        case_int(cases[i].url, got.ref_kind, SOURCE_REF_NONE);
    }
}

static void urls_refused(void **state)
{
    static const struct {
        const char *super, *url, *why;
    } cases[] = {
        {"https://h/a/b", "http://h/c", "its URL 'http://h/c' is not taken: http is neither"},
        {"https://h/a/b", "ssh://git@h/c", "'ssh://git@h/c' is not of https"},
        {"https://h/a/b", "git@h:c", "'git@h:c' is not of https"},
        {"https://h/a/b", "git://h/c", "'git://h/c' is not of https"},
        {"https://h/a/b", "file:///c", "'file:///c' is not of https"},
        {"https://h/a/b", "/c", "'/c' is not of https"},
        {"https://h/a/b", "c", "'c' is not of https"},
        {"https://h/a/b", "..", "'..' is not of https"},
        {"https://h/a/b", "ext::sh", "'ext::sh' is not taken: it names a transport helper"},
        {"https://h/a/b", "ftp://h/c", "'ftp://h/c' is not taken: its scheme"},
        {"https://h/a/b", "-c", "'-c' is not taken: it begins with a dash"},
        {"https://h/a/b", "https://-h/c", "is not taken: its host begins with a dash"},
        {"https://h/a/b", "https://h", "is not taken"},
        {"https://h/a/b", "https://h/", "is not taken"},
        {"https://h/a/b", "https://me:secret@h/c", "its URL is not taken: there is a password"},
        {"https://h/a/b", "https://token@h/c", "is not taken: there is a user in it"},
        {"https://h/a/b", "https://h/c/../d", "has '..' in its path"},
        {"https://h/a/b", "../../../c", "'../../../c' leads out of its host"},
        {"https://h/a/b", "../c/../../../d", "has '..' in its path"},
        {"ssh://git@h/a/b", "../c", "'../c' is relative to one that is not of https"},
        {"/srv/b", "../c", "'../c' is relative to one that is not of https"},
        {"file:///srv/b", "./c", "'./c' is relative to one that is not of https"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct source super, got;
        struct ml_error err = ML_ERROR_INIT;
        assert_int_equal(source_parse(cases[i].super, &super, NULL), 0);
        case_int(cases[i].url, gitmodules_source(&super, cases[i].url, &got, &err), -1);
        case_int(cases[i].url, err.status, ML_REFUSED);
        case_text(cases[i].url, err.code, "refused_submodule");
        if (strstr(err.message, cases[i].why) == NULL)
            fail_msg("%s: %s", cases[i].url, err.message);
        case_true(cases[i].url, strstr(err.message, "secret") == NULL);
        case_true(cases[i].url, strstr(err.hint, "by https alone") != NULL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(found), cmocka_unit_test(refused),      cmocka_unit_test(sizes),
        cmocka_unit_test(urls),  cmocka_unit_test(urls_refused),
    };
    UNIT_RUN("fetch/gitmodules", tests);
}

/* Goal of this test: what people write for a source is read as they mean it, in one spelling; and
 * nothing is taken that runs a program, is an option to one, or holds a secret. */
#include "fetch/source.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "fixture.h"

static void taken(void **state)
{
    static const struct {
        const char *text, *url, *host, *ref;
        enum source_kind kind;
        enum source_ref ref_kind;
    } cases[] = {
        {"https://h.org/a/b", "https://h.org/a/b", "h.org", "", SOURCE_HTTPS, 0},
        {"HTTPS://H.Org:443/A/b.git/", "https://h.org/A/b.git", "h.org", "", SOURCE_HTTPS, 0},
        {"https://h:8443/a", "https://h:8443/a", "h", "", SOURCE_HTTPS, 0},
        {"https://h:/a", "https://h/a", "h", "", SOURCE_HTTPS, 0},
        {"https://[::1]:8443/a", "https://[::1]:8443/a", "::1", "", SOURCE_HTTPS, 0},
        {"https://h/a@main", "https://h/a", "h", "main", SOURCE_HTTPS, SOURCE_REF_NAME},
        {"https://h/a@feature/x", "https://h/a", "h", "feature/x", SOURCE_HTTPS, SOURCE_REF_NAME},
        {"https://h/a@v1.2.3", "https://h/a", "h", "v1.2.3", SOURCE_HTTPS, SOURCE_REF_NAME},
        {"https://h/a@^1.2", "https://h/a", "h", "^1.2", SOURCE_HTTPS, SOURCE_REF_RANGE},
        {"https://h/a@~1.2", "https://h/a", "h", "~1.2", SOURCE_HTTPS, SOURCE_REF_RANGE},
        {"https://h/a@>=1.2 <2", "https://h/a", "h", ">=1.2 <2", SOURCE_HTTPS, SOURCE_REF_RANGE},
        {"https://h/a@*", "https://h/a", "h", "*", SOURCE_HTTPS, SOURCE_REF_RANGE},
        {"https://h/@me/a@", "https://h/@me/a", "h", "", SOURCE_HTTPS, 0},
        {"https://h/@me/a@v1", "https://h/@me/a", "h", "v1", SOURCE_HTTPS, SOURCE_REF_NAME},
        {"https://h/a%20b", "https://h/a%20b", "h", "", SOURCE_HTTPS, 0},
        {"ssh://git@H:22/a", "ssh://git@h/a", "h", "", SOURCE_SSH, 0},
        {"ssh://git@h:2222/a@v1", "ssh://git@h:2222/a", "h", "v1", SOURCE_SSH, SOURCE_REF_NAME},
        {"ssh://h/~me/a", "ssh://h/~me/a", "h", "", SOURCE_SSH, 0},
        {"git@H:a/b.git", "git@h:a/b.git", "h", "", SOURCE_SSH, 0},
        {"git@h:a/b@^1", "git@h:a/b", "h", "^1", SOURCE_SSH, SOURCE_REF_RANGE},
        {"h:a", "h:a", "h", "", SOURCE_SSH, 0},
        {"git@[::1]:a", "git@[::1]:a", "::1", "", SOURCE_SSH, 0},
        {"git://h:9418/a@0a1b2c3", "git://h/a", "h", "0a1b2c3", SOURCE_GIT, SOURCE_REF_NAME},
        {"file:///srv/a%20b/@v1", "/srv/a b", "", "v1", SOURCE_FILE, SOURCE_REF_NAME},
        {"file://localhost/a", "/a", "", "", SOURCE_FILE, 0},
        {"./a", "./a", "", "", SOURCE_PATH, 0},
        {"./a:b", "./a:b", "", "", SOURCE_PATH, 0},
        {"/srv/a b/@v1.0", "/srv/a b", "", "v1.0", SOURCE_PATH, SOURCE_REF_NAME},
        {"/srv/me@work/a@", "/srv/me@work/a", "", "", SOURCE_PATH, 0},
        {"../math@feature/x", "../math", "", "feature/x", SOURCE_PATH, SOURCE_REF_NAME},
        {"math", "math", "", "", SOURCE_PATH, 0},
        {"/", "/", "", "", SOURCE_PATH, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct source source;
        struct ml_error err = ML_ERROR_INIT;
        int status = source_parse(cases[i].text, &source, &err);
        case_text(cases[i].text, err.message, "");
        case_int(cases[i].text, status, 0);
        case_text(cases[i].text, source.url, cases[i].url);
        case_text(cases[i].text, source.host, cases[i].host);
        case_text(cases[i].text, source.ref, cases[i].ref);
        case_int(cases[i].text, source.kind, cases[i].kind);
        case_int(cases[i].text, source.ref_kind, cases[i].ref_kind);
    }
}

static void not_taken(void **state)
{
    static const struct {
        const char *text, *code, *why;
    } cases[] = {
        {"", "bad_source", "there is none"},
        {"ext::sh -c id", "refused_source", "transport helper"},
        {"fd::17", "refused_source", "transport helper"},
        {"a+b::https://h/a", "refused_source", "transport helper"},
        {"http://h/a", "refused_source", "http is neither"},
        {"HTTP://h/a", "refused_source", "http is neither"},
        {"ftp://h/a", "refused_source", "scheme"},
        {"git+ssh://h/a", "refused_source", "scheme"},
        {"-oProxyCommand=id", "refused_source", "dash"},
        {"--upload-pack=id", "refused_source", "dash"},
        {"ssh://-oProxyCommand=id/a", "refused_source", "host begins with a dash"},
        {"ssh://git@-h/a", "refused_source", "host begins with a dash"},
        {"ssh://-u@h/a", "refused_source", "user begins with a dash"},
        {"git@-h:a", "refused_source", "host begins with a dash"},
        {"git@h:-a", "refused_source", "path begins with a dash"},
        {"https://h/-a", "refused_source", "path begins with a dash"},
        {"https://me:secret@h/a", "refused_source", "password"},
        {"http://me:secret@h/a", "refused_source", "password"},
        {"https://:secret@h/a", "refused_source", "password"},
        {"ssh://me:secret@h/a", "refused_source", "password"},
        {"https://secret@h/a", "refused_source", "user"},
        {"git://me@h/a", "refused_source", "user"},
        {"https://h/a?token=secret", "bad_source", "question mark"},
        {"https://h/a#b", "bad_source", "hash"},
        {"https://h/a b", "bad_source", "encoded"},
        {"https://h/a%0ahost=evil", "bad_source", "control character"},
        {"https://h/a%00", "bad_source", "control character"},
        {"https://h/a%7F", "bad_source", "control character"},
        {"https://h/a%2", "bad_source", "two digits"},
        {"https://h/a%zz", "bad_source", "two digits"},
        {"https://h/a\nb", "refused_source", "control"},
        {"./a\033[2J", "refused_source", "control"},
        {"https:///a", "bad_source", "no host"},
        {"https://h", "bad_source", "no repository"},
        {"https://h/", "bad_source", "no repository"},
        {"https://h:0/a", "bad_source", "port"},
        {"https://h:65536/a", "bad_source", "port"},
        {"https://h:8x/a", "bad_source", "port"},
        {"https://h_\303\244/a", "bad_source", "host"},
        {"https://a b/a", "bad_source", "host"},
        {"https://[::1/a", "bad_source", "host"},
        {"git@h:", "bad_source", "no repository"},
        {"git@h:///a", "bad_source", "no scheme"},
        {"file:https://me:secret@h/a", "bad_source", "no scheme"},
        {"file://h/a", "bad_source", "three slashes"},
        {"file:///a%0a", "bad_source", "control"},
        {"https://h/a@-x", "bad_ref", "dash"},
        {"https://h/a@--upload-pack=x", "bad_ref", "dash"},
        {"https://h/a@a..b", "bad_ref", "name"},
        {"https://h/a@a b", "bad_ref", "character"},
        {"https://h/a@a:b", "bad_ref", "character"},
        {"https://h/a@{u}^", "bad_ref", "character"},
        {"https://h/a@a.lock", "bad_ref", "name"},
        {"https://h/a@.a", "bad_ref", "name"},
        {"https://h/a@a/", "bad_ref", "name"},
        {"https://h/a@a//b", "bad_ref", "name"},
        {"https://h/a@^", "bad_ref", "range"},
        {"https://h/a@^1.x", "bad_ref", "range"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct source source = {.url = "untouched"};
        struct ml_error err = ML_ERROR_INIT;
        case_int(cases[i].text, source_parse(cases[i].text, &source, &err), -1);
        case_text(cases[i].text, err.code, cases[i].code);
        case_int(cases[i].text, err.status,
                 strncmp(err.code, "ref", 3) == 0 ? ML_REFUSED : ML_DATA);
        case_true(cases[i].text, strstr(err.message, cases[i].why) != NULL);
        case_true(cases[i].text, *err.hint != '\0');
        case_true(cases[i].text, strstr(err.message, "secret") == NULL);
        case_true(cases[i].text, strstr(err.hint, "secret") == NULL);
        case_text(cases[i].text, source.url, "untouched");
    }
}

/* A path that is there as a whole is no path with a ref behind it. */
static void path_with_an_at(void **state)
{
    struct place *place = *state;
    struct source source;
    const char *path = place_path(place, "me@work");
    assert_int_equal(source_parse(path, &source, NULL), 0);
    assert_string_equal(source.ref, "work");
    assert_int_equal(mkdirat(place->fd, "me@work", 0700), 0);
    assert_int_equal(source_parse(path, &source, NULL), 0);
    assert_string_equal(source.url, path);
    assert_string_equal(source.ref, "");
}

static void too_long(void **state)
{
    char text[SOURCE_URL_MAX + 64];
    struct source source;
    struct ml_error err = ML_ERROR_INIT;
    for (const char *const *form = (const char *const[]){"https://h/", "git@h:", "/", "file:///",
                                                         "https://h/a@", "https://", NULL};
         *form != NULL; form++) {
        size_t n = strlen(*form);
        memset(text, 'a', sizeof text);
        memcpy(text, *form, n);
        text[sizeof text - 1] = '\0';
        case_int(*form, source_parse(text, &source, &err), -1);
        case_int(*form, err.status, ML_DATA);
    }
}

static void directories(void **state)
{
    static const struct {
        const char *path;
        bool good;
    } cases[] = {
        {"a", true},   {"a/b", true},   {"a b/c", true}, {"", false},     {"/a", false},
        {"a/", false}, {"a//b", false}, {"../a", false}, {"a/..", false}, {"a/./b", false},
        {"-a", false}, {"a\n", false},  {"..a", true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        case_int(cases[i].path, source_subdir_check(cases[i].path, NULL), cases[i].good ? 0 : -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(taken),    cmocka_unit_test(not_taken),   place_test(path_with_an_at),
        cmocka_unit_test(too_long), cmocka_unit_test(directories),
    };
    UNIT_RUN("fetch/source", tests);
}

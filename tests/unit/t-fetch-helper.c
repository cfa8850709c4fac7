/* Goal of this test: a credential helper is asked as git asks it, what it says is a name and a
 * password or an error that says what to do, and it never takes longer than it may. */
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/fs.h"
#include "fetch/helper.h"

#include "fixture.h"

enum { NEVER_MS = 120000 };

/* A helper that keeps what it is asked in "asked", and then does that. */
static void helper_make(const struct place *place, const char *does)
{
    char text[1024];
    snprintf(text, sizeof text, "#!/bin/sh\ncd '%s' || exit\n{ echo \"$@\"; cat; } >asked\n%s\n",
             place->path, does);
    int fd = openat(place->fd, "helper", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0700);
    assert_true(fd >= 0 && fs_write_all(fd, text, strlen(text)) == 0 && close(fd) == 0);
    setenv("MODLOAD_CREDENTIAL_HELPER", place_path(place, "helper"), 1);
}

static int ask(const char *url, int64_t deadline_ms, int cancel_fd, struct netrc *ret,
               struct ml_error *err)
{
    struct source source;
    *err = (struct ml_error)ML_ERROR_INIT;
    memset(ret, 0, sizeof *ret);
    assert_int_equal(source_parse(url, &source, NULL), 0);
    int fds = count_fds();
    int status = helper_ask(&source, deadline_ms, cancel_fd, ret, err);
    assert_int_equal(count_fds(), fds);
    return status;
}

static void asked(void **state)
{
    const struct place *place = *state;
    static const char *const cases[][2] = {
        {"https://h.org/x", "get\nprotocol=https\nhost=h.org\n\n"},
        {"https://H.org:8443/x/y@v1", "get\nprotocol=https\nhost=h.org:8443\n\n"},
        {"https://[::1]:8443/x", "get\nprotocol=https\nhost=[::1]:8443\n\n"},
    };
    struct netrc got;
    struct ml_error err;
    helper_make(place, "printf 'username=me\\npassword=x\\n'");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        BUF_AUTO text = BUF_INIT;
        case_int(cases[i][0], ask(cases[i][0], -1, -1, &got, &err), 0);
        case_text(cases[i][0], got.login, "me");
        case_text(cases[i][0], got.password, "x");
        assert_int_equal(fs_read_file(place->fd, "asked", &text, 4096), 0);
        case_text(cases[i][0], buf_text(&text), cases[i][1]);
    }
}

static void answers(void **state)
{
    const struct place *place = *state;
    static const struct {
        const char *does, *login, *password, *code;
    } cases[] = {
        {"printf 'username=me\\npassword=x'", "me", "x", ""},
        {"printf 'username=\\npassword=x=y z\\n'", "", "x=y z", ""},
        {"printf 'capability[]=a\\nhost=other\\npassword=\\303\\244\\nusername=me\\nquit=0\\n\\nx'",
         "me", "\303\244", ""},
        {":", "", "", "no_credentials"},
        {"echo", "", "", "no_credentials"},
        {"echo quit=1", "", "", "no_credentials"},
        {"printf 'username=me\\npassword=x\\n'; exit 3", "", "", "credential_helper"},
        {"kill -SEGV $$", "", "", "credential_helper"},
        {"printf 'username=me\\nx\\n'", "", "", "credential_helper"},
        {"printf 'username=me\\n'", "", "", "credential_helper"},
        {"printf 'password=x\\n'", "", "", "credential_helper"},
        {"printf 'username=me\\npassword=\\n'", "", "", "credential_helper"},
        {"printf 'username=me\\npassword=a\\033b\\n'", "", "", "credential_helper"},
        {"printf 'username=me\\r\\npassword=x\\r\\n'", "", "", "credential_helper"},
        {"printf 'username=me\\npassword=a\\000b\\n'", "", "", "credential_helper"},
        {"printf 'username=me\\npassword=%01024d\\n' 0", "", "", "credential_helper"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct netrc got;
        struct ml_error err;
        helper_make(place, cases[i].does);
        int status = ask("https://h.org/x", -1, -1, &got, &err);
        case_int(cases[i].does, status, *cases[i].code ? -1 : 0);
        case_int(cases[i].does, err.status, *cases[i].code ? ML_REFUSED : 0);
        case_text(cases[i].does, err.code, cases[i].code);
        case_text(cases[i].does, got.login, cases[i].login);
        case_text(cases[i].does, got.password, cases[i].password);
        case_true(cases[i].does, (*cases[i].code != '\0') == (*err.hint != '\0'));
    }
}

static void too_much(void **state)
{
    struct netrc got;
    struct ml_error err;
    helper_make(*state, "yes password=x");
    assert_int_equal(ask("https://h.org/x", -1, -1, &got, &err), -1);
    assert_int_equal(err.status, ML_LIMIT);
    assert_string_equal(got.password, "");
}

/* What it has started is gone as well, or the pipe would not be at its end. */
static void too_long(void **state)
{
    struct netrc got;
    struct ml_error err;
    int ends[2];
    int64_t begin = clock_ms();
    helper_make(*state, "sleep 1000 & sleep 1000");
    assert_int_equal(ask("https://h.org/x", begin + 200, -1, &got, &err), -1);
    assert_int_equal(err.status, ML_TIMEOUT);
    assert_string_equal(err.code, "credential_helper");
    assert_non_null(strstr(err.message, "has not answered in time"));
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    close(ends[1]);
    assert_int_equal(ask("https://h.org/x", -1, ends[0], &got, &err), -1);
    close(ends[0]);
    assert_int_equal(err.status, ML_SIGNAL + SIGINT);
    assert_string_equal(err.code, "cancelled");
    assert_true(clock_ms() - begin < NEVER_MS);
}

static void variables(void **state)
{
    const struct place *place = *state;
    char words[512];
    struct netrc got;
    struct ml_error err;
    helper_make(place, "printf 'username=me\\npassword=x\\n'");
    static const char *const bad[] = {" ", "./helper", "nowhere-at-all", "/nowhere", "/etc/passwd"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        setenv("MODLOAD_CREDENTIAL_HELPER", bad[i], 1);
        case_true(bad[i], helper_there());
        case_int(bad[i], ask("https://h.org/x", -1, -1, &got, &err), -1);
        case_int(bad[i], err.status, ML_CONFIG);
        case_text(bad[i], err.code, "bad_variable");
    }
    snprintf(words, sizeof words, " %s\ta  '$HOME' ", place_path(place, "helper"));
    setenv("MODLOAD_CREDENTIAL_HELPER", words, 1);
    assert_int_equal(ask("https://h.org/x", -1, -1, &got, &err), 0);
    BUF_AUTO text = BUF_INIT;
    assert_int_equal(fs_read_file(place->fd, "asked", &text, 4096), 0);
    assert_memory_equal(buf_text(&text), "a '$HOME' get\n", 14);
    setenv("MODLOAD_CREDENTIAL_HELPER", "", 1);
    assert_false(helper_there());
    unsetenv("MODLOAD_CREDENTIAL_HELPER");
    assert_false(helper_there());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        place_test(asked),    place_test(answers),   place_test(too_much),
        place_test(too_long), place_test(variables),
    };
    UNIT_RUN("fetch/helper", tests);
}

/* Goal of this test: a repository comes over git's own protocol and over https; a server that is
 * slow is waited for, one that is silent is not; and a password reaches the host that it is for,
 * and no other place. */
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>

#include "base/clock.h"

#include "repo.h"
#include "served.h"

enum { NEVER_MS = 120000 };

/* Bytes that do not pack. */
static void commit_noise(const struct place *place, size_t n)
{
    uint64_t seed = n;
    char *text = malloc(n + 1);
    assert_non_null(text);
    for (size_t i = 0; i < n; i++)
        text[i] = (char)(' ' + next_random(&seed) % 90);
    text[n] = '\0';
    repo_make(place, "r");
    FILE *f = fopen(place_path(place, "r/noise"), "w");
    assert_true(f != NULL && fwrite(text, 1, n, f) == n && fclose(f) == 0);
    free(text);
    repo_commit(place, "r", "a", "one");
}

static const char *url(const struct served *served, const char *scheme, const char *path)
{
    static char text[256];
    snprintf(text, sizeof text, "%s://127.0.0.1:%d/%s", scheme, served->port, path);
    return text;
}

/* ---- git's own protocol ---- */

static void git_protocol(void **state)
{
    const struct place *place = *state;
    struct fetched got;
    repo_make(place, "r");
    repo_commit(place, "r", "a", "one");
    repo_git(place, "r", "tag", "v1.2.3");
    SERVED_AUTO served = served_git(place, (struct served_how)SERVED_WHOLE);
    repo_fetch(place, url(&served, "git", "r@^1.2"), &got);
    assert_string_equal(got.err.message, "");
    assert_string_equal(repo_read(place, "out/a"), "one");
    assert_string_equal(got.result.version, "1.2.3");
    assert_true(got.result.received > 0 && got.told > 0);
    repo_fetch(place, url(&served, "git", "r@^1.2"), &got);
    assert_string_equal(got.err.message, "");
    assert_int_equal(got.result.received, 0);
    repo_commit(place, "r", "a", "two");
    repo_fetch(place, url(&served, "git", "r"), &got);
    assert_string_equal(repo_read(place, "out/a"), "two");
}

static void offline(void **state)
{
    const struct place *place = *state;
    struct fetch_request request = FETCH_REQUEST_INIT;
    struct fetched got = {0};
    char source[256];
    repo_make(place, "r");
    repo_commit(place, "r", "a", "one");
    repo_git(place, "r", "tag", "v1.0.0");
    SERVED_AUTO served = served_git(place, (struct served_how)SERVED_WHOLE);
    snprintf(source, sizeof source, "%s", url(&served, "git", "r"));
    request.offline = true;
    repo_fetch_with(place, source, &request, &got);
    assert_int_equal(got.status, ML_NO_INPUT);
    assert_string_equal(got.err.code, "not_cached");
    repo_fetch(place, source, &got);
    assert_string_equal(got.err.message, "");
    served_stop(&served);
    repo_fetch_with(place, source, &request, &got);
    assert_string_equal(got.err.message, "");
    assert_string_equal(repo_read(place, "out/a"), "one");
    strcat(source, "@^1");
    repo_fetch_with(place, source, &request, &got);
    assert_string_equal(got.result.version, "1.0.0");
    strcat(source, ".5");
    repo_fetch_with(place, source, &request, &got);
    assert_string_equal(got.err.code, "not_cached");
    assert_non_null(strstr(got.err.message, "'^1.5' is not in the cache"));
    request.offline = false;
    repo_fetch_with(place, source, &request, &got);
    assert_int_equal(got.status, ML_IO);
    assert_string_equal(got.err.code, "network");
}

static void missing(void **state)
{
    const struct place *place = *state;
    struct fetched got;
    SERVED_AUTO served = served_git(place, (struct served_how)SERVED_WHOLE);
    repo_fetch(place, url(&served, "git", "nowhere"), &got);
    assert_int_equal(got.status, ML_NO_INPUT);
    assert_string_equal(got.err.code, "no_repository");
    assert_true(*got.err.hint != '\0');
}

/* ---- limits ---- */

/* From the first byte, in the middle of what there is, and in the middle of the objects. */
static void silent(void **state)
{
    const struct place *place = *state;
    static const size_t after[] = {0, 100, 200000};
    struct fetch_limits limits = FETCH_LIMITS_INIT;
    struct fetch_request request = FETCH_REQUEST_INIT;
    commit_noise(place, 1000000);
    request.limits = &limits;
    limits.idle_ms = 500;
    for (size_t i = 0; i < sizeof after / sizeof *after; i++) {
        struct fetched got = {0};
        SERVED_AUTO served = served_git(place, (struct served_how){after[i], 0});
        int64_t begin = clock_ms();
        repo_fetch_with(place, url(&served, "git", "r"), &request, &got);
        assert_int_equal(got.status, ML_TIMEOUT);
        assert_non_null(strstr(got.err.message, "nothing has come from the server for 1 s"));
        assert_true(clock_ms() - begin >= 500 && clock_ms() - begin < NEVER_MS);
        served_wait(&served, 'e');
    }
}

static void slow(void **state)
{
    const struct place *place = *state;
    struct fetch_limits limits = FETCH_LIMITS_INIT;
    struct fetch_request request = FETCH_REQUEST_INIT;
    struct fetched got = {0};
    commit_noise(place, 10000);
    request.limits = &limits;
    limits.idle_ms = 1500;
    SERVED_AUTO served = served_git(place, (struct served_how){SIZE_MAX, 200});
    int64_t begin = clock_ms();
    repo_fetch_with(place, url(&served, "git", "r"), &request, &got);
    assert_string_equal(got.err.message, "");
    assert_true(clock_ms() - begin > limits.idle_ms);
}

static void deadlines(void **state)
{
    const struct place *place = *state;
    struct fetch_limits limits = FETCH_LIMITS_INIT;
    struct fetch_request request = FETCH_REQUEST_INIT;
    struct fetched got = {0};
    repo_make(place, "r");
    repo_commit(place, "r", "a", "one");
    SERVED_AUTO served = served_git(place, (struct served_how){0, 0});
    request.limits = &limits;
    limits.time_ms = 300;
    repo_fetch_with(place, url(&served, "git", "r"), &request, &got);
    assert_int_equal(got.status, ML_TIMEOUT);
    assert_non_null(strstr(got.err.message, "took too long"));
    served_wait(&served, 'e');
    limits.time_ms = NEVER_MS;
    request.deadline_ms = clock_ms() + 300;
    repo_fetch_with(place, url(&served, "git", "r"), &request, &got);
    assert_int_equal(got.status, ML_TIMEOUT);
    served_wait(&served, 'e');
}

static void too_large(void **state)
{
    const struct place *place = *state;
    struct fetch_limits limits = FETCH_LIMITS_INIT;
    struct fetch_request request = FETCH_REQUEST_INIT;
    struct fetched got = {0};
    commit_noise(place, 1000000);
    SERVED_AUTO served = served_git(place, (struct served_how)SERVED_WHOLE);
    request.limits = &limits;
    limits.pack_bytes = 300000;
    repo_fetch_with(place, url(&served, "git", "r"), &request, &got);
    assert_int_equal(got.status, ML_LIMIT);
    assert_string_equal(got.err.code, "repository_too_large");
}

static void cancelled(void **state)
{
    const struct place *place = *state;
    struct fetch_request request = FETCH_REQUEST_INIT;
    struct fetched got = {0};
    int ends[2];
    commit_noise(place, 1000000);
    SERVED_AUTO served = served_git(place, (struct served_how){300000, 0});
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    request.cancel_fd = ends[0];
    repo_fetch_until(place, url(&served, "git", "r"), &request, ends[1], &got);
    close(ends[0]);
    assert_int_equal(got.status, ML_SIGNAL + SIGINT);
    assert_string_equal(got.err.code, "cancelled");
    served_wait(&served, 'e');
}

static int fetch_for_ever(void *arg)
{
    struct fetch_request request = FETCH_REQUEST_INIT;
    struct fetch_result result;
    request.source = arg;
    return fetch_source(&request, -1, &result, NULL) == 0;
}

/* Nobody is left who holds the connection. */
static void killed(void **state)
{
    const struct place *place = *state;
    struct source source;
    repo_make(place, "r");
    SERVED_AUTO served = served_git(place, (struct served_how){0, 0});
    assert_int_equal(source_parse(url(&served, "git", "r"), &source, NULL), 0);
    pid_t pid = child_begin(fetch_for_ever, &source);
    served_wait(&served, 'a');
    kill(pid, SIGKILL);
    assert_int_equal(child_finish(pid), 128 + SIGKILL);
    served_wait(&served, 'e');
}

/* ---- https ---- */

static void trust(const struct place *place)
{
    setenv("SSL_CERT_FILE", place_path(place, "ca.pem"), 1);
}

static void write_secret(const struct place *place, const char *path, const char *text, mode_t mode)
{
    int fd = openat(place->fd, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    assert_true(fchmod(fd, mode) == 0 && close(fd) == 0);
}

/* No request to that host had the word. */
static void check_never(const struct place *place, const char *host, const char *word)
{
    char text[4096];
    snprintf(text, sizeof text, "%s", repo_read(place, "requests"));
    for (char *rest = text, *line; (line = strsep(&rest, "\n")) != NULL;)
        if (strncmp(line, host, strlen(host)) == 0)
            case_true(line, strstr(line, word) == NULL);
}

static void https(void **state)
{
    const struct place *place = *state;
    struct fetched got;
    repo_make(place, "r");
    repo_commit(place, "r", "a", "one");
    SERVED_AUTO served = served_https(place, "127.0.0.1");
    repo_fetch(place, url(&served, "https", "plain/r/.git"), &got);
    assert_int_equal(got.status, ML_REFUSED);
    assert_string_equal(got.err.code, "bad_certificate");
    assert_string_equal(repo_read(place, "requests"), "");
    trust(place);
    repo_fetch(place, url(&served, "https", "plain/r/.git"), &got);
    assert_string_equal(got.err.message, "");
    assert_string_equal(repo_read(place, "out/a"), "one");
    repo_fetch(place, url(&served, "https", "nowhere"), &got);
    assert_int_equal(got.status, ML_NO_INPUT);
    assert_string_equal(got.err.code, "no_repository");
}

/* The name in the certificate has to be the host's, whoever has signed it. */
static void wrong_name(void **state)
{
    const struct place *place = *state;
    struct fetched got;
    repo_make(place, "r");
    SERVED_AUTO served = served_https(place, "example.org");
    trust(place);
    repo_fetch(place, url(&served, "https", "plain/r/.git"), &got);
    assert_int_equal(got.status, ML_REFUSED);
    assert_string_equal(got.err.code, "bad_certificate");
    assert_string_equal(repo_read(place, "requests"), "");
}

static void redirects(void **state)
{
    const struct place *place = *state;
    struct fetched got;
    repo_make(place, "r");
    repo_commit(place, "r", "a", "one");
    SERVED_AUTO served = served_https(place, "127.0.0.1");
    trust(place);
    repo_fetch(place, url(&served, "https", "moved/r/.git"), &got);
    assert_string_equal(got.err.message, "");
    static const char *const paths[] = {"away/r/.git", "down/r/.git"};
    for (size_t i = 0; i < 2; i++) {
        repo_fetch(place, url(&served, "https", paths[i]), &got);
        case_int(paths[i], got.status, ML_REFUSED);
        case_text(paths[i], got.err.code, "redirect");
    }
    check_never(place, "localhost", "");
}

static void passwords(void **state)
{
    const struct place *place = *state;
    char tokens[256];
    struct fetched got;
    repo_make(place, "r");
    repo_commit(place, "r", "a", "one");
    SERVED_AUTO served = served_https(place, "127.0.0.1");
    trust(place);
    static const struct {
        const char *netrc, *tokens, *code;
        mode_t mode;
    } cases[] = {
        {NULL, NULL, "no_credentials", 0600},
        {"machine 127.0.0.1 login me password secret\n", NULL, "", 0600},
        {"machine 127.0.0.1 login me password secret\n", NULL, "no_credentials", 0644},
        {"machine 127.0.0.1 login me password sesame\n", NULL, "no_credentials", 0600},
        {"machine localhost login me password secret\n", NULL, "no_credentials", 0600},
        {"default login me password secret\n", NULL, "no_credentials", 0600},
        {NULL, "127.0.0.1 me secret\n", "", 0600},
        {NULL, "localhost me secret\n", "no_credentials", 0600},
        {NULL, "secret\n", "no_credentials", 0600},
        {NULL, "127.0.0.1 me secret\n", "no_credentials", 0640},
    };
    snprintf(tokens, sizeof tokens, "%s", place_path(place, "tokens"));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *name = cases[i].netrc ? cases[i].netrc : cases[i].tokens ? cases[i].tokens : "";
        unlinkat(place->fd, "home/.netrc", 0);
        unsetenv("MODLOAD_TOKEN_FILE");
        if (cases[i].netrc != NULL)
            write_secret(place, "home/.netrc", cases[i].netrc, cases[i].mode);
        if (cases[i].tokens != NULL) {
            write_secret(place, "tokens", cases[i].tokens, cases[i].mode);
            setenv("MODLOAD_TOKEN_FILE", tokens, 1);
        }
        repo_fetch(place, url(&served, "https", "auth/r/.git"), &got);
        case_text(name, got.err.code, cases[i].code);
        case_int(name, got.status, *cases[i].code ? ML_REFUSED : 0);
        case_true(name, strstr(got.err.message, "secret") == NULL);
        case_true(name, strstr(got.err.hint, "secret") == NULL);
    }
}

/* Who was given a password cannot send it on. */
static void no_password_elsewhere(void **state)
{
    const struct place *place = *state;
    struct fetched got;
    repo_make(place, "r");
    repo_commit(place, "r", "a", "one");
    SERVED_AUTO served = served_https(place, "127.0.0.1");
    trust(place);
    write_secret(place, "home/.netrc",
                 "machine 127.0.0.1 login me password secret "
                 "machine localhost login me password secret\n",
                 0600);
    repo_fetch(place, url(&served, "https", "late/r/.git"), &got);
    assert_int_equal(got.status, ML_REFUSED);
    assert_string_equal(got.err.code, "redirect");
    assert_non_null(strstr(repo_read(place, "requests"), "password"));
    check_never(place, "localhost", "");
    repo_fetch(place, url(&served, "https", "plain/r/.git"), &got);
    assert_string_equal(got.err.message, "");
}

static void https_silent(void **state)
{
    const struct place *place = *state;
    struct fetch_limits limits = FETCH_LIMITS_INIT;
    struct fetch_request request = FETCH_REQUEST_INIT;
    struct fetched got = {0};
    SERVED_AUTO served = served_https(place, "127.0.0.1");
    trust(place);
    request.limits = &limits;
    limits.idle_ms = 500;
    repo_fetch_with(place, url(&served, "https", "silent/r"), &request, &got);
    assert_int_equal(got.status, ML_TIMEOUT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        repo_test(git_protocol), repo_test(offline),
        repo_test(missing),      repo_test(silent),
        repo_test(slow),         repo_test(deadlines),
        repo_test(too_large),    repo_test(cancelled),
        repo_test(killed),       repo_test(https),
        repo_test(wrong_name),   repo_test(redirects),
        repo_test(passwords),    repo_test(no_password_elsewhere),
        repo_test(https_silent),
    };
    UNIT_RUN("fetch/network", tests);
}

/* Goal of this test: what is written behind the @ leads to the commit that it names, to the newest
 * version of a range, and nowhere when it could be two or is not there. */
#include <fcntl.h>
#include <sys/stat.h>

#include "base/prefix.h"
#include "base/scope.h"

#include "repo.h"

struct ids {
    char one[64], two[64], three[64];
};

/* one: v1.0.0, 1.1.0, v1.2.0-rc.1; two: v1.2.0, an annotated v1.10.0, "both" as a tag, branch side;
 * three: main, v2.0.0, "both" as a branch. */
static void history(const struct place *place, struct ids *ids)
{
    repo_make(place, "r");
    snprintf(ids->one, sizeof ids->one, "%s", repo_commit(place, "r", "a", "one"));
    repo_git(place, "r", "tag", "v1.0.0");
    repo_git(place, "r", "tag", "1.1.0");
    repo_git(place, "r", "tag", "v1.2.0-rc.1");
    repo_git(place, "r", "tag", "v0.9");
    snprintf(ids->two, sizeof ids->two, "%s", repo_commit(place, "r", "a", "two"));
    repo_git(place, "r", "tag", "v1.2.0");
    repo_git(place, "r", "tag", "-a", "-m", "ten", "v1.10.0");
    repo_git(place, "r", "tag", "both");
    repo_git(place, "r", "tag", "same");
    repo_git(place, "r", "branch", "same");
    repo_git(place, "r", "branch", "side/way");
    snprintf(ids->three, sizeof ids->three, "%s", repo_commit(place, "r", "a", "three"));
    repo_git(place, "r", "tag", "v2.0.0");
    repo_git(place, "r", "branch", "both");
    repo_git(place, "r", "tag", "v3.0.0+a", ids->one);
    repo_git(place, "r", "tag", "v3.0.0+b", ids->two);
    repo_git(place, "r", "tag", "blob", repo_git(place, "r", "rev-parse", "HEAD:a"));
}

static void found(void **state)
{
    const struct place *place = *state;
    struct ids ids;
    struct fetched got;
    history(place, &ids);
    const struct {
        const char *ref, *commit, *name, *version;
    } cases[] = {
        {"", ids.three, "refs/heads/main", ""},
        {"main", ids.three, "refs/heads/main", ""},
        {"side/way", ids.two, "refs/heads/side/way", ""},
        {"refs/heads/both", ids.three, "refs/heads/both", ""},
        {"refs/tags/both", ids.two, "refs/tags/both", ""},
        {"same", ids.two, "refs/tags/same", ""},
        {"v1.0.0", ids.one, "refs/tags/v1.0.0", "1.0.0"},
        {"1.0.0", ids.one, "refs/tags/v1.0.0", "1.0.0"},
        {"v1.1.0", ids.one, "refs/tags/1.1.0", "1.1.0"},
        {"v1.10.0", ids.two, "refs/tags/v1.10.0", "1.10.0"},
        {"^1.0", ids.two, "refs/tags/v1.10.0", "1.10.0"},
        {"~1.2", ids.two, "refs/tags/v1.2.0", "1.2.0"},
        {">=1.0 <1.2", ids.one, "refs/tags/1.1.0", "1.1.0"},
        {"=1.2.0-rc.1", ids.one, "refs/tags/v1.2.0-rc.1", "1.2.0-rc.1"},
        {"<3", ids.three, "refs/tags/v2.0.0", "2.0.0"},
        {ids.one, ids.one, "", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char source[512];
        snprintf(source, sizeof source, "r@%s", cases[i].ref);
        repo_fetch(place, source, &got);
        case_text(cases[i].ref, got.err.message, "");
        case_text(cases[i].ref, got.result.commit, cases[i].commit);
        case_text(cases[i].ref, got.result.ref, cases[i].name);
        case_text(cases[i].ref, got.result.version, cases[i].version);
        case_int(cases[i].ref, got.result.time, 1700000000);
    }
    char shortened[64];
    snprintf(shortened, sizeof shortened, "r@%.9s", ids.two);
    repo_fetch(place, shortened, &got);
    assert_string_equal(got.err.message, "");
    assert_string_equal(got.result.commit, ids.two);
}

static void not_found(void **state)
{
    const struct place *place = *state;
    static const struct {
        const char *ref, *code;
        int status;
        const char *hint;
    } cases[] = {
        {"mian", "no_such_ref", ML_NO_INPUT, "'main'"},
        {"nothing-like-it", "no_such_ref", ML_NO_INPUT, "newest version is 3.0.0"},
        {"^4", "no_such_ref", ML_NO_INPUT, "newest version is 3.0.0"},
        {"0123456789012345678901234567890123456789", "no_such_ref", ML_NO_INPUT, ""},
        {"0123456", "no_such_ref", ML_NO_INPUT, ""},
        {"both", "ambiguous_ref", ML_DATA, "refs/heads/both"},
        {"^3", "ambiguous_ref", ML_DATA, "refs/tags/v3.0.0+"},
        {"blob", "bad_repository", ML_DATA, "name another tag or branch"},
    };
    struct ids ids;
    history(place, &ids);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char source[512];
        struct fetched got;
        snprintf(source, sizeof source, "r@%s", cases[i].ref);
        repo_fetch(place, source, &got);
        case_int(cases[i].ref, got.status, cases[i].status);
        case_text(cases[i].ref, got.err.code, cases[i].code);
        case_true(cases[i].ref, strstr(got.err.hint, cases[i].hint) != NULL);
    }
}

static void empty(void **state)
{
    struct fetched got;
    repo_make(*state, "r");
    repo_fetch(*state, "r", &got);
    assert_int_equal(got.status, ML_NO_INPUT);
    assert_string_equal(got.err.code, "no_such_ref");
}

static void no_repository(void **state)
{
    struct fetched got;
    repo_fetch(*state, "nowhere", &got);
    assert_int_equal(got.status, ML_NO_INPUT);
    assert_string_equal(got.err.code, "no_repository");
    repo_fetch(*state, "home", &got);
    assert_int_equal(got.status, ML_NO_INPUT);
    assert_string_equal(got.err.code, "no_repository");
}

static int as_nobody(void *arg)
{
    const struct place *place = arg;
    struct fetch_request request = FETCH_REQUEST_INIT;
    struct fetch_result result;
    struct ml_error err = ML_ERROR_INIT;
    struct source source;
    request.source = &source;
    CHILD_CHECK(setresgid(65534, 65534, 65534) == 0 && setresuid(65534, 65534, 65534) == 0);
    setenv("HOME", place_path(place, "theirs"), 1);
    setenv("XDG_CACHE_HOME", place_path(place, "theirs/cache"), 1);
    CHILD_CHECK(source_parse(place_path(place, "r"), &source, NULL) == 0);
    AUTO_CLOSE int out = openat(place->fd, "theirs/out", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fetch_source(&request, out, &result, &err) < 0)
        fprintf(stderr, "# %s\n", err.message);
    return err.status;
}

/* The limits are other ones for those who are not root, and the repository is another's. */
static void not_root(void **state)
{
    const struct place *place = *state;
    char *program = prefix_path("libexec/modload/modload-fetch");
    char at[512];
    struct stat st;
    bool open_to_all = geteuid() == 0 && strncmp(place->path, "/dev/shm/", 9) == 0;
    snprintf(at, sizeof at, "%s", program);
    free(program);
    while (open_to_all && *at == '/') {
        open_to_all = stat(at, &st) == 0 && (st.st_mode & 05) == 05;
        *strrchr(at, '/') = '\0';
    }
    if (!open_to_all)
        skip();
    repo_make(place, "r");
    repo_commit(place, "r", "a", "one");
    assert_int_equal(fchmod(place->fd, 0755), 0);
    assert_int_equal(fchmodat(place->fd, "r", 0755, 0), 0);
    assert_int_equal(mkdirat(place->fd, "theirs", 0700), 0);
    assert_int_equal(mkdirat(place->fd, "theirs/out", 0700), 0);
    assert_int_equal(fchownat(place->fd, "theirs", 65534, 65534, 0), 0);
    assert_int_equal(fchownat(place->fd, "theirs/out", 65534, 65534, 0), 0);
    assert_int_equal(child_run(as_nobody, *state), 0);
    assert_string_equal(repo_read(place, "theirs/out/a"), "one");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        repo_test(found),
        repo_test(not_found),
        repo_test(empty),
        repo_test(no_repository),
        cmocka_unit_test_setup_teardown(not_root, repo_setup_memory, repo_teardown),
    };
    UNIT_RUN("fetch/resolve", tests);
}

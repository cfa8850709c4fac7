/* Goal of this test: what was fetched is there without a network, is not fetched twice, and is
 * mended or made anew whatever a killed fetch or a bad disk has left. */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/fs.h"
#include "fetch/cache.h"

#include "repo.h"

/* The cache of the place's repository "r"; two paths in it are good at a time. */
static const char *cached(const struct place *place, const char *path)
{
    static char paths[2][PATH_MAX + 64];
    static unsigned turn;
    char *whole = paths[turn++ % 2];
    CACHE_AUTO cache = CACHE_INIT;
    char *real = realpath(place_path(place, "r"), NULL);
    assert_int_equal(cache_open(NULL, real, 0, -1, &cache, NULL), 0);
    free(real);
    snprintf(whole, sizeof paths[0], "%s/%s", cache.path, path);
    return whole;
}

static void commit(const struct place *place, const char *text)
{
    if (access(place_path(place, "r"), F_OK) < 0)
        repo_make(place, "r");
    repo_commit(place, "r", "a", text);
}

static void check_fetched(const struct place *place, const char *text)
{
    struct fetched got;
    repo_fetch(place, "r", &got);
    assert_string_equal(got.err.message, "");
    assert_string_equal(repo_read(place, "out/a"), text);
}

/* A branch that went away is not there any more, one that was rewritten is what it is now. */
static void follows(void **state)
{
    const struct place *place = *state;
    struct fetched got;
    commit(place, "one");
    repo_git(place, "r", "branch", "old");
    repo_git(place, "r", "tag", "moved");
    check_fetched(place, "one");
    repo_git(place, "r", "checkout", "-q", "--orphan", "other");
    commit(place, "two");
    repo_git(place, "r", "branch", "-f", "main");
    repo_git(place, "r", "checkout", "-q", "main");
    repo_git(place, "r", "branch", "-D", "old");
    repo_git(place, "r", "tag", "-f", "moved");
    check_fetched(place, "two");
    repo_fetch(place, "r@moved", &got);
    assert_string_equal(repo_read(place, "out/a"), "two");
    repo_fetch(place, "r@old", &got);
    assert_string_equal(got.err.code, "no_such_ref");
    repo_git(place, "r", "branch", "old/one");
    repo_fetch(place, "r@old/one", &got);
    assert_string_equal(got.err.message, "");
    repo_git(place, "r", "branch", "-D", "old/one");
    repo_git(place, "r", "branch", "old");
    repo_fetch(place, "r@old", &got);
    assert_string_equal(got.err.message, "");
}

static int count_packs(const struct place *place)
{
    int n = 0;
    struct dirent *entry;
    DIR *dir = opendir(cached(place, "objects/pack"));
    assert_non_null(dir);
    while ((entry = readdir(dir)) != NULL)
        n += strstr(entry->d_name, ".pack") != NULL;
    closedir(dir);
    return n;
}

static void only_the_difference(void **state)
{
    const struct place *place = *state;
    struct fetched got;
    commit(place, "one");
    repo_fetch(place, "r", &got);
    assert_true(got.result.received > 0);
    uint64_t first = got.result.received;
    repo_fetch(place, "r", &got);
    assert_int_equal(got.result.received, 0);
    assert_int_equal(count_packs(place), 1);
    commit(place, "two");
    repo_fetch(place, "r", &got);
    assert_true(got.result.received > 0 && got.result.received <= first + 64);
    assert_int_equal(count_packs(place), 2);
}

/* A commit by its id needs no look at where it came from. */
static void whole_ids(void **state)
{
    const struct place *place = *state;
    char source[128];
    struct fetched got;
    commit(place, "one");
    check_fetched(place, "one");
    snprintf(source, sizeof source, "r@%s", repo_git(place, "r", "rev-parse", "HEAD"));
    assert_int_equal(fs_remove_tree(place->fd, "r/.git/objects"), 0);
    repo_fetch(place, source, &got);
    assert_string_equal(got.err.message, "");
    assert_string_equal(repo_read(place, "out/a"), "one");
}

/* Each is what a kill or a disk can leave. */
static void damage(const struct place *place, int kind)
{
    static const char *const removed[] = {"HEAD", "objects", "refs", "config"};
    char path[PATH_MAX + 512];
    if (kind < 4) {
        snprintf(path, sizeof path, "%s", cached(place, removed[kind]));
        assert_int_equal(fs_remove_tree(AT_FDCWD, path), 0);
        return;
    }
    static const char *const litter[] = {"refs/heads/main.lock", "packed-refs.lock", "HEAD.lock",
                                         "config.lock", "objects/pack/pack_git2_x"};
    if (kind < 9) {
        close(open(cached(place, litter[kind - 4]), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
        return;
    }
    if (kind == 9) {
        int fd = open(cached(place, "config"), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        assert_true(fd >= 0 && fs_write_all(fd, "[co", 3) == 0 && close(fd) == 0);
        return;
    }
    if (kind == 14) {
        assert_int_equal(truncate(cached(place, "HEAD"), 0), 0);
        return;
    }
    struct dirent *entry;
    DIR *dir = opendir(cached(place, "objects/pack"));
    assert_non_null(dir);
    while ((entry = readdir(dir)) != NULL) {
        const char *want = kind < 12 ? ".pack" : ".idx";
        if (strstr(entry->d_name, want) == NULL)
            continue;
        snprintf(path, sizeof path, "%s/%s", cached(place, "objects/pack"), entry->d_name);
        chmod(path, 0600);
        assert_int_equal(kind % 2 == 0 ? truncate(path, 0) : unlink(path), 0);
    }
    closedir(dir);
}

static void mended(void **state)
{
    const struct place *place = *state;
    for (int kind = 0; kind < 15; kind++) {
        char text[32];
        snprintf(text, sizeof text, "text %d", kind);
        commit(place, text);
        check_fetched(place, text);
        damage(place, kind);
        check_fetched(place, text);
        damage(place, kind);
        commit(place, "another");
        check_fetched(place, "another");
    }
    assert_true(access(cached(place, "objects/pack/pack_git2_x"), F_OK) < 0);
}

/* One that another can write to would have him choose what is built here. */
static void of_others(void **state)
{
    const struct place *place = *state;
    struct fetched got;
    commit(place, "one");
    check_fetched(place, "one");
    assert_int_equal(fchmodat(place->fd, "cache/modload/git", 0777, 0), 0);
    repo_fetch(place, "r", &got);
    assert_int_equal(got.status, ML_REFUSED);
    assert_string_equal(got.err.code, "refused_cache");
    assert_int_equal(fchmodat(place->fd, "cache/modload/git", 0700, 0), 0);
    if (geteuid() == 0) {
        assert_int_equal(fchownat(place->fd, "cache/modload/git", 65534, 65534, 0), 0);
        repo_fetch(place, "r", &got);
        assert_string_equal(got.err.code, "refused_cache");
        assert_int_equal(fchownat(place->fd, "cache/modload/git", 0, 0, 0), 0);
    }
}

static void no_home(void **state)
{
    struct fetched got;
    commit(*state, "one");
    unsetenv("HOME");
    setenv("XDG_CACHE_HOME", "relative", 1);
    repo_fetch(*state, "r", &got);
    assert_int_equal(got.status, ML_CONFIG);
    assert_string_equal(got.err.code, "no_cache");
}

static void locked(void **state)
{
    const struct place *place = *state;
    CACHE_AUTO cache = CACHE_INIT;
    struct fetch_request request = FETCH_REQUEST_INIT;
    struct fetched got;
    int ends[2];
    commit(place, "one");
    char *real = realpath(place_path(place, "r"), NULL);
    assert_int_equal(cache_open(NULL, real, 0, -1, &cache, NULL), 0);
    free(real);
    request.wait_ms = 10;
    repo_fetch_with(place, "r", &request, &got);
    assert_int_equal(got.status, ML_BUSY);
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    close(ends[1]);
    request.wait_ms = 60000;
    request.cancel_fd = ends[0];
    repo_fetch_with(place, "r", &request, &got);
    assert_int_equal(got.status, ML_SIGNAL + SIGINT);
    cache_close(&cache);
    repo_fetch_with(place, "r", &request, &got);
    assert_int_equal(got.status, ML_SIGNAL + SIGINT);
    assert_string_equal(got.err.code, "cancelled");
    close(ends[0]);
    check_fetched(place, "one");
}

static int one_of_many(void *arg)
{
    const struct place *place = arg;
    struct fetch_request request = FETCH_REQUEST_INIT;
    struct fetch_result result;
    struct source source;
    request.source = &source;
    request.wait_ms = 60000;
    CHILD_CHECK(source_parse(place_path(place, "r"), &source, NULL) == 0);
    CHILD_CHECK(fetch_source(&request, -1, &result, NULL) == 0);
    return 0;
}

static void many(void **state)
{
    pid_t pids[8];
    commit(*state, "one");
    for (size_t i = 0; i < 8; i++)
        pids[i] = child_begin(one_of_many, *state);
    for (size_t i = 0; i < 8; i++)
        assert_int_equal(child_finish(pids[i]), 0);
    check_fetched(*state, "one");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        repo_test(follows),   repo_test(only_the_difference),
        repo_test(whole_ids), repo_test(mended),
        repo_test(of_others), repo_test(no_home),
        repo_test(locked),    repo_test(many),
    };
    UNIT_RUN("fetch/cache", tests);
}

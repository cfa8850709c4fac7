/* Goal of this test: submodules are repositories of their own, each asked for at its commit and
 * with what is its host's alone; and limits are for all of them together. */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/scope.h"

#include "repo.h"
#include "served.h"

struct world {
    const struct place *place;
    struct served served;
    struct fetch_modules *modules;
    struct fetch_request request;
    struct fetched got;
};

static const char *url(const struct world *w, const char *host, const char *path)
{
    static char texts[2][256];
    static unsigned turn;
    char *text = texts[turn++ % 2];
    snprintf(text, sizeof texts[0], "https://%s:%d/%s", host, w->served.port, path);
    return text;
}

static void world_make(struct world *w, const struct place *place)
{
    *w = (struct world){.place = place, .request = FETCH_REQUEST_INIT};
    w->served = served_https(place, "127.0.0.1");
    w->request.modules = w->modules = calloc(1, sizeof *w->modules);
    assert_non_null(w->modules);
    setenv("SSL_CERT_FILE", place_path(place, "ca.pem"), 1);
}

static void world_free(struct world *w)
{
    free(w->modules);
    served_stop(&w->served);
}
#define WORLD_AUTO __attribute__((cleanup(world_free))) struct world

/* Adds a submodule to a repository, committed with what else is there. */
static void module_add(const struct place *place, const char *dir, const char *path,
                       const char *where, const char *commit, struct buf *text)
{
    char info[512];
    snprintf(info, sizeof info, "%s/%s", dir, path);
    mkdirat(place->fd, info, 0700); /* or git takes it for removed at the next commit */
    buf_fmt(text, "[submodule \"%s\"]\n\tpath = %s\n\turl = %s\n", path, path, where);
    repo_commit(place, dir, ".gitmodules", buf_text(text));
    snprintf(info, sizeof info, "160000,%s,%s", commit, path);
    repo_git(place, dir, "update-index", "--add", "--cacheinfo", info);
    repo_git(place, dir, "commit", "-q", "-m", "module");
}

static void fetch(struct world *w)
{
    repo_fetch_with(w->place, url(w, "127.0.0.1", "plain/r/.git"), &w->request, &w->got);
}

static void both(void **state)
{
    WORLD_AUTO w;
    BUF_AUTO text = BUF_INIT;
    char commit[64];
    world_make(&w, *state);
    repo_make(w.place, "lib");
    snprintf(commit, sizeof commit, "%s", repo_commit(w.place, "lib", "a/b.h", "lib\n"));
    repo_make(w.place, "r");
    repo_commit(w.place, "r", "a.c", "one\n");
    module_add(w.place, "r", "third/lib", url(&w, "127.0.0.1", "plain/lib/.git"), commit, &text);
    repo_commit(w.place, "lib", "a/b.h", "newer\n");
    fetch(&w);
    assert_string_equal(w.got.err.message, "");
    assert_string_equal(repo_read(w.place, "out/a.c"), "one\n");
    assert_string_equal(repo_read(w.place, "out/third/lib/a/b.h"), "lib\n");
    assert_int_equal(w.modules->n, 1);
    assert_string_equal(w.modules->list[0].path, "third/lib");
    assert_string_equal(w.modules->list[0].commit, commit);
    assert_string_equal(w.modules->list[0].url, url(&w, "127.0.0.1", "plain/lib/.git"));
    assert_int_equal(w.got.result.files, 6); /* .gitmodules, a.c, third, third/lib, a, b.h */
    assert_int_equal(w.got.result.bytes, 4 + 4 + text.len);
    assert_string_equal(w.got.result.tree, repo_git(w.place, "r", "rev-parse", "HEAD^{tree}"));
    assert_true(w.got.result.received > 0);
    w.request.offline = true;
    fetch(&w);
    assert_string_equal(w.got.err.message, "");
    assert_int_equal(w.got.result.received, 0);
    w.request.modules = NULL;
    fetch(&w);
    assert_int_equal(w.got.status, ML_REFUSED);
    assert_string_equal(w.got.err.code, "has_submodule");
    assert_non_null(strstr(w.got.err.hint, "--submodules"));
}

/* What fits alone does not fit with the rest. */
static void limits(void **state)
{
    WORLD_AUTO w;
    BUF_AUTO text = BUF_INIT;
    char commit[64];
    world_make(&w, *state);
    repo_make(w.place, "lib");
    snprintf(commit, sizeof commit, "%s", repo_commit(w.place, "lib", "b", "0123456789"));
    repo_make(w.place, "r");
    module_add(w.place, "r", "one", url(&w, "127.0.0.1", "plain/lib/.git"), commit, &text);
    module_add(w.place, "r", "two", url(&w, "127.0.0.1", "plain/lib/.git"), commit, &text);
    struct fetch_limits small = FETCH_LIMITS_INIT;
    w.request.limits = &small;
    small.tree.entries = 5;
    small.tree.total_bytes = 20 + text.len;
    fetch(&w);
    assert_string_equal(w.got.err.message, "");
    assert_int_equal(w.got.result.files, 5);
    for (int i = 0; i < 2; i++) {
        small.tree.entries = i == 0 ? 4 : 5;
        small.tree.total_bytes = i == 1 ? 19 + text.len : 20 + text.len;
        fetch(&w);
        assert_int_equal(w.got.status, ML_LIMIT);
        assert_string_equal(w.got.err.code, "repository_too_large");
        assert_non_null(strstr(w.got.err.message, "submodule 'two'"));
    }
}

/* Text that does not pack. */
static char *noise_make(uint64_t seed, size_t n)
{
    char *text = malloc(n + 1);
    assert_non_null(text);
    for (size_t i = 0; i < n; i++)
        text[i] = (char)(' ' + next_random(&seed) % 90);
    text[n] = '\0';
    return text;
}

/* What comes is of all of them, too. */
static void received(void **state)
{
    WORLD_AUTO w;
    BUF_AUTO text = BUF_INIT;
    char commit[64], other[256];
    struct fetch_limits small = FETCH_LIMITS_INIT;
    AUTO_FREE char *one = noise_make(1, 8000), *two = noise_make(2, 8000);
    world_make(&w, *state);
    repo_make(w.place, "lib");
    snprintf(commit, sizeof commit, "%s", repo_commit(w.place, "lib", "b", one));
    repo_make(w.place, "r");
    repo_commit(w.place, "r", "a", two);
    module_add(w.place, "r", "lib", url(&w, "127.0.0.1", "plain/lib/.git"), commit, &text);
    fetch(&w);
    assert_string_equal(w.got.err.message, "");
    assert_true(w.got.result.received > 16000);
    const uint64_t all =
        w.got.result.received; /* give or take what a server packs in another way */
    w.request.limits = &small;
    for (int i = 0; i < 2; i++) {
        snprintf(other, sizeof other, "%s%d", place_path(w.place, "cache"), i);
        w.request.cache = other;
        small.pack_bytes = i == 0 ? all + 1000 : all - 1000;
        fetch(&w);
        case_int(other, w.got.status, i == 0 ? 0 : ML_LIMIT);
    }
    assert_string_equal(w.got.err.code, "repository_too_large");
}

static void many(void **state)
{
    WORLD_AUTO w;
    BUF_AUTO text = BUF_INIT;
    static char names[FETCH_MODULES_MAX + 1][8];
    struct repo_entry entries[FETCH_MODULES_MAX + 2];
    char blob[64];
    world_make(&w, *state);
    repo_make(w.place, "r");
    for (int i = 0; i <= FETCH_MODULES_MAX; i++) {
        snprintf(names[i], sizeof names[i], "m%02d", i);
        buf_fmt(&text, "[submodule \"%s\"]\npath=%s\nurl=%s\n", names[i], names[i],
                url(&w, "127.0.0.1", "plain/r/.git"));
        entries[i + 1] =
            (struct repo_entry){"160000", names[i], "0123456789012345678901234567890123456789"};
    }
    repo_commit(w.place, "r", ".gitmodules", buf_text(&text));
    snprintf(blob, sizeof blob, "%s", repo_git(w.place, "r", "rev-parse", "HEAD:.gitmodules"));
    entries[0] = (struct repo_entry){"100644", ".gitmodules", blob};
    repo_commit_tree(w.place, "r",
                     repo_tree(w.place, "r", entries, sizeof entries / sizeof *entries));
    fetch(&w);
    assert_int_equal(w.got.status, ML_LIMIT);
    assert_string_equal(w.got.err.code, "too_many_submodules");
    assert_non_null(strstr(w.got.err.hint, "one directory of it: --path DIR"));
    assert_int_equal(w.modules->n, 0);
    /* one less, whose commit nobody has */
    repo_commit_tree(w.place, "r",
                     repo_tree(w.place, "r", entries, sizeof entries / sizeof *entries - 1));
    fetch(&w);
    assert_int_equal(w.got.status, ML_NO_INPUT);
    assert_string_equal(w.got.err.code, "no_such_commit");
    assert_non_null(strstr(w.got.err.message, "submodule 'm00': 'https://127.0.0.1:"));
    assert_int_equal(w.modules->n, FETCH_MODULES_MAX);
}

/* The server of a submodule asks, and the password there is, is that of the one it is in. */
static void passwords(void **state)
{
    WORLD_AUTO w;
    BUF_AUTO text = BUF_INIT;
    char commit[64];
    world_make(&w, *state);
    int fd = openat(w.place->fd, "home/.netrc", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    static const char netrc[] = "machine 127.0.0.1 login me password secret\n";
    assert_true(fd >= 0 && write(fd, netrc, sizeof netrc - 1) > 0 && close(fd) == 0);
    repo_make(w.place, "lib");
    snprintf(commit, sizeof commit, "%s", repo_commit(w.place, "lib", "b", "0123456789"));
    repo_make(w.place, "r");
    module_add(w.place, "r", "one", url(&w, "127.0.0.1", "auth/lib/.git"), commit, &text);
    repo_fetch_with(w.place, url(&w, "127.0.0.1", "auth/r/.git"), &w.request, &w.got);
    assert_string_equal(w.got.err.message, "");
    assert_string_equal(repo_read(w.place, "out/one/b"), "0123456789");
    module_add(w.place, "r", "two", url(&w, "localhost", "auth/lib/.git"), commit, &text);
    repo_fetch_with(w.place, url(&w, "127.0.0.1", "auth/r/.git"), &w.request, &w.got);
    assert_int_equal(w.got.status, ML_REFUSED);
    assert_string_equal(w.got.err.code, "no_credentials");
    assert_non_null(strstr(w.got.err.message, "submodule 'two': "));
    assert_non_null(strstr(repo_read(w.place, "requests"), "localhost /auth/lib/.git"));
    assert_null(strstr(strstr(repo_read(w.place, "requests"), "localhost"), " password"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        repo_test(both), repo_test(limits),    repo_test(received),
        repo_test(many), repo_test(passwords),
    };
    UNIT_RUN("fetch/modules", tests);
}

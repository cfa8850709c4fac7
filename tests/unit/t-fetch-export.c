/* Goal of this test: a commit's files come out as they are, and a tree with anything else in it
 * comes out not at all. */
#include <sys/stat.h>

#include "repo.h"

static void files(void **state)
{
    const struct place *place = *state;
    struct fetched got;
    struct stat st;
    repo_make(place, "r");
    repo_commit(place, "r", ".gitattributes", "*.c text eol=crlf filter=evil\n");
    repo_git(place, "r", "config", "filter.evil.smudge", "touch hooked");
    repo_commit(place, "r", "src/deep/b.c", "b\n");
    const char *commit = repo_commit(place, "r", "a.c", "a\n");
    repo_fetch(place, "r", &got);
    assert_string_equal(got.err.message, "");
    assert_string_equal(got.result.commit, commit);
    assert_string_equal(got.result.tree, repo_git(place, "r", "rev-parse", "HEAD^{tree}"));
    assert_string_equal(repo_read(place, "out/a.c"), "a\n");
    assert_string_equal(repo_read(place, "out/src/deep/b.c"), "b\n");
    assert_int_equal(got.result.files, 5);
    assert_int_equal(got.result.bytes, 4 + 30);
    assert_true(got.told > 0);
    assert_int_equal(got.last.phase, FETCH_EXPORTING);
    assert_int_equal(got.last.files, 5);
    assert_true(fstatat(place->fd, "out/.git", &st, 0) < 0);
    assert_true(fstatat(place->fd, "out/a.c", &st, 0) == 0 && st.st_mode == (S_IFREG | 0600));
    assert_true(fstatat(place->fd, "out/src", &st, 0) == 0 && st.st_mode == (S_IFDIR | 0700));
}

static void directory(void **state)
{
    const struct place *place = *state;
    struct fetch_request request = FETCH_REQUEST_INIT;
    struct fetched got;
    repo_make(place, "r");
    repo_commit(place, "r", "plugins/math/src/a.c", "a\n");
    assert_int_equal(symlink("/etc/passwd", place_path(place, "r/link")), 0);
    repo_commit(place, "r", "b.c", "b\n");
    request.subdir = "plugins/math";
    repo_fetch_with(place, "r", &request, &got);
    assert_string_equal(got.err.message, "");
    assert_string_equal(repo_read(place, "out/src/a.c"), "a\n");
    assert_string_equal(got.result.tree, repo_git(place, "r", "rev-parse", "HEAD:plugins/math"));
    static const struct {
        const char *path, *code;
    } cases[] = {
        {"plugins/text", "no_such_path"}, {"b.c", "no_such_path"},    {"b.c/x", "no_such_path"},
        {"link", "no_such_path"},         {"link/x", "no_such_path"}, {"../r", "bad_path"},
        {"/plugins", "bad_path"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        request.subdir = cases[i].path;
        repo_fetch_with(place, "r", &request, &got);
        case_text(cases[i].path, got.err.code, cases[i].code);
    }
}

/* Each in a tree beside a good file that comes first. */
static void hostile(void **state)
{
    const struct place *place = *state;
    static const struct {
        const char *mode, *name, *why;
    } cases[] = {
        {"120000", "link", "symbolic link"},
        {"160000", "module", "submodule"},
        {"100644", "..", "climbs out"},
        {"100644", ".", "'.' for a component"},
        {"100644", "a/b", "slash"},
        {"100644", "../evil", "slash"},
        {"100644", "/etc/evil", "slash"},
        {"100644", ".git", "git's own"},
        {"100644", ".GIT", "git's own"},
        {"100644", ".Git ", "git's own"},
        {"100644", ".git...", "git's own"},
        {"100644", "GIT~1", "git's own"},
        {"100644", ".g\342\200\214it", "invisible"},
        {"100644", "a\\b", "backslash"},
        {"100644", "a\nb", "control"},
        {"100644", "a\033[2J", "control"},
        {"100644", "\303", "UTF-8"},
        {"100644", "GOOD", "differ in case"},
        {"100644", "good", "twice"},
        {"104755", "setuid", "set-id"},
        {"020000", "device", "neither a file nor a directory"},
        {"010000", "fifo", "neither a file nor a directory"},
    };
    char good[64];
    repo_make(place, "r");
    const struct repo_entry alone[] = {{"100644", "good", NULL}};
    snprintf(good, sizeof good, "%s", repo_tree(place, "r", alone, 1));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct fetched got;
        bool module = strcmp(cases[i].mode, "160000") == 0;
        const struct repo_entry entries[] = {
            {"100644", "good", NULL},
            {cases[i].mode, cases[i].name,
             module ? "0123456789012345678901234567890123456789" : NULL}};
        repo_commit_tree(place, "r", repo_tree(place, "r", entries, 2));
        repo_fetch(place, "r", &got);
        case_int(cases[i].name, got.status, ML_REFUSED);
        case_text(cases[i].name, got.err.code, module ? "has_submodule" : "hostile_repository");
        case_true(cases[i].name, strstr(got.err.message, cases[i].why) != NULL);
        case_true(cases[i].name, *got.err.hint != '\0');
    }
}

/* A tree that is a file elsewhere, a file that is a tree. */
static void wrong_kinds(void **state)
{
    const struct place *place = *state;
    char tree[64];
    struct fetched got;
    repo_make(place, "r");
    const struct repo_entry alone[] = {{"100644", "a", NULL}};
    snprintf(tree, sizeof tree, "%s", repo_tree(place, "r", alone, 1));
    const struct repo_entry blob_as_tree[] = {{"40000", "a", NULL}};
    const struct repo_entry tree_as_blob[] = {{"100644", "a", tree}};
    repo_commit_tree(place, "r", repo_tree(place, "r", blob_as_tree, 1));
    repo_fetch(place, "r", &got);
    assert_int_equal(got.status, ML_DATA);
    assert_string_equal(got.err.code, "bad_repository");
    repo_commit_tree(place, "r", repo_tree(place, "r", tree_as_blob, 1));
    repo_fetch(place, "r", &got);
    assert_int_equal(got.status, ML_DATA);
    assert_string_equal(got.err.code, "bad_repository");
}

/* A directory of ten that are one directory of ten ...: 10 objects, 10 billion files. */
static void bomb(void **state)
{
    const struct place *place = *state;
    char id[64];
    struct fetched got;
    repo_make(place, "r");
    const struct repo_entry leaf[] = {{"100644", "x", NULL}};
    snprintf(id, sizeof id, "%s", repo_tree(place, "r", leaf, 1));
    for (int level = 0; level < 10; level++) {
        static const char *const names[] = {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"};
        struct repo_entry ten[10];
        for (size_t i = 0; i < 10; i++)
            ten[i] = (struct repo_entry){"40000", names[i], id};
        char next[64];
        snprintf(next, sizeof next, "%s", repo_tree(place, "r", ten, 10));
        memcpy(id, next, sizeof id);
    }
    repo_commit_tree(place, "r", id);
    repo_fetch(place, "r", &got);
    assert_int_equal(got.status, ML_LIMIT);
    assert_string_equal(got.err.code, "repository_too_large");
}

static void deep(void **state)
{
    const struct place *place = *state;
    char id[64];
    struct fetched got;
    repo_make(place, "r");
    const struct repo_entry leaf[] = {{"100644", "x", NULL}};
    snprintf(id, sizeof id, "%s", repo_tree(place, "r", leaf, 1));
    for (int level = 0; level < 40; level++) {
        const struct repo_entry one[] = {{"40000", "d", id}};
        char next[64];
        snprintf(next, sizeof next, "%s", repo_tree(place, "r", one, 1));
        memcpy(id, next, sizeof id);
    }
    repo_commit_tree(place, "r", id);
    repo_fetch(place, "r", &got);
    assert_int_equal(got.status, ML_REFUSED);
    assert_true(strstr(got.err.message, "deeper than 32") != NULL);
}

static void limits(void **state)
{
    const struct place *place = *state;
    struct fetch_limits small = FETCH_LIMITS_INIT;
    struct fetch_request request = FETCH_REQUEST_INIT;
    struct fetched got;
    repo_make(place, "r");
    repo_commit(place, "r", "a", "0123456789");
    repo_commit(place, "r", "b", "0123456789");
    request.limits = &small;
    small.tree.file_bytes = 10;
    small.tree.total_bytes = 20;
    small.tree.entries = 2;
    repo_fetch_with(place, "r", &request, &got);
    assert_string_equal(got.err.message, "");
    for (int i = 0; i < 3; i++) {
        small.tree.file_bytes = i == 0 ? 9 : 10;
        small.tree.total_bytes = i == 1 ? 19 : 20;
        small.tree.entries = i == 2 ? 1 : 2;
        repo_fetch_with(place, "r", &request, &got);
        assert_int_equal(got.status, ML_LIMIT);
        assert_string_equal(got.err.code, "repository_too_large");
    }
}

/* What is in it stays; nothing is fetched. */
static void not_empty(void **state)
{
    const struct place *place = *state;
    struct fetch_request request = FETCH_REQUEST_INIT;
    struct fetch_result result;
    struct ml_error err = ML_ERROR_INIT;
    struct source source;
    repo_make(place, "r");
    repo_commit(place, "r", "a", "a");
    assert_int_equal(source_parse(place_path(place, "r"), &source, NULL), 0);
    request.source = &source;
    assert_int_equal(fetch_source(&request, place->fd, &result, &err), -1);
    assert_int_equal(err.status, ML_CANT_CREATE);
    assert_string_equal(repo_read(place, "r/a"), "a");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        repo_test(files), repo_test(directory), repo_test(hostile), repo_test(wrong_kinds),
        repo_test(bomb),  repo_test(deep),      repo_test(limits),  repo_test(not_empty),
    };
    UNIT_RUN("fetch/export", tests);
}

/* Git repositories for tests, made by git itself, and fetched into directories of a place. */
#ifndef UNIT_REPO_H
#define UNIT_REPO_H

#include "fetch/fetch.h"

#include "fixture.h"

/* A place with HOME and the caches in it: "home" and "cache". */
int repo_setup(void **state);
int repo_setup_memory(void **state);
int repo_teardown(void **state);
#define repo_test(f) cmocka_unit_test_setup_teardown(f, repo_setup, repo_teardown)

/* Runs git in a directory of the place, fed with `in` (null: nothing), and checks that it succeeds.
 * Its output without the last line's end; four of them are good at a time. */
const char *repo_git_in(const struct place *place, const char *dir, const void *in, size_t n,
                        const char *const *args);
#define repo_git(place, dir, ...)                                                                  \
    repo_git_in(place, dir, NULL, 0, (const char *const[]){__VA_ARGS__, NULL})

/* Makes an empty repository with the branch main. */
void repo_make(const struct place *place, const char *dir);

/* Writes a file of the repository and commits it. The commit's id. */
const char *repo_commit(const struct place *place, const char *dir, const char *path,
                        const char *text);

/* One entry of a tree that git itself would not write. */
struct repo_entry {
    const char *mode; /* "100644" */
    const char *name;
    const char *id; /* null: of the blob "x\n", which is made */
};

/* Writes a tree of these, as they are. Its id. */
const char *repo_tree(const struct place *place, const char *dir, const struct repo_entry *entries,
                      size_t n);

/* Commits a tree to the branch main. The commit's id. */
const char *repo_commit_tree(const struct place *place, const char *dir, const char *tree);

/* What came of one fetch. */
struct fetched {
    int status; /* of the error; 0: none */
    struct ml_error err;
    struct fetch_result result;
    unsigned told;  /* how often there was progress */
    int cancel_end; /* of repo_fetch_until() */
    struct fetch_progress last;
};

/* Fetches `source` into the directory "out" of the place, which is made anew; null in `request` for
 * the defaults. A relative path is one of the place. */
void repo_fetch_with(const struct place *place, const char *source, struct fetch_request *request,
                     struct fetched *ret);
void repo_fetch(const struct place *place, const char *source, struct fetched *ret);

/* The same, and `cancel_end` is closed when objects begin to come. */
void repo_fetch_until(const struct place *place, const char *source, struct fetch_request *request,
                      int cancel_end, struct fetched *ret);

/* Whether "out" has nothing in it. */
bool repo_out_empty(const struct place *place);

/* What a file in the place holds, "" when it cannot be read; two of them are good at a time. */
const char *repo_read(const struct place *place, const char *path);

#endif

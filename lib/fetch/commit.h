/* Committing one file in a clone of the user's own, by libgit2 in a process that can write nothing
 * but that clone. No hook or filter is run, nothing is signed, and no configuration of the user's
 * is read: who the author is has to be said. */
#ifndef FETCH_COMMIT_H
#define FETCH_COMMIT_H

#include <stdint.h>

#include "fetch/fetch.h"

enum { FETCH_COMMIT_FILE_MAX = 1 << 20 };

/* Texts end in a NUL. */
struct fetch_commit {
    char path[256];            /* in the clone, of plain names */
    char name[128], mail[128]; /* the author, who is the committer as well */
    char message[512];
    int64_t time;          /* seconds since 1970 */
    uint32_t old_n, now_n; /* bytes of the file, as below */
    uint8_t is_new;        /* there is no such file yet; `old_n` is 0 */
};

/* Puts `now` in the place of `old` (null: there is none), in the last commit's tree, in git's index
 * and in the work tree of the clone `dirfd`, and commits that alone to the branch it is on. What
 * else is staged there stays so. The sizes in `what` are those of the two texts. The new commit's
 * id is in `commit`.
 *
 * 0; -1 and ML_DATA ("dirty_clone": the file is not committed as it is; "bad_repository"),
 * ML_NO_INPUT ("no_repository": not a clone with a work tree and a commit), ML_IO, ML_LIMIT, ... */
int fetch_commit(int dirfd, const struct fetch_commit *what, const char *old, const char *now,
                 char commit[FETCH_ID_SIZE], struct ml_error *err);

#endif

/* What publish and retire share: a change in a clone of an index. */
#ifndef CMD_INDEX_H
#define CMD_INDEX_H

#include "cmd/command.h"
#include "modload/index.h"

#define OPTIONS_COMMIT                                                                             \
    {0, "index", "CLONE", "a clone of the index, to which it is committed"},                       \
        {0, "author", "WHO", "who commits: 'Name <mail>' (default: GIT_AUTHOR_NAME, _EMAIL)"},     \
    {                                                                                              \
        0, "dry-run", NULL, "change nothing; print what would change"                              \
    }

/* Reads these options. 0, or the exit status. */
int commit_options(struct invocation *in, struct ml_index_commit *ret);

/* Answers with what was changed, or would be, and says what to do next. */
void put_change(struct invocation *in, const struct ml_index_change *change,
                const struct ml_index_commit *how);

#endif

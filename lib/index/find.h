/* A plugin by its name and a range of versions, out of the local copies. */
#ifndef INDEX_FIND_H
#define INDEX_FIND_H

#include "build/arena.h"
#include "index/plugin.h"
#include "modload/error.h"

struct index_found {
    const char *index; /* the name of the index */
    const char *name;  /* of the plugin, as it writes itself */
    const char *git, *path, *license;
    const struct index_version *version;
};

/* Finds the newest version of a plugin in `range` (null or "": any) that is not retired. Where only
 * retired ones are left, the newest of these, for the caller to warn (`version->retired`); one that
 * was retired for "security" only with `allow_retired`. A name that more than one index has is not
 * guessed: `index` says which is meant; null: any. The texts are the arena's.
 *
 * 0; -1 and ML_NO_INPUT: "no_index", "no_such_index", "no_such_plugin", "no_such_version";
 * ML_DATA: "bad_range", "ambiguous_name", "bad_copy"; ML_REFUSED: "retired"; ML_LIMIT. */
int index_find(struct arena *a, const char *name, const char *range, const char *index,
               bool allow_retired, struct index_found *ret, struct ml_error *err);

/* What is to be said of a retired version, in a line: "math@1.0.0 is retired (security): why". */
const char *index_retired_text(struct arena *a, const char *name, const struct index_version *v);

#endif

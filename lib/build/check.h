/* Whether a filed bundle is still what was filed: the one place that knows what makes it whole. */
#ifndef BUILD_CHECK_H
#define BUILD_CHECK_H

#include "build/record.h"

enum check_kind {
    CHECK_CONTENT, /* something is missing, or is not what was filed */
    CHECK_MODE,
    CHECK_READ_ONLY, /* a mode that lacks nothing but its owner's right to write */
    CHECK_OWNER,
    CHECK_FOREIGN, /* something is there that was not filed */
};

struct check_problem {
    enum check_kind kind;
    const char *path; /* in the bundle; "." is the bundle itself */
    const char *what; /* for people: "is missing" */
};

/* A file that ought to be there. */
struct check_file {
    const char *path;
    const char *sum; /* as SHA256SUMS has it; null when that does not name it */
    bool seen;
    char actual[DIGEST_HEX_SIZE]; /* "" when it could not be read */
};

struct check {
    struct arena *a;
    const char *id;
    int dir;

    bool has_sums;
    struct bundle_file *sums;
    size_t n_sums;
    bool has_record;
    struct record record;
    bool id_is_true;          /* the record gives the bundle's id */
    struct check_file *files; /* sorted */
    size_t n_files;

    struct check_problem *problems; /* sorted by path */
    size_t n_problems;
    int lacks; /* an errno: what this process ran out of, which says nothing of the bundle; 0 */
};

/* Looks at all of a bundle; `dir` is its directory. What it finds is in `ret`, which must not be
 * copied; memory comes from `a`. 0; -1 and ML_LIMIT. A bundle of which something cannot be read is
 * a bundle with a problem. */
int check_bundle(struct arena *a, int dir, const char *id, struct check *ret, struct ml_error *err);

/* A file that ought to be there, or null. */
const struct check_file *check_find(const struct check *c, const char *path);

/* Whether a file is there and what it ought to be, as far as SHA256SUMS can tell. */
bool check_is_whole(const struct check *c, const char *path);

/* Whether nothing says that the file is damaged: then what is in it counts. Without SHA256SUMS that
 * is every file that can be read. */
bool check_is_readable(const struct check *c, const char *path);

/* Adds a problem. */
__attribute__((format(printf, 4, 5))) void check_tell(struct check *c, enum check_kind kind,
                                                      const char *path, const char *fmt, ...);

/* Reads a file of the bundle. 0, or -1 with errno; EIO is told of. */
int check_load(struct check *c, const char *path, size_t max, struct buf *out);

/* Opens a regular file of a bundle, following no link on the way. A descriptor, or -1 with errno.
 */
int check_open(int dir, const char *path);

#endif

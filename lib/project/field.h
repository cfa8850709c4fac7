/* Members of a plugin's object, in the project's file and in its lock: both have the same texts in
 * them, and tell what is wrong with one in the same way: file, plugin, key. */
#ifndef PROJECT_FIELD_H
#define PROJECT_FIELD_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>

#include "build/arena.h"
#include "fetch/source.h"
#include "modload/error.h"

enum { FIELD_TEXT_MAX = SOURCE_URL_MAX - 1, FIELD_VERSION_MAX = SOURCE_REF_MAX - 2 };

/* Where a value stands: what messages begin with. */
struct field {
    const char *label;  /* the file */
    const char *plugin; /* whose object it is in */
    const char *key;
    struct ml_error *err;
};

/* One key of such an object. */
struct field_row {
    const char *key;
    /* Looks at a text; null: the value is no text, and for the caller to take. 0; -1 and
     * ML_CONFIG. */
    int (*check)(const struct field *f, const char *text);
    size_t at; /* where in the structure the text goes: a const char *; null is none */
};

/* The row of the key; -1 and ML_CONFIG, with the nearest of those that there are as a hint, when
 * there is none. */
int field_find(const struct field *f, const struct field_row *rows, size_t n);

/* Checks a text and puts a copy into `object`. 0; -1 and ML_CONFIG. */
int field_take(struct arena *a, const struct field *f, const struct field_row *row,
               const cJSON *value, void *object);

/* Checks a value that is true or false. 0; -1 and ML_CONFIG. */
int field_bool(const struct field *f, const cJSON *value, bool *ret);

/* "file: plugin 'p': key 'k' must ...". -1. */
int field_bad(const struct field *f, const char *must);

/* A URL as fetch/source.h has it, without a ref; a range of versions; a branch, a tag or a commit;
 * a directory in the repository; a UUID. */
int field_git(const struct field *f, const char *text);
int field_version(const struct field *f, const char *text);
int field_ref(const struct field *f, const char *text);
int field_path(const struct field *f, const char *text);
int field_uuid(const struct field *f, const char *text);

/* The names of an object's plugins. 0; -1 and ML_CONFIG. */
int field_name_check(const char *label, const char *name, struct ml_error *err);

/* Whether no two plugins have the same UUID (null: none yet). 0; -1 and ML_CONFIG, ML_LIMIT. */
struct field_uuid {
    const char *uuid, *plugin;
};
int field_uuids_check(const char *label, struct field_uuid *list, size_t n, struct ml_error *err);

/* Whether two texts that field_git() took stand for the same repository. */
bool field_git_same(const char *a, const char *b);

/* A file that git left half merged is told as one, by the line in which that begins. 0; -1 and
 * ML_CONFIG, "merge_conflict". */
int field_conflict_check(const char *label, const char *text, const char *hint,
                         struct ml_error *err);

#endif

/* Which indexes the user follows, and where their copies are. */
#ifndef INDEX_LIST_H
#define INDEX_LIST_H

#include <stddef.h>
#include <stdint.h>

#include "build/arena.h"
#include "index/copy.h"
#include "modload/error.h"

struct index_item {
    const char *name, *url;
};

struct index_list {
    struct index_item *items;
    size_t n;
};

/* Reads the list; there need not be one. The texts are the arena's. 0; -1 and ML_CONFIG ("bad_list"
 * where what is there is none), ML_IO, ML_LIMIT. */
int index_list_read(struct arena *a, struct index_list *ret, struct ml_error *err);

/* The item of this name, or null: "no_such_index", ML_NO_INPUT, with those that there are. Names
 * that are one (index/name.h) find each other. */
const struct index_item *index_list_find(const struct index_list *list, const char *name,
                                         struct ml_error *err);

/* Whether no index is followed by this name. 0; -1 and ML_REFUSED ("name_taken") and the errors of
 * index_list_read(). */
int index_name_free(const char *name, struct ml_error *err);

/* Adds an item, or takes the one of this name out when `url` is null, under a lock. 0; -1 and
 * ML_REFUSED ("name_taken"), ML_NO_INPUT, ML_CANT_CREATE, ML_IO and the errors above. */
int index_list_change(const char *name, const char *url, struct ml_error *err);

/* The directory of the copies, made where it is missing. A descriptor; -1 and ML_CONFIG
 * ("no_cache"), ML_REFUSED ("refused_cache": others can write to it), ML_CANT_CREATE. */
int index_cache_open(struct ml_error *err);

/* What all copies know of retired versions, in one file (client/retired.h). */
#define INDEX_RETIRED_FILE "retired"

/* What the copy of an index is called in there. */
enum { INDEX_COPY_NAME_SIZE = INDEX_NAME_SIZE + 8 };
void index_copy_name(const char *name, char ret[INDEX_COPY_NAME_SIZE]);

/* Opens the copy of an item. 1; 0 when there is none, or only one of another URL; -1 as copy_open()
 * says. */
int index_item_open(int dirfd, const struct index_item *item, struct copy *ret,
                    struct ml_error *err);

#endif

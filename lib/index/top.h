/* index.json, which makes a repository an index: {"format": 1, "name": "..."}. */
#ifndef INDEX_TOP_H
#define INDEX_TOP_H

#include "base/buf.h"
#include "fetch/records.h"
#include "index/name.h"
#include "modload/error.h"

#define INDEX_TOP FETCH_RECORDS_TOP

/* Reads it. Keys that are not known are those of a later modload, which knows this format too. 0
 * and the index's name; -1 and ML_DATA ("not_an_index"), ML_CONFIG ("newer_format"), ML_LIMIT. */
int index_top_read(const struct buf *text, char name[INDEX_NAME_SIZE], struct ml_error *err);

/* "It is no index of plugins: why": -1. */
int index_none(struct ml_error *err, const char *why);

#endif

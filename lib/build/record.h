/* build.json: what went into a bundle, and how it was asked for. Its id can be told from it without
 * a compiler, and the bundle built again with one. */
#ifndef BUILD_RECORD_H
#define BUILD_RECORD_H

#include "base/json.h"
#include "build/plan.h"

enum { RECORD_SIZE_MAX = 64 << 20 };

/* What a record says of an object that was built here, and what it says when that came in a pack
 * or an export. */
#define RECORD_BUILT  "\"object\":\"built\""
#define RECORD_PACKED "\"object\":\"packed\""

/* The word for it. */
const char *record_kind(enum build_kind kind);

/* Writes the record of a build whose inputs and object are known. */
void record_write(struct json *j, const struct build *b);

/* A record that was read. */
struct record {
    /* Filled in as far as bundle_identify() and a new build need it; plugin.so is in its files. Of
     * the sources, `rel` alone is known. */
    struct build build;
    /* How it was asked for, but for the sources. An -I that led to no neighbour is null. */
    struct ml_build_request request;
    /* False: it was made by a modload that did not write down how it was asked for. */
    bool given;
    /* Of source/modload.json; "" when there was none. */
    char manifest_sha256[DIGEST_HEX_SIZE];
};

/* Reads a record; `text` has a NUL behind its `n` bytes. Everything in it is in `a`. 0; -1 and
 * ML_REFUSED, with what is wrong as the message, or ML_LIMIT. */
int record_read(struct arena *a, const char *text, size_t n, struct record *ret,
                struct ml_error *err);

#endif

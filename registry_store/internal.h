/* What the files of this folder share. */
#ifndef REGISTRY_STORE_INTERNAL_H
#define REGISTRY_STORE_INTERNAL_H

#include "registry_store/store.h"

enum {
    SHARD_DIR_SIZE = 16,  /* "entries/8c" */
    ENTRY_PATH_SIZE = 96, /* "entries/8c/<uuid>/<number>" */
    LINK_SIZE = 128,      /* a link's target, with room to see that it is none of ours */
};

struct store {
    char *home;
    int fd; /* O_PATH of the home; -1: there is none yet, which reads as empty */
    int64_t wait_ms;
};

/* Writes "entries/8c/<uuid>" and, unless `leaf` is null, "/<leaf>". */
void entry_path(const char *uuid, const char *leaf, char path[ENTRY_PATH_SIZE]);

/* Takes the lock of all writers; the descriptor holds it until it is closed. -1 and ML_BUSY, naming
 * the holder. Sweeps files that dead writers left in tmp/. */
int store_write_lock(struct store *store, struct ml_error *err);

/* -1 and ML_NO_INPUT: there is no such bundle. */
int bundle_missing(struct store *store, const char *id, struct ml_error *err);

/* The last part of a link's target, if the link can be read; null otherwise. */
const char *link_leaf(struct store *store, const char *path, char target[LINK_SIZE]);

/* Sorted names in a directory, but "." and "..". The caller frees with names_free(). */
struct names {
    char **item;
    size_t n;
};
int names_read(int dirfd, const char *path, struct names *ret);
void names_free(struct names *names);

#endif

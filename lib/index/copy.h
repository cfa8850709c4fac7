/* The local copy of an index: one file, made at update and mapped to be read. A head; a line for
 * each plugin, in the order of their keys, which is what a search goes through; the plugins' files
 * behind one another; and a line for each version that is retired. It is replaced whole, by a
 * rename: who has it open goes on with what he has. It is a cache, and can be removed. */
#ifndef INDEX_COPY_H
#define INDEX_COPY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "build/arena.h"
#include "fetch/fetch.h"
#include "index/name.h"
#include "index/plugin.h"
#include "modload/error.h"

enum { COPY_FORM = 1 };
#define COPY_MAGIC "modload-index\n"

struct copy_head {
    char magic[16]; /* COPY_MAGIC */
    uint32_t form;
    char commit[FETCH_ID_SIZE];
    char name[INDEX_NAME_SIZE]; /* that the index gives itself */
    char url[SOURCE_URL_MAX];
    uint64_t plugins;
    uint64_t lines, texts, retired; /* bytes of each part */
};

struct copy {
    void *map; /* null: there is none */
    size_t size;
    const struct copy_head *head;
    const char *lines, *texts, *retired;
};

#define COPY_AUTO __attribute__((cleanup(copy_close))) struct copy
void copy_close(struct copy *copy);

/* Opens `dirfd`/`file`. 1; 0 when there is none; -1 and ML_DATA, "bad_copy", when it is damaged or
 * of another form; ML_REFUSED, when it is not ours alone; ML_LIMIT, ML_IO. */
int copy_open(int dirfd, const char *file, struct copy *ret, struct ml_error *err);

/* One plugin's line, cut up; the texts are not ended by a NUL. */
struct copy_text {
    const char *at;
    size_t n;
};
struct copy_line {
    struct copy_text key, description, name, version; /* the version is "-" when all are retired */
    struct copy_text file;                            /* the plugin's own */
    bool has_retired;                                 /* some version of it is */
};

/* Cuts the line that begins at `*at`, and moves that behind it. 1; 0 at the end; -1 when the copy
 * is damaged. */
int copy_line_next(const struct copy *copy, const char **at, struct copy_line *ret);

/* The line of one plugin. 1; 0 when there is none; -1 when the copy is damaged. It looks at as many
 * lines as the number of plugins has bits. */
int copy_find(const struct copy *copy, const char *key, struct copy_line *ret);

/* Reads the file of a line. 0; -1 and ML_DATA, ML_LIMIT. */
int copy_plugin(struct arena *a, const struct copy_line *line, struct index_plugin *ret,
                struct ml_error *err);

/* "The copy is damaged", and what to do: -1. */
int copy_damaged(struct ml_error *err);

/* ---- making one (merge.c) ---- */

/* What an update has changed. */
struct copy_changes {
    size_t added, changed;
};

/* Makes a new copy of what was (`before`; its map may be null) and what fetch_changes() has written
 * (`records`, `n` bytes), in the new file `fd`, synced. `head` says url and commit; the rest of it
 * is filled in. What was published stays as it was: where it did not, nothing counts. Given up when
 * `cancel_fd` becomes readable (-1: nothing does).
 *
 * 0; -1 and 130, "cancelled"; ML_REFUSED, "rewritten_index": a version was changed or removed;
 * ML_DATA, "not_an_index", "bad_index"; ML_CONFIG, "newer_format"; ML_LIMIT, ML_IO. */
int copy_make(const struct copy *before, const void *records, size_t n, struct copy_head *head,
              int fd, int cancel_fd, struct copy_changes *ret, struct ml_error *err);

/* Adds the lines of a plugin's retired versions, each
 *     NAME@VERSION <tab> REASON <tab> GIT <tab> COMMIT <tab> MESSAGE <newline>
 * `name` stays in front, so that they can be sorted and looked up (modload/index.h). */
void copy_retired_lines(const struct index_plugin *plugin, struct buf *out);

/* Sorts lines by their bytes. 0; -1 and ML_LIMIT. */
int copy_lines_sort(struct buf *lines, struct ml_error *err);

#endif

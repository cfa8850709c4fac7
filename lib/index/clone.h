/* A clone of an index, in which a plugin's file is changed and committed: what publish and retire
 * have in common. */
#ifndef INDEX_CLONE_H
#define INDEX_CLONE_H

#include "build/arena.h"
#include "index/plugin.h"
#include "modload/index.h"

struct clone {
    int fd;
    const struct ml_index_commit *how;
    struct buf before; /* the plugin's file as it is */
    bool is_new;       /* there is none */
    char path[80];     /* of it */
};

#define CLONE_INIT                                                                                 \
    {                                                                                              \
        .fd = -1                                                                                   \
    }
#define CLONE_AUTO __attribute__((cleanup(clone_close))) struct clone
void clone_close(struct clone *clone);

/* Opens the clone and reads the file of a plugin, whose name is checked. 1 and `plugin`; 0 when
 * there is none yet; -1 and ML_NO_INPUT ("no_clone"), ML_DATA ("not_an_index", "bad_index",
 * "bad_name"), ML_CONFIG ("newer_format"), ML_IO. */
int clone_open(struct arena *a, const struct ml_index_commit *how, const char *name,
               struct clone *ret, struct index_plugin *plugin, struct ml_error *err);

/* Writes the plugin's file and commits it with this message; with `dry_run` only says in `ret` what
 * that would change. 0; -1 and ML_USAGE ("no_author"), and the errors of fetch_commit() and
 * index_plugin_write(). */
int clone_commit(const struct clone *clone, const struct index_plugin *plugin, const char *message,
                 struct ml_index_change *ret, struct ml_error *err);

/* Now, in UTC. */
void clone_date(char date[INDEX_DATE_SIZE]);

#endif

/* What a command did to a home, and what a file system may have kept of it when the power went.
 *
 * The model is that of POSIX, and no file system is that bad: a name that was made, changed or
 * removed is durable when its directory has been synced since; the data of a file when the file
 * has. Before that it may be there or not. Names of one directory come in order; those of different
 * directories do not wait for each other, so that a rename may be seen in one of its two
 * directories alone. Modes are taken as they were last. */
#ifndef FAULT_POWER_H
#define FAULT_POWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "trial.h"

enum { NAME_ROOM = 128, ROOT = 0 };
enum node_type { NODE_DIR, NODE_FILE, NODE_LINK };

/* What a file held after one of its changes. */
struct version {
    char *data;
    size_t n;
    uint64_t hash;
};

struct node {
    enum node_type type;
    unsigned mode;
    char *target;            /* of a link */
    struct version *version; /* of a file: the first is what it began with */
    int n_versions;
};

/* A name in a directory; in a change of one, node -1 is that it goes. */
struct edge {
    int dir, node;
    char name[NAME_ROOM];
};

struct edges {
    struct edge *edge;
    size_t n, room;
};

enum op_kind { OP_NAMES, OP_DATA, OP_SYNC, OP_SYNC_ALL };

/* One thing that was done. */
struct op {
    enum op_kind kind;
    struct edge half[2]; /* OP_NAMES: a rename has two */
    int n_halves;
    int node, version; /* OP_DATA, OP_SYNC */
    char call[24];
};

/* Everything that was done. Node ROOT is the world, which has the home in it. */
struct recording {
    struct node *node;
    int n_nodes;
    struct op *op;
    int n_ops;
    struct edges base, live; /* what is there before all, and after it */
    char root[PATH_ROOM];
};

/* Begins with the home of a world as it is: all of it is durable. */
void record_begin(struct recording *r, const struct rig *rig, const char *world);

/* Runs a command in that world, and adds what it does; with `kill_at` it is killed before its n-th
 * change. */
void record_run(struct recording *r, const struct rig *rig, const char *line, int kill_at,
                struct ended *ended);
void record_free(struct recording *r);

int edges_find(const struct edges *e, int dir, const char *name);
void edges_set(struct edges *e, const struct edge *change);
void edges_copy(struct edges *to, const struct edges *from);

/* ---- what may be left ---- */

/* How much of a file's data that was not synced is there. */
enum kept { KEPT_ALL, KEPT_NONE, KEPT_HALF, KEPT_ZEROS, KEPT_BEFORE, N_KEPT };

/* One way to lose: when, which names, and which data. */
struct crash {
    int at;         /* ops that were done */
    int names, dir; /* all changes before `names`; in `dir` only those before dir_names */
    int dir_names;  /* dir -1: no such directory; -2: all directories as they were synced */
    enum kept kept; /* of the data of `node`; -1: of every file */
    int node;
    uint64_t hash; /* of what is there then */
};

/* Calls `each` for every different state that there may be when the power goes after `from` ops or
 * more. */
void crash_each(const struct recording *r, int from,
                void (*each)(const struct crash *crash, void *arg), void *arg);

/* Makes the tree beneath `root`, which is there and empty. */
void crash_build(const struct recording *r, const struct crash *crash, const char *root);

/* Says in words what was lost. */
void crash_text(const struct recording *r, const struct crash *crash, struct buf *out);

#endif

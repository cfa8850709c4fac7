/* What a sync has to do: the project's words beside its lock and the registry. Nothing here reaches
 * a network, or changes anything. */
#ifndef PROJECT_SYNC_PLAN_H
#define PROJECT_SYNC_PLAN_H

#include "modload/modload.h"
#include "project/lock.h"

enum sync_need {
    SYNC_NOTHING, /* the entry is what the lock says */
    SYNC_LOCKED,  /* the lock has a commit for it, which is to be got */
    SYNC_NEW,     /* the lock has none, or one that is no answer any more, or is to be renewed */
};

/* The entry that has the UUID of a block. */
struct sync_entry {
    bool there;
    struct ml_entry entry;
    const char *origin; /* "" where that is not known */
    bool git;           /* it came from a repository; and that, and the directory in it, are the */
    bool same_source;   /* block's own, */
    bool same_commit;   /* and so is the commit */
};

struct sync_item {
    const struct project_plugin *asked;
    const struct lock_plugin *locked; /* the block as it is; null: there is none */
    struct lock_plugin block;         /* as it shall be; of SYNC_NEW only what the project says */
    struct ml_key key;
    enum sync_need need;
    char bundle[ML_BUNDLE_ID_SIZE]; /* of SYNC_NOTHING: what the entry is now */
    struct sync_entry entry;
    bool other; /* that entry is another's: nobody has agreed to its being replaced */
};

/* A block whose plugin, or whose UUID, the project names no more. */
struct sync_gone {
    const struct lock_plugin *block;
    struct sync_entry entry;
    bool other; /* that entry is another's, and stays */
};

struct sync_plan {
    struct sync_item *items; /* in the project's order, which is by name */
    size_t n;
    struct sync_gone *gone;
    size_t n_gone;
};

/* What a plan is made of. */
struct sync_input {
    const char *label; /* the project's file, for messages */
    struct project project;
    struct lock lock;
    bool frozen;              /* the lock is not going to get a platform that it does not have */
    const char *const *renew; /* `n_renew` plugins whose commit is looked for anew; "*": all */
    size_t n_renew;
};

/* Looks the entries up in the registry of `ctx`, which need not be there. What is in `ret` is in
 * the arena, or in `input`, which must outlive it. 0; -1 and ML_CONFIG (two plugins would have one
 * UUID), ML_NO_INPUT ("no_plugin": one to be renewed is not the project's), ML_LIMIT, ML_IO ... */
int sync_plan_make(struct arena *a, struct ml_ctx *ctx, const struct sync_input *input,
                   struct sync_plan *ret, struct ml_error *err);

/* Whether the item's entry is of its name and one of the bundles that its block has, which then is
 * in `bundle`; of a platform that the block does not have, where `frozen`, it is enough that it
 * came from the block's commit. Where it is not, `other` tells whether it has the block's UUID
 * only. 1, 0 or -1. */
int sync_item_registered(struct arena *a, struct ml_ctx *ctx, struct sync_item *item, bool frozen,
                         struct ml_error *err);

/* Whether nothing is to be got, and the lock says what the project says. */
bool sync_plan_is_done(const struct sync_plan *plan);

/* Whether the lock may stay as it is, but for what it says of platforms. 0; -1 and ML_CONFIG,
 * "lock_differs", with the plugins that differ and what in them does. `has_lock`: there is one.
 * `again`: how a sync of this project is typed. */
int sync_plan_frozen(const struct sync_plan *plan, const char *label, bool has_lock,
                     const char *again, struct ml_error *err);

#endif

/* A sync under way: what its parts know of it. The steps are in modload/sync.h. */
#ifndef PROJECT_SYNC_H
#define PROJECT_SYNC_H

#include "modload/sync.h"
#include "project/sync-plan.h"

struct ml_sync {
    struct arena a;
    struct ml_ctx *ctx;
    struct ml_sync_request request;
    int dirfd; /* the project's directory */
    const char *lock_label;
    const char *again; /* how it is typed: "modload sync DIR" */
    struct buf old;    /* the bytes of the lock's file */
    bool has_lock, wrote_lock;
    struct sync_input input;
    struct sync_plan plan;
    struct ml_sync_plugin *told; /* of plan.items, and then of plan.gone */
    struct ml_package_job *jobs; /* beside plan.items; not filled in where nothing is fetched */
};

/* Whether somebody has ended it. A status beyond ML_SIGNAL may be the end of a plugin, too. */
bool sync_cancelled(const struct ml_error *err);

/* Tells of what a plugin failed with, and makes it the step's own error. -1. */
int sync_failed(struct ml_sync *s, const char *plugin, struct ml_error *why, struct ml_error *err);

/* What a bundle was built on, for the lock: two machines for which it is the same text make the
 * same bundle of the same source, as far as that can be told beforehand. In the arena. Null; and
 * ML_NO_INPUT, ML_REFUSED (the bundle is damaged), ML_LIMIT, ML_IO. */
const char *platform_of(struct arena *a, struct ml_ctx *ctx, const char *bundle,
                        struct ml_error *err);

#endif

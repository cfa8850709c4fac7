/* modload/sync.h - the plugins of a project. Volatile: may change with any release before 1.0.
 *
 * A project says in its modload.json which plugins it needs; modload.lock beside it says which
 * commits these were, so that everybody gets the same. A sync brings a registry to what they say,
 * in steps between which its caller shows what is to come, and asks. What it has fetched lies in
 * the registry's tmp/ until it is freed; a process that is killed leaves litter there, which the
 * next writer sweeps.
 *
 * Errors, ownership, threads and fork are as in modload/modload.h. */
#ifndef MODLOAD_SYNC_H
#define MODLOAD_SYNC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "modload/install.h"

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/* What to do. Zeroed is a good start, but for the two descriptors (one of them in `how`). All texts
 * stay the caller's, and have to outlive the sync. */
struct ml_sync_request {
    /* The project's directory. */
    const char *dir;
    /* The lock is as it has to be, or it is an error. */
    bool frozen;
    /* Nothing is going to be applied, so nobody has to be waited for. */
    bool look_only;
    /* `n_renew` plugins whose commit is looked for anew, though the lock has one: newer versions in
     * their range, and where their branches are now. "*" is all of them. */
    const char *const *renew;
    size_t n_renew;
    /* Take those entries out that the lock has and the project does not name any more, but for
     * what came from elsewhere (`other`). */
    bool prune;
    /* How packages are fetched: `offline`, `cache`, `timeout_ms`, `cancel_fd`, `progress` and `arg`
     * count. When that descriptor becomes readable, the other steps are given up, too. */
    struct ml_package_request how;
    /* How many packages are fetched, and bundles built, at the same time; 0: as it is usual. */
    unsigned at_once;
    /* In milliseconds: how long to wait for another sync of this project; what each build may take,
     * and each test of a plugin; 0: no limit. */
    int64_t wait_ms, build_ms, test_ms;
    /* Where the compiler's own words go; -1: /dev/null. */
    int diagnostics_fd;
    /* Told of each plugin that a step failed with; the last one is the step's own error, too. May
     * be null. */
    void (*failed)(const char *plugin, const struct ml_error *err, void *arg);
    void *arg;
};

/* How a plugin stands. */
enum ml_sync_state {
    /* Its entry is what the lock says: nothing is done. */
    ML_SYNC_SAME,
    /* The lock says which commit it is, and it is to be registered. */
    ML_SYNC_LOCKED,
    /* The lock does not have it. */
    ML_SYNC_ADDED,
    /* It becomes something else than the lock has. */
    ML_SYNC_CHANGED,
    /* The lock has it, and the project does not name it any more. */
    ML_SYNC_GONE,
};

/* One plugin. No text is null; "" is none, or not known yet. They are the sync's. */
struct ml_sync_plugin {
    enum ml_sync_state state;
    const char *name, *uuid;
    /* As the project has it. */
    const char *git;
    /* As the lock is going to have them, and as it has them now. */
    const char *release, *tag, *commit;
    const char *release_before, *commit_before;
    /* What it asks for, as those of struct ml_bundle_info, and what the lock agrees to now. */
    const char *const *capabilities, *const *capabilities_before;
    size_t n_capabilities, n_capabilities_before;
    /* Somebody has to agree to it: it is not what was agreed to before. And what it asks for beyond
     * what the lock agrees to: `n_more` capabilities, all of them where the lock has no block. */
    bool asks;
    const char *const *more;
    size_t n_more;
    /* The entry that has its UUID now, where that came from elsewhere: from another repository or
     * directory, or from none. It would be replaced, so that somebody has to agree, though the lock
     * has the plugin; of one that is gone it stays. Null: there is no such entry. And where it came
     * from, if that is known. */
    const struct ml_entry *other;
    const char *other_origin;
    /* Null until it was fetched, and where nothing had to be. */
    const struct ml_package *package;
    /* "" until it was built; of one that stays the same what it is. */
    char bundle[ML_BUNDLE_ID_SIZE];
    /* Of one that is gone: its entry has been taken out. */
    bool unregistered;
};

/* A sync under way. Opaque. It does not outlive its context. */
struct ml_sync;

/* Reads project and lock, and looks at the registry. Returns 0 and `*ret`, which is the caller's,
 * who gives it to ml_sync_free(); or -1 and
 *     ML_CONFIG    a bad modload.json or modload.lock, "merge_conflict", "newer_lock"; frozen:
 *                  "no_lock", "lock_differs"
 *     ML_NO_INPUT  "no_project"; "no_plugin": one to be renewed is not the project's
 *     ML_BUSY      another sync of the project goes on for longer than `wait_ms`; 130: cancelled
 * Where nothing is to be done it has taken no lock and written nothing. */
int ml_sync_open(struct ml_ctx *ctx, const struct ml_sync_request *request, struct ml_sync **ret,
                 struct ml_error *err);

/* Whether registry and lock are what they have to be: no other step has to be taken. */
bool ml_sync_is_done(const struct ml_sync *sync);

/* Number `i` of its plugins: those of the project by name, then those that are gone. Null behind
 * the last. It changes with each step. */
const struct ml_sync_plugin *ml_sync_plugin(const struct ml_sync *sync, size_t i);

/* Fetches what is not there, each verified against the lock. Nothing of it is built. Returns 0; or
 * -1 and the errors of ml_package_fetch_all(); ML_CONFIG, "no_repository": one is an archive;
 * ML_REFUSED, "moved_tag"; "rewritten": a branch that was followed; "not_agreed": frozen, and one
 * asks for more than the lock agrees to. */
int ml_sync_fetch(struct ml_sync *sync, struct ml_error *err);

/* Builds and tests what was fetched, writes the lock, and registers all of it in one change. Either
 * all of it is there when this returns, or nothing has changed; of a process that was killed in the
 * midst the lock may be the new one, and the next sync does what is left. Returns 0; or -1 and the
 * errors of ml_build_all(), ml_bundle_test(), ml_register_all(); "tests_failed"; ML_REFUSED,
 * "other_bundle": frozen, and what was built is not what the lock says; ML_BUSY,
 * "changed_meanwhile": somebody has changed one of the entries since ml_sync_open(). */
int ml_sync_apply(struct ml_sync *sync, struct ml_error *err);

/* Whether the lock was written. */
bool ml_sync_wrote_lock(const struct ml_sync *sync);

/* Ends it. Null is fine. */
void ml_sync_free(struct ml_sync *sync);

/* What a lock says of a plugin. */
struct ml_locked {
    const char *name, *git, *commit;
    /* The directory in the repository, "" for all of it; and whether submodules are fetched. */
    const char *path;
    bool submodules;
};

/* Calls `each` for every plugin of the lock in a project's directory, by name. What it is given is
 * good until it returns; it returns nonzero to stop, and that is returned. Or -1 and ML_NO_INPUT
 * (no such directory; "no_lock"), ML_CONFIG (a bad lock), ML_LIMIT, ML_IO. Any thread. */
int ml_project_locked(const char *dir, int (*each)(const struct ml_locked *locked, void *arg),
                      void *arg, struct ml_error *err);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif

/* The context behind struct ml_ctx, and the places it works in. */
#ifndef CLIENT_CONTEXT_H
#define CLIENT_CONTEXT_H

#include <sys/un.h>

#include "modload/modload.h"
#include "registry_store/store.h"

struct ml_ctx {
    char *home;        /* absolute */
    char *runtime_dir; /* null: the default of the environment */
    int64_t wait_ms;
    int cancel_fd;
    const char *command;    /* null: none was given; not owned */
    struct store *store[2]; /* for reading, and for writing */
    int *hold;              /* bundles that this context works with: no gc takes them away */
    size_t n_holds;
    void *kept; /* tsearch(3): the ids of those among them that ctx_keep() was given */
    int run_fd; /* the directory of this registry's sockets and locks, or -1 */
    char *run_path;
};

/* The registry, opened when first asked for, for reading or (`create`) for writing. It stays the
 * context's, and good for as long as that is: who was given one may be going on with it while what
 * he calls asks for the other. */
int ctx_store(struct ml_ctx *ctx, bool create, struct store **ret, struct ml_error *err);

/* Keeps a bundle, by the descriptor that holds it, until the context is freed. Takes `fd` over. -1:
 * memory; then it is closed. */
int ctx_hold(struct ml_ctx *ctx, int fd, struct ml_error *err);

/* Keeps a filed bundle until the context is freed; once, however often it is said. 0; -1 and
 * ML_NO_INPUT (there is none), ML_LIMIT (as many are kept as this process can have descriptors). */
int ctx_keep(struct ml_ctx *ctx, const char *id, struct ml_error *err);

/* Whether it was told to. */
bool ctx_keeps(const struct ml_ctx *ctx, const char *id);

/* The bundle that an entry points at, open and held. A descriptor; -1 and ML_NO_INPUT (not
 * registered), ML_REFUSED (its bundle is missing: damaged). */
int ctx_entry_open(struct ml_ctx *ctx, const char *uuid, char bundle[ML_BUNDLE_ID_SIZE],
                   struct ml_error *err);

/* Opens the directory of sockets and locks. 1; 0 when there is none and `create` is false. */
int ctx_runtime(struct ml_ctx *ctx, bool create, struct ml_error *err);

/* The directory that holds that one, and the variable that it was told by, or other words for it.
 * The caller frees it; null when memory is out. */
char *ctx_runtime_base(const struct ml_ctx *ctx, const char **why);

/* What a worker has in that directory while it lives; its log also longer (client/log.h), and what
 * its keeper has (client/keeper.h). */
enum run_file { RUN_LOCK, RUN_CONTROL, RUN_CALL, RUN_LOG, RUN_LOG_OLD, RUN_KEEPER };
enum { RUN_NAME_SIZE = 48 };
void run_file_name(const char *uuid, enum run_file file, char name[RUN_NAME_SIZE]);

/* The address of a socket there, however long the directory's own path is (sun_path holds 108
 * bytes). */
void run_address(struct ml_ctx *ctx, const char *uuid, enum run_file file,
                 struct sockaddr_un *addr);

/* Connects. A descriptor, or -1 with errno: ENOENT, no socket; ECONNREFUSED, a socket whose worker
 * is dead; EACCES, a socket of another user. */
int run_connect(struct ml_ctx *ctx, const char *uuid, enum run_file file);

/* What a line of history says of its bundle's plugin, "math@1.2.0", in its two halves; where it
 * says nothing, what the bundle says of itself; "" when that cannot be read. */
void plugin_tell(struct store *store, const char *bundle, const char *plugin,
                 char name[ML_NAME_SIZE], char version[ML_VERSION_SIZE]);

#endif

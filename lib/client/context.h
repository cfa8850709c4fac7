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
    struct store *store;
    bool store_writable;
    int run_fd; /* the directory of this registry's sockets and locks, or -1 */
    char *run_path;
};

/* The registry, opened when first asked for. It stays the context's. */
int ctx_store(struct ml_ctx *ctx, bool create, struct store **ret, struct ml_error *err);

/* Opens the directory of sockets and locks. 1; 0 when there is none and `create` is false. */
int ctx_runtime(struct ml_ctx *ctx, bool create, struct ml_error *err);

/* What a worker leaves in that directory while it lives. */
enum run_file { RUN_LOCK, RUN_CONTROL, RUN_CALL };
enum { RUN_NAME_SIZE = 48 };
void run_file_name(const char *uuid, enum run_file file, char name[RUN_NAME_SIZE]);

/* The address of a socket there, however long the directory's own path is (sun_path holds 108
 * bytes). */
void run_address(struct ml_ctx *ctx, const char *uuid, enum run_file file,
                 struct sockaddr_un *addr);

/* Connects. A descriptor, or -1 with errno. */
int run_connect(struct ml_ctx *ctx, const char *uuid, enum run_file file);

#endif

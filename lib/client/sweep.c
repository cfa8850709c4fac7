/* What workers that have gone have left in the runtime directory. It is in nobody's way: the next
 * load puts new sockets in the place of dead ones, and goes on with the log. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/error.h"
#include "base/scope.h"
#include "client/keeper.h"
#include "client/start.h"

static bool exists(struct ml_ctx *ctx, const char *uuid, enum run_file file)
{
    char name[RUN_NAME_SIZE];
    run_file_name(uuid, file, name);
    return faccessat(ctx->run_fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* The lock last: as soon as it is gone, the next starter may bind new sockets under the same names.
 */
void worker_remove_files(struct ml_ctx *ctx, const char *uuid, enum run_file last)
{
    for (int file = (int)last; file >= RUN_LOCK; file--) {
        char name[RUN_NAME_SIZE];
        run_file_name(uuid, (enum run_file)file, name);
        unlinkat(ctx->run_fd, name, 0);
    }
}

/* Whether nothing was written to the log for so long. By the wall clock, as files have their
 * times. */
static bool outdated(struct ml_ctx *ctx, const char *uuid, int64_t age_ms)
{
    char name[RUN_NAME_SIZE];
    struct stat st;
    struct timespec now;
    run_file_name(uuid, RUN_LOG, name);
    clock_gettime(CLOCK_REALTIME, &now);
    return age_ms == 0 || fstatat(ctx->run_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
           (now.tv_sec - st.st_mtim.tv_sec) * 1000 >= age_ms;
}

void worker_sweep(struct ml_ctx *ctx, const char *uuid, int64_t log_age_ms)
{
    AUTO_CLOSE int lock = -1;
    bool any = false;
    for (enum run_file file = RUN_LOCK; file <= RUN_LOG_OLD; file++)
        any = any || exists(ctx, uuid, file);
    if (any && worker_lock(ctx, uuid, &lock, NULL) == 1)
        worker_remove_files(ctx, uuid, outdated(ctx, uuid, log_age_ms) ? RUN_LOG_OLD : RUN_CALL);
}

/* A keeper that waits before it starts a worker again is disturbed only when everything is to
 * go. */
static void sweep_one(struct ml_ctx *ctx, const char *uuid, int64_t log_age_ms)
{
    AUTO_CLOSE int keeper = keeper_pidfd(ctx, uuid);
    AUTO_CLOSE int worker = worker_pidfd(ctx, uuid);
    if (worker >= 0 || (keeper >= 0 && log_age_ms > 0))
        return;
    keeper_end(ctx, uuid);
    worker_sweep(ctx, uuid, log_age_ms);
}

int run_list(struct ml_ctx *ctx, const char *ending, struct buf *ret, struct ml_error *err)
{
    int fd = openat(ctx->run_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    AUTO_CLOSEDIR DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (dir == NULL)
        return ml_error_errno(err, 0, errno, "cannot read '%s'", ctx->run_path);
    for (struct dirent *e; (e = readdir(dir)) != NULL;) {
        char uuid[ML_UUID_SIZE];
        if (strlen(e->d_name) <= 36 || e->d_name[36] != '.')
            continue;
        memcpy(uuid, e->d_name, 36);
        uuid[36] = '\0';
        if (store_uuid_valid(uuid) && (ending == NULL || strcmp(e->d_name + 36, ending) == 0))
            buf_add(ret, uuid, sizeof uuid);
    }
    return ret->failed ? ml_error_memory(err) : 0;
}

/* Of a worker with several files to sweep several times does no harm. */
int ml_sweep(struct ml_ctx *ctx, int64_t log_age_ms, struct ml_error *err)
{
    BUF_AUTO uuids = BUF_INIT;
    int status = ctx_runtime(ctx, false, err);
    if (status <= 0)
        return status;
    status = run_list(ctx, NULL, &uuids, err);
    for (size_t i = 0; status == 0 && i < uuids.len; i += ML_UUID_SIZE)
        sweep_one(ctx, uuids.data + i, log_age_ms);
    return status;
}

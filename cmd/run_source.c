/* `modload run ./math.c add 2 3`: in the core, for building takes its libraries. */
#include <string.h>

#include "base/error.h"
#include "base/scope.h"
#include "cmd/build.h"
#include "cmd/command.h"
#include "modload/install.h"

/* One that is just starting is waited for: what it has mapped is known then. */
static int find_worker(struct invocation *in, const struct ml_key *key,
                       struct ml_worker_status *worker)
{
    const struct ml_start how = {.timeout_ms = DEFAULT_TIMEOUT_MS, .cancel_fd = watch_signals(in)};
    int loaded = ml_worker_query(in->ctx, key, worker, &in->err);
    if (loaded >= 0 || strcmp(in->err.code, "starting") != 0)
        return loaded;
    in->err = (struct ml_error)ML_ERROR_INIT;
    if (ml_load(in->ctx, key, &how, NULL, &in->err) < 0)
        return -1;
    return ml_worker_query(in->ctx, key, worker, &in->err);
}

/* A worker that has an earlier form of the source is of no use here. At once, not drained: whoever
 * edits a source and runs it wants to see what he wrote. One that does not answer is left to the
 * load that follows. */
static int release_outdated(struct invocation *in, const struct ml_key *key, const char *bundle)
{
    struct ml_worker_status worker;
    int loaded = find_worker(in, key, &worker);
    if (loaded <= 0 || !worker.answers || strcmp(worker.bundle, bundle) == 0)
        return loaded < 0 ? failed_or_signalled(in) : 0;
    if (ml_release(in->ctx, key, ML_RELEASE_NOW, &in->err) < 0 && in->err.status != ML_NOT_LOADED)
        return failed(in);
    in->err = (struct ml_error)ML_ERROR_INIT;
    return 0;
}

/* The entry gets no name: a file that is tried out must not take one. Then the command runs again
 * with the key in place of the path, and a UUID is never taken for a source. */
int run_source(struct invocation *in)
{
    struct ml_key key;
    struct ml_bundle_info *info = NULL;
    char uuid[ML_UUID_SIZE], bundle[ML_BUNDLE_ID_SIZE];
    int status = build_from(in, in->args, 1, NULL, NULL, &info);
    if (status != 0)
        return status;
    strcpy(bundle, info->bundle);
    ml_bundle_info_free(info);
    AUTO_FREE char *origin = NULL;
    if (source_origin(in->args[0], &origin, &in->err) < 0)
        return failed(in);
    if (origin == NULL)
        return ml_error_set(&in->err, ML_NO_INPUT, NULL, "'%s' is gone", in->args[0]), failed(in);
    if (ml_origin_key(origin, &key, &in->err) < 0)
        return failed(in);
    if (ml_register(in->ctx, &key, bundle, "", origin, NULL, &in->err) < 0)
        return failed(in);
    status = release_outdated(in, &key, bundle);
    if (status != 0)
        return status;
    ml_key_to_uuid(&key, uuid);
    in->args[0] = uuid;
    return in->command->run(in);
}

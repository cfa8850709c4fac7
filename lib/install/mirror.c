/* A mirror is a directory of repositories as every fetch keeps them. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/scope.h"
#include "install/package.h"

/* The commit that an entry or a lock names may be of no branch any more. */
static int commit_check(const struct fetch_request *order, const struct ml_package_request *request,
                        struct source *source, struct fetch_result *got, struct ml_error *err)
{
    struct ml_error why = ML_ERROR_INIT;
    struct fetch_request again = *order;
    again.mirror = true; /* what is there, and nothing else */
    if (source_ref_parse(request->commit, source, err) < 0)
        return -1;
    if (fetch_source(&again, -1, got, &why) == 0)
        return 0;
    if (why.status == ML_NO_INPUT) {
        ml_error_set(err, ML_REFUSED, "rewritten",
                     "'%.200s' does not have commit %.12s any more: its branches were rewritten",
                     source->url, request->commit);
        return ml_error_hint(err, "what else it has is in the mirror");
    }
    if (err != NULL)
        *err = why;
    return -1;
}

/* Their caches are filled as well: those of the commit that was found, which is in the mirror. */
static int modules_take(const struct fetch_request *order, const struct ml_package_request *request,
                        struct source *source, struct fetch_result *got, struct ml_error *err)
{
    struct fetch_result all;
    struct fetch_request again = *order;
    AUTO_FREE struct fetch_modules *modules = malloc(sizeof *modules);
    if (modules == NULL)
        return ml_error_memory(err);
    again.modules = modules;
    again.offline = again.mirror = false;
    again.subdir = request->path;
    if (source_ref_parse(got->commit, source, err) < 0 || fetch_source(&again, -1, &all, err) < 0)
        return -1;
    got->received += all.received;
    return 0;
}

static int mirror(const struct ml_package_request *request, const char *dir,
                  struct package_plan *plan, struct fetch_result *got, struct ml_error *err)
{
    struct fetch_request order;
    struct ml_error why = ML_ERROR_INIT;
    package_order(request, &plan->source, &order);
    order.cache = dir;
    order.subdir = NULL;
    order.offline = false;
    order.mirror = request->offline; /* what is there already */
    bool pinned = request->commit != NULL && *request->commit != '\0';
    if (!(pinned && request->offline) && fetch_source(&order, -1, got, &why) < 0 &&
        !(pinned && strcmp(why.code, "no_such_ref") == 0)) {
        if (request->offline && strcmp(why.code, "not_cached") == 0)
            ml_error_set(&why, ML_NO_INPUT, "no_such_ref",
                         "cannot mirror '%.200s': there is no branch, tag or commit '%.200s'",
                         plan->source.url, plan->source.ref);
        if (err != NULL)
            *err = why;
        return -1;
    }
    uint64_t received = got->received;
    if (pinned && commit_check(&order, request, &plan->source, got, err) < 0)
        return -1;
    got->received = received;
    return request->submodules ? modules_take(&order, request, &plan->source, got, err) : 0;
}

int ml_mirror(const char *dir, const struct ml_package_request *request, struct ml_mirrored *ret,
              struct ml_error *err)
{
    struct fetch_result got = {0};
    AUTO_FREE struct package_plan *plan = malloc(sizeof *plan);
    if (plan == NULL)
        return ml_error_memory(err);
    if (package_plan(request, plan, err) < 0)
        return -1;
    if (plan->kind != PACKAGE_GIT) {
        ml_error_set(err, ML_DATA, "no_repository", "'%.200s' is no git repository",
                     request->source);
        return ml_error_hint(err, "of a directory or an archive, keep a copy");
    }
    if (mirror(request, dir, plan, &got, err) < 0)
        return -1;
    if (ret != NULL) {
        strcpy(ret->commit, got.commit);
        ret->received = got.received;
    }
    return 0;
}

/* What a repository has now, beside what was taken from it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/scope.h"
#include "install/package.h"

/* The second look is at what the first one has fetched. */
static int latest_find(const struct fetch_request *order, struct source *source,
                       struct ml_package_versions *ret, struct ml_error *err)
{
    struct ml_error why = ML_ERROR_INIT;
    struct fetch_request again = *order;
    AUTO_FREE struct fetch_result *got = calloc(1, sizeof *got);
    if (got == NULL)
        return ml_error_memory(err);
    again.offline = true;
    again.since = NULL;
    if (source_ref_parse("*", source, err) < 0)
        return -1;
    if (fetch_source(&again, -1, got, &why) == 0) {
        snprintf(ret->latest, sizeof ret->latest, "%s", got->version);
        return 0;
    }
    if (why.status == ML_NO_INPUT) /* it was there a moment ago: so no tag of it is a version */
        return 0;
    if (err != NULL)
        *err = why;
    return -1;
}

int ml_package_versions(const struct ml_origin *origin, const struct ml_package_request *how,
                        struct ml_package_versions *ret, struct ml_error *err)
{
    struct ml_package_request request = *how;
    struct package_plan plan;
    struct fetch_request order;
    AUTO_FREE struct fetch_result *got = calloc(1, sizeof *got);
    if (got == NULL)
        return ml_error_memory(err);
    *ret = (struct ml_package_versions){.commit = ""};
    request.source = origin->git;
    request.ref = origin->ref;
    request.path = NULL;
    request.since = *origin->tag ? NULL : origin->commit; /* a tag has its own check */
    if (package_plan(&request, &plan, err) < 0)
        return -1;
    package_order(&request, &plan.source, &order);
    if (fetch_source(&order, -1, got, err) < 0)
        return -1;
    if (*origin->tag != '\0' &&
        package_tag_check(&order, &plan.source, origin->tag, origin->commit, err) < 0)
        return -1;
    snprintf(ret->commit, sizeof ret->commit, "%s", got->commit);
    snprintf(ret->tag, sizeof ret->tag, "%s", package_ref_leaf(got->ref, PACKAGE_TAGS));
    snprintf(ret->release, sizeof ret->release, "%s", got->version);
    return latest_find(&order, &plan.source, ret, err);
}

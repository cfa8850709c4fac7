/* What comes in and is retired in an index. */
#include <string.h>

#include "base/error.h"
#include "cmd/incoming.h"
#include "cmd/warn.h"

static int refused(struct invocation *in, const struct ml_package_info *info,
                   const struct ml_retired *why)
{
    ml_error_set(&in->err, ML_REFUSED, "retired", "%.64s@%.64s is retired (%s): %s", info->name,
                 info->version, why->reason, why->message);
    ml_error_hint(&in->err, "take another version; to have this one all the same: --allow-retired");
    return failed(in);
}

int incoming_retired(struct invocation *in, const struct incoming *list, size_t n)
{
    struct ml_retired why;
    struct ml_retired_list *retired = warn_open();
    int status = 0;
    for (size_t i = 0; i < n && status == 0; i++) {
        const struct ml_package_info *info = ml_package_info(list[i].job.package);
        if (ml_retired_find(retired, info->name, info->version, info->origin, &why) == 0)
            continue;
        warn_retired(info->name, info->version, &why);
        if (strcmp(why.reason, "security") == 0 && !incoming_is_known(&list[i]) &&
            !option_given(in, "allow-retired"))
            status = refused(in, info, &why);
    }
    ml_retired_close(retired);
    return status;
}

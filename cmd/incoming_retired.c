/* What comes in and is retired in an index. */
#include <string.h>

#include "base/error.h"
#include "cmd/incoming.h"
#include "cmd/warn.h"

static int refused(struct invocation *in, const char *name, const char *version,
                   const struct ml_retired *why)
{
    ml_error_set(&in->err, ML_REFUSED, "retired", "%.64s@%.64s is retired (%s): %s", name, version,
                 why->reason, why->message);
    ml_error_hint(&in->err, "take another version; to have this one all the same: --allow-retired");
    return failed(in);
}

static int check_in(struct invocation *in, struct ml_retired_list *retired, const char *name,
                    const char *version, const char *origin, bool known)
{
    struct ml_retired why;
    if (ml_retired_find(retired, name, version, origin, &why) == 0)
        return 0;
    bool refuse = strcmp(why.reason, "security") == 0 && !known;
    if (refuse && !option_given(in, "allow-retired"))
        return refused(in, name, version, &why);
    warn_retired(name, version, &why);
    return 0;
}

int retired_check(struct invocation *in, const char *name, const char *version, const char *origin,
                  bool known)
{
    struct ml_retired_list *retired = warn_open();
    int status = check_in(in, retired, name, version, origin, known);
    ml_retired_close(retired);
    return status;
}

int incoming_retired(struct invocation *in, const struct incoming *list, size_t n)
{
    struct ml_retired_list *retired = warn_open();
    int status = 0;
    for (size_t i = 0; i < n && status == 0; i++) {
        const struct ml_package_info *info = ml_package_info(list[i].job.package);
        status = check_in(in, retired, info->name, info->version, info->origin,
                          incoming_is_known(&list[i]));
    }
    ml_retired_close(retired);
    return status;
}

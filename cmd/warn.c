/* A warning keeps nobody from anything: who has a version that is retired goes on with it. */
#include "cmd/warn.h"

#include "base/error.h"

struct ml_retired_list *warn_open(void)
{
    struct ml_retired_list *list;
    struct ml_error err = ML_ERROR_INIT;
    if (ml_retired_open(&list, &err) == 0)
        return list;
    note("cannot tell what is retired: %s", err.message);
    return NULL;
}

void warn_retired(const char *plugin, const char *version, const struct ml_retired *retired)
{
    note("warning: %s@%s is retired (%s): %s", plugin, version, retired->reason, retired->message);
}

bool warn_entry(struct invocation *in, const struct ml_retired_list *list,
                const struct ml_entry *entry, struct ml_retired *ret)
{
    struct ml_error err = ML_ERROR_INIT;
    int found = ml_retired_entry(list, in->ctx, entry, ret, &err);
    if (found < 0)
        note("cannot tell whether %s@%s is retired: %s", entry->plugin, entry->version,
             err.message);
    if (found > 0)
        warn_retired(entry->plugin, entry->version, ret);
    return found > 0;
}

void put_retired(struct json *j, const struct ml_retired *retired)
{
    json_key(j, "retired");
    json_open(j, '{');
    json_pair(j, "reason", retired->reason);
    json_pair(j, "message", retired->message);
    json_close(j, '}');
}

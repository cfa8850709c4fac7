#include "fetch/commit.h"

#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/scope.h"
#include "fetch/run.h"

enum { COMMIT_MS = 60000 };

int fetch_commit(int dirfd, const struct fetch_commit *what, const char *old, const char *now,
                 char commit[FETCH_ID_SIZE], struct ml_error *err)
{
    static const struct fetch_request usual = FETCH_REQUEST_INIT;
    static const struct fetch_limits limits = FETCH_LIMITS_INIT;
    struct fetch_result result;
    BUF_AUTO bytes = BUF_INIT;
    AUTO_FREE struct fetch_order *order = calloc(1, sizeof *order);
    buf_add(&bytes, what, sizeof *what);
    buf_add(&bytes, old, what->old_n);
    buf_add(&bytes, now, what->now_n);
    if (order == NULL || bytes.failed)
        return ml_error_memory(err);
    order->mark = FETCH_MARK;
    order->step = FETCH_STEP_COMMIT;
    order->limits = limits;
    const struct fetch_payload payload = {bytes.data, bytes.len};
    if (fetch_run(order, &payload, dirfd, &usual, clock_ms() + COMMIT_MS, NULL, &result, err) < 0)
        return ml_error_wrap(err, "cannot commit");
    strcpy(commit, result.commit);
    return 0;
}

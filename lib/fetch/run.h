/* One step of a fetch: modload-fetch as a child, and what it says. */
#ifndef FETCH_RUN_H
#define FETCH_RUN_H

#include "fetch/message.h"

/* What comes behind an order. */
struct fetch_payload {
    const void *data;
    size_t n;
};

/* Carries out an order where `cwd_fd` is; `payload` may be null, and so may `modules`, where the
 * step tells none. `deadline_ms`, `cancel_fd` and `progress` as in the request; the limits are the
 * order's. 0; -1 and the errors of fetch_source(), or ML_DATA, "bad_cache", for a cache that is to
 * be made anew. */
int fetch_run(const struct fetch_order *order, const struct fetch_payload *payload, int cwd_fd,
              const struct fetch_request *request, int64_t deadline_ms,
              struct fetch_modules *modules, struct fetch_result *ret, struct ml_error *err);

#endif

/* What a worker says about itself, as a client reads it. A plugin shares the worker's memory, so no
 * text in it is known to end, nor to be of the form that it should have. */
#include "client/worker.c"

#include "fuzz.h"

/* It ends, there is something in it, and nothing that a terminal would not show as it is. */
static bool can_be_shown(const char *text, size_t size)
{
    size_t n = strnlen(text, size);
    for (size_t i = 0; i < n; i++)
        if (text[i] <= ' ' || text[i] > '~')
            return false;
    return n > 0 && n < size;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ml_worker_status status;
    struct ml_error err = ML_ERROR_INIT;
    const struct wire_head head = {.type = WIRE_STATUS};
    BUF_AUTO payload = BUF_INIT;
    buf_add(&payload, data, size);
    if (read_status(&head, &payload, &status, &err) < 0) {
        CHECK(err.status == ML_PROTOCOL);
        fuzz_refused(&err);
        return 0;
    }
    CHECK(size == sizeof(struct wire_status) && status.answers);
    CHECK(can_be_shown(status.bundle, sizeof status.bundle));
    CHECK(can_be_shown(status.plugin, sizeof status.plugin));
    CHECK(can_be_shown(status.version, sizeof status.version));
    return 0;
}

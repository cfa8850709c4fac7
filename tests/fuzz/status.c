/* What a worker says about itself, as a client reads it. A plugin shares the worker's memory, so no
 * text in it is known to end. */
#include "client/worker.c"

#include "fuzz.h"

static bool ends(const char *text, size_t size)
{
    return memchr(text, '\0', size) != NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ml_worker_status status;
    struct ml_error err = ML_ERROR_INIT;
    BUF_AUTO payload = BUF_INIT;
    buf_add(&payload, data, size);
    if (read_status(&payload, &status, &err) < 0) {
        CHECK(size != sizeof(struct wire_status) && err.status == ML_PROTOCOL);
        fuzz_refused(&err);
        return 0;
    }
    CHECK(size == sizeof(struct wire_status) && status.answers);
    CHECK(ends(status.bundle, sizeof status.bundle) && ends(status.plugin, sizeof status.plugin));
    CHECK(ends(status.version, sizeof status.version));
    return 0;
}

/* What a call leaves in the memory that it shares with its supervisor. A plugin may have written
 * there: the first four bytes are the length that it claims, the others the payload. What is let
 * through to the client is an OUTCOME, to the byte. */
#include "worker/supervisor.c"

#include "fuzz.h"

/* To copy 64 MiB each time would find nothing more. */
enum { LENGTH_MAX = 1 << 16 };

static void check_read(const struct call_report *r, const struct buf *payload,
                       const struct ml_error *err)
{
    struct ml_value again = {0};
    struct ml_error why = ML_ERROR_INIT;
    CHECK(payload->len == r->length && memcmp(payload->data, r->payload, r->length) == 0);
    CHECK((wire_get_outcome(payload, &again, &why) == 0) == (err->status == 0));
    CHECK(why.status == err->status && err->status != ML_PROTOCOL);
    ml_value_done(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct call_report *r;
    BUF_AUTO payload = BUF_INIT;
    struct ml_error err = ML_ERROR_INIT;
    if (r == NULL)
        r = share_report();
    CHECK(r != NULL);
    if (size < sizeof r->length)
        return 0;
    memcpy(&r->length, data, sizeof r->length);
    if (r->length <= sizeof r->payload)
        r->length %= LENGTH_MAX;
    memcpy(r->payload, data + sizeof r->length, size - sizeof r->length);
    atomic_store(&r->done, 1);
    if (report_read(r, &payload, &err)) {
        enum call_end is = call_classify(&(struct call_facts){.report = &err});
        CHECK(is == CALL_BAD_REPORT || call_classes[is].its_own);
        check_read(r, &payload, &err);
    }
    return 0;
}

/* What a worker says of the calls that it runs, as a client reads it. In a session a plugin may
 * have written most of it: what is shown to people is a C identifier, or nothing. */
#include "client/calls.c"

#include "fuzz.h"

static void check_call(const struct ml_running *call)
{
    size_t n = strnlen(call->function, sizeof call->function);
    CHECK(n < sizeof call->function && call->client >= 0);
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)call->function[i], lower = c | 0x20;
        bool digit = c >= '0' && c <= '9';
        CHECK(c == '_' || (lower >= 'a' && lower <= 'z') || (i > 0 && digit));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CALLS_AUTO calls = {0};
    struct ml_error err = ML_ERROR_INIT;
    BUF_AUTO payload = BUF_INIT;
    buf_add(&payload, data, size);
    if (read_calls(&payload, &calls, &err) < 0) {
        CHECK(calls.at == NULL && calls.n == 0 && err.status == ML_PROTOCOL);
        fuzz_refused(&err);
        return 0;
    }
    CHECK(calls.n * sizeof(struct wire_running) == size && calls.n <= WIRE_RUNNING_MAX);
    for (size_t i = 0; i < calls.n; i++) {
        check_call(&calls.at[i]);
        CHECK(calls.at[i].number > (i > 0 ? calls.at[i - 1].number : 0));
    }
    return 0;
}

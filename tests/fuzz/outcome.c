/* What a worker answers, as the client reads it: a value or an error, and the same one when it is
 * written and read again. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "client/wire-crash.h"
#include "client/wire.h"
#include "fuzz.h"

static void check_value(const struct ml_value *value)
{
    BUF_AUTO payload = BUF_INIT;
    struct ml_value again;
    bool data = value->type == ML_VALUE_STRING || value->type == ML_VALUE_BYTES;
    CHECK(value->type <= ML_VALUE_BYTES && (value->data != NULL) == data);
    CHECK(!data || value->data[value->size] == '\0');
    wire_put_value(&payload, value);
    CHECK(wire_get_outcome(&payload, &again, NULL) == 0);
    CHECK(again.type == value->type && again.size == value->size);
    if (value->type == ML_VALUE_BOOL)
        CHECK(again.boolean == value->boolean);
    else if (data)
        CHECK(memcmp(again.data, value->data, value->size) == 0);
    else
        CHECK(again.uinteger == value->uinteger);
    ml_value_done(&again);
}

static void check_error(const struct ml_error *err)
{
    BUF_AUTO payload = BUF_INIT;
    struct ml_value value;
    struct ml_error again = ML_ERROR_INIT;
    wire_put_error(&payload, err);
    CHECK(wire_get_outcome(&payload, &value, &again) < 0 && again.status == err->status);
    CHECK(strcmp(again.outcome, err->outcome) == 0 && strcmp(again.code, err->code) == 0);
    CHECK(strcmp(again.message, err->message) == 0 && strcmp(again.hint, err->hint) == 0);
}

/* What came behind a failure is a CRASH of that end, or the failure is none; and it is the same one
 * behind another failure. */
static void check_crash(const struct buf *payload, const struct ml_error *err)
{
    BUF_AUTO again = BUF_INIT;
    struct wire_crash_view view;
    struct ml_crash crash = {0}, copy = {0};
    wire_get_crash(payload, &crash);
    if (crash.signal == 0)
        return;
    CHECK(err->status == ML_SIGNAL + crash.signal);
    CHECK(wire_crash_parse(crash.record, crash.size, &view) == 0);
    CHECK(strlen(crash.object) < WIRE_OBJECTS_SIZE_MAX);
    wire_put_error(&again, err);
    wire_put_crash(&again, &view.head, view.objects, view.stack);
    wire_get_crash(&again, &copy);
    CHECK(copy.size == crash.size && memcmp(copy.record, crash.record, crash.size) == 0);
    CHECK(copy.address == crash.address && copy.offset == crash.offset);
    CHECK(strcmp(copy.object, crash.object) == 0 && copy.has_address == crash.has_address);
    ml_crash_done(&crash);
    ml_crash_done(&copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ml_value value = {0};
    struct ml_error err = ML_ERROR_INIT;
    BUF_AUTO payload = BUF_INIT;
    buf_add(&payload, data, size);
    if (wire_get_outcome(&payload, &value, &err) == 0) {
        CHECK(value.data == NULL || value.size == size - sizeof(struct wire_outcome));
        check_value(&value);
        ml_value_done(&value);
    } else {
        CHECK(err.status > 0 && err.status < 256);
        check_error(&err);
        check_crash(&payload, &err);
    }
    return 0;
}

/* Lines of `exec --batch`: whatever they hold, a call's texts lie within the line and end there. */
#include <string.h>

#include "base/buf.h"
#include "modload/modload.h"

#include "fuzz.h"

static void check_text(const struct buf *line, const char *text)
{
    CHECK(text >= line->data && text + strlen(text) <= line->data + line->len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct ml_call_line call;
    BUF_AUTO line = BUF_INIT;
    struct ml_error err = ML_ERROR_INIT;
    buf_add(&line, data, size);
    int status = ml_call_read(line.data, size, &call, &err);
    CHECK((status == 0) == (err.status == 0));
    CHECK((call.id == NULL) == (call.id_size == 0));
    if (status < 0)
        return 0;
    check_text(&line, call.call.function);
    for (size_t i = 0; i < call.call.n_args; i++)
        check_text(&line, call.call.args[i]);
    return 0;
}

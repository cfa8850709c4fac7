/* The texts of a CALL, or of a request in a session: a function and its arguments, which are all of
 * the bytes and nothing beyond them. The first four bytes are how many texts there are said to
 * be. */
#include <string.h>

#include "base/buf.h"
#include "worker/invoke.h"

#include "fuzz.h"

enum { TEXTS_MAX = 16 };

static void check_texts(const struct buf *frame, char **texts, size_t n)
{
    BUF_AUTO again = BUF_INIT;
    for (size_t i = 0; i < n && i < TEXTS_MAX; i++)
        buf_add(&again, texts[i], strlen(texts[i]) + 1);
    CHECK(n > 0 && again.len <= frame->len && memcmp(again.data, frame->data, again.len) == 0);
    CHECK(n > TEXTS_MAX || again.len == frame->len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    BUF_AUTO frame = BUF_INIT;
    char *texts[TEXTS_MAX];
    uint32_t n;
    if (size < sizeof n)
        return 0;
    memcpy(&n, data, sizeof n);
    buf_add(&frame, data + sizeof n, size - sizeof n);
    int found = invoke_split(frame.data, frame.len, n, texts, TEXTS_MAX);
    CHECK(found < 0 || (uint32_t)found == n);
    if (found >= 0)
        check_texts(&frame, texts, (size_t)found);
    return 0;
}

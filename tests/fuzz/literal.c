/* Texts in generated C. A name out of an object, or a signature, becomes a string literal that is
 * that text, whatever it holds: nothing in it ends the literal. */
#include <stdlib.h>
#include <string.h>

#include "build/stubs.h"
#include "fuzz.h"

/* Reads a literal of printable ASCII and three-digit octal escapes; anything else breaks the
 * promise. */
static void literal_read(const char *p, struct buf *out)
{
    CHECK(*p++ == '"');
    for (; *p != '"'; p++) {
        CHECK(*p >= ' ' && *p < 0x7f && *p != '?');
        if (*p != '\\') {
            buf_char(out, *p);
            continue;
        }
        CHECK(strspn(p + 1, "01234567") >= 3 && p[1] <= '3');
        buf_char(out, (char)((p[1] - '0') << 6 | (p[2] - '0') << 3 | (p[3] - '0')));
        p += 3;
    }
    CHECK(p[1] == '\0');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    BUF_AUTO literal = BUF_INIT;
    BUF_AUTO again = BUF_INIT;
    char *text = fuzz_text(data, size);
    stubs_literal(&literal, text);
    literal_read(buf_text(&literal), &again);
    CHECK(strcmp(buf_text(&again), text) == 0);
    free(text);
    return 0;
}

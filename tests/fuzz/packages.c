/* The words of pkg-config. However they were quoted, writing each with a backslash before every
 * byte and reading that again gives the same words; and what stands in single quotes is one. */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "build/compile.h"
#include "fuzz.h"

static void word_write(struct buf *out, const char *word)
{
    if (*word == '\0')
        buf_str(out, "''");
    for (; *word != '\0'; word++) {
        buf_char(out, '\\');
        buf_char(out, *word);
    }
    buf_char(out, ' ');
}

static void check_quoted(struct arena *a, const char *text)
{
    BUF_AUTO quoted = BUF_INIT;
    struct strv words = {0};
    buf_fmt(&quoted, "'%s'", text);
    packages_split(a, buf_text(&quoted), &words);
    CHECK(words.n == 1 && strcmp(words.items[0], text) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ARENA_AUTO a = ARENA_INIT;
    BUF_AUTO out = BUF_INIT;
    struct strv words = {0}, again = {0};
    char *text = fuzz_text(data, size);
    packages_split(&a, text, &words);
    for (size_t i = 0; i < words.n; i++)
        word_write(&out, words.items[i]);
    packages_split(&a, buf_text(&out), &again);
    CHECK(!a.failed && words.n == again.n);
    for (size_t i = 0; i < words.n; i++)
        CHECK(strcmp(words.items[i], again.items[i]) == 0);
    if (strchr(text, '\'') == NULL)
        check_quoted(&a, text);
    free(text);
    return 0;
}

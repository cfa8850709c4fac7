/* The lists of files that a compiler says it has read (-MD). No name is empty; and names that are
 * written as GCC writes them read back the same. */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "build/inputs.h"
#include "fuzz.h"

/* As GCC does (libcpp, mkdeps.cc: munge): a blank or # gets a backslash, backslashes before a blank
 * are doubled, a $ is. */
static void name_write(struct buf *out, const char *name)
{
    for (const char *p = name; *p != '\0'; p++) {
        if (*p == ' ' || *p == '\t') {
            for (const char *q = p; q > name && q[-1] == '\\'; q--)
                buf_char(out, '\\');
            buf_char(out, '\\');
        } else if (*p == '#') {
            buf_char(out, '\\');
        } else if (*p == '$') {
            buf_char(out, '$');
        }
        buf_char(out, *p);
    }
}

/* A name with a newline, or that ends in a backslash, cannot be written in this form. */
static bool can_be_written(const char *name)
{
    size_t n = strlen(name);
    return n > 0 && strpbrk(name, "\r\n") == NULL && name[n - 1] != '\\' &&
           strchr(name, '#') == NULL;
}

static void check_again(struct arena *a, const struct strv *names)
{
    BUF_AUTO out = BUF_INIT;
    struct strv again = {0};
    size_t n = 0;
    buf_str(&out, "x:");
    for (size_t i = 0; i < names->n; i++)
        if (can_be_written(names->items[i])) {
            buf_str(&out, n++ % 2 ? " \\\n " : " ");
            name_write(&out, names->items[i]);
        }
    buf_char(&out, '\n');
    inputs_parse(a, buf_text(&out), &again);
    CHECK(again.n == n);
    n = 0;
    for (size_t i = 0; i < names->n; i++)
        if (can_be_written(names->items[i]))
            CHECK(strcmp(again.items[n++], names->items[i]) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ARENA_AUTO a = ARENA_INIT;
    struct strv names = {0};
    char *text = fuzz_text(data, size);
    if (strstr(text, "\\\\\n") || strstr(text, "\\\\\r")) {
        free(text); /* two backslashes at the end of a line: there is no end to that */
        return 0;
    }
    inputs_parse(&a, text, &names);
    CHECK(!a.failed);
    check_again(&a, &names);
    free(text);
    return 0;
}

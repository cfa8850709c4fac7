#include "base/shell-word.h"

#include <string.h>

void shell_word(struct buf *out, const char *text)
{
    bool plain = *text != '\0' &&
                 strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
                              ":=/._+@%,-") == strlen(text);
    if (plain) {
        buf_str(out, text);
        return;
    }
    buf_char(out, '\'');
    for (; *text != '\0'; text++)
        if (*text == '\'')
            buf_str(out, "'\\''");
        else
            buf_char(out, *text);
    buf_char(out, '\'');
}

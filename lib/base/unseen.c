#include "base/unseen.h"

#include <string.h>

size_t unseen_at(const char *p)
{
    static const struct {
        const char *lead, *from, *to;
    } ranges[] = {
        {"\xc2", "\x80", "\x9f"},     /* U+0080 to 009F: C1 controls */
        {"\xd8", "\x9c", "\x9c"},     /* U+061C: direction */
        {"\xe2\x80", "\x8b", "\x8f"}, /* U+200B to 200F: zero width, direction */
        {"\xe2\x80", "\xa8", "\xae"}, /* U+2028 to 202E: line ends, direction */
        {"\xe2\x81", "\xa0", "\xaf"}, /* U+2060 to 206F: joiners, direction */
        {"\xef\xbb", "\xbf", "\xbf"}, /* U+FEFF: byte order mark */
    };
    unsigned char first = (unsigned char)*p;
    if (first < 0x80)
        return first != '\0' && (first < ' ' || first == 0x7f);
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++) {
        size_t n = strlen(ranges[i].lead);
        if (strncmp(p, ranges[i].lead, n) == 0 &&
            (unsigned char)p[n] >= (unsigned char)*ranges[i].from &&
            (unsigned char)p[n] <= (unsigned char)*ranges[i].to)
            return n + 1;
    }
    return 0;
}

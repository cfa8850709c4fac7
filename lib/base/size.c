/* Sizes are powers of 1024 here: they limit memory, which comes in pages. */
#include "base/size.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char units[] = "KMGT";

bool size_parse(const char *text, uint64_t *bytes)
{
    const uint64_t most = UINT64_C(1) << 60;
    const char *p = text;
    uint64_t n = 0;
    for (; *p >= '0' && *p <= '9'; p++) {
        if (n > most / 10)
            return false;
        n = n * 10 + (uint64_t)(*p - '0');
    }
    const char *unit = *p != '\0' ? strchr(units, *p) : NULL;
    if (p == text || (*p != '\0' && (unit == NULL || p[1] != '\0')))
        return false;
    unsigned shift = unit ? 10 * (unsigned)(unit - units + 1) : 0;
    if (n > most >> shift)
        return false;
    *bytes = n << shift;
    return true;
}

void size_format(uint64_t bytes, char text[SIZE_TEXT])
{
    int unit = -1;
    while (units[unit + 1] != '\0' && bytes > 0 && bytes % 1024 == 0) {
        bytes /= 1024;
        unit++;
    }
    if (unit < 0)
        snprintf(text, SIZE_TEXT, "%" PRIu64 " byte%s", bytes, bytes == 1 ? "" : "s");
    else
        snprintf(text, SIZE_TEXT, "%" PRIu64 " %ciB", bytes, units[unit]);
}

const char *size_round(uint64_t bytes, char text[SIZE_TEXT])
{
    static const char *const words[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
    double size = (double)bytes;
    size_t i = 0;
    for (; size >= 1024 && i + 1 < sizeof words / sizeof *words; i++)
        size /= 1024;
    snprintf(text, SIZE_TEXT, i > 0 && size < 100 ? "%.1f %s" : "%.0f %s", size, words[i]);
    return text;
}

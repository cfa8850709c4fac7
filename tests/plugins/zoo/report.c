/* Writes to the memory that it has in common with its supervisor. */
#include <stdint.h>
#include <stdlib.h>

#include "zoo.h"

enum { MOST = 1 << 20 };

/* Memory that is shared and belongs to no file is told as that of /dev/zero (proc(5)). */
static void fill_shared(int byte)
{
    char line[512];
    FILE *maps = fopen("/proc/self/maps", "re");
    while (maps != NULL && fgets(line, sizeof line, maps) != NULL) {
        unsigned long from, to;
        if (strstr(line, "rw-s") == NULL || strstr(line, "/dev/zero") == NULL ||
            sscanf(line, "%lx-%lx", &from, &to) != 2)
            continue;
        memset((char *)from, byte, to - from < MOST ? to - from : MOST);
    }
}

int fills(int byte)
{
    fill_shared(byte);
    return byte;
}

/* says that it is through, and is not */
void fills_and_hangs(int byte)
{
    fill_shared(byte);
    hang();
}

/* says that it is through, and is */
void fills_and_exits(int byte)
{
    fill_shared(byte);
    _exit(0);
}

struct outcome {
    int32_t status;
    uint32_t type;
    uint64_t scalar;
    uint32_t size, zero;
};

/* says that it ended as only others can know: length and payload, then that it is through */
void forges(const char *tally, int status, const char *outcome)
{
    char line[512];
    FILE *maps = fopen("/proc/self/maps", "re"), *file = fopen(tally, "ae");
    fputs("once\n", file);
    fclose(file);
    while (maps != NULL && fgets(line, sizeof line, maps) != NULL) {
        unsigned long from, to;
        if (strstr(line, "rw-s") == NULL || strstr(line, "/dev/zero") == NULL ||
            sscanf(line, "%lx-%lx", &from, &to) != 2 || to - from < MOST)
            continue;
        struct outcome *out = (struct outcome *)(from + 8);
        char *text = (char *)(out + 1);
        int n = sprintf(text, "%s%c%s%c%s%c", outcome, '\0', outcome, '\0', "forged", '\0') + 1;
        *out = (struct outcome){.status = status, .size = (uint32_t)n};
        *(volatile uint32_t *)(from + 4) = (uint32_t)(sizeof *out + (size_t)n);
        *(volatile uint32_t *)from = 1;
    }
    _exit(0);
}

void fills_and_crashes(int byte)
{
    fill_shared(byte);
    abort();
}

/* Writes to the memory that it has in common with its supervisor. */
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

void fills_and_crashes(int byte)
{
    fill_shared(byte);
    abort();
}

/* Its constructor says, in the worker's place, that all is well, and stays. */
#include "frames.h"
#include "zoo.h"

__attribute__((constructor)) static void begin(void)
{
    for (int fd = 3; fd < 16; fd++)
        if (write(fd, frame_ready, sizeof frame_ready) < 0)
            continue;
    hang();
}

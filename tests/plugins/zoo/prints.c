/* Has much to say. */
#include <stdlib.h>

#include "frames.h"
#include "zoo.h"

/* so many MiB; what came of it */
int megabytes(int fd, int n)
{
    static char text[1 << 20];
    memset(text, 'x', sizeof text);
    for (int i = 0; i < n; i++)
        for (size_t done = 0; done < sizeof text;) {
            ssize_t now = write(fd, text + done, sizeof text - done);
            if (now < 0)
                return -1;
            done += (size_t)now;
        }
    return n;
}

void forever(void)
{
    for (;;)
        puts("and another thing");
}

/* with and without stdio, no newline */
int before(int n)
{
    printf("before ");
    fprintf(stderr, "on the side\n");
    return n;
}

/* the answer, as modload would give it to programs */
int forged(const char *answer)
{
    puts(answer);
    fflush(stdout);
    return 7;
}

/* the answer, as a worker would give it: a frame with an OUTCOME, the number 42 */
int forged_frame(int fd)
{
    return write(fd, frame_number, sizeof frame_number) == sizeof frame_number ? 7 : 8;
}

/* Talks to its own worker, and makes no sense. */
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "frames.h"
#include "zoo.h"

static int at(const char *path)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (strlen(path) >= sizeof addr.sun_path)
        return -1;
    strcpy(addr.sun_path, path);
    return connect(fd, (const struct sockaddr *)&addr, sizeof addr) == 0 ? fd : -1;
}

/* A head, and something else behind it: `n` bytes in all. */
static int say(const char *path, unsigned magic, unsigned version, unsigned type, unsigned length,
               size_t n)
{
    unsigned frame[64] = {magic, version | type << 16, length};
    int fd = at(path);
    for (size_t i = 3; i < 64; i++)
        frame[i] = 0xdeadbeef;
    return fd >= 0 && send(fd, frame, n, MSG_NOSIGNAL) == (ssize_t)n;
}

/* Noise, another version, frames of each type that are none, and one that says to be longer than it
 * is, longer than can be, or is a half of one. 0 when all were sent. */
int noise(const char *path)
{
    int bad = !say(path, 0xffffffff, 0xffff, 0xffff, 0xffffffff, 256);
    bad += !say(path, FRAME_MAGIC, FRAME_VERSION + 98, FRAME_QUERY, 0, 12);
    for (unsigned type = 0; type < 32; type++)
        bad += type != FRAME_RELEASE && !say(path, FRAME_MAGIC, FRAME_VERSION, type, 64, 76);
    bad += !say(path, FRAME_MAGIC, FRAME_VERSION, FRAME_RELEASE, 3, 15);
    bad += !say(path, FRAME_MAGIC, FRAME_VERSION, FRAME_CALL, 64 << 20, 256);
    bad += !say(path, FRAME_MAGIC, FRAME_VERSION, FRAME_QUERY, 0xffffffff, 256);
    return bad + !say(path, FRAME_MAGIC, FRAME_VERSION, FRAME_QUERY, 0, 7);
}

/* Connections that say nothing, as long as the call lasts. */
int crowds(const char *path, int most)
{
    int n = 0;
    for (int i = 0; i < most; i++)
        n += at(path) >= 0;
    return n;
}

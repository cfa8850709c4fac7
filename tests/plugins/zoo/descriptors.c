/* Takes what it finds for its own. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "modload/plugin.h"
#include "zoo.h"

enum { MANY = 20000 };

int closes_all(int n)
{
    for (int fd = 0; fd < MANY; fd++)
        close(fd);
    return n;
}

int closes(int fd)
{
    return close(fd);
}

/* 0, 1 and 2 are others; what it says there is heard by nobody */
int replaces(int n)
{
    int other = memfd_create("other", MFD_CLOEXEC);
    for (int fd = 0; fd < 3; fd++)
        dup2(other, fd);
    puts("said to nobody");
    return n;
}

/* how many took it */
int writes_to_all(const char *text)
{
    int n = 0;
    for (int fd = 3; fd < MANY; fd++)
        n += write(fd, text, strlen(text)) >= 0;
    return n;
}

int shuts_all(int n)
{
    for (int fd = 0; fd < MANY; fd++)
        shutdown(fd, SHUT_RDWR);
    return n;
}

int unblocks_all(int n)
{
    for (int fd = 0; fd < MANY; fd++)
        fcntl(fd, F_SETFL, O_NONBLOCK);
    return n;
}

/* until there are no more */
int opens(int n)
{
    for (int i = 0; i < n; i++)
        if (open("/dev/null", O_RDONLY) < 0)
            return n;
    return n;
}

/* until there are no more, and waits for what comes of it */
void opens_and_stays(void)
{
    while (open("/dev/null", O_RDONLY) >= 0)
        continue;
    hang();
}

/* until there are no more, which it does not bear */
int opens_or_fails(int n)
{
    for (int i = 0; i < n; i++)
        if (open("/dev/null", O_RDONLY) < 0)
            ml_fail("cannot_open", "no descriptor left after %d", i);
    return n;
}

/* how many it could open, all of which it closes again */
int tries(int most)
{
    int n = 0, fd[1024];
    while (n < most && (fd[n] = open("/dev/null", O_RDONLY)) >= 0)
        n++;
    for (int i = 0; i < n; i++)
        close(fd[i]);
    return n;
}

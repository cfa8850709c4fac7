/* Works with the caller's own standard input, output and error. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

/* copies input to output; how many bytes */
long copy(void)
{
    char chunk[65536];
    long sum = 0;
    for (ssize_t n; (n = read(0, chunk, sizeof chunk)) > 0; sum += n)
        for (ssize_t done = 0, now; done < n; done += now)
            if ((now = write(1, chunk + done, (size_t)(n - done))) < 0)
                return -1;
    return sum;
}

/* copies input to output and error, and answers nothing */
void tee(void)
{
    char chunk[4096];
    for (ssize_t n; (n = read(0, chunk, sizeof chunk)) > 0;)
        if (write(1, chunk, (size_t)n) != n || write(2, chunk, (size_t)n) != n)
            return;
}

/* the first byte of the input, or -1 at its end */
int first(void)
{
    unsigned char byte;
    return read(0, &byte, 1) == 1 ? byte : -1;
}

/* 1 if a descriptor is open, and so the caller's or one of modload's */
int is_open(int fd)
{
    return lseek(fd, 0, SEEK_CUR) >= 0 || errno != EBADF;
}

int terminal(int fd)
{
    return isatty(fd);
}

const char *directory(void)
{
    static char path[4096];
    return getcwd(path, sizeof path);
}

long whoami(void)
{
    return getpid();
}

long parent(void)
{
    return getppid();
}

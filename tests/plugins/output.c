/* Prints, so that it can be counted. */
#include <string.h>
#include <unistd.h>

int add(int a, int b)
{
    return a + b;
}

static long put(int fd, const char *text, size_t n)
{
    return write(fd, text, n);
}

/* without end */
void floods(void)
{
    static char text[65536];
    memset(text, 'x', sizeof text);
    while (put(1, text, sizeof text) >= 0)
        continue;
}

void prints(const char *text)
{
    put(1, text, strlen(text));
}

void both(const char *out, const char *err)
{
    put(1, out, strlen(out));
    put(2, err, strlen(err));
}

int answers(const char *line)
{
    put(1, line, strlen(line));
    put(1, "\n", 1);
    return 7;
}

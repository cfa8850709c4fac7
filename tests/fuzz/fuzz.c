#include "fuzz.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* abort(3): both libFuzzer and the replay keep the input of a run that died. */
void fuzz_failed(const char *file, int line, const char *condition)
{
    fprintf(stderr, "%s:%d: a promise is broken: %s\n", file, line, condition);
    abort();
}

static bool ends(const char *text, size_t size)
{
    return memchr(text, '\0', size) != NULL;
}

void fuzz_refused(const struct ml_error *err)
{
    CHECK(err->status > 0 && err->status < 256);
    CHECK(ends(err->code, sizeof err->code) && err->code[0] != '\0');
    CHECK(ends(err->message, sizeof err->message) && err->message[0] != '\0');
    CHECK(ends(err->hint, sizeof err->hint) && ends(err->outcome, sizeof err->outcome));
}

char *fuzz_bytes(const uint8_t *data, size_t size)
{
    char *copy = malloc(size + 1);
    CHECK(copy != NULL);
    if (size > 0)
        memcpy(copy, data, size);
    copy[size] = '\0';
    return copy;
}

char *fuzz_text(const uint8_t *data, size_t size)
{
    return fuzz_bytes(data, size > 0 ? strnlen((const char *)data, size) : 0);
}

bool fuzz_odd_blank(const char *text)
{
    for (; *text != '\0'; text++)
        if ((unsigned char)*text < ' ' && strchr("\t\n\r", *text) == NULL)
            return true;
    return false;
}

char *fuzz_line(const uint8_t **data, size_t *size)
{
    if (*size == 0)
        return NULL;
    const uint8_t *end = memchr(*data, '\n', *size);
    size_t n = end ? (size_t)(end - *data) : *size;
    char *line = fuzz_text(*data, n);
    *data += n + (end != NULL);
    *size -= n + (end != NULL);
    return line;
}

int fuzz_file(const uint8_t *data, size_t size)
{
    int fd = memfd_create("input", MFD_CLOEXEC);
    CHECK(fd >= 0);
    CHECK(write(fd, data, size) == (ssize_t)size && lseek(fd, 0, SEEK_SET) == 0);
    return fd;
}

void fuzz_stream(const uint8_t *data, size_t size, int *here, int *there)
{
    int pair[2];
    size_t n = size < FUZZ_STREAM_MAX ? size : FUZZ_STREAM_MAX;
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
    CHECK(send(pair[1], data, n, MSG_DONTWAIT) == (ssize_t)n || n == 0);
    CHECK(shutdown(pair[1], SHUT_WR) == 0);
    *here = pair[0];
    *there = pair[1];
}

/* ---- the place ---- */

/* A child of the replay finds its parent's here, which is not its own. */
static struct {
    pid_t owner;
    char path[256];
    int fd;
} place;

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    return remove(path);
}

static void place_remove(void)
{
    if (place.owner == getpid())
        nftw(place.path, remove_one, 16, FTW_PHYS | FTW_DEPTH);
}

const char *fuzz_place(void)
{
    const char *base = getenv("TMPDIR");
    if (place.owner == getpid())
        return place.path;
    snprintf(place.path, sizeof place.path, "%s/fuzz.XXXXXX", base && *base ? base : "/tmp");
    CHECK(mkdtemp(place.path) != NULL);
    place.owner = getpid();
    atexit(place_remove);
    place.fd = open(place.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CHECK(place.fd >= 0);
    return place.path;
}

int fuzz_place_fd(void)
{
    fuzz_place();
    return place.fd;
}

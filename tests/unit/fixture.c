#include "fixture.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>
#include <sys/wait.h>

static int place_open(void **state, const char *base)
{
    struct place *place = calloc(1, sizeof *place);
    assert_non_null(place);
    snprintf(place->path, sizeof place->path, "%s/unit.XXXXXX", base);
    if (mkdtemp(place->path) == NULL) {
        free(place);
        return -1;
    }
    place->fd = open(place->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(place->fd >= 0);
    *state = place;
    return 0;
}

int place_setup(void **state)
{
    const char *base = getenv("TMPDIR");
    return place_open(state, base && *base ? base : "/tmp");
}

int place_setup_memory(void **state)
{
    return place_open(state, "/dev/shm") == 0 ? 0 : place_setup(state);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    if (type == FTW_D || type == FTW_DNR)
        chmod(path, 0700);
    return 0;
}

static int remove_last(const char *path, const struct stat *st, int type, struct FTW *at)
{
    return remove(path);
}

int place_teardown(void **state)
{
    struct place *place = *state;
    nftw(place->path, remove_one, 16, FTW_PHYS);
    nftw(place->path, remove_last, 16, FTW_PHYS | FTW_DEPTH);
    bool gone = access(place->path, F_OK) < 0;
    close(place->fd);
    free(place);
    return gone ? 0 : -1;
}

const char *place_path(const struct place *place, const char *leaf)
{
    static char paths[4][512];
    static unsigned turn;
    char *path = paths[turn++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", place->path, leaf);
    return path;
}

pid_t child_begin(int (*body)(void *arg), void *arg)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        _exit(body(arg));
    return pid;
}

int child_finish(pid_t pid)
{
    int status;
    while (waitpid(pid, &status, 0) < 0)
        assert_int_equal(errno, EINTR);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int child_run(int (*body)(void *arg), void *arg)
{
    return child_finish(child_begin(body, arg));
}

int count_fds(void)
{
    int n = 0;
    DIR *dir = opendir("/proc/self/fd");
    assert_non_null(dir);
    while (readdir(dir) != NULL)
        n++;
    closedir(dir);
    return n;
}

/* splitmix64 (public domain, Sebastiano Vigna). */
uint64_t next_random(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

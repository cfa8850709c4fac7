/* Goal of this test: the process that reads what a server sends can write its cache, read what
 * belongs to its kind of source, and do nothing else that somebody would miss; the one that exports
 * can make files and reach nobody. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/landlock.h"
#include "fetcher/fetcher.h"

#include "fixture.h"

struct bench {
    struct place *place;
    struct fetch_order order;
};

/* In the child: "in" is where it stands, with a file "old" in it; beside it are a home and a
 * source. */
static int prepare(struct bench *b)
{
    static const char *const dirs[] = {"in", "home", "home/.ssh", "source", "cache"};
    static const char *const files[] = {"in/old",     "home/.netrc", "home/.ssh/id",
                                        "home/other", "source/a",    "cache/a"};
    const struct fetch_limits limits = FETCH_LIMITS_INIT;
    for (size_t i = 0; i < sizeof dirs / sizeof *dirs; i++)
        CHILD_CHECK(mkdirat(b->place->fd, dirs[i], 0700) == 0);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        CHILD_CHECK(close(openat(b->place->fd, files[i], O_WRONLY | O_CREAT, 0600)) == 0);
    setenv("HOME", place_path(b->place, "home"), 1);
    b->order.limits = limits;
    snprintf(b->order.cache, sizeof b->order.cache, "%s", place_path(b->place, "cache"));
    CHILD_CHECK(chdir(place_path(b->place, "in")) == 0);
    return fetcher_confine(&b->order, NULL) == 0 ? 0 : 1;
}

static bool can_read(const struct place *place, const char *path)
{
    int fd = open(*path == '/' ? path : place_path(place, path), O_RDONLY | O_CLOEXEC);
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

static bool is_denied(int result)
{
    return result < 0 && errno == EACCES;
}

/* A port that nobody listens on says so to who may ask. */
static bool can_connect(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(1)};
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool asked = connect(fd, (struct sockaddr *)&at, sizeof at) < 0 && errno == ECONNREFUSED;
    close(fd);
    return asked;
}

static int nothing_else(struct bench *b)
{
    CHILD_CHECK(!can_read(b->place, "home/other"));
    CHILD_CHECK(is_denied(openat(b->place->fd, "b", O_WRONLY | O_CREAT, 0600)));
    CHILD_CHECK(is_denied(mkdirat(b->place->fd, "d", 0700)));
    CHILD_CHECK(is_denied(symlink("x", "link")));
    CHILD_CHECK(is_denied(execl("/bin/true", "true", NULL)));
    CHILD_CHECK(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
    return 0;
}

static int writes_cache(void)
{
    int fd;
    CHILD_CHECK((fd = open("new", O_RDWR | O_CREAT | O_EXCL, 0600)) >= 0);
    CHILD_CHECK(write(fd, "x", 1) == 1 && ftruncate(fd, 0) == 0 && close(fd) == 0);
    CHILD_CHECK(mkdir("d", 0700) == 0 && rename("new", "d/new") == 0);
    CHILD_CHECK(unlink("old") == 0 && unlink("d/new") == 0 && rmdir("d") == 0);
    return 0;
}

static int https_body(void *arg)
{
    struct bench b = {.place = arg,
                      .order = {.step = FETCH_STEP_FETCH, .source.kind = SOURCE_HTTPS}};
    CHILD_CHECK(prepare(&b) == 0 && nothing_else(&b) == 0 && writes_cache() == 0);
    CHILD_CHECK(can_read(b.place, "home/.netrc") && !can_read(b.place, "home/.ssh/id"));
    CHILD_CHECK(can_read(b.place, "/etc/passwd") && !can_read(b.place, "source/a"));
    CHILD_CHECK(can_connect());
    return 0;
}

static int ssh_body(void *arg)
{
    struct bench b = {.place = arg, .order = {.step = FETCH_STEP_FETCH, .source.kind = SOURCE_SSH}};
    CHILD_CHECK(prepare(&b) == 0 && nothing_else(&b) == 0 && writes_cache() == 0);
    CHILD_CHECK(can_read(b.place, "home/.ssh/id") && !can_read(b.place, "home/.netrc"));
    CHILD_CHECK(can_connect());
    return 0;
}

static int git_body(void *arg)
{
    struct bench b = {.place = arg, .order = {.step = FETCH_STEP_FETCH, .source.kind = SOURCE_GIT}};
    CHILD_CHECK(prepare(&b) == 0 && nothing_else(&b) == 0 && writes_cache() == 0);
    CHILD_CHECK(!can_read(b.place, "home/.ssh/id") && !can_read(b.place, "home/.netrc"));
    CHILD_CHECK(can_connect());
    return 0;
}

static int path_body(void *arg)
{
    struct bench b = {.place = arg,
                      .order = {.step = FETCH_STEP_FETCH, .source.kind = SOURCE_PATH}};
    snprintf(b.order.source.url, sizeof b.order.source.url, "%s", place_path(arg, "source"));
    CHILD_CHECK(prepare(&b) == 0 && nothing_else(&b) == 0 && writes_cache() == 0);
    CHILD_CHECK(can_read(b.place, "source/a") && !can_read(b.place, "/etc/passwd"));
    CHILD_CHECK(!can_read(b.place, "home/.netrc"));
    CHILD_CHECK(is_denied(openat(b.place->fd, "source/b", O_WRONLY | O_CREAT, 0600)));
    CHILD_CHECK(landlock_abi() < 4 || !can_connect());
    return 0;
}

static int offline_body(void *arg)
{
    struct bench b = {
        .place = arg,
        .order = {.step = FETCH_STEP_FETCH, .source.kind = SOURCE_HTTPS, .offline = true}};
    CHILD_CHECK(prepare(&b) == 0 && nothing_else(&b) == 0);
    CHILD_CHECK(!can_read(b.place, "home/.netrc"));
    CHILD_CHECK(landlock_abi() < 4 || !can_connect());
    return 0;
}

/* Where it stands is for many to read. */
static int mirror_body(void *arg)
{
    struct bench b = {
        .place = arg,
        .order = {
            .step = FETCH_STEP_FETCH, .source.kind = SOURCE_GIT, .offline = true, .mirror = true}};
    CHILD_CHECK(prepare(&b) == 0 && nothing_else(&b) == 0);
    CHILD_CHECK(open("old", O_RDONLY | O_CLOEXEC) >= 0);
    CHILD_CHECK(is_denied(open("new", O_WRONLY | O_CREAT, 0600)) && is_denied(unlink("old")));
    CHILD_CHECK(is_denied(open("old", O_WRONLY)) && is_denied(mkdir("d", 0700)));
    return 0;
}

static int export_body(void *arg)
{
    struct bench b = {.place = arg,
                      .order = {.step = FETCH_STEP_EXPORT, .source.kind = SOURCE_HTTPS}};
    CHILD_CHECK(prepare(&b) == 0 && nothing_else(&b) == 0);
    CHILD_CHECK(mkdir("d", 0777) == 0 && open("d/a", O_WRONLY | O_CREAT | O_EXCL, 0600) >= 0);
    struct stat st;
    CHILD_CHECK(stat("d", &st) == 0 && (st.st_mode & 07777) == 0700);
    CHILD_CHECK(is_denied(unlink("old")) && is_denied(open("old", O_RDONLY)));
    CHILD_CHECK(can_read(b.place, "cache/a") && !can_read(b.place, "home/.netrc"));
    CHILD_CHECK(is_denied(openat(b.place->fd, "cache/b", O_WRONLY | O_CREAT, 0600)));
    CHILD_CHECK(landlock_abi() < 4 || !can_connect());
    return 0;
}

/* It looks, and that is all. */
static int modules_body(void *arg)
{
    struct bench b = {.place = arg,
                      .order = {.step = FETCH_STEP_MODULES, .source.kind = SOURCE_HTTPS}};
    CHILD_CHECK(prepare(&b) == 0 && nothing_else(&b) == 0);
    CHILD_CHECK(open("old", O_RDONLY | O_CLOEXEC) >= 0);
    CHILD_CHECK(is_denied(open("new", O_WRONLY | O_CREAT, 0600)) && is_denied(unlink("old")));
    CHILD_CHECK(is_denied(open("old", O_WRONLY)) && is_denied(mkdir("d", 0700)));
    CHILD_CHECK(!can_read(b.place, "cache/a") && !can_read(b.place, "home/.netrc"));
    CHILD_CHECK(landlock_abi() < 4 || !can_connect());
    return 0;
}

static void landlocked(void **state, int (*body)(void *))
{
    if (landlock_abi() < 1)
        skip(); /* limits, and an environment without secrets, have to do */
    assert_int_equal(child_run(body, *state), 0);
}

#define CONFINED(kind)                                                                             \
    static void kind(void **state)                                                                 \
    {                                                                                              \
        landlocked(state, kind##_body);                                                            \
    }
CONFINED(https)
CONFINED(ssh)
CONFINED(git)
CONFINED(path)
CONFINED(offline)
CONFINED(mirror)
CONFINED(export)
CONFINED(modules)

static bool is_limit(int resource, rlim_t soft)
{
    struct rlimit now;
    return getrlimit(resource, &now) == 0 && now.rlim_cur == soft && now.rlim_max <= soft + 1;
}

static int limits_body(void *arg)
{
    struct bench b = {.place = arg, .order = {.step = FETCH_STEP_FETCH, .source.kind = SOURCE_GIT}};
    CHILD_CHECK(prepare(&b) == 0);
    CHILD_CHECK(is_limit(RLIMIT_CPU, 300) && is_limit(RLIMIT_FSIZE, 512 << 20));
    CHILD_CHECK(is_limit(RLIMIT_CORE, 0) && is_limit(RLIMIT_NOFILE, 256));
    void *some = SANITIZED ? NULL : malloc(600 << 20), *more = malloc(400 << 20);
    CHILD_CHECK(SANITIZED || (some != NULL && more == NULL));
    free(some);
    free(more);
    return 0;
}

static void limits(void **state)
{
    assert_int_equal(child_run(limits_body, *state), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        place_test(https),  place_test(ssh),     place_test(git),
        place_test(path),   place_test(offline), place_test(mirror),
        place_test(export), place_test(modules), place_test(limits),
    };
    UNIT_RUN("fetcher/confine", tests);
}

/* Goal of this test: a confined process can make files beneath its directory, and nothing else that
 * somebody would miss. */
#include "archive/confine.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "fixture.h"

static int in(const struct place *place)
{
    if (mkdirat(place->fd, "in", 0700) < 0)
        return -1;
    return openat(place->fd, "in", O_PATH | O_DIRECTORY | O_CLOEXEC);
}

static bool is_limit(int resource, rlim_t soft)
{
    struct rlimit now;
    return getrlimit(resource, &now) == 0 && now.rlim_cur == soft && now.rlim_max <= soft + 1;
}

static int limits_body(void *arg)
{
    const struct place *place = arg;
    struct archive_limits limits = ARCHIVE_LIMITS_INIT;
    int dir = in(place);
    CHILD_CHECK(archive_confine(dir, &limits, NULL) == 0);
    CHILD_CHECK(is_limit(RLIMIT_CPU, 30));
    CHILD_CHECK(is_limit(RLIMIT_FSIZE, 64 << 20));
    CHILD_CHECK(is_limit(RLIMIT_CORE, 0));
    CHILD_CHECK(is_limit(RLIMIT_NPROC, 0));
    CHILD_CHECK(is_limit(RLIMIT_NOFILE, 16));
    CHILD_CHECK(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
    CHILD_CHECK(mkdirat(dir, "d", 0777) == 0);
    struct stat st;
    CHILD_CHECK(fstatat(dir, "d", &st, 0) == 0 && (st.st_mode & 07777) == 0700);
    return 0;
}

static void limits_hold(void **state)
{
    assert_int_equal(child_run(limits_body, *state), 0);
}

/* Limits that are lower already stay. */
static int lower_body(void *arg)
{
    struct archive_limits limits = ARCHIVE_LIMITS_INIT;
    struct rlimit files = {8, 8}, cpu = {5, 5};
    int dir = in(arg);
    CHILD_CHECK(setrlimit(RLIMIT_NOFILE, &files) == 0 && setrlimit(RLIMIT_CPU, &cpu) == 0);
    CHILD_CHECK(archive_confine(dir, &limits, NULL) == 0);
    CHILD_CHECK(is_limit(RLIMIT_NOFILE, 8) && is_limit(RLIMIT_CPU, 5));
    return 0;
}

static void lower_limits_stay(void **state)
{
    assert_int_equal(child_run(lower_body, *state), 0);
}

static int memory_body(void *arg)
{
    struct archive_limits limits = ARCHIVE_LIMITS_INIT;
    CHILD_CHECK(archive_confine(in(arg), &limits, NULL) == 0);
    void *some = malloc(400 << 20), *more = malloc(200 << 20);
    CHILD_CHECK(some != NULL && more == NULL);
    free(some);
    return 0;
}

/* AddressSanitizer's own memory knows no limit. */
static void memory(void **state)
{
    if (SANITIZED)
        skip();
    assert_int_equal(child_run(memory_body, *state), 0);
}

static long landlock_abi(void)
{
    return syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
}

static bool is_denied(int result)
{
    return result < 0 && errno == EACCES;
}

static int files_body(void *arg)
{
    const struct place *place = arg;
    struct archive_limits limits = ARCHIVE_LIMITS_INIT;
    int dir = in(place), fd;
    CHILD_CHECK(archive_confine(dir, &limits, NULL) == 0);
    CHILD_CHECK((fd = openat(dir, "a", O_WRONLY | O_CREAT | O_EXCL, 0600)) >= 0);
    CHILD_CHECK(write(fd, "x", 1) == 1 && mkdirat(dir, "d", 0700) == 0);
    CHILD_CHECK((fd = openat(dir, "d/a", O_WRONLY | O_CREAT | O_EXCL, 0600)) >= 0);
    CHILD_CHECK(is_denied(open("/etc/passwd", O_RDONLY)));
    CHILD_CHECK(is_denied(openat(dir, "a", O_RDONLY)));
    CHILD_CHECK(is_denied(openat(place->fd, "b", O_WRONLY | O_CREAT, 0600)));
    CHILD_CHECK(is_denied(mkdirat(place->fd, "e", 0700)));
    CHILD_CHECK(is_denied(symlinkat("x", dir, "l")));
    CHILD_CHECK(is_denied(mkfifoat(dir, "f", 0600)));
    CHILD_CHECK(is_denied(unlinkat(dir, "a", 0)));
    CHILD_CHECK(is_denied(execl("/bin/true", "true", NULL)));
    return 0;
}

static void files(void **state)
{
    if (landlock_abi() < 1)
        skip(); /* then names and openat2() have to do */
    assert_int_equal(child_run(files_body, *state), 0);
}

/* A port that nobody listens on says so to everybody else. */
static int net_body(void *arg)
{
    struct archive_limits limits = ARCHIVE_LIMITS_INIT;
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(1)};
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CHILD_CHECK(archive_confine(in(arg), &limits, NULL) == 0);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHILD_CHECK(fd >= 0 && is_denied(connect(fd, (struct sockaddr *)&at, sizeof at)));
    return 0;
}

static void net(void **state)
{
    if (landlock_abi() < 4)
        skip();
    assert_int_equal(child_run(net_body, *state), 0);
}

/* A 17th layer of Landlock cannot be had: the process is 16 deep in it then. */
static int nested_body(void *arg)
{
    struct archive_limits limits = ARCHIVE_LIMITS_INIT;
    int dir = in(arg);
    for (int i = 0; i < 20; i++)
        CHILD_CHECK(archive_confine(dir, &limits, NULL) == 0);
    CHILD_CHECK(mkdirat(dir, "d", 0700) == 0);
    return 0;
}

static void nested(void **state)
{
    assert_int_equal(child_run(nested_body, *state), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        place_test(limits_hold), place_test(lower_limits_stay),
        place_test(memory),      place_test(files),
        place_test(net),         place_test(nested),
    };
    UNIT_RUN("archive/confine", tests);
}

/* Its constructor says, in the worker's place, that all is well, and from then on speaks for the
 * worker, as MODE says: words of "answers" (its questions, with another's pid), "forges" (so does
 * this, with texts that play with a terminal), "leaves" (says that it goes, and stays), "yields"
 * (says that another one may take its place, and does not give it), "unlocks" (the kernel does not
 * tell who it is). Calls are taken, and never answered. The wire is that of lib/client/wire.h. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef MODE
#define MODE ""
#endif

enum { LOCK = 3, CONTROL, CALL, READY, MAX = 60 };
enum { OUTCOME = 2, QUERY, STATUS, RELEASE, LEAVING, LATE = 9, RELOAD, TURN };

struct head {
    uint32_t magic;
    uint16_t version, type;
    uint32_t length;
};
struct outcome {
    int32_t status;
    uint32_t type;
    uint64_t scalar;
    uint32_t size, zero;
};
struct status {
    int32_t pid;
    uint32_t draining;
    char bundle[40], plugin[72], version[72];
    uint64_t numbers[12];
};

static int conn[MAX], n_conns;

static void say(int fd, int type, const void *payload, size_t n)
{
    struct head head = {0x6d6c7731, 2, type, n};
    send(fd, &head, sizeof head, MSG_NOSIGNAL | MSG_MORE);
    send(fd, payload, n, MSG_NOSIGNAL);
}

static void say_status(int fd)
{
    static const char bundle[] = "b-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    struct status status = {.pid = 1};
    strcpy(status.bundle, bundle);
    strcpy(status.plugin, "impostor");
    strcpy(status.version, "1.0.0");
    if (strstr(MODE, "forges"))
        strcpy(status.plugin, "x\n0f8e1c52-7d1b-4c3a-9d60-1b2f6a7c8e01  1  \033[31mforged");
    say(fd, STATUS, &status, sizeof status);
}

static int answer(int fd)
{
    struct head head;
    char payload[4096];
    uint32_t yes = 1;
    if (recv(fd, &head, sizeof head, 0) != (ssize_t)sizeof head)
        return -1;
    recv(fd, payload, sizeof payload, 0);
    if ((head.type == QUERY || head.type == LATE) && strstr(MODE, "answers"))
        say_status(fd);
    if (head.type == RELEASE && strstr(MODE, "leaves"))
        say(fd, LEAVING, "", 0);
    if (head.type == RELOAD && strstr(MODE, "yields"))
        say(fd, TURN, &yes, sizeof yes);
    return 0;
}

static void turn(void)
{
    struct pollfd p[2 + MAX] = {{CONTROL, POLLIN, 0}, {CALL, POLLIN, 0}};
    int n = n_conns;
    for (int i = 0; i < n; i++)
        p[2 + i] = (struct pollfd){conn[i], POLLIN, 0};
    poll(p, 2 + n, -1);
    for (int i = n; i-- > 0;)
        if (p[2 + i].revents && answer(conn[i]) < 0) {
            close(conn[i]);
            conn[i] = conn[--n_conns];
        }
    if (p[0].revents && n_conns < MAX)
        conn[n_conns++] = accept4(CONTROL, NULL, NULL, SOCK_NONBLOCK);
    if (p[1].revents)
        accept4(CALL, NULL, NULL, SOCK_NONBLOCK);
}

__attribute__((constructor)) static void begin(void)
{
    struct outcome ready = {0};
    struct flock none = {.l_type = F_UNLCK, .l_whence = SEEK_SET};
    prctl(PR_SET_PDEATHSIG, 0);
    say(READY, OUTCOME, &ready, sizeof ready);
    if (strstr(MODE, "unlocks"))
        fcntl(LOCK, F_SETLK, &none);
    for (;;)
        turn();
}

int add(int a, int b)
{
    return a + b;
}

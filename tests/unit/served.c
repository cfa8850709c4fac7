#include "served.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/fs.h"
#include "repo.h"

enum { PAUSE_MS = 50, WAIT_MS = 30000 };

static int listen_any(int *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof address) == 0);
    assert_true(listen(fd, 64) == 0);
    assert_true(getsockname(fd, (struct sockaddr *)&address, &size) == 0);
    *port = ntohs(address.sin_port);
    return fd;
}

/* ---- in the servers ---- */

static void become(const char *const *argv, int fd)
{
    dup2(fd, 0);
    dup2(fd, 1);
    execvp(argv[0], (char *const *)argv);
    _exit(127);
}

/* From the program to the client, as the server is to do it. False at the end. */
static bool hand_on(int from, int to, const struct served_how *how, size_t *sent)
{
    char block[65536];
    size_t most = how->slice > 0 ? how->slice : sizeof block;
    if (most > how->silent_after - *sent)
        most = how->silent_after - *sent;
    ssize_t n = read(from, block, most);
    if (n <= 0 || fs_write_all(to, block, (size_t)n) < 0)
        return false;
    *sent += (size_t)n;
    if (how->slice > 0)
        poll(NULL, 0, PAUSE_MS); /* it is a slow server */
    return true;
}

/* Both ways until one side ends. Silent is who does not read from the program any more. */
static void relay(int client, int program, const struct served_how *how)
{
    size_t sent = 0;
    char block[65536];
    for (;;) {
        bool silent = sent >= how->silent_after;
        struct pollfd p[2] = {{.fd = client, .events = POLLIN},
                              {.fd = silent ? -1 : program, .events = POLLIN}};
        if (poll(p, 2, -1) < 0)
            return;
        if (p[1].revents != 0 && !hand_on(program, client, how, &sent))
            return;
        if (p[0].revents != 0) {
            ssize_t n = read(client, block, sizeof block);
            if (n <= 0 || fs_write_all(program, block, (size_t)n) < 0)
                return;
        }
    }
}

static void serve_one(const char *const *argv, int client, const struct served_how *how, int events)
{
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
        _exit(1);
    if (fork() == 0)
        become(argv, ends[1]);
    close(ends[1]);
    relay(client, ends[0], how);
    _exit(write(events, "e", 1) != 1);
}

static void serve(const char *const *argv, int listener, const struct served_how *how, int events)
{
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    signal(SIGCHLD, SIG_IGN);
    signal(SIGPIPE, SIG_IGN);
    for (;;) {
        int client = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        if (client < 0 || write(events, "a", 1) != 1)
            _exit(1);
        if (fork() == 0) {
            signal(SIGCHLD, SIG_DFL);
            serve_one(argv, client, how, events);
        }
        close(client);
    }
}

/* ---- in the test ---- */

struct served served_start(const char *const *argv, struct served_how how)
{
    struct served served = {0};
    int events[2], listener = listen_any(&served.port);
    assert_int_equal(pipe2(events, O_CLOEXEC), 0);
    served.events = events[0];
    served.pid = fork();
    assert_true(served.pid >= 0);
    if (served.pid == 0)
        serve(argv, listener, &how, events[1]);
    setpgid(served.pid, served.pid);
    close(listener);
    close(events[1]);
    return served;
}

struct served served_git(const struct place *place, struct served_how how)
{
    char base[600];
    snprintf(base, sizeof base, "--base-path=%s", place->path);
    const char *const argv[] = {"git", "daemon", "--inetd", "--export-all", base, NULL};
    return served_start(argv, how);
}

void served_stop(struct served *served)
{
    if (served->pid <= 0)
        return;
    kill(-served->pid, SIGKILL);
    while (waitpid(served->pid, NULL, 0) < 0 && errno == EINTR)
        continue;
    close(served->events);
    served->pid = 0;
}

void served_wait(const struct served *served, char event)
{
    char got = 0;
    while (got != event) {
        struct pollfd p = {.fd = served->events, .events = POLLIN};
        assert_true(poll(&p, 1, WAIT_MS) == 1);
        assert_int_equal(read(served->events, &got, 1), 1);
    }
}

/* ---- https ---- */

static void openssl(const struct place *place, const char *const *args)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
        dup2(null, 1);
        dup2(null, 2);
        if (fchdir(place->fd) == 0)
            execvp("openssl", (char *const *)args);
        _exit(127);
    }
    assert_int_equal(child_finish(pid), 0);
}
#define OPENSSL(place, ...) openssl(place, (const char *const[]){"openssl", __VA_ARGS__, NULL})

static void certificates_make(const struct place *place, const char *name)
{
    OPENSSL(place, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
            "-keyout", "ca.key", "-out", "ca.pem", "-days", "2", "-subj", "/CN=test authority");
    OPENSSL(place, "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
            "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=127.0.0.1");
    FILE *names = fopen(place_path(place, "names"), "w");
    assert_non_null(names);
    fprintf(names, "subjectAltName=DNS:%s,DNS:localhost\n", name);
    fclose(names);
    OPENSSL(place, "x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key",
            "-CAcreateserial", "-out", "server.pem", "-days", "2", "-extfile", "names");
}

/* It says its port when it is ready. */
struct served served_https(const struct place *place, const char *name)
{
    struct served served = {0};
    int out[2];
    char line[32] = "";
    certificates_make(place, name);
    assert_int_equal(pipe2(out, O_CLOEXEC), 0);
    served.pid = fork();
    assert_true(served.pid >= 0);
    if (served.pid == 0) {
        setpgid(0, 0);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        dup2(out[1], 1);
        execl("/usr/bin/python3", "python3", "tests/lib/https-server.py", place->path,
              (char *)NULL);
        _exit(127);
    }
    setpgid(served.pid, served.pid);
    close(out[1]);
    served.events = out[0];
    assert_true(read(out[0], line, sizeof line - 1) > 0);
    served.port = atoi(line);
    return served;
}

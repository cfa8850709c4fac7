/* The parent ends who does nothing for too long. libgit2 waits for a server in recv(2) without a
 * limit and calls nobody meanwhile, so a thread of its own tells what there is to tell: the kernel
 * knows how much each socket has got, in whatever part of libgit2 or libssh2 it is read. */
#include <linux/tcp.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/fs.h"
#include "fetcher/fetcher.h"

enum { PERIOD_MS = 100, SOCKETS_MAX = 64 };

struct fetcher_counts fetcher_counts;

/* Bytes that one socket has got since it was looked at last. A number that was closed may be
 * another socket by now, which begins at 0. */
static uint64_t socket_more(int fd, uint64_t *last)
{
    struct tcp_info info;
    socklen_t size = sizeof info;
    memset(&info, 0, sizeof info);
    uint64_t now =
        getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) == 0 ? info.tcpi_bytes_received : 0;
    uint64_t more = now >= *last ? now - *last : now;
    *last = now;
    return more;
}

/* Of the thread alone. */
static uint64_t wire_bytes(void)
{
    static uint64_t last[SOCKETS_MAX], total;
    for (int fd = 3; fd < SOCKETS_MAX; fd++)
        total += socket_more(fd, &last[fd]);
    return total;
}

static uint64_t clock_us(clockid_t clock)
{
    struct timespec t = {0};
    clock_gettime(clock, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

/* What telling costs is no work. */
static uint64_t cpu_ms(void)
{
    return (clock_us(CLOCK_PROCESS_CPUTIME_ID) - clock_us(CLOCK_THREAD_CPUTIME_ID)) / 1000;
}

/* Who answers keeps it: nothing may come behind an answer. */
static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;

static bool tell(const struct fetch_message *message)
{
    pthread_mutex_lock(&turn);
    bool told = fs_write_all(STDOUT_FILENO, message, sizeof *message) == 0;
    if (message->kind == FETCH_SAYS_COUNTS || message->kind == FETCH_SAYS_MODULE)
        pthread_mutex_unlock(&turn);
    return told;
}

static bool tell_counts(uint64_t wire)
{
    const struct fetcher_counts *c = &fetcher_counts;
    struct fetch_message message;
    memset(&message, 0, sizeof message);
    message.mark = FETCH_MARK;
    message.kind = FETCH_SAYS_COUNTS;
    message.u.counts = (struct fetch_counts){.progress = {.phase = c->phase,
                                                          .bytes = c->bytes,
                                                          .objects = c->objects,
                                                          .objects_total = c->objects_total,
                                                          .deltas = c->deltas,
                                                          .deltas_total = c->deltas_total,
                                                          .files = c->files},
                                             .wire = wire,
                                             .cpu_ms = cpu_ms()};
    return tell(&message);
}

void fetcher_tell_counts(void)
{
    tell_counts(0);
}

static void *tell_loop(void *arg)
{
    while (tell_counts(wire_bytes()))
        clock_sleep_ms(PERIOD_MS);
    return NULL;
}

/* Signals are for the thread that works, whose limits end it. */
int fetcher_tell_begin(struct ml_error *err)
{
    pthread_t thread;
    pthread_attr_t attributes;
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    int status = pthread_create(&thread, &attributes, tell_loop, NULL);
    pthread_attr_destroy(&attributes);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return status != 0 ? ml_error_errno(err, ML_LIMIT, status, "cannot start a thread") : 0;
}

/* All of it is written, so none of its padding may be what was in memory before. */
static void message_begin(struct fetch_message *message, uint32_t kind)
{
    memset(message, 0, sizeof *message);
    message->mark = FETCH_MARK;
    message->kind = kind;
}

bool fetcher_tell_result(const struct fetch_result *result)
{
    struct fetch_message message;
    message_begin(&message, FETCH_SAYS_RESULT);
    message.u.result = *result;
    return tell(&message);
}

void fetcher_tell_module(const struct fetch_module *module)
{
    struct fetch_message message;
    message_begin(&message, FETCH_SAYS_MODULE);
    message.u.module = *module;
    tell(&message);
}

bool fetcher_tell_error(const struct ml_error *err)
{
    struct fetch_message message;
    message_begin(&message, FETCH_SAYS_ERROR);
    message.u.error = *err;
    return tell(&message);
}

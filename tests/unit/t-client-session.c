/* Goal of this test: whatever stands behind a worker's socket, a call or a session ends in words
 * and in its time. The worker here is a thread that lies in every way that somebody thought of. */
#include "fixture.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/scope.h"
#include "client/channel.h"
#include "client/context.h"
#include "client/wire.h"

static const char uuid[] = "01234567-89ab-cdef-fedc-ba9876543210";

enum { LIMIT_MS = 50 };

struct liar;
typedef void (*lie_fn)(struct liar *liar, int conn);

struct liar {
    struct ml_ctx *ctx;
    struct ml_key key;
    int listener;
    pthread_t thread;
    lie_fn lie;
    struct channel *channel;
    struct ring_end out;
    atomic_bool stop;
};

/* ---- the other side ---- */

static void *serve(void *arg)
{
    struct liar *liar = arg;
    int conn = accept4(liar->listener, NULL, NULL, SOCK_CLOEXEC);
    if (conn >= 0) {
        struct wire_head head;
        int fds[WIRE_FDS];
        size_t n_fds = 0;
        BUF_AUTO payload = BUF_INIT;
        if (wire_receive(conn, &head, &payload, fds, &n_fds, -1, -1) > 0)
            liar->lie(liar, conn);
        for (size_t i = 0; i < n_fds; i++)
            close(fds[i]);
        close(conn);
    }
    return NULL;
}

/* Until the client hangs up. */
static void wait_hangup(struct liar *liar, int conn)
{
    char byte;
    (void)liar;
    while (recv(conn, &byte, 1, 0) > 0)
        continue;
}

static void hang_up(struct liar *liar, int conn)
{
    (void)liar;
    (void)conn;
}

static void say_nonsense(struct liar *liar, int conn)
{
    static const char text[] = "HTTP/1.1 200 OK\r\n\r\nand more than a frame's head";
    if (send(conn, text, sizeof text, MSG_NOSIGNAL) == (ssize_t)sizeof text)
        wait_hangup(liar, conn);
}

static void send_outcome(struct liar *liar, int conn)
{
    if (wire_send(conn, WIRE_OUTCOME, "no outcome", 10, NULL, 0) == 0)
        wait_hangup(liar, conn);
}

static void send_status(struct liar *liar, int conn)
{
    if (wire_send(conn, WIRE_STATUS, NULL, 0, NULL, 0) == 0)
        wait_hangup(liar, conn);
}

static void send_session(struct liar *liar, int conn, const int *fds, size_t n)
{
    if (wire_send(conn, WIRE_SESSION, NULL, 0, fds, n) == 0)
        wait_hangup(liar, conn);
}

static void no_memory(struct liar *liar, int conn)
{
    send_session(liar, conn, NULL, 0);
}

static void a_pipe(struct liar *liar, int conn)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        return;
    send_session(liar, conn, ends, 2);
    close(ends[0]);
    close(ends[1]);
}

static void memory_of(struct liar *liar, int conn, off_t size, int seals)
{
    AUTO_CLOSE int fd = memfd_create("lie", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd >= 0 && ftruncate(fd, size) == 0 && (seals == 0 || fcntl(fd, F_ADD_SEALS, seals) == 0))
        send_session(liar, conn, &fd, 1);
}

static void memory_unsealed(struct liar *liar, int conn)
{
    memory_of(liar, conn, sizeof(struct channel), 0);
}

static void memory_short(struct liar *liar, int conn)
{
    memory_of(liar, conn, 4096, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
}

static void memory_of_no_version(struct liar *liar, int conn)
{
    memory_of(liar, conn, sizeof(struct channel), F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
}

/* ---- who opens a session well, and then lies ---- */

/* True once the client's first request is there. */
static bool open_well(struct liar *liar, int conn)
{
    struct ring_end in;
    AUTO_CLOSE int fd = channel_create(&liar->channel, NULL);
    if (fd < 0 || wire_send(conn, WIRE_SESSION, NULL, 0, &fd, 1) < 0)
        return false;
    ring_reader(&in, &liar->channel->request, false);
    ring_writer(&liar->out, &liar->channel->response, false);
    while (ring_ready(&in) == 0 && !atomic_load(&liar->stop))
        ring_wait(&in, 10);
    return true;
}

/* False: told to stop. */
static bool room(struct liar *liar, size_t n)
{
    while (ring_ready(&liar->out) < (ssize_t)n) {
        if (atomic_load(&liar->stop))
            return false;
        ring_wait(&liar->out, 10);
    }
    return true;
}

static void respond(struct liar *liar, uint64_t number, uint32_t size, const char *text)
{
    static const char nothing[RING_LINE];
    const struct channel_response head = {number, size, 0};
    if (!room(liar, sizeof head + strlen(text) + RING_LINE))
        return;
    ring_put(&liar->out, &head, sizeof head);
    ring_put(&liar->out, text, strlen(text));
    ring_put(&liar->out, nothing, ring_gap(&liar->out));
    ring_tell(&liar->out);
}

#define LIE_IN_SESSION(name, ...)                                                                  \
    static void name(struct liar *liar, int conn)                                                  \
    {                                                                                              \
        if (open_well(liar, conn)) {                                                               \
            __VA_ARGS__;                                                                           \
        }                                                                                          \
        wait_hangup(liar, conn);                                                                   \
    }

LIE_IN_SESSION(say_nothing, )
LIE_IN_SESSION(index_beyond, atomic_store(&liar->channel->response.head, RING_SIZE + 64))
LIE_IN_SESSION(index_wild, atomic_store(&liar->channel->response.head, 0x80000000U))
LIE_IN_SESSION(too_large, respond(liar, 1, UINT32_MAX, ""))
LIE_IN_SESSION(number_none, respond(liar, 0, 4, "none"))
LIE_IN_SESSION(number_future, respond(liar, 2, 4, "none"))
LIE_IN_SESSION(no_outcome, respond(liar, 1, 10, "no outcome"))
LIE_IN_SESSION(empty, respond(liar, 1, 0, ""))

static void leave(struct liar *liar, int conn)
{
    if (open_well(liar, conn))
        shutdown(conn, SHUT_RDWR);
}

/* A call that returned nothing. */
static void respond_well(struct liar *liar, uint64_t number)
{
    struct wire_outcome head = {.value_type = ML_VALUE_NONE};
    char text[sizeof head];
    static const char nothing[RING_LINE];
    const struct channel_response response = {number, sizeof head, 0};
    memcpy(text, &head, sizeof head);
    if (!room(liar, sizeof response + sizeof head + RING_LINE))
        return;
    ring_put(&liar->out, &response, sizeof response);
    ring_put(&liar->out, text, sizeof text);
    ring_put(&liar->out, nothing, ring_gap(&liar->out));
    ring_tell(&liar->out);
}

/* The first call is answered, and then again and again. */
LIE_IN_SESSION(answers_of_before, while (!atomic_load(&liar->stop)) respond_well(liar, 1))

/* The answer is announced, and comes a byte at a time. */
static void trickles(struct liar *liar, int conn)
{
    const struct channel_response head = {1, 1 << 20, 0};
    if (open_well(liar, conn) && room(liar, sizeof head)) {
        ring_put(&liar->out, &head, sizeof head);
        ring_tell(&liar->out);
        while (room(liar, 1) && !atomic_load(&liar->stop)) {
            ring_put(&liar->out, "x", 1);
            ring_tell(&liar->out);
            clock_sleep_ms(1);
        }
    }
    wait_hangup(liar, conn);
}

/* ---- this side ---- */

static void begin(struct liar *liar, const struct place *place, lie_fn lie)
{
    struct sockaddr_un addr;
    *liar = (struct liar){.lie = lie};
    setenv("MODLOAD_RUNTIME_DIR", place_path(place, "run"), 1);
    struct ml_ctx_options options = {.home = place_path(place, "home"), .wait_ms = 5};
    assert_int_equal(ml_ctx_new(&options, &liar->ctx, NULL), 0);
    assert_int_equal(ctx_runtime(liar->ctx, true, NULL), 1);
    assert_int_equal(ml_key_from_uuid(uuid, &liar->key, NULL), 0);
    run_address(liar->ctx, uuid, RUN_CALL, &addr);
    unlink(addr.sun_path);
    liar->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(liar->listener, (struct sockaddr *)&addr, sizeof addr), 0);
    assert_int_equal(listen(liar->listener, 9), 0);
    assert_int_equal(pthread_create(&liar->thread, NULL, serve, liar), 0);
}

static void finish(struct liar *liar)
{
    atomic_store(&liar->stop, true);
    shutdown(liar->listener, SHUT_RDWR);
    pthread_join(liar->thread, NULL);
    close(liar->listener);
    if (liar->channel != NULL)
        channel_unmap(liar->channel);
    ml_ctx_free(liar->ctx);
}

static int open_session(struct liar *liar, struct ml_session **ret, struct ml_error *err)
{
    const struct ml_session_options options = {
        .stdio = {0, 1, 2}, .cancel_fd = -1, .timeout_ms = LIMIT_MS};
    return ml_session_open(liar->ctx, &liar->key, &options, ret, err);
}

static void test_open(void **state)
{
    static const struct {
        const char *name;
        lie_fn lie;
        int status;
    } cases[] = {
        {"nothing is said", wait_hangup, ML_TIMEOUT},
        {"it hangs up", hang_up, ML_NOT_LOADED},
        {"another protocol", say_nonsense, ML_PROTOCOL},
        {"an outcome that is none", send_outcome, ML_PROTOCOL},
        {"another answer", send_status, ML_PROTOCOL},
        {"no memory", no_memory, ML_PROTOCOL},
        {"pipes for memory", a_pipe, ML_PROTOCOL},
        {"memory that can shrink", memory_unsealed, ML_PROTOCOL},
        {"memory that is short", memory_short, ML_PROTOCOL},
        {"memory of no version", memory_of_no_version, ML_PROTOCOL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct liar liar;
        struct ml_session *session = NULL;
        struct ml_error err = ML_ERROR_INIT;
        begin(&liar, *state, cases[i].lie);
        case_int(cases[i].name, open_session(&liar, &session, &err), -1);
        case_int(cases[i].name, err.status, cases[i].status);
        case_true(cases[i].name, err.message[0] != '\0' && session == NULL);
        finish(&liar);
    }
}

/* `calls` calls, of which the last is the one that ends as is said here. */
static void test_calls(void **state)
{
    static const struct {
        const char *name;
        lie_fn lie;
        int calls, status;
        bool over;
    } cases[] = {
        {"nothing comes", say_nothing, 1, ML_TIMEOUT, true},
        {"it hangs up", leave, 1, ML_NOT_LOADED, true},
        {"an index beyond the ring", index_beyond, 1, ML_PROTOCOL, true},
        {"an index from nowhere", index_wild, 1, ML_PROTOCOL, true},
        {"a size that nothing has", too_large, 1, ML_PROTOCOL, true},
        {"an answer to no call", number_none, 1, ML_PROTOCOL, true},
        {"an answer to a call that was not made", number_future, 1, ML_PROTOCOL, true},
        {"an answer that is none", no_outcome, 1, ML_PROTOCOL, false},
        {"an empty answer", empty, 1, ML_PROTOCOL, false},
        {"answers of before, without end", answers_of_before, 2, ML_TIMEOUT, true},
        {"an answer that never comes to its end", trickles, 1, ML_TIMEOUT, true},
    };
    const struct ml_call call = {.function = "f", .timeout_ms = LIMIT_MS};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct liar liar;
        struct ml_session *session = NULL;
        struct ml_value value = {0};
        struct ml_error err = ML_ERROR_INIT;
        begin(&liar, *state, cases[i].lie);
        case_int(cases[i].name, open_session(&liar, &session, &err), 0);
        for (int n = 1; n < cases[i].calls; n++)
            case_int(cases[i].name, ml_session_call(session, &call, &value, &err), 0);
        case_int(cases[i].name, ml_session_call(session, &call, &value, &err), -1);
        case_int(cases[i].name, err.status, cases[i].status);
        case_int(cases[i].name, ml_session_over(session), cases[i].over);
        if (cases[i].over)
            case_int(cases[i].name, ml_session_call(session, &call, &value, NULL), -1);
        atomic_store(&liar.stop, true);
        ml_session_close(session);
        finish(&liar);
    }
}

/* After its answer, a supervisor that goes on to write holds up nobody. */
static void answer_and_write_on(struct liar *liar, int conn)
{
    struct wire_outcome none = {.value_type = ML_VALUE_NONE};
    if (wire_send(conn, WIRE_OUTCOME, &none, sizeof none, NULL, 0) < 0)
        return;
    while (!atomic_load(&liar->stop) && send(conn, "x", 1, MSG_NOSIGNAL) > 0)
        continue;
}

static void test_exec(void **state)
{
    static const struct {
        const char *name;
        lie_fn lie;
        int status; /* 0: done */
    } cases[] = {
        {"nothing is said", wait_hangup, ML_TIMEOUT},
        {"it hangs up", hang_up, ML_NOT_LOADED},
        {"another protocol", say_nonsense, ML_PROTOCOL},
        {"an outcome that is none", send_outcome, ML_PROTOCOL},
        {"another answer", send_status, ML_PROTOCOL},
        {"an answer, and bytes without end", answer_and_write_on, 0},
    };
    const struct ml_call call = {
        .function = "f", .timeout_ms = LIMIT_MS, .cancel_fd = -1, .stdio = {0, 1, 2}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct liar liar;
        struct ml_value value = {0};
        struct ml_error err = ML_ERROR_INIT;
        begin(&liar, *state, cases[i].lie);
        int status = ml_exec(liar.ctx, &liar.key, &call, &value, &err);
        case_int(cases[i].name, status, cases[i].status ? -1 : 0);
        case_int(cases[i].name, err.status, cases[i].status);
        finish(&liar);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        place_test(test_open),
        place_test(test_calls),
        place_test(test_exec),
    };
    UNIT_RUN("client-session", tests);
}

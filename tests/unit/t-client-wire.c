/* Goal of this test: a frame arrives as it was sent, in however many pieces; anything else is
 * refused in time, and no descriptor, byte or signal slips through. */
#include "fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>

#include "base/clock.h"
#include "client/wire.h"

struct pair {
    int here, there;
};

static struct pair pair_open(void)
{
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    return (struct pair){fds[0], fds[1]};
}

static void pair_close(struct pair *p)
{
    close(p->here);
    if (p->there >= 0)
        close(p->there);
}

static int64_t soon(void)
{
    return clock_ms() + 20000;
}

static bool same_file(int a, int b)
{
    struct stat x, y;
    return fstat(a, &x) == 0 && fstat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

/* Three descriptors that can be told apart. */
static void open_three(int fds[3])
{
    int pipes[4];
    assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
    assert_int_equal(pipe2(pipes + 2, O_CLOEXEC), 0);
    fds[0] = pipes[0];
    fds[1] = pipes[2];
    fds[2] = pipes[3];
    close(pipes[1]);
}

static void close_fds(const int *fds, size_t n)
{
    for (size_t i = 0; i < n; i++)
        close(fds[i]);
}

/* ---- whole frames ---- */

static void test_round_trip(void **state)
{
    static const size_t sizes[] = {0, 1, 12, 4095, 50000};
    static char data[50000];
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (char)(i * 7);
    int three[3], open_before = count_fds();
    open_three(three);
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        for (size_t n = 0; n <= WIRE_FDS; n++) {
            char name[48];
            snprintf(name, sizeof name, "%zu bytes, %zu descriptors", sizes[s], n);
            struct pair p = pair_open();
            struct wire_head head;
            BUF_AUTO payload = BUF_INIT;
            buf_str(&payload, "what was there before");
            int got[WIRE_FDS];
            size_t n_got = 99;
            case_int(name, wire_send(p.there, WIRE_STATUS, data, sizes[s], three, n), 0);
            case_int(name, wire_receive(p.here, &head, &payload, got, &n_got, -1, soon()), 1);
            case_int(name, head.type, WIRE_STATUS);
            case_int(name, head.length, sizes[s]);
            case_int(name, payload.len, sizes[s]);
            case_true(name, memcmp(payload.data, data, sizes[s]) == 0);
            case_int(name, payload.data[payload.len], '\0');
            case_int(name, n_got, n);
            for (size_t i = 0; i < n; i++) {
                case_true(name, same_file(got[i], three[i]));
                case_true(name, fcntl(got[i], F_GETFD) & FD_CLOEXEC);
            }
            close_fds(got, n_got);
            pair_close(&p);
        }
    }
    close_fds(three, 3);
    assert_int_equal(count_fds(), open_before);
}

static void test_no_payload(void **state)
{
    struct pair p = pair_open();
    struct wire_head head;
    BUF_AUTO payload = BUF_INIT;
    assert_int_equal(wire_send(p.there, WIRE_QUERY, NULL, 0, NULL, 0), 0);
    assert_int_equal(wire_receive(p.here, &head, &payload, NULL, NULL, -1, -1), 1);
    assert_int_equal(head.type, WIRE_QUERY);
    assert_int_equal(payload.len, 0);
    assert_string_equal(buf_text(&payload), "");
    pair_close(&p);
}

static void test_one_after_another(void **state)
{
    struct pair p = pair_open();
    struct wire_head head;
    BUF_AUTO payload = BUF_INIT;
    wire_send(p.there, WIRE_CALL, "first", 5, NULL, 0);
    wire_send(p.there, WIRE_OUTCOME, "", 0, NULL, 0);
    wire_send(p.there, WIRE_RELEASE, "third", 5, NULL, 0);
    close(p.there);
    p.there = -1;
    assert_int_equal(wire_receive(p.here, &head, &payload, NULL, NULL, -1, soon()), 1);
    assert_string_equal(buf_text(&payload), "first");
    assert_int_equal(wire_receive(p.here, &head, &payload, NULL, NULL, -1, soon()), 1);
    assert_int_equal(head.type, WIRE_OUTCOME);
    assert_string_equal(buf_text(&payload), "");
    assert_int_equal(wire_receive(p.here, &head, &payload, NULL, NULL, -1, soon()), 1);
    assert_string_equal(buf_text(&payload), "third");
    assert_int_equal(wire_receive(p.here, &head, &payload, NULL, NULL, -1, soon()), 0);
    pair_close(&p);
}

/* More than the socket holds: sender and receiver wait for each other. */
static char large[3 << 20];

static int send_large(void *arg)
{
    const struct pair *p = arg;
    int three[3] = {0, 1, 2};
    close(p->here);
    CHILD_CHECK(wire_send(p->there, WIRE_OUTCOME, large, sizeof large, three, 3) == 0);
    return 0;
}

static void test_large(void **state)
{
    uint64_t seed = 4;
    for (size_t i = 0; i + 8 <= sizeof large; i += 8) {
        uint64_t r = next_random(&seed);
        memcpy(large + i, &r, 8);
    }
    struct pair p = pair_open();
    pid_t pid = child_begin(send_large, &p);
    struct wire_head head;
    BUF_AUTO payload = BUF_INIT;
    int fds[WIRE_FDS];
    size_t n_fds;
    assert_int_equal(wire_receive(p.here, &head, &payload, fds, &n_fds, -1, soon()), 1);
    assert_int_equal(payload.len, sizeof large);
    assert_memory_equal(payload.data, large, sizeof large);
    assert_int_equal(n_fds, 3);
    close_fds(fds, n_fds);
    assert_int_equal(child_finish(pid), 0);
    pair_close(&p);
}

/* ---- frames in pieces ---- */

static const char whole_text[] = "a payload in many pieces";
enum { WHOLE_SIZE = sizeof(struct wire_head) + sizeof whole_text };

static void whole_frame(char frame[WHOLE_SIZE])
{
    struct wire_head head = {WIRE_MAGIC, WIRE_VERSION, WIRE_CALL, sizeof whole_text};
    memcpy(frame, &head, sizeof head);
    memcpy(frame + sizeof head, whole_text, sizeof whole_text);
}

struct pieces {
    struct pair pair;
    size_t size;
};

/* Each piece is sent when the one before it has been taken. */
static int send_pieces(void *arg)
{
    const struct pieces *p = arg;
    char frame[WHOLE_SIZE];
    whole_frame(frame);
    for (size_t at = 0; at < WHOLE_SIZE; at += p->size) {
        size_t n = WHOLE_SIZE - at < p->size ? WHOLE_SIZE - at : p->size;
        CHILD_CHECK(send(p->pair.there, frame + at, n, 0) == (ssize_t)n);
        int unread = 1;
        while (unread > 0) {
            CHILD_CHECK(ioctl(p->pair.there, SIOCOUTQ, &unread) == 0);
            sched_yield();
        }
    }
    return 0;
}

static void test_pieces(void **state)
{
    static const size_t sizes[] = {1, 2, 5, 11, 12, 13, 30};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        char name[32];
        snprintf(name, sizeof name, "pieces of %zu", sizes[i]);
        struct pieces p = {pair_open(), sizes[i]};
        struct wire_head head;
        BUF_AUTO payload = BUF_INIT;
        pid_t pid = child_begin(send_pieces, &p);
        case_int(name, wire_receive(p.pair.here, &head, &payload, NULL, NULL, -1, soon()), 1);
        case_int(name, payload.len, sizeof whole_text);
        case_text(name, buf_text(&payload), whole_text);
        case_int(name, child_finish(pid), 0);
        pair_close(&p.pair);
    }
}

/* A frame cut after any byte, with a descriptor in it that must not be left open. */
static void test_cut_short(void **state)
{
    char frame[WHOLE_SIZE];
    whole_frame(frame);
    for (size_t n = 0; n < WHOLE_SIZE; n++) {
        char name[32];
        snprintf(name, sizeof name, "%zu bytes", n);
        struct pair p = pair_open();
        struct wire_head head;
        BUF_AUTO payload = BUF_INIT;
        int fds[WIRE_FDS];
        size_t n_fds = 99;
        if (n > 0)
            case_int(name, send(p.there, frame, n, 0), n);
        close(p.there);
        p.there = -1;
        errno = EAGAIN; /* whatever was there before */
        int status = wire_receive(p.here, &head, &payload, fds, &n_fds, -1, soon());
        case_int(name, status, n == 0 ? 0 : -1);
        if (n > 0)
            case_int(name, errno, EPROTO);
        case_int(name, n_fds, 0);
        pair_close(&p);
    }
}

/* The same when a signal came while it waited: what poll said then is not what happened. */
static int alarm_closes;

static void on_alarm(int sig)
{
    close(alarm_closes);
}

static void test_cut_short_after_signal(void **state)
{
    struct pair p = pair_open();
    struct wire_head head = {WIRE_MAGIC, WIRE_VERSION, WIRE_CALL, 10};
    struct itimerval once = {.it_value = {.tv_usec = 5000}};
    struct sigaction old, act = {.sa_handler = on_alarm};
    BUF_AUTO payload = BUF_INIT;
    assert_int_equal(send(p.there, &head, sizeof head, 0), sizeof head);
    alarm_closes = p.there;
    p.there = -1;
    sigaction(SIGALRM, &act, &old);
    setitimer(ITIMER_REAL, &once, NULL);
    int status = wire_receive(p.here, &head, &payload, NULL, NULL, -1, soon());
    int errnum = errno;
    sigaction(SIGALRM, &old, NULL);
    assert_int_equal(status, -1);
    assert_int_equal(errnum, EPROTO);
    pair_close(&p);
}

/* ---- frames that are none ---- */

static void test_bad_heads(void **state)
{
    static const struct {
        const char *name;
        struct wire_head head;
        int errnum;
    } cases[] = {
        {"no magic", {0, WIRE_VERSION, WIRE_CALL, 0}, EPROTO},
        {"nearly the magic", {WIRE_MAGIC ^ 1, WIRE_VERSION, WIRE_CALL, 0}, EPROTO},
        {"nothing right", {~0u, 0xffff, 0xffff, ~0u}, EPROTO},
        {"an older version", {WIRE_MAGIC, WIRE_VERSION - 1, WIRE_CALL, 0}, EPROTONOSUPPORT},
        {"a newer version", {WIRE_MAGIC, WIRE_VERSION + 1, WIRE_CALL, ~0u}, EPROTONOSUPPORT},
        {"one byte too long", {WIRE_MAGIC, WIRE_VERSION, WIRE_CALL, WIRE_MAX + 1}, EMSGSIZE},
        {"as long as can be said", {WIRE_MAGIC, WIRE_VERSION, WIRE_CALL, ~0u}, EMSGSIZE},
    };
    int three[3], open_before = count_fds();
    open_three(three);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct pair p = pair_open();
        struct wire_head head;
        BUF_AUTO payload = BUF_INIT;
        int fds[WIRE_FDS];
        size_t n_fds = 99;
        /* The descriptors come with a frame of ours, whose head is then written over. */
        union {
            struct cmsghdr align;
            char space[CMSG_SPACE(sizeof three)];
        } control = {.space = {0}};
        struct iovec iov = {(void *)(uintptr_t)&cases[i].head, sizeof head};
        struct msghdr msg = {.msg_iov = &iov,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof control};
        struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof three);
        memcpy(CMSG_DATA(c), three, sizeof three);
        case_int(cases[i].name, sendmsg(p.there, &msg, 0), sizeof head);
        case_int(cases[i].name, wire_receive(p.here, &head, &payload, fds, &n_fds, -1, soon()), -1);
        case_int(cases[i].name, errno, cases[i].errnum);
        case_int(cases[i].name, n_fds, 0);
        pair_close(&p);
    }
    close_fds(three, 3);
    assert_int_equal(count_fds(), open_before);
}

/* ---- descriptors ---- */

/* Sends bytes with any number of descriptors, as a peer of ours would not. */
static void send_with_fds(int sock, const void *data, size_t size, int fd, size_t n)
{
    enum { MOST = 253 }; /* SCM_MAX_FD */
    union {
        struct cmsghdr align;
        char space[CMSG_SPACE(MOST * sizeof(int))];
    } control = {.space = {0}};
    struct iovec iov = {(void *)(uintptr_t)data, size};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = &control,
                         .msg_controllen = CMSG_SPACE(n * sizeof(int))};
    struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
    int fds[MOST];
    assert_true(n <= MOST);
    for (size_t i = 0; i < n; i++)
        fds[i] = fd;
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(n * sizeof(int));
    memcpy(CMSG_DATA(c), fds, n * sizeof(int));
    assert_int_equal(sendmsg(sock, &msg, 0), size);
}

static void test_unexpected_fds(void **state)
{
    int three[3], open_before = count_fds();
    open_three(three);
    for (size_t n = 1; n <= WIRE_FDS; n++) {
        struct pair p = pair_open();
        struct wire_head head;
        BUF_AUTO payload = BUF_INIT;
        assert_int_equal(wire_send(p.there, WIRE_QUERY, "x", 1, three, n), 0);
        int before = count_fds();
        assert_int_equal(wire_receive(p.here, &head, &payload, NULL, NULL, -1, soon()), 1);
        assert_int_equal(count_fds(), before);
        pair_close(&p);
    }
    close_fds(three, 3);
    assert_int_equal(count_fds(), open_before);
}

static void test_too_many_fds(void **state)
{
    static const size_t numbers[] = {4, 5, 8, 100, 253};
    int open_before = count_fds(), one = open("/dev/null", O_RDONLY | O_CLOEXEC);
    char frame[WHOLE_SIZE];
    whole_frame(frame);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        char name[32];
        snprintf(name, sizeof name, "%zu descriptors", numbers[i]);
        for (int wanted = 0; wanted < 2; wanted++) {
            struct pair p = pair_open();
            struct wire_head head;
            BUF_AUTO payload = BUF_INIT;
            struct {
                int fds[WIRE_FDS], guard[8];
            } got = {{-1, -1, -1}, {0}};
            size_t n_got = 0;
            send_with_fds(p.there, frame, sizeof frame, one, numbers[i]);
            int before = count_fds();
            int status = wire_receive(p.here, &head, &payload, wanted ? got.fds : NULL,
                                      wanted ? &n_got : NULL, -1, soon());
            case_true(name, status == 1 || (status == -1 && errno == EPROTO && n_got == 0));
            case_true(name, n_got <= WIRE_FDS);
            for (size_t g = 0; g < 8; g++)
                case_int(name, got.guard[g], 0);
            close_fds(got.fds, n_got);
            case_int(name, count_fds(), before);
            pair_close(&p);
        }
    }
    close(one);
    assert_int_equal(count_fds(), open_before);
}

/* Descriptors with the head, and others with the payload. */
static void test_fds_twice(void **state)
{
    int open_before = count_fds(), one = open("/dev/null", O_RDONLY | O_CLOEXEC);
    struct pair p = pair_open();
    struct wire_head head = {WIRE_MAGIC, WIRE_VERSION, WIRE_CALL, 6};
    BUF_AUTO payload = BUF_INIT;
    int fds[WIRE_FDS];
    size_t n_fds = 0;
    send_with_fds(p.there, &head, sizeof head, one, 2);
    send_with_fds(p.there, "abc", 3, one, 3);
    send_with_fds(p.there, "def", 3, one, 1);
    int before = count_fds();
    int status = wire_receive(p.here, &head, &payload, fds, &n_fds, -1, soon());
    assert_true(status == 1 || (status == -1 && errno == EPROTO));
    if (status == 1)
        assert_int_equal(n_fds, 2);
    close_fds(fds, n_fds);
    assert_int_equal(count_fds(), before);
    pair_close(&p);
    close(one);
    assert_int_equal(count_fds(), open_before);
}

/* ---- waiting ---- */

static void test_deadline(void **state)
{
    static const struct {
        const char *name;
        size_t sent;
    } cases[] = {{"silence", 0}, {"half a head", 6}, {"no payload", 12}, {"half a payload", 20}};
    char frame[WHOLE_SIZE];
    whole_frame(frame);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct pair p = pair_open();
        struct wire_head head;
        BUF_AUTO payload = BUF_INIT;
        if (cases[i].sent > 0)
            case_int(cases[i].name, send(p.there, frame, cases[i].sent, 0), cases[i].sent);
        int64_t start = clock_ms();
        case_int(cases[i].name, wire_receive(p.here, &head, &payload, NULL, NULL, -1, start + 15),
                 -1);
        case_int(cases[i].name, errno, ETIMEDOUT);
        case_true(cases[i].name, clock_ms() - start >= 15);
        pair_close(&p);
        /* A deadline that is past does not wait at all. */
        p = pair_open();
        case_int(cases[i].name, wire_receive(p.here, &head, &payload, NULL, NULL, -1, 0), -1);
        case_int(cases[i].name, errno, ETIMEDOUT);
        pair_close(&p);
    }
}

static void test_cancel(void **state)
{
    for (int closed = 0; closed < 2; closed++) {
        struct pair p = pair_open();
        struct wire_head head;
        BUF_AUTO payload = BUF_INIT;
        int cancel[2];
        assert_int_equal(pipe2(cancel, O_CLOEXEC), 0);
        /* Not yet: a whole frame passes. */
        wire_send(p.there, WIRE_QUERY, "", 0, NULL, 0);
        assert_int_equal(wire_receive(p.here, &head, &payload, NULL, NULL, cancel[0], soon()), 1);
        if (!closed)
            assert_int_equal(write(cancel[1], "x", 1), 1);
        close(cancel[1]);
        send(p.there, "half", 4, 0);
        assert_int_equal(wire_receive(p.here, &head, &payload, NULL, NULL, cancel[0], -1), -1);
        assert_int_equal(errno, ECANCELED);
        close(cancel[0]);
        pair_close(&p);
    }
}

static void test_peer_gone(void **state)
{
    struct pair p = pair_open();
    struct wire_head head;
    BUF_AUTO payload = BUF_INIT;
    close(p.there);
    p.there = -1;
    assert_int_equal(wire_receive(p.here, &head, &payload, NULL, NULL, -1, -1), 0);
    assert_int_equal(wire_send(p.here, WIRE_QUERY, "x", 1, NULL, 0), -1); /* and no SIGPIPE */
    assert_int_equal(errno, EPIPE);
    pair_close(&p);
}

static void test_send_limits(void **state)
{
    struct pair p = pair_open();
    int four[4] = {0, 0, 0, 0};
    char c;
    assert_int_equal(wire_send(p.there, WIRE_CALL, "", (size_t)WIRE_MAX + 1, NULL, 0), -1);
    assert_int_equal(errno, EMSGSIZE);
    assert_int_equal(wire_send(p.there, WIRE_CALL, "", (size_t)1 << 32, NULL, 0), -1);
    assert_int_equal(errno, EMSGSIZE);
    assert_int_equal(wire_send(p.there, WIRE_CALL, "", 0, four, 4), -1);
    assert_int_equal(errno, EMSGSIZE);
    assert_int_equal(recv(p.here, &c, 1, MSG_DONTWAIT), -1); /* nothing had gone out */
    pair_close(&p);
}

/* ---- outcomes ---- */

/* A payload in memory that ends where it ends: a byte too far is seen by ASan. */
static struct buf exact_copy(const void *data, size_t n)
{
    struct buf b = {.data = malloc(n ? n : 1), .len = n, .cap = n};
    assert_non_null(b.data);
    if (n > 0)
        memcpy(b.data, data, n);
    return b;
}

static void test_values(void **state)
{
    static char text[] = "text", bytes[] = "by\0tes", empty[] = "";
    static const struct {
        const char *name;
        struct ml_value value;
    } cases[] = {
        {"nothing", {.type = ML_VALUE_NONE}},
        {"null", {.type = ML_VALUE_NULL}},
        {"true", {.type = ML_VALUE_BOOL, .boolean = true}},
        {"false", {.type = ML_VALUE_BOOL, .boolean = false}},
        {"an int", {.type = ML_VALUE_INT, .integer = INT64_MIN}},
        {"a uint", {.type = ML_VALUE_UINT, .uinteger = UINT64_MAX}},
        {"a float", {.type = ML_VALUE_FLOAT, .real32 = -1.5f}},
        {"a double", {.type = ML_VALUE_DOUBLE, .real = 1e-300}},
        {"a string", {.type = ML_VALUE_STRING, .data = text, .size = 4}},
        {"an empty string", {.type = ML_VALUE_STRING, .data = empty, .size = 0}},
        {"bytes", {.type = ML_VALUE_BYTES, .data = bytes, .size = 6}},
        {"no bytes", {.type = ML_VALUE_BYTES, .data = empty, .size = 0}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct ml_value *want = &cases[i].value;
        const char *name = cases[i].name;
        struct ml_value got;
        struct ml_error err = ML_ERROR_INIT;
        BUF_AUTO payload = BUF_INIT;
        wire_put_value(&payload, want);
        struct buf sent = exact_copy(payload.data, payload.len);
        case_int(name, wire_get_outcome(&sent, &got, &err), 0);
        buf_free(&sent);
        case_int(name, got.type, want->type);
        case_int(name, got.size, want->size);
        if (want->data != NULL) {
            case_true(name, got.data != want->data);
            case_true(name, memcmp(got.data, want->data, want->size + 1) == 0);
        } else {
            case_true(name, got.data == NULL);
        }
        if (want->type == ML_VALUE_BOOL)
            case_int(name, got.boolean, want->boolean);
        else if (want->type == ML_VALUE_FLOAT)
            case_true(name, got.real32 == want->real32);
        else
            case_true(name, got.uinteger == want->uinteger);
        ml_value_done(&got);
        ml_value_done(&got);
        case_int(name, err.status, 0);
    }
}

static struct ml_error sample_error(void)
{
    struct ml_error err = {.status = ML_SIGNAL + 11,
                           .outcome = "crash",
                           .code = "segv",
                           .message = "the function crashed",
                           .hint = "look at its core"};
    return err;
}

static void test_errors(void **state)
{
    struct ml_error cases[4] = {sample_error(), sample_error(), sample_error(), sample_error()};
    cases[1] = (struct ml_error){.status = 1};
    cases[2].status = 255;
    memset(cases[3].outcome, 'o', sizeof cases[3].outcome - 1);
    memset(cases[3].code, 'c', sizeof cases[3].code - 1);
    memset(cases[3].message, 'm', sizeof cases[3].message - 1);
    memset(cases[3].hint, 'h', sizeof cases[3].hint - 1);
    for (size_t i = 0; i < 4; i++) {
        struct ml_error err = ML_ERROR_INIT;
        struct ml_value value = {0};
        BUF_AUTO payload = BUF_INIT;
        wire_put_error(&payload, &cases[i]);
        struct buf sent = exact_copy(payload.data, payload.len);
        assert_int_equal(wire_get_outcome(&sent, &value, &err), -1);
        assert_int_equal(wire_get_outcome(&sent, &value, NULL), -1);
        buf_free(&sent);
        assert_int_equal(err.status, cases[i].status);
        assert_string_equal(err.outcome, cases[i].outcome);
        assert_string_equal(err.code, cases[i].code);
        assert_string_equal(err.message, cases[i].message);
        assert_string_equal(err.hint, cases[i].hint);
    }
}

/* Texts longer than we keep are cut, never written past their place. */
static void test_long_texts(void **state)
{
    BUF_AUTO payload = BUF_INIT;
    struct wire_outcome out = {.status = 1, .size = 4 * 5000};
    static char text[5000];
    struct ml_error err = ML_ERROR_INIT;
    struct ml_value value = {0};
    memset(text, 'x', sizeof text - 1);
    buf_add(&payload, &out, sizeof out);
    for (int i = 0; i < 4; i++)
        buf_add(&payload, text, sizeof text);
    assert_int_equal(wire_get_outcome(&payload, &value, &err), -1);
    assert_int_equal(err.status, 1);
    assert_int_equal(strlen(err.outcome), sizeof err.outcome - 1);
    assert_int_equal(strlen(err.code), sizeof err.code - 1);
    assert_int_equal(strlen(err.message), sizeof err.message - 1);
    assert_int_equal(strlen(err.hint), sizeof err.hint - 1);
}

static void check_no_outcome(const char *name, const void *data, size_t n)
{
    struct buf b = exact_copy(data, n);
    struct ml_value value = {0};
    struct ml_error err = ML_ERROR_INIT;
    case_int(name, wire_get_outcome(&b, &value, &err), -1);
    case_int(name, err.status, ML_PROTOCOL);
    case_true(name, err.message[0] != '\0');
    case_int(name, wire_get_outcome(&b, &value, NULL), -1);
    buf_free(&b);
}

static void test_truncated(void **state)
{
    static char bytes[] = "some bytes";
    struct ml_error error = sample_error();
    struct ml_value value = {.type = ML_VALUE_BYTES, .data = bytes, .size = sizeof bytes};
    for (int kind = 0; kind < 2; kind++) {
        BUF_AUTO payload = BUF_INIT;
        if (kind == 0)
            wire_put_value(&payload, &value);
        else
            wire_put_error(&payload, &error);
        for (size_t n = 0; n < payload.len; n++) {
            char name[48];
            snprintf(name, sizeof name, "%s, %zu bytes", kind ? "error" : "value", n);
            check_no_outcome(name, payload.data, n);
            /* A head that agrees with the cut does not make an error whole. */
            if (kind == 0 || n < sizeof(struct wire_outcome))
                continue;
            struct wire_outcome out;
            BUF_AUTO cut = BUF_INIT;
            memcpy(&out, payload.data, sizeof out);
            out.size = (uint32_t)(n - sizeof out);
            buf_add(&cut, &out, sizeof out);
            buf_add(&cut, payload.data + sizeof out, n - sizeof out);
            check_no_outcome(name, cut.data, cut.len);
        }
        buf_char(&payload, 'x');
        check_no_outcome("a byte behind", payload.data, payload.len);
    }
}

static void test_bad_outcomes(void **state)
{
    static const struct {
        const char *name;
        struct wire_outcome out;
        const char *data;
        size_t n;
    } cases[] = {
        {"no such type", {.value_type = ML_VALUE_BYTES + 1}, "", 0},
        {"no type at all", {.value_type = UINT32_MAX}, "", 0},
        {"a size of nothing", {.value_type = ML_VALUE_BYTES, .size = 1}, "", 0},
        {"a huge size", {.value_type = ML_VALUE_BYTES, .size = UINT32_MAX}, "abc", 3},
        {"a negative status", {.status = -1, .size = 4}, "\0\0\0", 4},
        {"a huge status", {.status = 256, .size = 4}, "\0\0\0", 4},
        {"the smallest status", {.status = INT32_MIN, .size = 4}, "\0\0\0", 4},
        {"three texts", {.status = 1, .size = 3}, "\0\0", 3},
        {"a last text without an end", {.status = 1, .size = 4}, "\0\0\0x", 4},
        {"no texts", {.status = 1, .size = 0}, "", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        BUF_AUTO payload = BUF_INIT;
        buf_add(&payload, &cases[i].out, sizeof cases[i].out);
        buf_add(&payload, cases[i].data, cases[i].n);
        check_no_outcome(cases[i].name, payload.data, payload.len);
    }
}

/* Noise: nothing crashes, leaks or is believed beyond its end, and a failure says why. */
static void test_fuzz(void **state)
{
    uint64_t seed = 5;
    for (int round = 0; round < 200000; round++) {
        char data[96];
        size_t n = next_random(&seed) % sizeof data;
        for (size_t i = 0; i < n; i++)
            data[i] = (char)next_random(&seed);
        struct wire_outcome out;
        if (n >= sizeof out && round % 4 != 0) { /* mostly a head that gets further */
            out = (struct wire_outcome){.status = round % 4 == 1 ? 0 : (int32_t)(round % 300) - 20,
                                        .value_type = (uint32_t)(round / 4 % 11),
                                        .scalar = next_random(&seed),
                                        .size = (uint32_t)(n - sizeof out)};
            memcpy(data, &out, sizeof out);
        }
        for (size_t i = sizeof out; i < n && round % 8 > 4; i += 3)
            data[i] = '\0';
        struct buf b = exact_copy(data, n);
        struct ml_value value = {0};
        struct ml_error err = ML_ERROR_INIT;
        int status = wire_get_outcome(&b, &value, &err);
        assert_true(status == 0 || (status == -1 && err.status > 0));
        if (status == 0)
            ml_value_done(&value);
        buf_free(&b);
    }
}

/* The same at the socket: frames of noise end in an error or in silence, in time. */
static void test_fuzz_frames(void **state)
{
    uint64_t seed = 6;
    int open_before = count_fds();
    for (int round = 0; round < 2000; round++) {
        char frame[WHOLE_SIZE];
        struct pair p = pair_open();
        struct wire_head head;
        BUF_AUTO payload = BUF_INIT;
        whole_frame(frame);
        size_t changes = next_random(&seed) % 4;
        for (size_t i = 0; i < changes; i++)
            frame[next_random(&seed) % sizeof frame] ^= (char)(1 << next_random(&seed) % 8);
        send(p.there, frame, 1 + next_random(&seed) % sizeof frame, 0);
        close(p.there);
        p.there = -1;
        int status = wire_receive(p.here, &head, &payload, NULL, NULL, -1, soon());
        if (status == 1)
            assert_int_equal(payload.len, head.length);
        else
            assert_true(status == -1 &&
                        (errno == EPROTO || errno == EPROTONOSUPPORT || errno == EMSGSIZE));
        pair_close(&p);
    }
    assert_int_equal(count_fds(), open_before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_no_payload),
        cmocka_unit_test(test_one_after_another),
        cmocka_unit_test(test_large),
        cmocka_unit_test(test_pieces),
        cmocka_unit_test(test_cut_short),
        cmocka_unit_test(test_cut_short_after_signal),
        cmocka_unit_test(test_bad_heads),
        cmocka_unit_test(test_unexpected_fds),
        cmocka_unit_test(test_too_many_fds),
        cmocka_unit_test(test_fds_twice),
        cmocka_unit_test(test_deadline),
        cmocka_unit_test(test_cancel),
        cmocka_unit_test(test_peer_gone),
        cmocka_unit_test(test_send_limits),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_long_texts),
        cmocka_unit_test(test_truncated),
        cmocka_unit_test(test_bad_outcomes),
        cmocka_unit_test(test_fuzz),
        cmocka_unit_test(test_fuzz_frames),
    };
    UNIT_RUN("client-wire", tests);
}

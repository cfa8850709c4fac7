/* Questions at a worker's control socket, from a client that may say anything. Each QUERY and each
 * LATE is answered by one STATUS, each CALLS and each CANCEL by one RUNNING, each RELOAD by one
 * TURN, a RELEASE turns new calls away, and everything else is dropped without an answer. */
#include "worker/control.c"

#include <errno.h>
#include <sys/wait.h>

#include "fuzz.h"

const unsigned fuzz_runs = 150;

enum { ANSWERS_MAX = 100, CALLS_MAX = 2 };

/* What the frames before the first bad one bring about, as the rules of the wire have it. */
struct expected {
    uint16_t answer[ANSWERS_MAX];
    size_t size[ANSWERS_MAX];
    size_t n;
    bool release_now, release, turn, giving, mute;
};

static void expect_answer(struct expected *ret, uint16_t type, size_t size)
{
    if (ret->mute)
        return;
    ret->answer[ret->n] = type;
    ret->size[ret->n++] = size;
}

/* The worker has the calls 1 and 2; 3 is its spare. */
static void expect_running(struct expected *ret, uint16_t type, const uint8_t *payload)
{
    uint64_t number = 0;
    if (type == WIRE_CANCEL)
        memcpy(&number, payload, sizeof number);
    size_t n = number == 0 ? CALLS_MAX : number <= CALLS_MAX;
    expect_answer(ret, WIRE_RUNNING, n * sizeof(struct wire_running));
}

/* Who is replacing the worker is cut off by a release: what it says is read, and not answered. */
static void expect_release(struct expected *ret, const uint8_t *payload)
{
    uint32_t mode;
    memcpy(&mode, payload, sizeof mode);
    ret->release = true;
    ret->release_now = ret->release_now || mode != ML_RELEASE_DRAIN;
    ret->mute = ret->mute || ret->turn;
    ret->turn = ret->giving = false;
}

/* False when the connection is through with it. */
static bool expect_reload(struct expected *ret)
{
    if (ret->giving || ret->mute)
        return false;
    ret->turn = !ret->release;
    expect_answer(ret, WIRE_TURN, sizeof(uint32_t));
    return true;
}

static bool expect_frame(const uint8_t **data, size_t *left, struct expected *ret)
{
    struct wire_head head;
    if (*left < sizeof head || ret->n == ANSWERS_MAX)
        return false;
    memcpy(&head, *data, sizeof head);
    if (head.magic != WIRE_MAGIC || head.version != WIRE_VERSION || head.length > WIRE_MAX ||
        head.length > *left - sizeof head)
        return false;
    bool hand = head.type == WIRE_HAND && ret->turn && !ret->giving;
    if (head.type == WIRE_QUERY || head.type == WIRE_LATE)
        expect_answer(ret, WIRE_STATUS, sizeof(struct wire_status));
    else if (head.type == WIRE_CALLS ||
             (head.type == WIRE_CANCEL && head.length == sizeof(uint64_t)))
        expect_running(ret, head.type, *data + sizeof head);
    else if (head.type == WIRE_RELEASE && head.length == sizeof(uint32_t))
        expect_release(ret, *data + sizeof head);
    else if (hand)
        ret->giving = true;
    else if (head.type != WIRE_RELOAD || !expect_reload(ret))
        return false;
    *data += sizeof head + head.length;
    *left -= sizeof head + head.length;
    return true;
}

static struct expected expect_all(const uint8_t *data, size_t size)
{
    struct expected ret = {.n = 0};
    while (expect_frame(&data, &size, &ret))
        ;
    return ret;
}

/* The end is an error where the worker left something of the client's unread (unix(7)). */
static void check_answers(int there, const struct expected *wanted)
{
    struct wire_head head;
    BUF_AUTO payload = BUF_INIT;
    for (size_t i = 0; i < wanted->n; i++) {
        CHECK(wire_receive(there, &head, &payload, NULL, NULL, -1, clock_ms() + 10000) == 1);
        CHECK(head.type == wanted->answer[i]);
        CHECK(payload.len == wanted->size[i]);
    }
    int got = wire_receive(there, &head, &payload, NULL, NULL, -1, clock_ms() + 10000);
    CHECK(got == 0 || (got < 0 && errno == ECONNRESET));
}

/* Supervisors that can be sent any signal: all of them a child that has ended and is not waited
 * for. */
static void give_calls(struct worker *w)
{
    static pid_t dead[CALLS_MAX + 1];
    static struct post posts[CALLS_MAX + 1];
    static void *slots;
    if (slots == NULL) {
        siginfo_t info;
        pid_t pid = fork();
        if (pid == 0)
            _exit(0);
        CHECK(pid > 0 && waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT) == 0);
        slots = slot_table();
        CHECK(slots != NULL);
        for (uint16_t i = 0; i <= CALLS_MAX; i++) {
            dead[i] = pid;
            posts[i] = (struct post){.number = i + 1U, .slot = i};
            slot_at(slots, i)->client = i < CALLS_MAX ? INT32_MAX : 0; /* nobody's pid */
        }
    }
    w->supervisor = dead;
    w->spare = dead[0]; /* so that what counts is who has a client */
    w->post = posts;
    w->slots = slots;
    w->n_supervisors = CALLS_MAX + 1;
}

/* The answers have to fit the socket while nobody reads them. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct ml_descriptor descriptor = {.name = "math", .plugin_version = "1.0.0"};
    static const struct object object = {.descriptor = &descriptor};
    struct worker_setup setup = {.uuid = "8c2a7f61-3d0b-4e9a-9c55-1f6e0a4b7d23",
                                 .bundle = "b-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
                                 .object = &object};
    struct worker_counters counters = {0};
    struct worker w = {
        .setup = &setup, .counters = &counters, .call = -1, .leaving_for = -1, .turn = -1};
    struct expected wanted = expect_all(data, size);
    int here, there;
    give_calls(&w);
    if (size > FUZZ_STREAM_MAX || wanted.n == ANSWERS_MAX)
        return 0;
    fuzz_stream(data, size, &here, &there);
    while (serve_conn(&w, here))
        ;
    close(here);
    check_answers(there, &wanted);
    CHECK(w.draining == wanted.release && w.leave == wanted.release_now);
    CHECK((w.turn >= 0) == wanted.turn && (w.giving == GIVING) == wanted.giving);
    close(there);
    return 0;
}

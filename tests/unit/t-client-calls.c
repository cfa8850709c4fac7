/* Goal of this test: what a worker says of its calls is looked at before it is believed; and a call
 * is over when its worker says so, or has gone. */
#include "fixture.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/child.h"
#include "base/clock.h"
#include "client/context.h"
#include "client/wire.h"

enum { MANY = WIRE_RUNNING_MAX + 1, TOLD_MAX = 4 };

static const char uuid[] = "8c2a7f61-3d0b-4e9a-9c55-1f6e0a4b7d23";

/* What it answers to the questions behind the first QUERY, one after the other; then it ends. */
struct answer {
    enum wire_type type; /* 0: there is no further one */
    size_t n;            /* calls; MANY: that many, whatever `calls` has */
    size_t cut;          /* so many bytes less */
    struct wire_running calls[4];
};

struct answers {
    struct answer at[TOLD_MAX];
};

static int send_answer(int conn, const struct answer *a)
{
    static struct wire_running many[MANY];
    const void *calls = a->n == MANY ? many : a->calls;
    for (size_t i = 0; i < MANY; i++)
        many[i].number = i + 1;
    return wire_send(conn, a->type, calls, a->n * sizeof *many - a->cut, NULL, 0);
}

static char lock_path[512];

/* A worker, by its lock, that says what it is told to say. */
static int liar(void *arg)
{
    const struct answers *answers = arg;
    const struct wire_status status = {
        .bundle = "b-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", .plugin = "liar", .version = "1.0.0"};
    struct wire_head head;
    struct flock alive = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    BUF_AUTO payload = BUF_INIT;
    int lock = open(lock_path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    int conn = accept(0, NULL, NULL);
    if (lock < 0 || fcntl(lock, F_SETLK, &alive) < 0 ||
        wire_receive(conn, &head, &payload, NULL, NULL, -1, -1) != 1 || head.type != WIRE_QUERY ||
        wire_send(conn, WIRE_STATUS, &status, sizeof status, NULL, 0) < 0)
        return 1;
    for (const struct answer *a = answers->at; a->type != 0; a++)
        if (wire_receive(conn, &head, &payload, NULL, NULL, -1, -1) != 1 ||
            send_answer(conn, a) < 0)
            return 1;
    return 0;
}

struct world {
    struct ml_ctx *ctx;
    struct ml_key key;
    int listener;
};

static void given_world(void **state, struct world *ret)
{
    const struct place *place = *state;
    const struct ml_ctx_options options = {.home = place->path, .runtime_dir = place->path};
    struct sockaddr_un addr;
    *ret = (struct world){.listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    assert_int_equal(ml_key_from_uuid(uuid, &ret->key, NULL), 0);
    assert_int_equal(ml_ctx_new(&options, &ret->ctx, NULL), 0);
    assert_int_equal(ctx_runtime(ret->ctx, true, NULL), 1);
    snprintf(lock_path, sizeof lock_path, "%s/%s.lock", ret->ctx->run_path, uuid);
    run_address(ret->ctx, uuid, RUN_CONTROL, &addr);
    assert_int_equal(bind(ret->listener, (struct sockaddr *)&addr, sizeof addr), 0);
    assert_int_equal(listen(ret->listener, 4), 0);
}

static void end_world(struct world *w)
{
    close(w->listener);
    ml_ctx_free(w->ctx);
}

static void given_liar(const struct world *w, const struct answers *answers, struct child *ret)
{
    struct child_spec spec = CHILD_SPEC_INIT;
    spec.body = liar;
    spec.body_arg = (void *)(uintptr_t)answers;
    spec.stdio[0] = w->listener;
    assert_int_equal(child_start(&spec, ret, NULL), 0);
}

/* ---- what is told ---- */

struct told {
    struct ml_running calls[TOLD_MAX];
    size_t n;
};

static int take(const struct ml_running *call, void *arg)
{
    struct told *told = arg;
    if (told->n == TOLD_MAX)
        return 5;
    told->calls[told->n++] = *call;
    return 0;
}

#define CALL(number, function)                                                                     \
    {                                                                                              \
        number, 70, 42, 0, function                                                                \
    }
/* 64 characters, and no NUL where they stand */
#define LONG "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"

static void test_told(void **state)
{
    static const struct {
        const char *name;
        struct answers answers;
        int status; /* of the error; 0: none */
        size_t n;
        struct ml_running want[3];
    } cases[] = {
        {"none", {{{WIRE_RUNNING, .n = 0}}}, 0, 0, {{0}}},
        {"in their order",
         {{{WIRE_RUNNING, 3, 0, {CALL(7, "b"), CALL(UINT64_MAX, "c"), CALL(2, "a_1")}}}},
         0,
         3,
         {CALL(2, "a_1"), CALL(7, "b"), CALL(UINT64_MAX, "c")}},
        {"texts",
         {{{WIRE_RUNNING, 3, 0, {CALL(1, LONG), CALL(2, "1st"), CALL(3, "a\033[2J")}}}},
         0,
         3,
         {CALL(1, "fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"), CALL(2, ""),
          CALL(3, "")}},
        {"a session, and a client that is none",
         {{{WIRE_RUNNING, 1, 0, {{1, UINT64_MAX, -5, 9, "f"}}}}},
         0,
         1,
         {{1, UINT64_MAX, 0, true, "f"}}},
        {"the number of none", {{{WIRE_RUNNING, 1, 0, {CALL(0, "f")}}}}, ML_PROTOCOL, 0, {{0}}},
        {"twice",
         {{{WIRE_RUNNING, 3, 0, {CALL(4, "f"), CALL(5, "f"), CALL(4, "g")}}}},
         ML_PROTOCOL,
         0,
         {{0}}},
        {"cut short", {{{WIRE_RUNNING, 1, 1, {CALL(1, "f")}}}}, ML_PROTOCOL, 0, {{0}}},
        {"more than there can be", {{{WIRE_RUNNING, .n = MANY}}}, ML_PROTOCOL, 0, {{0}}},
        {"another answer", {{{WIRE_STATUS, 1, 0, {CALL(1, "f")}}}}, ML_PROTOCOL, 0, {{0}}},
        {"gone", {{{0}}}, ML_NOT_LOADED, 0, {{0}}},
    };
    struct world w;
    given_world(state, &w);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        CHILD_AUTO child = CHILD_INIT;
        struct told told = {.n = 0};
        struct ml_error err = ML_ERROR_INIT;
        given_liar(&w, &cases[i].answers, &child);
        int status = ml_calls(w.ctx, &w.key, take, &told, &err);
        case_int(cases[i].name, status, cases[i].status != 0 ? -1 : 0);
        case_int(cases[i].name, err.status, cases[i].status);
        case_int(cases[i].name, told.n, cases[i].n);
        for (size_t c = 0; c < told.n; c++) {
            const struct ml_running *got = &told.calls[c], *want = &cases[i].want[c];
            case_true(cases[i].name, got->number == want->number);
            case_true(cases[i].name, got->running_ms == want->running_ms);
            case_int(cases[i].name, got->client, want->client);
            case_int(cases[i].name, got->session, want->session);
            case_text(cases[i].name, got->function, want->function);
        }
    }
    end_world(&w);
}

static void test_told_no_more(void **state)
{
    static const struct answers answers = {
        {{WIRE_RUNNING, 4, 0, {CALL(1, "f"), CALL(2, "f"), CALL(3, "f"), CALL(4, "f")}}}};
    struct world w;
    struct told told = {.n = TOLD_MAX - 2};
    CHILD_AUTO child = CHILD_INIT;
    given_world(state, &w);
    given_liar(&w, &answers, &child);
    assert_int_equal(ml_calls(w.ctx, &w.key, take, &told, NULL), 5);
    end_world(&w);
}

/* ---- when it is over ---- */

static void test_over(void **state)
{
    static const struct {
        const char *name;
        struct answers answers;
        int returns, status;
    } cases[] = {
        {"nothing runs", {{{WIRE_RUNNING, .n = 0}}}, 0, 0},
        {"over when it is looked at again",
         {{{WIRE_RUNNING, 1, 0, {CALL(1, "f")}},
           {WIRE_RUNNING, 1, 0, {CALL(1, "f")}},
           {WIRE_RUNNING, .n = 0}}},
         1,
         0},
        {"two, one after the other",
         {{{WIRE_RUNNING, 2, 0, {CALL(2, "f"), CALL(1, "f")}},
           {WIRE_RUNNING, .n = 0},
           {WIRE_RUNNING, .n = 0}}},
         2,
         0},
        {"the worker goes", {{{WIRE_RUNNING, 1, 0, {CALL(1, "f")}}}}, 1, 0},
        {"a session that goes on", {{{WIRE_RUNNING, 1, 0, {{1, 70, 42, 1, "f"}}}}}, 1, 0},
        {"no answer at the end",
         {{{WIRE_RUNNING, 1, 0, {CALL(1, "f")}}, {WIRE_RUNNING, 1, 1, {CALL(1, "f")}}}},
         -1,
         ML_PROTOCOL},
        {"gone before", {{{0}}}, -1, ML_NOT_LOADED},
    };
    struct world w;
    given_world(state, &w);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        CHILD_AUTO child = CHILD_INIT;
        struct told told = {.n = 0};
        struct child_end end;
        struct ml_error err = ML_ERROR_INIT;
        given_liar(&w, &cases[i].answers, &child);
        case_int(cases[i].name, ml_cancel(w.ctx, &w.key, 0, take, &told, &err), cases[i].returns);
        case_int(cases[i].name, err.status, cases[i].status);
        case_int(cases[i].name, told.n, cases[i].returns > 0 ? cases[i].returns : 0);
        /* it was asked as often as it should be */
        case_int(cases[i].name, child_wait(&child, clock_ms() + 30000, &end, &err), 0);
        case_int(cases[i].name, end.code, 0);
    }
    end_world(&w);
}

static void test_no_worker(void **state)
{
    struct world w;
    struct told told = {.n = 0};
    struct ml_error err = ML_ERROR_INIT;
    given_world(state, &w);
    close(w.listener); /* as one that was killed leaves it */
    assert_int_equal(ml_calls(w.ctx, &w.key, take, &told, &err), -1);
    assert_int_equal(err.status, ML_NOT_LOADED);
    assert_int_equal(ml_cancel(w.ctx, &w.key, 1, NULL, NULL, &err), -1);
    assert_int_equal(err.status, ML_NOT_LOADED);
    ml_ctx_free(w.ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        place_test(test_told),
        place_test(test_told_no_more),
        place_test(test_over),
        place_test(test_no_worker),
    };
    UNIT_RUN("client-calls", tests);
}

/* Goal of this test: what a call prints arrives whole, or up to its limit to the byte; it is told
 * which, and the pump ends when there is nothing more to come. */
#include "fixture.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include "worker/pump.h"

struct pipes {
    int in[2][2], out[2][2]; /* for output and error: from the call, to the client */
    struct pump pump;
};

static void begin(struct pipes *p, uint64_t limit)
{
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pipe2(p->in[i], O_CLOEXEC), 0);
        assert_int_equal(pipe2(p->out[i], O_CLOEXEC), 0);
    }
    assert_int_equal(pump_start(&p->pump, (int[]){p->in[0][0], p->in[1][0]},
                                (int[]){p->out[0][1], p->out[1][1]}, limit),
                     0);
    for (int i = 0; i < 2; i++) {
        close(p->in[i][0]);
        close(p->out[i][1]);
    }
}

static void say(struct pipes *p, int which, const char *text)
{
    assert_int_equal(write(p->in[which][1], text, strlen(text)), strlen(text));
}

/* All that comes until the end. */
static const char *hear(struct pipes *p, int which)
{
    static char text[2][1 << 17];
    size_t n = 0;
    for (ssize_t got; (got = read(p->out[which][0], text[which] + n, sizeof text[which] - n)) > 0;)
        n += (size_t)got;
    text[which][n] = '\0';
    close(p->out[which][0]);
    return text[which];
}

static void wait_end(struct pipes *p)
{
    struct pollfd end = {.fd = p->pump.pidfd, .events = POLLIN};
    assert_int_equal(poll(&end, 1, 60000), 1);
    pump_reap(&p->pump);
    assert_int_equal(p->pump.pid, 0);
    assert_int_equal(p->pump.pidfd, -1);
}

static void close_in(struct pipes *p)
{
    close(p->in[0][1]);
    close(p->in[1][1]);
}

static void within(void **state)
{
    struct pipes p;
    begin(&p, 10);
    say(&p, 0, "abcdef");
    say(&p, 1, "wxyz");
    close_in(&p);
    assert_string_equal(hear(&p, 0), "abcdef");
    assert_string_equal(hear(&p, 1), "wxyz");
    wait_end(&p);
    assert_false(p.pump.over);
}

static void beyond(void **state)
{
    struct pipes p;
    begin(&p, 9);
    say(&p, 0, "abcdef");
    say(&p, 0, "ghijkl");
    assert_string_equal(hear(&p, 0), "abcdefghi");
    assert_string_equal(hear(&p, 1), "");
    wait_end(&p);
    assert_true(p.pump.over);
    close_in(&p);
}

static void nothing(void **state)
{
    struct pipes p;
    begin(&p, 1);
    close_in(&p);
    assert_string_equal(hear(&p, 0), "");
    assert_string_equal(hear(&p, 1), "");
    wait_end(&p);
    assert_false(p.pump.over);
}

/* Who writes to a client that has gone learns it, as without a pump; the other way stays. */
static void gone(void **state)
{
    struct pipes p;
    begin(&p, 1 << 20);
    signal(SIGPIPE, SIG_IGN);
    close(p.out[0][0]);
    say(&p, 0, "a");
    struct pollfd closed = {.fd = p.in[0][1]}; /* POLLERR: nobody reads there any more */
    assert_int_equal(poll(&closed, 1, 60000), 1);
    assert_int_equal(write(p.in[0][1], "b", 1), -1);
    say(&p, 1, "still here");
    close_in(&p);
    assert_string_equal(hear(&p, 1), "still here");
    wait_end(&p);
    assert_false(p.pump.over);
}

/* A client that does not read is not waited for. */
static void stuck(void **state)
{
    struct pipes p;
    static char much[1 << 16];
    begin(&p, 1 << 20);
    memset(much, 'x', sizeof much);
    for (int i = 0; i < 2; i++) /* as much as the pipe to the client holds, and more */
        assert_int_equal(write(p.in[0][1], much, sizeof much), sizeof much);
    pump_end(&p.pump, 0);
    assert_int_equal(p.pump.pid, 0);
    assert_false(p.pump.over);
    pump_end(&p.pump, 0); /* none: fine */
    close_in(&p);
    close(p.out[0][0]);
    close(p.out[1][0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(within), cmocka_unit_test(beyond), cmocka_unit_test(nothing),
        cmocka_unit_test(gone),   cmocka_unit_test(stuck),
    };
    UNIT_RUN("worker-pump", tests);
}

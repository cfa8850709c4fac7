/* Goal of this test: bytes come out of a ring as they went in, wherever in it they lie and however
 * fast either side is; nobody sleeps through a message; and an index that makes no sense is told,
 * never followed. */
#include "fixture.h"

#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>

#include "base/clock.h"
#include "base/ring.h"

enum { FOREVER_MS = 2000 }; /* a test that waits for so long has failed */

static struct ring *ring_new(void)
{
    struct ring *ring =
        mmap(NULL, sizeof *ring, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(ring != MAP_FAILED);
    return ring;
}

static void ring_delete(struct ring *ring)
{
    munmap(ring, sizeof *ring);
}

/* As if so many bytes had gone through it already. */
static struct ring *ring_at(uint32_t at)
{
    struct ring *ring = ring_new();
    atomic_store(&ring->head, at);
    atomic_store(&ring->tail, at);
    return ring;
}

/* ---- one side after the other ---- */

static void test_layout(void **state)
{
    assert_int_equal(offsetof(struct ring, head) / RING_LINE, 0);
    assert_int_equal(offsetof(struct ring, tail) / RING_LINE, 1);
    assert_int_equal(offsetof(struct ring, writer_sleeps) / RING_LINE, 2);
    assert_int_equal(offsetof(struct ring, data), 3 * RING_LINE);
    assert_int_equal(RING_SIZE & (RING_SIZE - 1), 0);
}

static void fill(char *data, size_t n, unsigned seed)
{
    for (size_t i = 0; i < n; i++)
        data[i] = (char)(seed + i * 7 + (i >> 8));
}

/* A message across every offset of the ring's end, and across the end of what 32 bits count. */
static void check_around(uint32_t at)
{
    enum { SIZE = 200 };
    char in[SIZE], out[SIZE];
    struct ring *ring = ring_at(at);
    struct ring_end writer, reader;
    ring_writer(&writer, ring, false);
    ring_reader(&reader, ring, false);
    fill(in, SIZE, at);
    assert_int_equal(ring_ready(&writer), RING_SIZE);
    assert_int_equal(ring_ready(&reader), 0);
    ring_put(&writer, in, SIZE);
    assert_int_equal(ring_known(&writer), RING_SIZE - SIZE);
    assert_int_equal(ring_ready(&reader), 0); /* not told yet */
    ring_tell(&writer);
    assert_int_equal(ring_known(&reader), 0); /* not looked yet */
    assert_int_equal(ring_ready(&reader), SIZE);
    ring_get(&reader, out, 1);
    ring_get(&reader, out + 1, SIZE - 1);
    assert_memory_equal(in, out, SIZE);
    assert_int_equal(ring_known(&reader), 0);
    assert_int_equal(ring_ready(&writer), RING_SIZE - SIZE);
    ring_tell(&reader);
    assert_int_equal(ring_ready(&writer), RING_SIZE);
    ring_delete(ring);
}

static void test_around(void **state)
{
    for (uint32_t before = 0; before <= 210; before++) {
        check_around(RING_SIZE - before);
        check_around(-before);
    }
    check_around(RING_SIZE / 2);
    check_around(UINT32_C(0x80000000) - 100);
}

/* All of it at once, from everywhere that matters. */
static void test_full(void **state)
{
    static const uint32_t places[] = {0, 1, 63, RING_SIZE - 1, RING_SIZE + 1, UINT32_MAX};
    char *in = malloc(RING_SIZE), *out = malloc(RING_SIZE);
    assert_true(in != NULL && out != NULL);
    fill(in, RING_SIZE, 3);
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        struct ring *ring = ring_at(places[i]);
        struct ring_end writer, reader;
        ring_writer(&writer, ring, false);
        ring_reader(&reader, ring, false);
        ring_put(&writer, in, RING_SIZE);
        assert_int_equal(ring_known(&writer), 0);
        ring_tell(&writer);
        assert_int_equal(ring_ready(&writer), 0);
        assert_int_equal(ring_ready(&reader), RING_SIZE);
        ring_get(&reader, out, RING_SIZE);
        assert_memory_equal(in, out, RING_SIZE);
        ring_delete(ring);
    }
    free(in);
    free(out);
}

static void test_align(void **state)
{
    for (uint32_t at = 0; at <= 2 * RING_LINE; at++) {
        struct ring *ring = ring_at(at);
        struct ring_end end;
        ring_reader(&end, ring, false);
        size_t gap = ring_gap(&end);
        assert_true(gap < RING_LINE);
        assert_int_equal((at + gap) % RING_LINE, 0);
        ring_align(&end);
        assert_int_equal(end.at, at + gap);
        assert_int_equal(ring_gap(&end), 0);
        ring_align(&end);
        assert_int_equal(end.at, at + gap);
        ring_delete(ring);
    }
}

/* An end that takes over goes on where the last one was told to be. */
static void test_take_over(void **state)
{
    struct ring *ring = ring_at(RING_SIZE - 2);
    struct ring_end first, second, reader;
    char out[6];
    ring_reader(&reader, ring, false);
    ring_writer(&first, ring, false);
    ring_put(&first, "abc", 3);
    ring_tell(&first);
    ring_put(&first, "lost", 4); /* nobody was told */
    ring_writer(&second, ring, false);
    ring_put(&second, "def", 3);
    ring_tell(&second);
    assert_int_equal(ring_ready(&reader), 6);
    ring_get(&reader, out, 6);
    assert_memory_equal(out, "abcdef", 6);
    ring_delete(ring);
}

/* ---- nonsense ---- */

static void test_nonsense(void **state)
{
    static const uint32_t places[] = {0, 5, RING_SIZE, UINT32_MAX - 5};
    static const struct {
        const char *name;
        uint32_t by; /* how far the other side claims to be, from us */
        bool writer_fine, reader_fine;
    } cases[] = {
        {"where we are", 0, true, true},
        {"one ahead", 1, false, true},
        {"a ring ahead", RING_SIZE, false, true},
        {"more than a ring ahead", RING_SIZE + 1, false, false},
        {"half of all ahead", UINT32_C(0x80000000), false, false},
        {"one behind", UINT32_MAX, true, false},
        {"a ring behind", -(uint32_t)RING_SIZE, true, false},
        {"more than a ring behind", -(uint32_t)RING_SIZE - 1, false, false},
    };
    for (size_t p = 0; p < sizeof places / sizeof *places; p++) {
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
            struct ring *ring = ring_at(places[p]);
            struct ring_end writer, reader;
            ring_writer(&writer, ring, false);
            ring_reader(&reader, ring, false);
            atomic_store(&ring->tail, places[p] + cases[i].by);
            case_int(cases[i].name, ring_ready(&writer) >= 0, cases[i].writer_fine);
            case_int(cases[i].name, ring_known(&writer) >= 0, cases[i].writer_fine);
            atomic_store(&ring->head, places[p] + cases[i].by);
            case_int(cases[i].name, ring_ready(&reader) >= 0, cases[i].reader_fine);
            case_int(cases[i].name, ring_known(&reader) >= 0, cases[i].reader_fine);
            ring_delete(ring);
        }
    }
}

/* ---- waiting ---- */

static void test_wait(void **state)
{
    struct ring *ring = ring_new();
    struct ring_end writer, reader;
    for (int spins = 0; spins < 2; spins++) {
        ring_writer(&writer, ring, spins);
        ring_reader(&reader, ring, spins);
        int64_t start = clock_ms();
        assert_false(ring_wait(&reader, 20));
        assert_true(clock_ms() - start >= 19);
        assert_false(ring_wait(&reader, 0));
        assert_int_equal(atomic_load(&ring->reader_sleeps), 0);
        ring_put(&writer, "x", 1);
        ring_tell(&writer);
        assert_true(ring_wait(&reader, 0));
        assert_true(ring_wait(&reader, FOREVER_MS));
    }
    ring_delete(ring);
}

/* A ring on which nothing ever comes is looked at less and less, but not at all only where it was
 * asked for. */
static void test_spin_adapts(void **state)
{
    struct ring *ring = ring_new();
    struct ring_end reader;
    ring_reader(&reader, ring, true);
    uint32_t most = reader.spin;
    assert_true(most > 0);
    for (int i = 0; i < 20; i++)
        ring_wait(&reader, 0);
    uint32_t least = reader.spin;
    assert_true(least > 0 && least < most / 4);
    ring_reader(&reader, ring, false);
    ring_wait(&reader, 0);
    assert_int_equal(reader.spin, 0);
    ring_delete(ring);
}

static void test_look(void **state)
{
    _Atomic uint32_t words[2] = {5, 0};
    assert_true(ring_look(words, 4));
    assert_false(ring_look(words, 5));
}

/* ---- two processes ---- */

/* What one side is to the other. */
struct pace {
    const char *name;
    bool spins;
    int n, largest;      /* messages, and how long one is at most */
    int writer_rests_us; /* now and then, so that the other side has to sleep; 0: never */
    int reader_rests_us;
};

struct race {
    struct ring *ring;
    const struct pace *pace;
};

static void rest(int us, uint64_t *random)
{
    if (us > 0 && next_random(random) % 16 == 0) {
        struct timespec pause = {.tv_nsec = (long)(next_random(random) % (unsigned)us) * 1000};
        nanosleep(&pause, NULL);
    }
}

/* Until `n` are ready. -1: nonsense; or a wake-up was lost, which the clock does not make good. */
static int await(struct ring_end *end, size_t n)
{
    int64_t last = clock_ms() + FOREVER_MS;
    ssize_t ready;
    while ((ready = ring_ready(end)) < (ssize_t)n) {
        if (ready < 0)
            return -1;
        ring_wait(end, FOREVER_MS);
        if (clock_ms() >= last)
            return -1;
    }
    return 0;
}

static int put(struct ring_end *end, const char *data, size_t n)
{
    for (size_t part; n > 0; data += part, n -= part) {
        CHILD_CHECK(await(end, 1) == 0);
        size_t room = (size_t)ring_known(end);
        part = room < n ? room : n;
        ring_put(end, data, part);
        ring_tell(end);
    }
    return 0;
}

static int get(struct ring_end *end, char *data, size_t n)
{
    for (size_t part; n > 0; data += part, n -= part) {
        CHILD_CHECK(await(end, 1) == 0);
        size_t there = (size_t)ring_known(end);
        part = there < n ? there : n;
        ring_get(end, data, part);
        ring_tell(end);
    }
    return 0;
}

struct message {
    uint32_t number, size;
};

static int write_all(void *arg)
{
    const struct race *race = arg;
    struct ring_end end;
    char *data = malloc((size_t)race->pace->largest + 1);
    uint64_t random = 1, rests = 3;
    CHILD_CHECK(data != NULL);
    ring_writer(&end, race->ring, race->pace->spins);
    for (int i = 0; i < race->pace->n; i++) {
        struct message head = {(uint32_t)i,
                               (uint32_t)(next_random(&random) % (unsigned)race->pace->largest)};
        fill(data, head.size, (unsigned)i);
        if (put(&end, (const char *)&head, sizeof head) != 0 || put(&end, data, head.size) != 0)
            return 1;
        rest(race->pace->writer_rests_us, &rests);
    }
    free(data);
    return 0;
}

static int read_all(const struct race *race)
{
    struct ring_end end;
    struct message head;
    char *data = malloc((size_t)race->pace->largest + 1),
         *wanted = malloc((size_t)race->pace->largest + 1);
    uint64_t rests = 5;
    CHILD_CHECK(data != NULL && wanted != NULL);
    ring_reader(&end, race->ring, race->pace->spins);
    for (int i = 0; i < race->pace->n; i++) {
        if (get(&end, (char *)&head, sizeof head) != 0)
            return 1;
        CHILD_CHECK(head.number == (uint32_t)i && (int)head.size < race->pace->largest);
        if (get(&end, data, head.size) != 0)
            return 1;
        fill(wanted, head.size, (unsigned)i);
        CHILD_CHECK(memcmp(data, wanted, head.size) == 0);
        rest(race->pace->reader_rests_us, &rests);
    }
    free(data);
    free(wanted);
    return 0;
}

static const struct pace paces[] = {
    {"as fast as it goes", true, 30000, 100, 0, 0},
    {"as fast as it goes, without spinning", false, 10000, 100, 0, 0},
    {"a writer that rests", true, 3000, 100, 300, 0},
    {"a writer that rests, without spinning", false, 3000, 100, 300, 0},
    {"a reader that rests, and a full ring", true, 2000, 2000, 0, 300},
    {"a reader that rests, without spinning", false, 2000, 2000, 0, 300},
    {"both rest", true, 2000, 500, 100, 100},
    {"messages larger than the ring", true, 12, 3 * RING_SIZE, 0, 0},
    {"messages larger than the ring, without spinning", false, 12, 3 * RING_SIZE, 0, 0},
};

/* The indices begin just before they wrap. */
static void test_paces(void **state)
{
    for (size_t i = 0; i < sizeof paces / sizeof *paces; i++) {
        struct pace pace = paces[i];
        pace.n /= UNIT_SLOWNESS;
        struct race race = {ring_at(UINT32_MAX - 1000), &pace};
        pid_t pid = child_begin(write_all, &race);
        int here = read_all(&race);
        if (here != 0)
            kill(pid, SIGKILL);
        int there = child_finish(pid);
        case_int(pace.name, here, 0);
        case_int(pace.name, there, 0);
        ring_delete(race.ring);
    }
}

/* ---- no wake-up is lost ---- */

/* The one side goes to sleep whenever it has to wait; the other never sleeps, and moves its index
 * at just that moment, a little earlier or later each time. A single wake-up that is lost stops
 * both. */
enum { ROUNDS = 60000 / UNIT_SLOWNESS };

struct rings {
    struct ring there, back;
};

static void linger(uint64_t *random)
{
    for (volatile unsigned n = next_random(random) % 400; n > 0; n--)
        ;
}

/* Waits without sleeping. */
static int watch(struct ring_end *end, ssize_t n)
{
    int64_t last = clock_ms() + FOREVER_MS;
    for (unsigned i = 1; ring_ready(end) < n; i++)
        if (i % 4096 == 0 && (sched_yield() < 0 || clock_ms() >= last))
            return -1;
    return 0;
}

static int echo(void *arg)
{
    struct rings *rings = arg;
    struct ring_end in, out;
    char byte;
    ring_reader(&in, &rings->there, false);
    ring_writer(&out, &rings->back, false);
    for (int i = 0; i < ROUNDS; i++)
        if (get(&in, &byte, 1) != 0 || put(&out, &byte, 1) != 0)
            return 1;
    return 0;
}

static int wake_reader(struct rings *rings)
{
    struct ring_end out, in;
    uint64_t random = 7;
    char byte;
    ring_writer(&out, &rings->there, false);
    ring_reader(&in, &rings->back, false);
    for (int i = 0; i < ROUNDS; i++) {
        linger(&random);
        ring_put(&out, "x", 1);
        ring_tell(&out);
        CHILD_CHECK(watch(&in, 1) == 0);
        ring_get(&in, &byte, 1);
        ring_tell(&in);
    }
    return 0;
}

/* Writes lines into a ring that is full but for one. */
static int pour(void *arg)
{
    struct rings *rings = arg;
    char line[RING_LINE] = "";
    struct ring_end out;
    ring_writer(&out, &rings->there, false);
    for (int i = 0; i < ROUNDS; i++)
        if (put(&out, line, sizeof line) != 0)
            return 1;
    return 0;
}

static int wake_writer(struct rings *rings)
{
    char line[RING_LINE];
    struct ring_end in;
    uint64_t random = 7;
    int left = ROUNDS, full = RING_SIZE / RING_LINE;
    ring_reader(&in, &rings->there, false);
    for (; left > 0; left--) {
        CHILD_CHECK(watch(&in, (left < full ? left : full) * RING_LINE) == 0);
        linger(&random);
        ring_get(&in, line, sizeof line);
        ring_tell(&in);
    }
    return 0;
}

static void check_woken(int (*sleeper)(void *), int (*waker)(struct rings *))
{
    struct rings *rings =
        mmap(NULL, sizeof *rings, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(rings != MAP_FAILED);
    pid_t pid = child_begin(sleeper, rings);
    int status = waker(rings);
    if (status != 0)
        kill(pid, SIGKILL);
    assert_int_equal(child_finish(pid), 0);
    assert_int_equal(status, 0);
    munmap(rings, sizeof *rings);
}

static void test_wake_reader(void **state)
{
    check_woken(echo, wake_reader);
}

static void test_wake_writer(void **state)
{
    check_woken(pour, wake_writer);
}

/* ---- who sleeps can be killed ---- */

static int sleep_on_it(void *arg)
{
    struct ring_end end;
    ring_reader(&end, arg, false);
    CHILD_CHECK(await(&end, 1) == 0);
    return 0;
}

/* A reader that died in its sleep leaves its flag; the one after it is woken all the same. */
static void test_dead_sleeper(void **state)
{
    struct ring *ring = ring_new();
    struct ring_end writer;
    ring_writer(&writer, ring, false);
    for (int i = 0; i < 20; i++) {
        pid_t pid = child_begin(sleep_on_it, ring);
        for (int64_t last = clock_ms() + FOREVER_MS;
             atomic_load(&ring->reader_sleeps) == 0 && clock_ms() < last;)
            sched_yield();
        assert_int_equal(atomic_load(&ring->reader_sleeps), 1);
        kill(pid, SIGKILL);
        assert_int_equal(child_finish(pid), 128 + SIGKILL);
        assert_int_equal(atomic_load(&ring->reader_sleeps), 1);
        pid = child_begin(sleep_on_it, ring);
        ring_put(&writer, "x", 1);
        ring_tell(&writer); /* before, while or after the other one goes to sleep */
        assert_int_equal(child_finish(pid), 0);
        struct ring_end reader;
        char byte;
        ring_reader(&reader, ring, false);
        assert_int_equal(ring_ready(&reader), 1);
        ring_get(&reader, &byte, 1);
        ring_tell(&reader);
    }
    ring_delete(ring);
}

/* A writer that went to sleep while the reader had only seen a part of what is there. */
static void test_wakes_who_has_become_full(void **state)
{
    struct ring *ring = ring_at(0);
    struct ring_end writer, reader;
    char *data = calloc(1, RING_SIZE);
    ring_writer(&writer, ring, false);
    ring_reader(&reader, ring, false);
    ring_put(&writer, data, 100);
    ring_tell(&writer);
    assert_int_equal(ring_ready(&reader), 100);
    ring_put(&writer, data, RING_SIZE - 100);
    ring_tell(&writer);
    assert_int_equal(ring_ready(&writer), 0);
    atomic_store(&ring->writer_sleeps, 1);
    ring_get(&reader, data, 100);
    ring_tell(&reader);
    assert_int_equal(ring_ready(&reader), RING_SIZE - 100);
    ring_get(&reader, data, 1);
    ring_tell(&reader);
    assert_int_equal(atomic_load(&ring->writer_sleeps), 0);
    free(data);
    ring_delete(ring);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_layout),       cmocka_unit_test(test_around),
        cmocka_unit_test(test_full),         cmocka_unit_test(test_align),
        cmocka_unit_test(test_take_over),    cmocka_unit_test(test_nonsense),
        cmocka_unit_test(test_wait),         cmocka_unit_test(test_spin_adapts),
        cmocka_unit_test(test_look),         cmocka_unit_test(test_paces),
        cmocka_unit_test(test_wake_reader),  cmocka_unit_test(test_wake_writer),
        cmocka_unit_test(test_dead_sleeper), cmocka_unit_test(test_wakes_who_has_become_full),
    };
    UNIT_RUN("base-ring", tests);
}

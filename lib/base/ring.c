/* One writer, one reader, no lock. A sleeper says so before it looks for the last time, and who
 * moves an index looks for sleepers after that: both in sequentially consistent order, so that one
 * of the two sees the other (Dekker). */
#include "base/ring.h"

#include <linux/futex.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* What a wake-up through the kernel costs (5 us and more) is worth a short look first, and a long
 * one when the other side is known to answer soon. */
enum { SPIN_MIN_NS = 1000, SPIN_MAX_NS = 50000, LOOKS_PER_TIME = 32 };

static void end_init(struct ring_end *end, struct ring *ring, bool writes, bool spins)
{
    uint32_t head = atomic_load(&ring->head), tail = atomic_load(&ring->tail);
    *end = (struct ring_end){.ring = ring,
                             .at = writes ? head : tail,
                             .peer = writes ? tail : head,
                             .fenced = tail,
                             .spin = spins ? SPIN_MAX_NS : 0,
                             .writes = writes};
}

void ring_writer(struct ring_end *end, struct ring *ring, bool spins)
{
    end_init(end, ring, true, spins);
}

void ring_reader(struct ring_end *end, struct ring *ring, bool spins)
{
    end_init(end, ring, false, spins);
}

static _Atomic uint32_t *own_index(const struct ring_end *end)
{
    return end->writes ? &end->ring->head : &end->ring->tail;
}

static _Atomic uint32_t *peer_index(const struct ring_end *end)
{
    return end->writes ? &end->ring->tail : &end->ring->head;
}

ssize_t ring_known(const struct ring_end *end)
{
    uint32_t held = end->writes ? end->at - end->peer : end->peer - end->at;
    if (held > RING_SIZE)
        return -1;
    return end->writes ? RING_SIZE - (ssize_t)held : (ssize_t)held;
}

ssize_t ring_ready(struct ring_end *end)
{
    end->peer = atomic_load_explicit(peer_index(end), memory_order_acquire);
    return ring_known(end);
}

/* ---- moving bytes ---- */

void ring_put(struct ring_end *end, const void *data, size_t n)
{
    size_t at = end->at % RING_SIZE, first = RING_SIZE - at;
    if (n <= first) {
        memcpy(end->ring->data + at, data, n);
    } else {
        memcpy(end->ring->data + at, data, first);
        memcpy(end->ring->data, (const char *)data + first, n - first);
    }
    end->at += (uint32_t)n;
}

void ring_get(struct ring_end *end, void *data, size_t n)
{
    size_t at = end->at % RING_SIZE, first = RING_SIZE - at;
    if (n <= first) {
        memcpy(data, end->ring->data + at, n);
    } else {
        memcpy(data, end->ring->data + at, first);
        memcpy((char *)data + first, end->ring->data, n - first);
    }
    end->at += (uint32_t)n;
}

size_t ring_gap(const struct ring_end *end)
{
    return -end->at % RING_LINE;
}

void ring_align(struct ring_end *end)
{
    end->at += (uint32_t)ring_gap(end);
}

bool ring_untold(const struct ring_end *end)
{
    return atomic_load_explicit(own_index(end), memory_order_relaxed) != end->at;
}

/* Whether somebody may be asleep on the other side. A writer is when the ring is full, and then it
 * has told everything: as long as we have seen less than half a ring since we last looked for it,
 * it was not, or has become so since. Then we shall see that, before we could sleep ourselves. */
static bool may_sleep(const struct ring_end *end)
{
    return end->writes || end->peer - end->fenced >= RING_SIZE / 2;
}

/* Not a private futex: it is in memory that processes share. */
void ring_tell(struct ring_end *end)
{
    struct ring *r = end->ring;
    _Atomic uint32_t *sleeps = end->writes ? &r->reader_sleeps : &r->writer_sleeps;
    /* Not one sequentially consistent store: a locked instruction would first wait for the lines
     * that the message was written to, and only then ask for that of the index. */
    atomic_store_explicit(own_index(end), end->at, memory_order_release);
    if (!may_sleep(end))
        return;
    end->fenced = end->at;
    atomic_thread_fence(memory_order_seq_cst);
    if (atomic_load(sleeps) != 0) {
        atomic_store(sleeps, 0);
        syscall(SYS_futex, sleeps, FUTEX_WAKE, 1, NULL, NULL, 0);
    }
}

/* ---- waiting ---- */

static void relax(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* The clock is asked now and then, and not at all when the answer is quick. `next` is what will be
 * read once the word has changed: to ask for both at once saves one of two transfers. */
static bool look(const _Atomic uint32_t *word, uint32_t value, uint32_t ns, const void *next)
{
    int64_t until = 0;
    for (;;) {
        for (int i = 0; i < LOOKS_PER_TIME; i++) {
            if (atomic_load_explicit(word, memory_order_acquire) != value)
                return true;
            __builtin_prefetch(next);
            relax();
        }
        int64_t now = now_ns();
        if (until == 0)
            until = now + ns;
        if (now >= until)
            return false;
    }
}

bool ring_look(const _Atomic uint32_t *word, uint32_t value)
{
    return look(word, value, SPIN_MAX_NS, word + 1);
}

static bool moved(const struct ring_end *end)
{
    return atomic_load(peer_index(end)) != end->peer;
}

/* Looks for as long as it has paid off lately: twice as long after each success, half as long after
 * each failure. */
static bool spin(struct ring_end *end)
{
    if (end->spin == 0)
        return false;
    const char *data = end->ring->data + end->at % RING_SIZE;
    bool found = look(peer_index(end), end->peer, end->spin, data);
    uint32_t next = found ? end->spin * 2 : end->spin / 2;
    end->spin = next > SPIN_MAX_NS ? SPIN_MAX_NS : next < SPIN_MIN_NS ? SPIN_MIN_NS : next;
    return found;
}

/* Woken without reason, the caller looks again and waits again: its own deadline counts. */
bool ring_wait(struct ring_end *end, int timeout_ms)
{
    struct ring *r = end->ring;
    _Atomic uint32_t *sleeps = end->writes ? &r->writer_sleeps : &r->reader_sleeps;
    struct timespec limit = {timeout_ms / 1000, (timeout_ms % 1000) * 1000000L};
    if (ring_untold(end))
        ring_tell(end);
    if (moved(end) || spin(end))
        return true;
    atomic_store(sleeps, 1);
    if (!moved(end))
        syscall(SYS_futex, sleeps, FUTEX_WAIT, 1, timeout_ms < 0 ? NULL : &limit, NULL, 0);
    atomic_store(sleeps, 0);
    return moved(end);
}

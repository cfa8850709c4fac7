/* A ring of bytes in memory that two processes share: one writes, the other reads. Neither waits in
 * the kernel as long as the other keeps up. Neither believes what the other wrote there: indices
 * are checked, data is copied out before it is looked at.
 *
 * Each side has a `struct ring_end` of its own. Put and get move bytes; only publish and release
 * tell the other side. An end is for one thread. Of several processes that took turns at one end,
 * each makes a new one. */
#ifndef BASE_RING_H
#define BASE_RING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum {
    RING_SIZE = 1 << 18, /* a power of two; both rings of a session stay in a cache of 1 MiB */
    RING_LINE = 64,      /* a cache line, of x86-64 and most of aarch64: it only has to be quick */
};

/* Bytes that were ever written and read, modulo 2^32. Each side writes to a cache line of its own;
 * the flags, which are read with every message and hardly ever written, have a third. */
struct ring {
    _Alignas(64) _Atomic uint32_t head;
    _Alignas(64) _Atomic uint32_t tail;
    _Alignas(64) _Atomic uint32_t writer_sleeps; /* futex: 1 while the writer waits in the kernel */
    _Atomic uint32_t reader_sleeps;
    _Alignas(64) char data[RING_SIZE];
};

struct ring_end {
    struct ring *ring;
    uint32_t at;     /* how far this side is: told with the next publish or release */
    uint32_t peer;   /* how far the other side was when we last looked */
    uint32_t fenced; /* a reader's: how far it was when it last looked for a writer that sleeps */
    uint32_t spin; /* how long to look before sleeping, in ns; adapts to how soon the other answers;
                      0: never, as on a machine with one processor */
    bool writes;
};

/* `spins`: there are processors enough for both sides to run at the same time. */
void ring_writer(struct ring_end *end, struct ring *ring, bool spins);
void ring_reader(struct ring_end *end, struct ring *ring, bool spins);

/* How many bytes can be put or gotten now. -1: the other side has written nonsense. ring_known()
 * goes by the last look at the other side, which costs nothing; there may be more by now. */
ssize_t ring_ready(struct ring_end *end);
ssize_t ring_known(const struct ring_end *end);

/* Moves bytes, of which as many must be ready. */
void ring_put(struct ring_end *end, const void *data, size_t n);
void ring_get(struct ring_end *end, void *data, size_t n);

/* Messages begin at a cache line, so that a small one costs one transfer between two processors.
 * How many bytes there are up to the next line; and passing them over, behind a message. */
size_t ring_gap(const struct ring_end *end);
void ring_align(struct ring_end *end);

/* Lets the other side see what was put, or reuse what was gotten, and wakes it if it sleeps: a
 * writer when there is need to, see ring_wait(). */
void ring_tell(struct ring_end *end);

/* Whether something was put or gotten that the other side was not told of. */
bool ring_untold(const struct ring_end *end);

/* Waits until the other side has moved on from `end->peer`, for `timeout_ms` at most, negative: for
 * ever. False when it has not. What was not told is told first: two that wait for each other would
 * do so for ever. A writer may wait when there is no room at all, and not for more than there is;
 * it is woken by the time that the reader finds nothing more to read. */
bool ring_wait(struct ring_end *end, int timeout_ms);

/* Looks at a word for a moment, as long as a wake-up through the kernel takes, until it is no more
 * `value`. */
bool ring_look(const _Atomic uint32_t *word, uint32_t value);

#endif

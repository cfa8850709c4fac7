/* What stands behind a session's client: a worker that writes anything into the memory that they
 * share, and hangs up. Every call ends with an outcome or in words, and the session with it where
 * nothing more can come of it. */
#include <stdio.h>

#include "base/ring.h"

/* There is nobody to wait for. */
static bool hung_up(struct ring_end *end, int timeout_ms)
{
    (void)end;
    (void)timeout_ms;
    return false;
}
#define ring_wait(end, timeout_ms) hung_up(end, timeout_ms)
#include "client/session.c"

#include "fuzz.h"

const unsigned fuzz_runs = 200;

enum { CALLS = 3 };

static void receive(struct ml_session *s)
{
    struct ml_value value = {0};
    struct ml_crash crash;
    struct ml_error err = ML_ERROR_INIT;
    uint64_t before = s->received;
    if (ml_session_receive(s, &value, &err) == 0) {
        CHECK(s->received == before + 1 && !ml_session_over(s));
        ml_value_done(&value);
    } else {
        CHECK(err.status > 0 && err.status < 256); /* its words are the plugin's */
        CHECK(ml_session_over(s) || s->received == before + 1);
    }
    ml_session_crash(s, &crash);
    CHECK(crash.signal == 0 || err.status == ML_SIGNAL + crash.signal);
    ml_crash_done(&crash);
}

/* As if as many bytes were written, from the ring's beginning on; the first four say how many are
 * said to be. */
static void fill(struct ring *ring, const uint8_t *data, size_t size)
{
    uint32_t head = 0;
    size_t n = size < sizeof head ? size : sizeof head;
    memcpy(&head, data, n);
    data += n;
    size -= n;
    memcpy(ring->data, data, size < RING_SIZE ? size : RING_SIZE);
    atomic_store(&ring->head, head);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ml_session s = {.uuid = "01234567-89ab-cdef-fedc-ba9876543210", .cancel_fd = -1};
    int there;
    int memory = channel_create(&s.channel, NULL);
    CHECK(memory >= 0);
    fuzz_stream(NULL, 0, &s.conn, &there);
    close(there);
    ring_writer(&s.out, &s.channel->request, false);
    ring_reader(&s.in, &s.channel->response, false);
    fill(&s.channel->response, data, size);
    s.sent = CALLS;
    for (int i = 0; i < CALLS; i++)
        snprintf(s.pending[i].function, NAME_SIZE, "f%d", i);
    while (ml_session_pending(&s) > 0 && !ml_session_over(&s))
        receive(&s);
    if (ml_session_over(&s))
        receive(&s);
    channel_unmap(s.channel);
    buf_free(&s.payload);
    close(memory);
    close(s.conn);
    return 0;
}

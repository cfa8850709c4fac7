/* A stream of frames, as either side gets it. Each frame that is received is what was sent, to the
 * byte; what is no frame of ours ends the stream with a reason. */
#include "client/wire.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "fuzz.h"

const unsigned fuzz_runs = 150;

/* Each is looked for as it comes in: `at` is where the frame begins. */
static void check_frame(const uint8_t *at, size_t left, const struct wire_head *head,
                        const struct buf *payload)
{
    CHECK(head->length <= WIRE_MAX && payload->len == head->length);
    CHECK(left >= sizeof *head + payload->len && payload->data[payload->len] == '\0');
    CHECK(memcmp(at, head, sizeof *head) == 0);
    CHECK(memcmp(at + sizeof *head, payload->data, payload->len) == 0);
}

/* Why the stream ended where it did: of what is not ours, neither version nor length count. */
static int reason(const uint8_t *at, size_t left)
{
    struct wire_head head;
    if (left < sizeof head)
        return EPROTO;
    memcpy(&head, at, sizeof head);
    return head.magic != WIRE_MAGIC       ? EPROTO
           : head.version != WIRE_VERSION ? EPROTONOSUPPORT
           : head.length > WIRE_MAX       ? EMSGSIZE
                                          : EPROTO;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct wire_head head;
    BUF_AUTO payload = BUF_INIT;
    int here, there, got;
    size_t left = size < FUZZ_STREAM_MAX ? size : FUZZ_STREAM_MAX;
    fuzz_stream(data, left, &here, &there);
    while ((got = wire_receive(here, &head, &payload, NULL, NULL, -1, clock_ms() + 10000)) > 0) {
        check_frame(data, left, &head, &payload);
        data += sizeof head + payload.len;
        left -= sizeof head + payload.len;
    }
    int errnum = errno;
    CHECK((got == 0) == (left == 0));
    CHECK(got == 0 || errnum == reason(data, left));
    close(here);
    close(there);
    return 0;
}

/* Goal of this test: what is known of a crash comes through as it was sent, and nothing that is not
 * whole, or contradicts itself, is taken for one. */
#include "fixture.h"

#include <elf.h>
#include <limits.h>

#include "client/wire-crash.h"
#include "client/wire.h"

/* ---- a whole one ---- */

enum { STACK_SIZE = 24, OBJECTS = 2 };
static const char stack[STACK_SIZE] = "what lay on the stack..";

static void add_object(struct buf *objects, uint64_t start, uint64_t end, const char *name)
{
    struct wire_object object = {.bias = start - 0x10, .start = start, .end = end, .id_size = 3};
    memcpy(object.id, "id!", 3);
    buf_add(objects, &object, sizeof object);
    buf_add(objects, name, strlen(name) + 1);
}

static struct wire_crash sample(struct buf *objects)
{
    struct wire_crash crash = {.machine = EM_X86_64,
                               .access = WIRE_ACCESS_WRITE,
                               .signo = 11,
                               .code = 1,
                               .stack_size = STACK_SIZE,
                               .n_objects = OBJECTS,
                               .address = 0xdeadbeef,
                               .pc = 0x2010,
                               .stack_at = 0x7000,
                               .bundle = "b-0123"};
    add_object(objects, 0x1000, 0x2000, "");
    add_object(objects, 0x2000, 0x3000, "plugin.so");
    crash.objects_size = (uint32_t)objects->len;
    for (size_t i = 0; i < WIRE_REGS; i++)
        crash.reg[i] = i * 11;
    return crash;
}

/* The bytes of a CRASH alone, in memory that ends where they end. */
static struct buf crash_bytes(const struct wire_crash *crash, const struct buf *objects)
{
    struct buf b = BUF_INIT;
    buf_add(&b, crash, sizeof *crash);
    buf_add(&b, objects->data, objects->len);
    buf_add(&b, stack, sizeof stack);
    char *exact = malloc(b.len);
    assert_non_null(exact);
    memcpy(exact, b.data, b.len);
    free(b.data);
    return (struct buf){.data = exact, .len = b.len, .cap = b.len};
}

static void round_trip(void **state)
{
    BUF_AUTO objects = BUF_INIT;
    struct wire_crash crash = sample(&objects);
    BUF_AUTO bytes = crash_bytes(&crash, &objects);
    struct wire_crash_view view;
    struct wire_object object;
    const char *name;
    assert_int_equal(wire_crash_parse(bytes.data, bytes.len, &view), 0);
    assert_memory_equal(&view.head, &crash, sizeof crash);
    assert_memory_equal(view.stack, stack, sizeof stack);
    const char *at = view.objects;
    assert_true(wire_crash_next(&view, &at, &object, &name));
    assert_string_equal(name, "");
    assert_true(wire_crash_next(&view, &at, &object, &name));
    assert_string_equal(name, "plugin.so");
    assert_int_equal(object.start, 0x2000);
    assert_int_equal(object.id_size, 3);
    assert_false(wire_crash_next(&view, &at, &object, &name));
}

/* ---- what is none ---- */

static void cut_anywhere(void **state)
{
    BUF_AUTO objects = BUF_INIT;
    struct wire_crash crash = sample(&objects);
    BUF_AUTO bytes = crash_bytes(&crash, &objects);
    struct wire_crash_view view;
    for (size_t n = 0; n < bytes.len; n++) {
        char *part = malloc(n + 1); /* malloc(0) may be null */
        assert_non_null(part);
        memcpy(part, bytes.data, n);
        int status = wire_crash_parse(part, n, &view);
        free(part);
        if (status != -1)
            fail_msg("%zu of %zu bytes are enough", n, bytes.len);
    }
    buf_char(&bytes, 'x');
    assert_int_equal(wire_crash_parse(bytes.data, bytes.len, &view), -1);
}

/* Puts a number over a part of the head. */
#define HEAD(field) offsetof(struct wire_crash, field), sizeof(((struct wire_crash *)0)->field)
/* ... of the first object. */
#define OBJECT(field)                                                                              \
    sizeof(struct wire_crash) + offsetof(struct wire_object, field),                               \
        sizeof(((struct wire_object *)0)->field)

static void bad_numbers(void **state)
{
    static const struct {
        const char *name;
        size_t at, size;
        uint64_t value;
    } cases[] = {
        {"no signal", HEAD(signo), 0},
        {"a negative signal", HEAD(signo), UINT64_MAX},
        {"a signal beyond an exit status", HEAD(signo), 128},
        {"an access that there is not", HEAD(access), WIRE_ACCESS_EXECUTE + 1},
        {"a stack that is not there", HEAD(stack_size), STACK_SIZE + 1},
        {"less stack than is there", HEAD(stack_size), STACK_SIZE - 1},
        {"a stack beyond the limit", HEAD(stack_size), WIRE_STACK_MAX + 1},
        {"a stack of all that can be said", HEAD(stack_size), UINT32_MAX},
        {"a stack around the end of memory", HEAD(stack_at), UINT64_MAX - STACK_SIZE + 1},
        {"one object less", HEAD(n_objects), OBJECTS - 1},
        {"one object more", HEAD(n_objects), OBJECTS + 1},
        {"more objects than the limit", HEAD(n_objects), WIRE_OBJECTS_MAX + 1},
        {"objects of all that can be said", HEAD(objects_size), UINT32_MAX},
        {"sizes that make up the right sum", HEAD(objects_size), UINT32_MAX - STACK_SIZE},
        {"an object that ends where it begins", OBJECT(end), 0x1000},
        {"an object that ends before", OBJECT(end), 1},
        {"an id beyond its place", OBJECT(id_size), WIRE_ID_MAX + 1},
        {"something where nothing is", OBJECT(zero), 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        BUF_AUTO objects = BUF_INIT;
        struct wire_crash crash = sample(&objects);
        BUF_AUTO bytes = crash_bytes(&crash, &objects);
        struct wire_crash_view view;
        memcpy(bytes.data + cases[i].at, &cases[i].value, cases[i].size);
        case_int(cases[i].name, wire_crash_parse(bytes.data, bytes.len, &view), -1);
    }
}

/* Sound in itself, and more than anybody has to keep. */
static void beyond_limits(void **state)
{
    static const char large[WIRE_STACK_MAX + 1];
    for (int over = 0; over < 2; over++) {
        BUF_AUTO objects = BUF_INIT;
        BUF_AUTO bytes = BUF_INIT;
        struct wire_crash crash = {.signo = 11, .n_objects = WIRE_OBJECTS_MAX + (uint32_t)over};
        struct wire_crash_view view;
        for (uint32_t i = 0; i < crash.n_objects; i++)
            add_object(&objects, 1, 2, "");
        crash.objects_size = (uint32_t)objects.len;
        buf_add(&bytes, &crash, sizeof crash);
        buf_add(&bytes, objects.data, objects.len);
        assert_int_equal(wire_crash_parse(bytes.data, bytes.len, &view), -over);
        buf_reset(&bytes);
        crash.n_objects = crash.objects_size = 0;
        crash.stack_size = WIRE_STACK_MAX + (uint32_t)over;
        buf_add(&bytes, &crash, sizeof crash);
        buf_add(&bytes, large, crash.stack_size);
        assert_int_equal(wire_crash_parse(bytes.data, bytes.len, &view), -over);
    }
}

static void texts_without_end(void **state)
{
    BUF_AUTO objects = BUF_INIT;
    struct wire_crash crash = sample(&objects);
    struct wire_crash_view view;
    memset(crash.bundle, 'b', sizeof crash.bundle);
    BUF_AUTO bundle = crash_bytes(&crash, &objects);
    assert_int_equal(wire_crash_parse(bundle.data, bundle.len, &view), -1);
    crash.bundle[0] = '\0';
    objects.data[objects.len - 1] = 'x';
    BUF_AUTO name = crash_bytes(&crash, &objects);
    assert_int_equal(wire_crash_parse(name.data, name.len, &view), -1);
}

/* ---- in an OUTCOME ---- */

static void put_failure(struct buf *payload, int status)
{
    struct ml_error err = {.status = status,
                           .outcome = "plugin_error",
                           .code = "plugin_error",
                           .message = "it crashed",
                           .hint = ""};
    wire_put_error(payload, &err);
}

static void in_a_failure(void **state)
{
    BUF_AUTO objects = BUF_INIT;
    BUF_AUTO payload = BUF_INIT;
    struct wire_crash crash = sample(&objects);
    struct ml_value value = {0};
    struct ml_error err = ML_ERROR_INIT;
    struct ml_crash got = {0};
    put_failure(&payload, ML_SIGNAL + 11);
    wire_put_crash(&payload, &crash, objects.data, stack);
    assert_int_equal(wire_get_outcome(&payload, &value, &err), -1);
    assert_int_equal(err.status, ML_SIGNAL + 11);
    assert_string_equal(err.message, "it crashed");
    wire_get_crash(&payload, &got);
    assert_int_equal(got.signal, 11);
    assert_true(got.has_address);
    assert_int_equal(got.address, 0xdeadbeef);
    assert_string_equal(got.object, "plugin.so");
    assert_int_equal(got.offset, 0x20);
    struct wire_crash_view view;
    assert_int_equal(wire_crash_parse(got.record, got.size, &view), 0);
    assert_memory_equal(view.stack, stack, sizeof stack);
    ml_crash_done(&got);
    assert_null(got.record);
    ml_crash_done(&got);
}

/* Where the program counter was. */
static void places(void **state)
{
    static const struct {
        const char *name, *object;
        uint64_t pc, offset;
    } cases[] = {
        {"nowhere", "", 0, 0},
        {"before all", "", 0xfff, 0xfff},
        {"in modload's own program", WIRE_OBJECT_SELF, 0x1000, 0x10},
        {"its last byte", WIRE_OBJECT_SELF, 0x1fff, 0x100f},
        {"in the plugin", "plugin.so", 0x2000, 0x10},
        {"behind all", "", 0x3000, 0x3000},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        BUF_AUTO objects = BUF_INIT;
        BUF_AUTO payload = BUF_INIT;
        struct wire_crash crash = sample(&objects);
        struct ml_crash got = {0};
        crash.pc = cases[i].pc;
        crash.access = WIRE_ACCESS_NONE;
        put_failure(&payload, ML_SIGNAL + 11);
        wire_put_crash(&payload, &crash, objects.data, stack);
        wire_get_crash(&payload, &got);
        case_text(cases[i].name, got.object, cases[i].object);
        case_int(cases[i].name, got.offset, cases[i].offset);
        case_true(cases[i].name, !got.has_address);
        ml_crash_done(&got);
    }
}

/* One that is not of the end that is told is as bad as any other answer that is none. */
static void of_another_end(void **state)
{
    static const int ends[] = {1, ML_TIMEOUT, ML_SIGNAL, ML_SIGNAL + 6, 255};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        char name[32];
        BUF_AUTO objects = BUF_INIT;
        BUF_AUTO payload = BUF_INIT;
        struct wire_crash crash = sample(&objects);
        struct ml_value value = {0};
        struct ml_error err = ML_ERROR_INIT;
        struct ml_crash got = {0};
        snprintf(name, sizeof name, "status %d", ends[i]);
        put_failure(&payload, ends[i]);
        wire_put_crash(&payload, &crash, objects.data, stack);
        case_int(name, wire_get_outcome(&payload, &value, &err), -1);
        case_int(name, err.status, ML_PROTOCOL);
        wire_get_crash(&payload, &got);
        case_int(name, got.signal, 0);
        case_true(name, got.record == NULL);
    }
}

/* Bytes behind a failure that are no CRASH; and none at all. */
static void other_bytes(void **state)
{
    struct ml_value value = {0};
    struct ml_error err = ML_ERROR_INIT;
    struct ml_crash got = {.signal = 99};
    BUF_AUTO plain = BUF_INIT;
    BUF_AUTO payload = BUF_INIT;
    BUF_AUTO empty = BUF_INIT;
    put_failure(&plain, ML_SIGNAL + 11);
    wire_get_crash(&plain, &got);
    assert_int_equal(got.signal, 99);
    put_failure(&payload, ML_SIGNAL + 11);
    struct wire_outcome out;
    memcpy(&out, payload.data, sizeof out);
    out.size++;
    memcpy(payload.data, &out, sizeof out);
    buf_char(&payload, 'x');
    assert_int_equal(wire_get_outcome(&payload, &value, &err), -1);
    assert_int_equal(err.status, ML_PROTOCOL);
    wire_get_crash(&payload, &got);
    wire_get_crash(&empty, &got);
    assert_int_equal(got.signal, 99);
}

/* Whatever the bytes are: no size that is said leads out of them. */
static void random_changes(void **state)
{
    uint64_t seed = 5;
    BUF_AUTO objects = BUF_INIT;
    struct wire_crash crash = sample(&objects);
    for (int round = 0; round < 20000 / UNIT_SLOWNESS; round++) {
        BUF_AUTO bytes = crash_bytes(&crash, &objects);
        struct wire_crash_view view;
        for (int i = 0; i < 3; i++)
            bytes.data[next_random(&seed) % bytes.len] = (char)next_random(&seed);
        if (wire_crash_parse(bytes.data, bytes.len, &view) < 0)
            continue;
        assert_true(view.objects + view.head.objects_size == view.stack);
        assert_true(view.stack + view.head.stack_size == bytes.data + bytes.len);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trip),
        cmocka_unit_test(cut_anywhere),
        cmocka_unit_test(bad_numbers),
        cmocka_unit_test(beyond_limits),
        cmocka_unit_test(texts_without_end),
        cmocka_unit_test(in_a_failure),
        cmocka_unit_test(places),
        cmocka_unit_test(of_another_end),
        cmocka_unit_test(other_bytes),
        cmocka_unit_test(random_changes),
    };
    UNIT_RUN("client/wire-crash", tests);
}

/* What is known of the moment at which a call crashed, as it travels behind the texts of an OUTCOME
 * (client/wire.h):
 *
 *     CRASH := struct wire_crash, n_objects times a struct wire_object and its name with a NUL
 *              (objects_size bytes in all), stack_size bytes of the stack from stack_at on
 *
 * The machine's state comes out of the process that crashed, which a plugin had in its hands, and
 * the rest from a worker that a plugin's constructor may own: whoever reads it believes nothing. */
#ifndef CLIENT_WIRE_CRASH_H
#define CLIENT_WIRE_CRASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "modload/modload.h"

enum {
    WIRE_REGS = 32,
    WIRE_ID_MAX = 32, /* of a build id; GNU ld makes 20 */
    WIRE_STACK_MAX = 256 << 10,
    WIRE_OBJECTS_MAX = 512,
    WIRE_OBJECTS_SIZE_MAX = 64 << 10,
};

/* What the instruction did with the address at which it failed. */
enum wire_access {
    WIRE_ACCESS_NONE, /* there is no such address */
    WIRE_ACCESS_ANY,  /* nobody knows */
    WIRE_ACCESS_READ,
    WIRE_ACCESS_WRITE,
    WIRE_ACCESS_EXECUTE,
};

struct wire_crash {
    uint16_t machine;    /* e_machine of an ELF header: what the numbers of the registers mean */
    uint16_t access;     /* enum wire_access */
    int32_t signo, code; /* as in a siginfo_t */
    uint32_t stack_size, n_objects, objects_size;
    uint64_t address, pc, stack_at;
    uint64_t reg[WIRE_REGS]; /* by their numbers in DWARF: 16 of x86-64, 32 of aarch64 */
    char bundle[ML_BUNDLE_ID_SIZE + 5];
};

/* A file that is mapped between `start` and `end`. Its name is a path; or "plugin.so" or "entry.so"
 * of the bundle; or "" for the worker's own program; or what ld.so calls what is no file. */
struct wire_object {
    uint64_t bias, start, end; /* addresses in the file plus `bias` are addresses in memory */
    uint32_t id_size;
    uint8_t id[WIRE_ID_MAX]; /* its build id, to know it again; none: 0 bytes */
    uint32_t zero;
};

/* What people are told for "". */
#define WIRE_OBJECT_SELF "modload-worker"

/* A CRASH that was looked at; points into it. */
struct wire_crash_view {
    struct wire_crash head;
    const char *objects, *stack;
};

/* Looks at all of a CRASH. 0 and `*ret`; -1 when it is none. Whether the bundle's id can be one is
 * for whoever uses it. */
int wire_crash_parse(const void *data, size_t size, struct wire_crash_view *ret);

/* The next object; `*at` begins as view->objects. False when there is none left. */
bool wire_crash_next(const struct wire_crash_view *view, const char **at,
                     struct wire_object *object, const char **name);

/* Puts a CRASH behind the one failure that `payload` holds, or leaves it as it was when memory is
 * out. */
void wire_put_crash(struct buf *payload, const struct wire_crash *crash, const void *objects,
                    const void *stack);

/* The CRASH in an OUTCOME that wire_get_outcome() has called a failure: a copy, which the caller
 * gives to ml_crash_done(). Leaves `*ret` alone when there is none, or memory is out. */
void wire_get_crash(const struct buf *payload, struct ml_crash *ret);

#endif

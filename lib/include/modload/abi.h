/* modload/abi.h - the binary contract between a bundle's object and the worker that maps it.
 *
 * Authors never need this header: `modload compile` writes the code that uses it. A bundle's object
 * exports one symbol, ML_DESCRIPTOR_SYMBOL, a const struct ml_descriptor. Its first two members
 * never change place, so that any worker can tell a descriptor of another version and refuse it in
 * words. A new member goes to the end of a structure and raises ML_ABI_VERSION.
 */
#ifndef MODLOAD_ABI_H
#define MODLOAD_ABI_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define ML_ABI_MAGIC         0x6d6c7031u /* "mlp1" */
#define ML_ABI_VERSION       1u
#define ML_DESCRIPTOR_SYMBOL "ml_plugin_descriptor"
#define ML_HOST_SYMBOL       "ml_plugin_host"
#define ML_PARAMS_MAX        32u /* parameters of one function, as carried to it */

/* How a value travels. The numbers are part of the ABI. */
enum ml_kind {
    ML_KIND_VOID = 0,
    ML_KIND_BOOL = 1,   /* slot.u, 0 or 1 */
    ML_KIND_CHAR = 2,   /* slot.i, one byte */
    ML_KIND_INT = 3,    /* slot.i; `bits` tells the range */
    ML_KIND_UINT = 4,   /* slot.u; `bits` tells the range */
    ML_KIND_FLOAT = 5,  /* slot.f */
    ML_KIND_DOUBLE = 6, /* slot.d */
    ML_KIND_ENUM = 7,   /* slot.i; `enumeration` gives the names */
    ML_KIND_STRING = 8, /* slot.p, NUL-terminated; null is no string */
    ML_KIND_BYTES = 9,  /* slot.p, and, where `sized`, the size in the next slot's .u */
};

/* One argument, or the result, on its way through a stub. */
union ml_slot {
    int64_t i;
    uint64_t u;
    float f;
    double d;
    const void *p;
};

struct ml_enumerator {
    const char *name;
    int64_t value;
};

struct ml_enumeration {
    const char *name; /* the tag or typedef; may be empty */
    const struct ml_enumerator *members;
    uint32_t n_members;
};

struct ml_type {
    uint8_t kind; /* an enum ml_kind */
    uint8_t bits; /* 8, 16, 32 or 64 for INT, UINT and ENUM, else 0 */
    uint8_t
        sized; /* BYTES: a parameter followed by a size_t, or a result with a size_t * to fill */
    uint8_t is_signed;                        /* ENUM: whether the underlying integer is signed */
    const struct ml_enumeration *enumeration; /* ENUM only, else null */
};

struct ml_param {
    const char *name; /* may be empty */
    struct ml_type type;
};

/* Calls `function` with the slots in `args`. A sized BYTES parameter takes two slots, every other
 * parameter one; a sized BYTES result fills result[0].p and result[1].u. */
typedef void ml_stub(const void *function, const union ml_slot *args, union ml_slot *result);

struct ml_function {
    const char *name;
    const void *address; /* null: the worker looks `name` up in the bundle's object */
    ml_stub *stub;
    const char *signature; /* "add(a: double, b: double) -> double" */
    struct ml_type result;
    const struct ml_param *params;
    uint32_t n_params;
};

struct ml_descriptor {
    uint32_t magic;   /* ML_ABI_MAGIC, in every version */
    uint32_t version; /* ML_ABI_VERSION of whoever wrote it, in every version */
    const char *name;
    const char *plugin_version;
    const struct ml_function *functions; /* sorted by name, strcmp order */
    uint32_t n_functions;
};

#ifdef __cplusplus
}
#endif
#endif

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

/* Tells a descriptor from anything else that has the symbol: "mlp1" as a big-endian number. It is
 * the same in every version, and so is never a reason to say "another version". */
#define ML_ABI_MAGIC 0x6d6c7031u
/* Raised with every change that an old worker, or an old bundle, would misread. A worker maps
 * bundles of its own version only; the others have to be built again. */
#define ML_ABI_VERSION 1u
/* The symbol that a worker looks up after mapping: a const struct ml_descriptor, read-only data
 * that needs no code of the bundle to run. */
#define ML_DESCRIPTOR_SYMBOL "ml_plugin_descriptor"
/* The symbol of a pointer variable, which the worker sets where an object has it: see
 * modload/plugin.h. Missing in plain C, and that is fine. */
#define ML_HOST_SYMBOL "ml_plugin_host"
/* The symbol that a worker looks up as well: a const struct ml_plugin_limits. Missing in a bundle
 * whose manifest sets no limits, and that is fine. */
#define ML_LIMITS_SYMBOL "ml_plugin_limits"
/* Raised with every change to that structure. A worker that does not know the version of a bundle
 * refuses it: limits that it cannot keep must not pass for kept ones. */
#define ML_LIMITS_VERSION 1u
/* The most parameters of one function, a size that goes with bytes not counted. With it the slots
 * of a call have a fixed place on the stack; a function with more is not callable. */
#define ML_PARAMS_MAX 32u

/* How a value travels. The numbers are part of the ABI. */
enum ml_kind {
    /* No value: of a result only. */
    ML_KIND_VOID = 0,
    /* slot.u, 0 or 1: any other bit pattern in a _Bool is undefined behaviour. */
    ML_KIND_BOOL = 1,
    /* slot.i, one byte, with the signedness that char has on this machine. */
    ML_KIND_CHAR = 2,
    /* slot.i, sign-extended; `bits` tells the range. */
    ML_KIND_INT = 3,
    /* slot.u, zero-extended; `bits` tells the range. */
    ML_KIND_UINT = 4,
    /* slot.f: not widened to double, so that the text that is printed is the shortest for a
     * float. */
    ML_KIND_FLOAT = 5,
    /* slot.d. */
    ML_KIND_DOUBLE = 6,
    /* slot.i; `enumeration` gives the names, `bits` and `is_signed` the integer beneath. */
    ML_KIND_ENUM = 7,
    /* slot.p, NUL-terminated. As a result null stands for "no string", which is not "". */
    ML_KIND_STRING = 8,
    /* slot.p, and, where `sized`, the size in the next slot's .u. What is not `sized` is a pointer
     * alone, whose extent the function knows by itself. */
    ML_KIND_BYTES = 9,
};

/* One argument, or the result, on its way through a stub. Which member counts is told by the kind
 * of the parameter. Eight bytes on every machine that modload runs on, so that an array of them has
 * one layout whatever the function takes. */
union ml_slot {
    /* CHAR, INT, ENUM. */
    int64_t i;
    /* BOOL, UINT, and the size behind a sized BYTES. */
    uint64_t u;
    /* FLOAT. */
    float f;
    /* DOUBLE. */
    double d;
    /* STRING and BYTES. An argument is the call's own copy, which the function may write to; a
     * result stays the plugin's and is never freed. */
    const void *p;
};

/* One name of an enumeration. Two names may have one value: a result prints as the first. */
struct ml_enumerator {
    const char *name;
    int64_t value;
};

/* The names of an enum, in the order of the source. Arguments are read as a name or as a number. */
struct ml_enumeration {
    /* The tag or the typedef, for signatures; "" for one that has neither. */
    const char *name;
    /* `n_members` of them. Nothing may be read behind the last. */
    const struct ml_enumerator *members;
    uint32_t n_members;
};

/* The type of a parameter or result, as far as it decides how a value travels. */
struct ml_type {
    /* An enum ml_kind. One byte, since the width of an enum is the compiler's choice. */
    uint8_t kind;
    /* 8, 16, 32 or 64 for INT, UINT and ENUM; 0 for all others. */
    uint8_t bits;
    /* BYTES: 1 for a parameter that a size_t follows, or a result with a size_t * to fill; else
     * 0. */
    uint8_t sized;
    /* ENUM: 1 when the integer beneath is signed; else 0. */
    uint8_t is_signed;
    /* ENUM: its names, never null. Null for all others. */
    const struct ml_enumeration *enumeration;
};

/* A parameter, as errors and signatures name it. */
struct ml_param {
    /* As in the source; "" where the prototype or the debug information gives none. */
    const char *name;
    struct ml_type type;
};

/* Calls `function` with the slots in `args`. A sized BYTES parameter takes two slots, every other
 * parameter one; a sized BYTES result fills result[0].p and result[1].u.
 *
 * There is one stub for each distinct list of C types, compiled by the same compiler as the plugin:
 * it is the only place where the machine's calling convention matters. It looks at nothing but what
 * it was given, and checks nothing: the worker has done so. `function` is a pointer to data here,
 * since ISO C has no type for "some function"; POSIX.1-2017 (dlsym) makes the cast good. */
typedef void ml_stub(const void *function, const union ml_slot *args, union ml_slot *result);

/* One callable function. All that it points to is const data of the bundle, and lives as long as
 * the object is mapped: for ever, as far as the worker is concerned. */
struct ml_function {
    /* As the linker knows it: what `exec U NAME` is given. */
    const char *name;
    /* Where it is. Null when the stubs are in an object of their own, as those of a prebuilt
     * plugin: the worker then looks `name` up in the plugin's object. */
    const void *address;
    /* How it is called; may be shared with other functions. */
    ml_stub *stub;
    /* For people: "add(a: double, b: double) -> double". Never parsed. */
    const char *signature;
    /* VOID when it returns nothing. */
    struct ml_type result;
    /* `n_params` of them, ML_PARAMS_MAX at most; null where there are none is allowed. */
    const struct ml_param *params;
    uint32_t n_params;
};

/* What a bundle's object says about itself: the root of everything above. The worker takes it for
 * well-formed once magic and version are right, since the bundle's digest has been checked by then;
 * it is no defence against a bundle that was made to deceive, which could run code anyway. */
struct ml_descriptor {
    /* ML_ABI_MAGIC, in every version. */
    uint32_t magic;
    /* ML_ABI_VERSION of whoever wrote it, in every version. */
    uint32_t version;
    /* The plugin's own name, as in ML_PLUGIN or of its file; not the entry's. */
    const char *name;
    /* SemVer 2.0.0; "0.0.0" where the plugin gives none. */
    const char *plugin_version;
    /* `n_functions` of them, sorted by name in the order of strcmp: the worker searches by
     * halves. */
    const struct ml_function *functions;
    uint32_t n_functions;
};

/* What a call may use, as the manifest's "limits" say. 0: nothing is said. */
struct ml_plugin_limits {
    /* ML_LIMITS_VERSION of whoever wrote it, in every version. */
    uint32_t version;
    /* 0. */
    uint32_t zero;
    /* In milliseconds: the time that passes, and that of processors. */
    uint64_t timeout_ms, cpu_ms;
    /* In bytes. */
    uint64_t memory, output;
    /* How many; see struct ml_limits in modload/modload.h. */
    uint64_t descriptors, processes;
};

#ifdef __cplusplus
}
#endif
#endif

/* From a type in the debug information (DWARF 5, section 5) to how a value of it is carried. */
#ifndef BUILD_DWARF_TYPE_H
#define BUILD_DWARF_TYPE_H

#include <elfutils/libdw.h>

#include "build/function.h"

/* A type without its typedefs and qualifiers. */
struct peeled {
    Dwarf_Die die; /* not set when `is_void` */
    int tag;
    bool is_void, is_const, is_atomic;
    const char *alias; /* the outermost typedef's name, or null */
    bool is_size;      /* a typedef called size_t was among them */
};

/* Peels the type that `owner` (a parameter, function, pointer, ...) refers to. */
void dwarf_peel(Dwarf_Die *owner, struct peeled *ret);

/* How the type of `owner` is carried. Null when it is; else what it is instead, as the end of a
 * sentence: "a pointer to struct point, which cannot be carried". */
const char *dwarf_carry(struct arena *a, Dwarf_Die *owner, struct fn_type *ret);

/* Whether the type of `owner` is size_t, and whether it is a pointer to one that can be written. */
bool dwarf_is_size(Dwarf_Die *owner);
bool dwarf_is_size_pointer(Dwarf_Die *owner);

/* Whether it is a pointer to bytes (void, unsigned char), const or not. */
bool dwarf_is_byte_pointer(Dwarf_Die *owner);

#endif

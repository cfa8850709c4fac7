/* What a build learns about the functions of a plugin. Everything here lives in the list's arena.
 */
#ifndef BUILD_FUNCTION_H
#define BUILD_FUNCTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "build/arena.h"
#include "modload/abi.h"

struct fn_enumerator {
    const char *name;
    int64_t value;
};

struct fn_enum {
    const char *name; /* as in C: "enum color", or the typedef's name */
    const struct fn_enumerator *members;
    size_t n;
};

/* A type that can be carried; the members are those of struct ml_type. */
struct fn_type {
    uint8_t kind, bits, sized, is_signed;
    const struct fn_enum *enumeration;
};

struct fn_param {
    const char *name; /* may be empty */
    struct fn_type type;
};

struct fn {
    const char *name;
    const char *symbol; /* the linker's name for it, mostly the same */
    const char *reason; /* why it is not callable; null: it is */
    const char *signature, *doc;
    const char *file; /* where it is defined, as the compiler calls that; null: not known */
    int line;
    size_t unit; /* which of the build's sources */
    struct fn_type result;
    struct fn_param *params; /* as carried: the size behind sized bytes is not one */
    size_t n_params;
    bool unknown; /* nothing is known of its types: a prototype may tell them */
};

struct fn_list {
    struct arena *arena;
    struct fn *items;
    size_t n;
};

/* A new item with empty texts, or null. Pointers to items are good until the next one. */
struct fn *fn_list_add(struct fn_list *list);
struct fn *fn_list_find(const struct fn_list *list, const char *name);

/* Sorts by name, as strcmp() does. fn_list_find() works on a sorted list only. */
void fn_list_sort(struct fn_list *list);

/* How many are callable. */
size_t fn_list_callable(const struct fn_list *list);

/* A text from an object, which anybody may have made: "?" for what is not UTF-8 or could steer a
 * terminal. */
const char *fn_text(struct arena *a, const char *text);

/* "double", "int32", "enum color", "bytes": the word for a type in a signature. */
const char *fn_type_word(struct arena *a, const struct fn_type *type);

/* "add(a: double, b: double) -> double". */
const char *fn_signature(struct arena *a, const struct fn *fn);

#endif

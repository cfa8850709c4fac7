/* The C source of a bundle's descriptor: its functions, their types, and a stub per list of types.
 */
#ifndef BUILD_STUBS_H
#define BUILD_STUBS_H

#include <stdbool.h>

#include "base/buf.h"
#include "build/function.h"
#include "modload/abi.h"

struct stubs_plugin {
    const char *name, *version;
    const struct fn_list *functions; /* sorted; only the callable ones are written */
    bool by_name; /* the functions are in another object: leave their addresses null */
    const struct ml_plugin_limits *limits; /* null: none */
};

/* Writes the source, which needs <modload/abi.h> and nothing else. `out` tells when memory ran out.
 */
void stubs_write(struct buf *out, const struct stubs_plugin *plugin);

/* A text as a C string literal: any bytes, no trigraph, no digit taken for part of an escape. */
void stubs_literal(struct buf *out, const char *text);

#endif

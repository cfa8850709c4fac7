/* A bundle's object, mapped into this process. */
#ifndef WORKER_OBJECT_H
#define WORKER_OBJECT_H

#include <stdint.h>

#include "modload/abi.h"
#include "modload/error.h"

struct object {
    const struct ml_descriptor *descriptor;
    const void *
        *address; /* of each function, in the descriptor's order; null: it is not in the object */
    const struct ml_plugin_limits *limits; /* null: its manifest sets none */
};

/* Maps the object of the bundle at `bundle_fd`: its bytes are checked against the bundle's
 * SHA256SUMS (the form of coreutils' sha256sum) through the descriptor that is then mapped, and its
 * constructors run. It is never unmapped. Errors: ML_REFUSED (other bytes than were filed), ML_DATA
 * (cannot be mapped), ML_PROTOCOL (another ABI). */
int object_map(int bundle_fd, struct object *ret, struct ml_error *err);

/* Lets the plugin find `host`, if it asks for one. */
struct ml_host;
void object_attach(const struct ml_host *host);

/* What the bundle calls the object that was mapped at this load bias ("plugin.so"); null: it is
 * none of the bundle's. */
const char *object_name_at(uintptr_t bias);

/* The function called `name`, or null. */
const struct ml_function *object_find(const struct object *object, const char *name);
const void *object_address(const struct object *object, const struct ml_function *function);

#endif

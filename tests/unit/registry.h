/* Registries for tests: filled with bundles that are only as real as the store asks for. */
#ifndef UNIT_REGISTRY_H
#define UNIT_REGISTRY_H

#include "registry_store/store.h"

#include "fixture.h"

/* The registry "home" in a place, made where it is missing. */
struct store *registry_open(const struct place *place);
const char *registry_path(const struct place *place);

/* An id of a bundle: all `c`, of a-z2-7. */
const char *registry_id(char c);

/* Files a bundle of this id, whose plugin is `name` ("math@1.0.0"). */
void registry_bundle(struct store *store, const char *id, const char *name);

/* A UUID made of a number: in the order of the numbers. Four of them are good at a time. */
const char *registry_uuid(unsigned n);

/* Applies a change; -1 is its error's status, negative. */
int registry_change(struct store *store, const char *uuid, const char *bundle, const char *name);

#endif

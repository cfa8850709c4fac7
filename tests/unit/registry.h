/* Registries for tests: filled with bundles that are only as real as the store asks for. */
#ifndef UNIT_REGISTRY_H
#define UNIT_REGISTRY_H

#include <time.h>

#include "base/buf.h"
#include "registry_store/store.h"

#include "fixture.h"

/* Opens a registry: nobody is named as its user, and nothing cancels. As store_open(). */
int registry_try(const char *home, bool create, int64_t wait_ms, struct store **ret,
                 struct ml_error *err);

/* The registry "home" in a place, made where it is missing. */
struct store *registry_open(const struct place *place);
/* The same for one who only reads. */
struct store *registry_read(const struct place *place);
const char *registry_path(const struct place *place);

/* An id of a bundle: all `c`, of a-z2-7; or made of a number. Four of the latter are good at a
 * time. */
const char *registry_id(char c);
const char *registry_id_number(unsigned n);

/* Files a bundle of this id, whose plugin is `name` ("math@1.0.0"). */
void registry_bundle(struct store *store, const char *id, const char *name);

/* A UUID made of a number: in the order of the numbers, and two small ones to a shard (0 and 1, 2
 * and 3). Four of them are good at a time. */
const char *registry_uuid(unsigned n);

/* Applies one change. 1 when something changed, 0 when it was so already; -1 is its error's status,
 * negative. */
int registry_apply(struct store *store, struct store_change *change);

/* Points an entry at a bundle, or takes it out (null). `name` null: as it is called. */
int registry_change(struct store *store, const char *uuid, const char *bundle, const char *name);

/* Rolls back, pins, unpins. */
int registry_turn(struct store *store, enum store_op op, const char *uuid,
                  unsigned long generation);

/* Fails, with what it found, unless the store's own check finds nothing; but for bundle 'z', which
 * is told once as lost where a history names it and it is missing. */
void registry_sound(const char *what, struct store *store);

/* What the wall clock says from now on, in seconds since 1970; 0: the truth. */
void registry_clock(time_t now);

/* Copies a directory of the place with all that is in it, in the place of what `to` was. */
void registry_copy(const struct place *place, const char *from, const char *to);

/* Everything that a home in the place says, as a text: links with their targets, histories, what
 * bundles hold, a journal that is pending. Not what is no part of it: tmp/, locks/, shards in which
 * nothing is. */
void registry_picture(const struct place *place, const char *home, struct buf *out);

#endif

/* All that the harnesses know of how a registry looks on the disk: what may be left there, what a
 * whole bundle is, and how to make an old or a damaged one. Everything else they see through
 * modload's commands. */
#ifndef FAULT_LAYOUT_H
#define FAULT_LAYOUT_H

#include <stdbool.h>

#include "base/buf.h"

/* The number of a home's format; 0 when there is no home. */
int layout_format(const char *home);

/* Whether an entry of this format changes as one. In format 1 its name and its bundle are switched
 * one after the other. */
bool layout_is_solid(int format);

/* Adds what a command that was killed has left, a line each: nothing once another one has run. */
void layout_litter(const char *home, struct buf *ret);

/* Whether a path beneath a home is that of something half made, which nobody reads ever again. */
bool layout_is_litter(const char *path);

/* Whether a change is written down and not through. */
bool layout_is_pending(const char *home);

/* Calls `each` for every filed bundle. */
void layout_bundles(const char *home, void (*each)(const char *id, void *arg), void *arg);

/* "whole", or why a bundle is not, as `sha256sum -c SHA256SUMS` would say. */
void layout_bundle_state(const char *home, const char *id, char text[160]);

/* Makes `home` one of format 1 that holds the bundles of `seed`, and `lines` of entries: "uuid
 * bundle name ..." with the bundles that it had, oldest first; "-" is none. */
void layout_make_format_1(const char *seed, const char *home, const char *lines);

/* Damages a home: "name NAME" loses a name, "bundle ID" a part of a bundle's object; "link UUID"
 * leads an entry nowhere, "history UUID" flips a bit in its shard's last line. False: it has no
 * such thing. */
bool layout_damage(const char *home, const char *what, const char *which);

#endif

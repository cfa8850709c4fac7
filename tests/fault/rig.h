/* What all harnesses stand on: a place for homes, the modload to test, a few bundles, and the words
 * that the table of cases is written in. */
#ifndef FAULT_RIG_H
#define FAULT_RIG_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "place.h"

enum { N_BUNDLES = 4, N_KEYS = 9, UUID_SIZE = 37, BUNDLE_SIZE = 64, MAX_WORDS = 24 };

struct rig {
    char base[PLACE_SIZE]; /* everything lies in here; files/ is where commands run */
    char modload[PATH_ROOM], core[PATH_ROOM], nomem[PATH_ROOM];
    char bundle[N_BUNDLES][BUNDLE_SIZE]; /* A, B, C, D: filed in the home of seed/ */
    struct buf help;                     /* what this build says its commands are */
    int format;                          /* of a registry that this build makes */
    bool sanitized;                      /* the build has sanitizers; set before rig_init() */
};

/* Makes the place, in memory if there is room, and the bundles. `build` is the build to test; null:
 * the one that this program is in. The place is removed when the program ends. */
void rig_init(struct rig *rig, const char *build, bool keep);

/* The key of number 1 to 9. 1 and 4 are of one shard. */
const char *rig_key(int number);

/* From now on commands of this process work in the world of that name: base/NAME/h is the home, r
 * the run-time directory. */
void rig_enter(const struct rig *rig, const char *world);
const char *rig_home(const struct rig *rig, const char *world, char path[PATH_ROOM]);

/* Makes the world of that name a copy of another's home. */
void rig_copy(const struct rig *rig, const char *from, const char *to);

/* Words of the table of cases: %1 to %9 are keys, %A to %D are bundles. argv[0] is modload. */
struct words {
    const char *argv[MAX_WORDS];
    char text[1024];
};
void rig_words(const struct rig *rig, const char *line, size_t n, struct words *ret);

/* With a build that has sanitizers: whether commands look for leaks when they end. They cannot
 * where they are traced. */
void rig_look_for_leaks(const struct rig *rig, bool look);

/* Whether this build has the command, and the options, of a line. If not, `why` says what it lacks.
 */
bool rig_supports(const struct rig *rig, const char *line, size_t n, char why[128]);

/* Whether this build has a command. */
bool rig_has(const struct rig *rig, const char *command);

/* Writes a text with %1 and %A in it to files/NAME. */
void rig_file(const struct rig *rig, const char *name, const char *text);

#endif

/* Builds for tests: each in a registry "home" of its own, the compiler's words kept. */
#ifndef UNIT_BUILT_H
#define UNIT_BUILT_H

#include "modload/build.h"
#include "modload/modload.h"

#include "fixture.h"

/* What came of one build. */
struct built {
    int status; /* of the error; 0: none */
    struct ml_error err;
    struct ml_bundle_info *info; /* null when it failed */
    char words[16384];           /* what the compiler said */
};
#define BUILT_AUTO __attribute__((cleanup(built_done))) struct built
void built_done(struct built *built);

/* A request without anything: 30 s, no sources. */
struct ml_build_request built_request(void);

/* Builds into the place's registry. */
void built_run(const struct place *place, struct ml_build_request *request, struct built *ret);

/* Builds from one path, and from a text. */
void built_path(const struct place *place, const char *path, struct built *ret);
void built_text(const struct place *place, const char *text, struct built *ret);

/* Writes "place/path", with the directories on its way. */
void built_write(const struct place *place, const char *path, const char *text);

/* A built function by its name, or null; why one is skipped, or null. */
const struct ml_built_function *built_function(const struct built *built, const char *name);
const char *built_skipped(const struct built *built, const char *name);

/* The path of a file in the bundle that was built. Four are good at a time. */
const char *built_file(const struct place *place, const struct built *built, const char *path);

/* How many files, directories and the like there are beneath the place's path. */
int built_count(const struct place *place, const char *path);

/* The content of a file, "" when it cannot be read. */
const char *built_read(const char *path);

#endif

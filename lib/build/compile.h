/* Running the compiler and the linker. Their own words go to the request's diagnostics_fd, source
 * by source in order, however many ran at once. */
#ifndef BUILD_COMPILE_H
#define BUILD_COMPILE_H

#include "build/plan.h"

/* In the work directory: which files the linker has read, in the form of -MD. (GNU ld 2.35,
 * lld 13.) */
#define LINK_DEPENDENCIES "link.d"

/* Fills in the flags of the request and the manifest. 0; -1 and ML_CONFIG, ML_DATA, ML_TIMEOUT. */
int compile_flags(struct build *b, struct ml_error *err);

/* Compiles every source to work/<stem>.o, as many at once as there are processors, with the list of
 * the files it read beside it in <stem>.d. 0; -1 and ML_DATA ("build_failed"), ML_TIMEOUT,
 * ML_LIMIT. */
int compile_sources(struct build *b, struct ml_error *err);

/* Links the objects and work/entry.c to plugin.so; for a prebuilt object, entry.c alone to
 * entry.so. */
int compile_link(struct build *b, struct ml_error *err);

/* Compiles the manifest's prototypes with empty bodies, for the sake of the debug information. */
#define PROTOTYPES_OBJECT "modload.prototypes.o" /* no source's file has a dot in its stem */
int compile_prototypes(struct build *b, struct ml_error *err);

/* Asks pkg-config for the manifest's packages, and adds what may be added to the flags. */
int packages_add(struct build *b, struct ml_error *err);

/* Splits at blanks that no backslash or quote protects, as pkg-config writes them. */
void packages_split(struct arena *a, const char *text, struct strv *ret);

#endif

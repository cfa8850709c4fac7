/* What may become a word on the compiler's command line. Flags are code (-fplugin, -B, @file,
 * -wrapper run programs), so each text that comes from outside has one place in which it can stand,
 * and a grammar. */
#ifndef BUILD_WORD_H
#define BUILD_WORD_H

#include <stdbool.h>

#include "build/arena.h"
#include "modload/error.h"

bool word_define(const char *text); /* NAME or NAME=VALUE; no control characters */
bool word_library(
    const char *text); /* letters, digits, + . _ -; begins with a letter, digit or _ */
bool word_package(const char *text);  /* the same, for pkg-config; does not end in .pc */
bool word_standard(const char *text); /* gnu11, c99, iso9899:1999 */
bool word_version(const char *text);  /* SemVer 2.0.0, at most 64 bytes */

/* A C declaration in one line: no quote, brace, semicolon, preprocessor mark or control character.
 */
bool word_prototype(const char *text);

/* A path that neither the compiler's driver nor the linker can take for anything else: one that
 * begins with - or @ gets ./ in front. */
const char *word_path(struct arena *a, const char *path);

/* Splits at blanks, as $CC is: no quoting, no shell. */
void word_split(struct arena *a, const char *text, struct strv *ret);

#endif

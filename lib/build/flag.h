/* Flags of the compiler's that a plugin may ask for, in its manifest ("cflags") or by way of the
 * packages that it needs. What is not known to be harmless is refused: flags run programs
 * (-fplugin, -B, -wrapper, @file, -Xlinker), read and write files (-include, -o, -MF, -save-temps,
 * -fdump-*, -fprofile-*) and talk to other programs (-Wl, -Wa, -Wp). */
#ifndef BUILD_FLAG_H
#define BUILD_FLAG_H

#include <stdbool.h>

/* -D -U -O -g -std= -W -w -pedantic -ansi -pthread -pipe, and of -f and -m those that change what
 * code is made and nothing else. */
bool flag_allowed(const char *flag);

/* What to do instead of a flag that is not allowed; never null. */
const char *flag_hint(const char *flag);

#endif

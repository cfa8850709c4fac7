/* The host compiler, as all of modload runs it. */
#ifndef BASE_CC_H
#define BASE_CC_H

#include <stddef.h>

/* The names of the variables that a compiler may know of the caller's environment; ends in null. */
extern const char *const cc_environment[];

/* The words of $CC, else "cc": `*at` begins as cc_text(), and is moved to the next word. Its
 * length; 0 at the end. Split at blanks: no quoting, no shell. */
const char *cc_text(void);
size_t cc_next_word(const char **at);

#endif

/* Characters that nobody sees, and that change what others read. */
#ifndef BASE_UNSEEN_H
#define BASE_UNSEEN_H

#include <stddef.h>

/* How many bytes of UTF-8 the character at `p` has, if it is one of them: control characters, those
 * from U+0080 on among them, which a terminal may take for the beginning of a command; the marks
 * that turn the direction of writing, with which a text reads as another (CVE-2021-42574); the ones
 * without width, which some file systems pass over (CVE-2014-9390); other ends of lines. 0: it is
 * none, or the end of the text. */
size_t unseen_at(const char *p);

#endif

/* Words as people type them, for hints that can be followed to the letter. */
#ifndef BASE_SHELL_WORD_H
#define BASE_SHELL_WORD_H

#include "base/buf.h"

/* Adds a word as a shell takes it: in quotes where it needs them. */
void shell_word(struct buf *out, const char *text);

#endif

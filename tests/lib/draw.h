/* Chance that can be had again: by its seed. */
#ifndef LIB_DRAW_H
#define LIB_DRAW_H

#include <stdint.h>

/* A number below `n`. */
unsigned draw(uint64_t *state, unsigned n);

#endif

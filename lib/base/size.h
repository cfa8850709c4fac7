/* Sizes in bytes, as people write them. */
#ifndef BASE_SIZE_H
#define BASE_SIZE_H

#include <stdbool.h>
#include <stdint.h>

enum { SIZE_TEXT = 32 };

/* Reads a size: decimal digits, and behind them nothing, or K, M, G or T for so many times 1024,
 * 1024 * 1024 and so on. False, and `*bytes` as it was, for anything else, and for more than 1 EiB
 * (2^60), which leaves callers room to add to it. */
bool size_parse(const char *text, uint64_t *bytes);

/* Writes one for people, without rounding it: "64 MiB", "1025 bytes". */
void size_format(uint64_t bytes, char text[SIZE_TEXT]);

/* The same rounded to about three digits, for what is only to be compared: "512 B", "1.5 MiB",
 * "200 KiB". Returns `text`. */
const char *size_round(uint64_t bytes, char text[SIZE_TEXT]);

#endif

/* Directory trees: copied, compared, removed. */
#ifndef LIB_TREE_H
#define LIB_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Room for a path, and one that is made as printf would: gives up when it does not fit. */
enum { PATH_ROOM = 512 };
__attribute__((format(printf, 2, 3))) const char *path_make(char path[PATH_ROOM], const char *fmt,
                                                            ...);

/* Copies the tree `from` to `to`, which must not be there: files, directories and links with their
 * modes. Gives up when it cannot. A missing `from` gives a missing `to`. */
void tree_copy(const char *from, const char *to);

/* Removes a tree, if it is there. */
void tree_remove(const char *path);

/* Calls `each` for everything beneath `root`, parents first: its path beneath it, its mode, and
 * what a link leads to ("" for other things). */
void tree_walk(const char *root,
               void (*each)(const char *path, unsigned mode, const char *target, void *arg),
               void *arg);

/* FNV-1a, 64 bits (RFC 9923). */
#define FNV_INIT 0xcbf29ce484222325
uint64_t fnv(uint64_t hash, const void *data, size_t n);

#endif

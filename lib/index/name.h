/* Names in an index, and where a plugin's file is in it. Two names that people take for one, since
 * they differ in case or in - and _ alone, are one here: they have one file. */
#ifndef INDEX_NAME_H
#define INDEX_NAME_H

#include <stdbool.h>
#include <stddef.h>

/* Bytes, each with its NUL. */
enum { INDEX_NAME_SIZE = 65, INDEX_PATH_SIZE = 80 };

/* Whether a plugin may be called so in an index: 1 to 64 of A-Z a-z 0-9 _ -, a letter or digit
 * first, and no name that a file cannot have everywhere (con, nul, com1, ...). */
bool index_name_good(const char *name);

/* What is the same for names that are one: small letters, - for _. The name is a good one. */
void index_name_key(const char *name, char key[INDEX_NAME_SIZE]);

/* Where the plugin of this key is, as in the crates.io index: 1/a.json, 2/ab.json, 3/a/abc.json,
 * ab/cd/abcdef.json; no directory has more than some thousand entries at a million plugins. */
void index_name_path(const char *key, char path[INDEX_PATH_SIZE]);

/* The other way round: the key of a path of `n` bytes that such a file has. False when there is
 * none. */
bool index_path_key(const char *path, size_t n, char key[INDEX_NAME_SIZE]);

#endif

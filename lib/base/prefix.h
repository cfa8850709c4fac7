/* Where this installation lies: <prefix>/bin, libexec/modload, include, share/modload. */
#ifndef BASE_PREFIX_H
#define BASE_PREFIX_H

/* The absolute path of `rest` beneath the prefix of the running program, which is found by its own
 * path (bin/modload or libexec/modload/...). MODLOAD_PREFIX overrides it: for programs that link
 * libmodload and lie elsewhere. Null when it cannot be told, or memory is out. The caller frees. */
char *prefix_path(const char *rest);

#endif

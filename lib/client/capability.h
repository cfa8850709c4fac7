/* Capabilities: what a plugin asks to be allowed. One text has one meaning and one spelling, and
 * all who read such texts read them here: manifests, bundles, locks, what people agree to.
 *
 *     net               connections to any address, and names looked up; no port to listen on
 *     net=tcp:PORT      TCP connections to that port
 *     net=listen:PORT   a TCP port to listen on
 *     fs:read=PATH      a file, or a directory with all that is in it
 *     fs:write=PATH     the same, to be read as well as changed
 *     exec=PATH         a program to be started
 *     env=NAME          a variable of the caller's environment
 *
 * Nothing here looks at the machine: what a path leads to is for those who grant it. */
#ifndef CLIENT_CAPABILITY_H
#define CLIENT_CAPABILITY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "modload/error.h"

enum { CAPABILITY_MAX = 64, CAPABILITY_TEXT_MAX = 1024 };

enum capability_kind {
    CAPABILITY_NET,
    CAPABILITY_NET_TCP,
    CAPABILITY_NET_LISTEN,
    CAPABILITY_FS_READ,
    CAPABILITY_FS_WRITE,
    CAPABILITY_EXEC,
    CAPABILITY_ENV,
};

struct capability {
    enum capability_kind kind;
    uint16_t port;     /* 0: it has none */
    const char *value; /* the path or the name, in the text that was read; "": it has none */
};

/* Reads one. Null; or what is wrong with it, to be put behind it: "is no capability". */
const char *capability_read(const char *text, struct capability *ret);

/* Hints at what was perhaps meant by a text that begins with no word there is. -1. */
int capability_hint(const char *text, struct ml_error *err);

/* Whether who has the one has the other as well. */
bool capability_covers(const struct capability *have, const struct capability *want);

/* Sorts a list, in which each is one, and takes out what another one covers. How many are left. */
size_t capabilities_normalise(const char **list, size_t n);

#endif

/* What modload-fetch is told, and what it says: an order on its standard input, then messages on
 * its standard output, of which the last is an answer. Both are structures of one size: the two
 * programs are of one build, and the marks say so. A message is smaller than PIPE_BUF (4096), so
 * that it is written whole whichever thread writes it. */
#ifndef FETCH_MESSAGE_H
#define FETCH_MESSAGE_H

#include <limits.h>
#include <stddef.h>

#include "fetch/fetch.h"
#include "fetch/netrc.h"

enum { FETCH_MARK = 0x6d6c663a }; /* changes when anything below does */

enum fetch_step {
    FETCH_STEP_FETCH =
        1, /* where it stands is the cache of one repository: fill it, find the commit */
    FETCH_STEP_EXPORT,  /* where it stands is an empty directory: put the commit there */
    FETCH_STEP_CHANGES, /* the same, for what differs from another commit */
    FETCH_STEP_MODULES, /* where it stands is the cache: tell the submodules of the commit */
    FETCH_STEP_COMMIT,  /* where it stands is a clone: commit a file; behind the order is a struct
                           fetch_commit, and the file as it is and as it shall be */
};

/* What was exported of other repositories: limits are for all of them. */
struct fetch_used {
    uint64_t files, bytes;
};

/* Texts end in a NUL. */
struct fetch_order {
    uint32_t mark;
    uint32_t step;
    struct source source;
    uint8_t offline;
    uint8_t mirror;             /* it is not to be written to; offline as well */
    uint8_t changes;            /* the second step is that of changes */
    uint8_t modules;            /* submodules are fetched: what is exported has places for them */
    char cache[PATH_MAX];       /* of the second step: the repository */
    char commit[FETCH_ID_SIZE]; /* of the second step */
    char base[FETCH_ID_SIZE];   /* of the changes; "" for none */
    char since[FETCH_ID_SIZE];  /* of the first step: of the request */
    char subdir[SOURCE_URL_MAX];
    char at[FETCH_MODULE_PATH_SIZE]; /* of a submodule: where it is in all that is exported */
    struct fetch_used used;          /* before it */
    uint8_t helper;       /* who asks for a password may be answered: see FETCH_NEEDS_PASSWORD */
    uint8_t has_password; /* that is it; of the first step alone */
    struct netrc password;
    struct fetch_limits limits;
};

/* The code of an error by which the first step says that the server asks for a password, and that
 * no file has one. A program has to be asked, and it can start none. */
#define FETCH_NEEDS_PASSWORD "needs_password"

/* What has been done so far. It is told ten times a second whether it has changed or not; the
 * last two are for the parent alone, who ends what does nothing. */
struct fetch_counts {
    struct fetch_progress progress;
    uint64_t wire;   /* bytes from all sockets, those that open a connection too */
    uint64_t cpu_ms; /* of the process */
};

enum fetch_kind { FETCH_SAYS_COUNTS = 1, FETCH_SAYS_RESULT, FETCH_SAYS_ERROR, FETCH_SAYS_MODULE };

struct fetch_message {
    uint32_t mark;
    uint32_t kind;
    union {
        struct fetch_counts counts;
        struct fetch_result result; /* what the step has found; the rest is 0 */
        struct ml_error error;
        struct fetch_module module; /* path and URL as the repository has them */
    } u;
};
_Static_assert(sizeof(struct fetch_message) <= PIPE_BUF, "a message is written whole");

/* Looks at a message that came: its mark and kind, texts that end and are what they should be, an
 * error's status that is one of those which fetch_source() names. */
bool fetch_message_good(const struct fetch_message *message);

#endif

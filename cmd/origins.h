/* Entries that came from git, and what their repositories have now: what outdated and update share.
 */
#ifndef CMD_ORIGINS_H
#define CMD_ORIGINS_H

#include "cmd/command.h"
#include "modload/index.h"
#include "modload/install.h"

struct origin_entry {
    struct ml_entry entry;
    struct ml_origin origin;
    bool retired; /* what it has is, for this reason */
    struct ml_retired why;
    struct ml_index_found *found; /* what its index has for it, where it came out of one */
};

struct origins {
    struct origin_entry *list;
    struct ml_versions_job *jobs; /* one for each, when they were asked */
    size_t n;
};

#define ORIGINS_AUTO __attribute__((cleanup(origins_free))) struct origins
void origins_free(struct origins *origins);

/* Those of the command's arguments; without any, all that came from git. An argument that did not
 * is a failure. 0, or the exit status. */
int origins_find(struct invocation *in, struct origins *ret);

/* Warns of what is retired; asks all repositories, and of what was installed by its name the copy
 * of its index: this says which versions there are, whatever tags its repository has. 0, or the
 * exit status: then each failure was told. */
int origins_ask(struct invocation *in, struct origins *origins,
                const struct ml_package_request *how);

/* Both, by the options and arguments of the command. */
int origins_open(struct invocation *in, struct origins *ret, struct ml_package_request *how);

/* Whether what was asked for leads to another commit than the entry has. */
bool origin_is_outdated(const struct origins *origins, size_t i);

/* Whether all that its index has in the range is retired, but for what the entry has: it stays. */
bool origin_is_kept(const struct origins *origins, size_t i);

/* Whether there is a version that is newer than what was asked for leads to. */
bool origin_has_newer(const struct origins *origins, size_t i);

/* What the entry is at, in words: a tag, or the first digits of a commit. */
const char *origin_at(const char *tag, const char *commit, char text[16]);

/* `outdated`, and `list --outdated`. The exit status. */
int outdated_run(struct invocation *in);

/* What people call the entry. */
const char *entry_word(const struct ml_entry *entry, char uuid[ML_UUID_SIZE]);

#endif

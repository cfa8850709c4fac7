/* Warnings of versions that are retired in an index. */
#ifndef CMD_WARN_H
#define CMD_WARN_H

#include "cmd/command.h"
#include "modload/index.h"

/* Opens the list for a command that goes on without it: why it cannot be read is a note. */
struct ml_retired_list *warn_open(void);

/* Says that one is, on stderr: "math@1.0.0 is retired (security): why". */
void warn_retired(const char *plugin, const char *version, const struct ml_retired *retired);

/* The same of an entry, when it is. Fills `*ret` and returns true then. */
bool warn_entry(struct invocation *in, const struct ml_retired_list *list,
                const struct ml_entry *entry, struct ml_retired *ret);

/* The key "retired" of a JSON object. */
void put_retired(struct json *j, const struct ml_retired *retired);

#endif

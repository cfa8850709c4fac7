/* One call of a plugin's function: from texts to an outcome. */
#ifndef WORKER_INVOKE_H
#define WORKER_INVOKE_H

#include "modload/plugin.h"
#include "worker/convert.h"
#include "worker/object.h"

/* What came of it. `value` points into the plugin's memory, or to `scratch`. */
struct invoked {
    bool ok;
    struct ml_value value;
    struct ml_error err;
    char scratch[2];
};

/* What a plugin finds of its host. Its functions may be called in a call only. */
extern const struct ml_host call_host;

typedef void (*invoke_ended)(const struct invoked *what) __attribute__((noreturn));

/* Calls the function texts[0] with the arguments behind it; the texts must outlive the outcome. All
 * that can be refused is refused before the function is entered. `ended` is told of an outcome that
 * comes from another thread of the plugin than the one that called it, and does not return. On the
 * main thread only, and not twice at once. */
void invoke(const struct object *object, char *const *texts, size_t n, invoke_ended ended,
            struct invoked *ret);

/* Splits `size` bytes, in which texts follow each other, each with its NUL, into at most `max`; the
 * number of texts that there are, or -1 when these bytes are none. */
int invoke_split(char *bytes, size_t size, uint32_t n, char **texts, size_t max);

#endif

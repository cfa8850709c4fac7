/* The call's side of a session. */
#ifndef WORKER_SERVE_H
#define WORKER_SERVE_H

#include "client/channel.h"
#include "worker/invoke.h"
#include "worker/limits.h"
#include "worker/slot.h"

/* Takes requests out of the channel, runs them one after the other, and writes the outcomes there.
 * `ended`: see invoke(). Never returns: whoever ends the session ends this process. */
_Noreturn void serve(const struct object *object, const struct ml_limits *limits,
                     struct channel *channel, struct slot *slot, bool may_spin, invoke_ended ended);

#endif

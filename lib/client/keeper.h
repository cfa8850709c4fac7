/* Keepers: processes that start a worker again when it has died. A keeper lives as long as it holds
 * a record lock on its file in the runtime directory; the kernel tells whose that is. */
#ifndef CLIENT_KEEPER_H
#define CLIENT_KEEPER_H

#include "client/context.h"

/* A pidfd of the keeper of `uuid`; -1: there is none. */
int keeper_pidfd(struct ml_ctx *ctx, const char *uuid);

/* Ends the keeper of `uuid`, with the start that it may be about, and takes away what one that was
 * killed has left. When this returns, it starts nothing any more. Whether there was one. */
bool keeper_end(struct ml_ctx *ctx, const char *uuid);

#endif

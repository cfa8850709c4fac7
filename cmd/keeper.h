/* The process that `load --restart on-failure` leaves behind. */
#ifndef CMD_KEEPER_H
#define CMD_KEEPER_H

#include "cmd/command.h"

/* Makes sure that somebody keeps the worker, as ml_keep() does it: a process of its own, or the one
 * that does so already. 0; -1 and `in->err`. */
int start_keeper(struct invocation *in, const struct ml_key *key, const struct ml_start *how);

#endif

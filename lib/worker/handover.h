/* What a call hands to its supervisor when it has a client. */
#ifndef WORKER_HANDOVER_H
#define WORKER_HANDOVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client/wire.h"

/* The client's connection; for a session also its memory, and its three standard descriptors for
 * the calls that come after one that crashed. Where the output is limited, the client's standard
 * output and error are there as well, and from where to take what is to go there. */
enum handover_fd {
    HANDOVER_CONN,
    HANDOVER_CHANNEL,
    HANDOVER_STDIO,
    HANDOVER_OUTPUT = HANDOVER_STDIO + WIRE_FDS,
    HANDOVER_FDS = HANDOVER_OUTPUT + 2
};

struct handover {
    struct wire_call call;
    uint32_t told;    /* 1: the worker knows that its spare was taken */
    uint32_t present; /* a bit for each descriptor that goes along; handover_send() sets it */
};

/* Over a SOCK_SEQPACKET socket: whole or not at all. Of the descriptors those that are negative do
 * not go along; one at least has to. -1 with errno. */
int handover_send(int socket, struct handover *what, const int fds[HANDOVER_FDS]);

/* Waits for it. -1 when there is none: the other end was closed. The descriptors that did not come
 * are -1; those that did are close-on-exec. */
int handover_receive(int socket, struct handover *what, int fds[HANDOVER_FDS]);

#endif

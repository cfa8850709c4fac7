/* Servers on the loopback address for tests: a program per connection, as inetd has it, some of
 * them slow or silent; and an https server with an authority of its own. */
#ifndef UNIT_SERVED_H
#define UNIT_SERVED_H

#include <stdint.h>

#include "fixture.h"

struct served {
    pid_t pid; /* leads a group of all that serves */
    int port;
    int events; /* 'a' for each connection, 'e' for each that the client has ended */
};
#define SERVED_AUTO __attribute__((cleanup(served_stop))) struct served
void served_stop(struct served *served);

/* How a server answers. */
struct served_how {
    size_t silent_after; /* bytes; then nothing more comes, and the connection stays */
    size_t slice; /* so many bytes at a time, with a pause of 50 ms behind each; 0: all at once */
};
#define SERVED_WHOLE                                                                               \
    {                                                                                              \
        SIZE_MAX, 0                                                                                \
    }

/* Runs a program for each connection, with that for its standard input and output. */
struct served served_start(const char *const *argv, struct served_how how);

/* The repositories of a place by git's own protocol. */
struct served served_git(const struct place *place, struct served_how how);

/* The repositories of a place by https: tests/lib/https-server.py says beneath which paths. Its
 * certificate is made in the place, "ca.pem" is its authority's; it is for `name` and localhost.
 * Each request is a line of "requests". */
struct served served_https(const struct place *place, const char *name);

/* Waits for an event, 30 s at most. */
void served_wait(const struct served *served, char event);

#endif

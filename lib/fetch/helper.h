/* Asking a program of the user's for the password of a server, as git asks its own helpers
 * (gitcredentials(7)): git-credential-store, git-credential-libsecret, git-credential-cache. */
#ifndef FETCH_HELPER_H
#define FETCH_HELPER_H

#include <stdbool.h>
#include <stdint.h>

#include "fetch/netrc.h"
#include "fetch/source.h"
#include "modload/error.h"

/* Whether MODLOAD_CREDENTIAL_HELPER names one. */
bool helper_there(void);

/* Starts it, with "get" behind its own words, and no shell: it is told the protocol and the host of
 * the source, with its port, and answers with a name and a password. It has the caller's
 * environment and standard error, a group of its own that does not outlive the call, and no
 * terminal to ask at. `deadline_ms` and `cancel_fd` as in fetch_request. Who has the answer wipes
 * it.
 *
 * 0; -1 and ML_CONFIG ("bad_variable": the variable names no program), ML_REFUSED
 * ("credential_helper": it failed, or said what is no name and password; "no_credentials": it has
 * none for this host), ML_TIMEOUT ("credential_helper"), ML_SIGNAL + SIGINT ("cancelled"),
 * ML_LIMIT, ML_IO. */
int helper_ask(const struct source *source, int64_t deadline_ms, int cancel_fd, struct netrc *ret,
               struct ml_error *err);

#endif

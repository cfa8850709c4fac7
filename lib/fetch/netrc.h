/* Names and passwords for servers, from files that only their owner reads. */
#ifndef FETCH_NETRC_H
#define FETCH_NETRC_H

#include <stdbool.h>
#include <stddef.h>

/* Bytes, the NUL included. */
enum { NETRC_WORD_MAX = 1024 };

struct netrc {
    char login[NETRC_WORD_MAX];
    char password[NETRC_WORD_MAX];
};

/* Looks for a host in the text of a .netrc: "machine HOST login NAME password WORD", words with
 * blanks or line ends between them, "..." around one that has any; "macdef" up to the next empty
 * line is passed over. "default" does not count: it would give a password to every server that asks
 * for one. The first that fits counts. False when there is none with a password, or a word is too
 * long.
 */
bool netrc_find(const char *text, const char *host, struct netrc *ret);

/* The same for the file of MODLOAD_TOKEN_FILE: a line for each host, "HOST TOKEN" or "HOST NAME
 * TOKEN"; what stands behind a word that begins with a hash does not count. A token is for one host
 * alone, so that no other server can ask for it. Without a name it is that of whoever has the
 * token: servers look at the token alone. */
bool token_find(const char *text, const char *host, struct netrc *ret);

#endif

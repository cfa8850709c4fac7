/* What install, update and sync share: plugins on their way into the registry, step by step and in
 * sight. Each step takes all of them; the first that fails ends the way, and nothing has changed
 * before the last one. */
#ifndef CMD_INCOMING_H
#define CMD_INCOMING_H

#include "cmd/command.h"
#include "modload/install.h"

/* What a plugin asks to be allowed, beside what was agreed to before: that was what the entry's
 * bundle asks for, or what a lock says. */
struct asking {
    const char *const *all;
    size_t n;
    bool again; /* something was agreed to before */
    const char *const *agreed;
    size_t n_agreed;
    const char **more; /* owned; those of the one list that the other does not cover */
    size_t n_more;
    const char **gone;
    size_t n_gone;
};

/* One plugin. */
struct incoming {
    struct ml_package_job job; /* its request is the caller's to fill in */
    struct ml_key key;
    const char *name; /* what the entry shall be called; null: as ml_register() has it */
    bool agreed;      /* a lock says so: nobody has to be asked */

    bool there; /* the entry is: the rest is what it has now */
    struct ml_entry entry;
    char *origin;                      /* owned; null: none */
    struct ml_package *before;         /* owned; null where it cannot be had */
    struct ml_package_change *changes; /* owned; since `before` */
    size_t n_changes;
    struct ml_bundle_info *now; /* owned; null: what is there cannot be read */
    struct asking asking;       /* `again` and `agreed` may be set beforehand, by a lock */

    const char *from;            /* instead of a package: the origin of what came in a pack */
    struct ml_bundle_info *info; /* owned; built */
    struct ml_register_result registered;
};

/* Frees what `n` of them own, but not the list. */
void incoming_free(struct incoming *list, size_t n);

/* Whether there is a network to be used: neither --offline nor MODLOAD_OFFLINE says that there is
 * none. 0 and `*ret`, or the exit status: the variable is 1, 0 or empty, and nothing else. */
int offline_wanted(struct invocation *in, bool *ret);

/* For commands that are of no use without a network: 0, or the exit status. */
int network_wanted(struct invocation *in);

/* Fills in a request's common part from the options of the command. 0, or the exit status. */
int incoming_options(struct invocation *in, struct ml_package_request *ret);
#define INCOMING_OPTIONS                                                                           \
    {'y', "yes", NULL, "agree to what is shown: without a terminal nothing is done without it"},   \
        {0, "accept", "CAPABILITY",                                                                \
         "with --yes: also agree to that, where one asks for more than before; once for each"},    \
        {0, "dry-run", NULL, "stop when it was shown"},                                            \
        {0, "allow-retired", NULL, "take what was retired for its security, too"},                 \
        {0, "offline", NULL, "use what was fetched before, and no network"},                       \
        {0, "from", "DIR", "the same, out of a directory that mirror has filled"},                 \
        {0, "fetch-timeout", "DUR",                                                                \
         "how long a fetch may take (default 10m; 30s without a byte)"},                           \
        {0, "min-age", "DUR", "refuse what is younger: 3d (by the date of its commit)"},           \
    {                                                                                              \
        0, "build-timeout", "DUR", "how long each build may take (default 60s)"                    \
    }

/* Of those who are told by their user, and not by a project's file. */
#define OPTION_SUBMODULES                                                                          \
    {                                                                                              \
        0, "submodules", NULL, "fetch the repository's submodules as well (https only)"            \
    }

/* The steps; each returns 0 or the exit status. */
int incoming_fetch(struct invocation *in, struct incoming *list, size_t n, unsigned at_once);

/* Finds out what the entries have now, as far as that can be told without a network. */
int incoming_compare(struct invocation *in, struct incoming *list, size_t n);

/* Shows them: on stderr, or with --dry-run as the answer. */
int incoming_show(struct invocation *in, const struct incoming *list, size_t n);

/* Warns of versions that are retired in an index, and refuses one that was for its security, unless
 * it is there already, a lock has it, or --allow-retired says so. */
int incoming_retired(struct invocation *in, const struct incoming *list, size_t n);

/* The same for one plugin, by its name, version and origin; `known`: it is there already. */
int retired_check(struct invocation *in, const char *name, const char *version, const char *origin,
                  bool known);

/* ---- capabilities ---- */

/* Whether each --accept is one. 0, or the exit status. */
int asking_options(struct invocation *in);

/* Compares what a plugin asks for with what was agreed to. 0, or -1. */
int asking_compare(struct invocation *in, struct incoming *one, const char *const *all, size_t n);

/* Shows it: to people, and as members of an object. */
void asking_show(struct buf *out, const struct asking *asking);
void asking_json(struct json *j, const struct asking *asking);

/* What to ask on the terminal. */
const char *asking_question(const struct incoming *list, size_t n, bool many);

/* Whether --accept agrees to all that goes beyond what was agreed to before: 0, or the exit
 * status. `name` is what they are called. */
int asking_accepted(struct invocation *in, const char *name, const struct asking *asking);

/* What --accept has to have beside what it has, for all of them: the hint of an error that is set.
 */
void asking_rest_hint(struct invocation *in, const struct incoming *list, size_t n);

/* Whether what was built asks for no more than what was shown: a directory of somebody's may have
 * changed meanwhile. 0, or the exit status. */
int asking_built(struct invocation *in, const struct incoming *one);

/* "nothing was done: look, and say yes": the hint of an error that is set. */
void asking_hint(struct invocation *in, const struct incoming *list, size_t n);

/* Whether somebody has agreed to this very commit. */
bool incoming_is_known(const struct incoming *i);

/* Asks, where somebody has to be: refuses where there is nobody. */
int incoming_agree(struct invocation *in, const struct incoming *list, size_t n);

/* Asks a question on the terminal: 1; 0 when the answer is no, or there is nobody to answer; -1: a
 * signal came. */
int incoming_ask(struct invocation *in, const char *question);

int incoming_build(struct invocation *in, struct incoming *list, size_t n, unsigned at_once);
int incoming_test(struct invocation *in, struct incoming *list, size_t n);

/* In one change, and puts what came of it into the answer. */
int incoming_register(struct invocation *in, struct incoming *list, size_t n);

/* Says so where an entry has another bundle now than the worker that it has: that goes on with what
 * it has mapped. `word` is what the entry is called. */
void tell_worker(struct invocation *in, const struct ml_key *key, const char *bundle,
                 const char *word);

/* All that follow the fetch, and the answer for programs; with --dry-run no further than showing.
 */
int incoming_finish(struct invocation *in, struct incoming *list, size_t n);

/* The whole way of a file that is a pack: the exit status; -1 when it is none. */
int install_pack(struct invocation *in, const char *file);

/* Which entry an --as means; 0, or the exit status. */
int key_given(struct invocation *in, const char *word, struct ml_key *ret);

/* What is known of them, as "plugins" of the answer has it. */
void incoming_json(struct invocation *in, const struct incoming *list, size_t n);

/* Its submodules, as "submodules" of an object. */
void submodules_json(struct json *j, const struct ml_package_info *info);

/* RFC 3339; "" for a time that no calendar has. */
void time_text(int64_t seconds, char text[32]);

/* Adds a text of a stranger's to a line: control characters as \x1b, at most `max` bytes. */
void put_plain(struct buf *out, const char *text, size_t max);

#endif

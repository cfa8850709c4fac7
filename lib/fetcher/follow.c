/* A branch that is followed goes on from where it was. One that begins anew may leave out what was
 * looked at, and agreed to, and bring anything else. */
#include <string.h>

#include "base/error.h"
#include "fetcher/fetcher.h"

enum { SHORT = 12 }; /* digits of a commit's id, for people */

/* The part of a ref's name that people know. */
static const char *leaf(const char *ref)
{
    static const char *const kinds[] = {"refs/heads/", "refs/tags/"};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strncmp(ref, kinds[i], strlen(kinds[i])) == 0)
            return ref + strlen(kinds[i]);
    return *ref ? ref : "HEAD";
}

static int rewritten(const struct fetch_result *found, const char *since, struct ml_error *err)
{
    ml_error_set(
        err, ML_REFUSED, "rewritten",
        "'%s' was rewritten: it was at %.*s, and now is at %.*s, which does not come after "
        "that",
        leaf(found->ref), SHORT, since, SHORT, found->commit);
    return ml_error_hint(err, "ask its author; to take what is there now, install it anew");
}

/* What was fetched before may be older than that commit, or newer. */
static int missing(const struct fetch_order *order, const struct fetch_result *found,
                   struct ml_error *err)
{
    bool offline = order->offline;
    ml_error_set(err, ML_REFUSED, "rewritten",
                 "'%s' was rewritten%s: it was at %.*s, which is not %s, and now is at %.*s",
                 leaf(found->ref), offline ? ", or what is here is old" : "", SHORT, order->since,
                 offline ? "here" : "in the repository any more", SHORT, found->commit);
    if (order->mirror)
        return -1;
    return ml_error_hint(err, offline
                                  ? "fetch it once without --offline and MODLOAD_OFFLINE=1"
                                  : "ask its author; to take what is there now, install it anew");
}

int fetcher_follows(git_repository *repo, const struct fetch_order *order,
                    const struct fetch_result *found, struct ml_error *err)
{
    git_oid was, now;
    git_commit *commit;
    if (*order->since == '\0' || strcmp(order->since, found->commit) == 0)
        return 0;
    if (git_oid_fromstr(&was, order->since) < 0 || git_oid_fromstr(&now, found->commit) < 0)
        return ml_error_set(err, ML_BUG, NULL, "'%s' is no commit's id", order->since);
    if (git_commit_lookup(&commit, repo, &was) < 0)
        return missing(order, found, err);
    git_commit_free(commit);
    int after = git_graph_descendant_of(repo, &now, &was);
    if (after < 0)
        return object_unreadable(err, found->commit);
    return after ? 0 : rewritten(found, order->since, err);
}

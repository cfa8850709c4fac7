/* modload update: entries that came from git become what their ref leads to now: shown, agreed to,
 * built and tested like what is new, and all of them in one change. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/scope.h"
#include "cmd/incoming.h"
#include "cmd/origins.h"
#include "cmd/warn.h"

/* What is newer and retired keeps nobody from the rest. */
static void tell_kept(const struct origin_entry *e, const char *name, const char *version,
                      const char *reason, const char *message)
{
    char uuid[ML_UUID_SIZE], now[16];
    note("%s stays at %s: %s@%s is retired (%s): %s", entry_word(&e->entry, uuid),
         origin_at(e->origin.tag, e->origin.commit, now), name, version, reason, message);
}

/* What has stayed as it is, is told where somebody has asked for it. */
static void tell_current(struct invocation *in, const struct origins *o, size_t i)
{
    char uuid[ML_UUID_SIZE], now[16];
    const struct origin_entry *e = &o->list[i];
    if (origin_is_kept(o, i))
        return tell_kept(e, e->found->name, e->found->version, e->found->reason, e->found->message);
    if (in->n_args == 0)
        return;
    if (origin_has_newer(o, i))
        note("%s stays at %s: that is what '%s' asks for; there is %s", entry_word(&e->entry, uuid),
             origin_at(e->origin.tag, e->origin.commit, now), e->origin.ref,
             o->jobs[i].versions.latest);
    else
        note("%s is up to date: %s", entry_word(&e->entry, uuid),
             origin_at(e->origin.tag, e->origin.commit, now));
}

/* By the commit that was found: what is shown is what the answer said, whatever the repository says
 * in the next moment. What an index says is made sure of as at the first time. */
static void incoming_set(struct incoming *one, const struct origins *o, size_t i,
                         const struct ml_package_request *how)
{
    const struct origin_entry *e = &o->list[i];
    one->job.request = *how;
    one->job.request.source = e->origin.git;
    one->job.request.ref = e->origin.ref;
    one->job.request.path = e->origin.path;
    one->job.request.submodules = how->submodules || e->origin.submodules;
    one->job.request.commit = o->jobs[i].versions.commit;
    one->job.request.tag = o->jobs[i].versions.tag;
    one->key = e->entry.key;
    if (e->found == NULL)
        return;
    note("%s %s, by the index %s: %s", e->found->name, e->found->version, e->found->index,
         e->found->git);
    one->job.request.source = e->found->git;
    one->job.request.path = e->found->path;
    one->job.request.tree = e->found->tree;
    one->job.request.digest = e->found->source;
    one->job.request.index = e->found->index;
    one->job.request.name = e->found->name;
    one->job.request.version = e->found->version;
}

/* A repository says nothing of what is retired, and a plugin's name and version are known when it
 * was fetched. Those that stay are taken out of the list; `of` says whose each is. Returns how many
 * are left. */
static size_t retired_keep(const struct invocation *in, struct incoming *list,
                           const struct origin_entry **of, size_t n)
{
    struct ml_retired_list *retired = option_given(in, "allow-retired") ? NULL : warn_open();
    struct ml_retired why;
    size_t left = 0;
    for (size_t i = 0; i < n; i++) {
        const struct ml_package_info *p = ml_package_info(list[i].job.package);
        if (ml_retired_find(retired, p->name, p->version, p->origin, &why) == 0 ||
            strcmp(why.reason, "security") != 0) {
            list[left++] = list[i];
            continue;
        }
        tell_kept(of[i], p->name, p->version, why.reason, why.message);
        incoming_free(&list[i], 1);
    }
    ml_retired_close(retired);
    return left;
}

static int update(struct invocation *in, struct origins *o, const struct ml_package_request *how,
                  struct incoming *list, const struct origin_entry **of)
{
    size_t n = 0;
    int status = 0;
    for (size_t i = 0; i < o->n; i++)
        if (origin_is_outdated(o, i)) {
            of[n] = &o->list[i];
            incoming_set(&list[n++], o, i, how);
        } else {
            tell_current(in, o, i);
        }
    if (n > 0)
        status = incoming_fetch(in, list, n, 0);
    if (status == 0)
        n = retired_keep(in, list, of, n);
    if (n == 0)
        note("nothing to update");
    if (status == 0)
        status = incoming_finish(in, list, n);
    incoming_free(list, n);
    return status;
}

static int run(struct invocation *in)
{
    ORIGINS_AUTO o = {.n = 0};
    struct ml_package_request how;
    int status = origins_open(in, &o, &how);
    if (status != 0)
        return status;
    AUTO_FREE struct incoming *list = calloc(o.n + 1, sizeof *list);
    AUTO_FREE const struct origin_entry **of = calloc(o.n + 1, sizeof(void *));
    if (list == NULL || of == NULL)
        return ml_error_memory(&in->err), failed(in);
    return update(in, &o, &how, list, of);
}

static const struct command_option options[] = {
    OPTION_SUBMODULES,
    INCOMING_OPTIONS,
    OPTION_WAIT,
    {0},
};

const struct command command_update = {
    .name = "update",
    .args = "[U...]",
    .summary = "bring entries that came from git to what their repositories have now",
    .help =
        "An entry that was installed by a branch or a range (@^1.2) follows it; one of a tag or "
        "a commit stays. One\n"
        "that was installed by its name follows the index, as the last 'modload index update' left "
        "it: to its newest\n"
        "version in the range that is not retired. Where that is for its security, the entry stays "
        "as it is.\n"
        "What is new is shown, with what changed, and has to be agreed to; what asks for more "
        "capabilities than before\n"
        "needs --accept for each, beside --yes (else 77). All of them change, or none. Without U "
        "it is all entries that\n"
        "came from git. A tag that was moved, or a branch that was rewritten, is an error (77). "
        "Back again: modload\n"
        "rollback U.",
    .example = "modload update --dry-run",
    .options = options,
    .max_args = -1,
    .run = run,
};

#include "cmd/origins.h"

#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/scope.h"
#include "base/semver.h"
#include "base/shell-word.h"
#include "cmd/incoming.h"
#include "cmd/progress.h"
#include "cmd/warn.h"

static void origin_done(struct origin_entry *e)
{
    ml_origin_done(&e->origin);
    ml_index_found_free(e->found);
}

void origins_free(struct origins *origins)
{
    for (size_t i = 0; i < origins->n; i++)
        origin_done(&origins->list[i]);
    free(origins->list);
    free(origins->jobs);
}

const char *entry_word(const struct ml_entry *entry, char uuid[ML_UUID_SIZE])
{
    ml_key_to_uuid(&entry->key, uuid);
    return *entry->name ? entry->name : uuid;
}

const char *origin_at(const char *tag, const char *commit, char text[16])
{
    snprintf(text, 16, "%.12s", commit);
    return *tag ? tag : text;
}

/* ---- which ---- */

struct search {
    struct invocation *in;
    struct origins *found;
};

/* 1: it came from git; 0: not; -1. */
static int origin_add(struct search *s, const struct ml_entry *entry)
{
    char text[2 * PATH_MAX];
    struct origin_entry one = {.entry = *entry};
    struct origins *o = s->found;
    if (ml_entry_origin(s->in->ctx, &entry->key, text, sizeof text, &s->in->err) < 0)
        return -1;
    if (ml_origin_parse(text, &one.origin, &s->in->err) < 0) {
        if (s->in->err.status != ML_NO_INPUT)
            return -1;
        s->in->err = (struct ml_error)ML_ERROR_INIT;
        return 0;
    }
    struct origin_entry *list = realloc(o->list, (o->n + 1) * sizeof *list);
    if (list == NULL) {
        origin_done(&one);
        return ml_error_memory(&s->in->err);
    }
    o->list = list;
    list[o->n++] = one;
    return 1;
}

static int look(const struct ml_entry *entry, void *arg)
{
    return origin_add(arg, entry) < 0 ? -1 : 0;
}

static int argument_add(struct search *s, const char *word)
{
    struct ml_entry entry;
    struct invocation *in = s->in;
    int status = resolve_arg(in, word, &entry.key);
    if (status != 0)
        return status;
    if (ml_entry_read(in->ctx, &entry.key, &entry, &in->err) < 0)
        return failed(in);
    int found = origin_add(s, &entry);
    if (found < 0)
        return failed(in);
    if (found > 0)
        return 0;
    ml_error_set(&in->err, ML_DATA, "no_origin", "'%s' did not come from a git repository", word);
    ml_error_hint(&in->err, "where it came from: modload info %s", word);
    return failed(in);
}

int origins_find(struct invocation *in, struct origins *ret)
{
    struct search search = {in, ret};
    int status = 0;
    if (in->n_args == 0)
        return ml_entries(in->ctx, look, &search, &in->err) < 0 ? failed(in) : 0;
    for (int i = 0; i < in->n_args && status == 0; i++)
        status = argument_add(&search, in->args[i]);
    return status;
}

/* ---- what there is ---- */

/* Who wants it all the same says so by taking it in anew. */
static void hint_anew(const struct origin_entry *e, struct ml_error *err)
{
    const struct ml_origin *o = &e->origin;
    char uuid[ML_UUID_SIZE];
    bool at = *o->ref != '\0' || strchr(o->git, '@') != NULL, path = *o->path != '\0';
    BUF_AUTO source = BUF_INIT;
    BUF_AUTO words = BUF_INIT;
    if (strcmp(err->code, "rewritten") != 0 && strcmp(err->code, "moved_tag") != 0)
        return;
    buf_fmt(&source, "%s%s%s", o->git, at ? "@" : "", o->ref);
    shell_word(&words, buf_text(&source));
    if (path) {
        buf_str(&words, " --path ");
        shell_word(&words, o->path);
    }
    ml_error_hint(err, "ask its author; to take what is there now: modload install %s%s --as %s",
                  buf_text(&words), o->submodules ? " --submodules" : "",
                  entry_word(&e->entry, uuid));
}

/* Each that could not be asked is told, by the name of its entry. */
static int ask_failed(struct invocation *in, const struct origins *o)
{
    struct failures failures = {0};
    char uuid[ML_UUID_SIZE];
    for (size_t i = 0; i < o->n; i++) {
        failures.done += o->jobs[i].err.status == 0;
        if (o->jobs[i].err.status == 0)
            continue;
        in->err = o->jobs[i].err;
        if (in->err.status == ML_SIGNAL + SIGINT)
            return failed_or_signalled(in);
        hint_anew(&o->list[i], &in->err);
        ml_error_wrap(&in->err, "%s", entry_word(&o->list[i].entry, uuid));
        failures_add(&failures, in);
    }
    return failures_end(&failures, in);
}

/* The jobs have to lie side by side for those who ask. The number of those that failed; -1. */
static int ask_repositories(struct invocation *in, struct origins *o,
                            const struct ml_package_request *how)
{
    struct progress progress;
    struct ml_package_request asked = *how;
    size_t n = 0;
    AUTO_FREE struct ml_versions_job *jobs = calloc(o->n + 1, sizeof *jobs);
    if (jobs == NULL)
        return ml_error_memory(&in->err);
    for (size_t i = 0; i < o->n; i++)
        if (*o->list[i].origin.index == '\0')
            jobs[n++].origin = &o->list[i].origin;
    progress_begin(&progress, n);
    asked.progress = progress_tell;
    asked.arg = &progress;
    int broken = ml_package_versions_all(&asked, jobs, n, 0);
    progress_end(&progress);
    n = 0;
    for (size_t i = 0; i < o->n; i++)
        if (*o->list[i].origin.index == '\0')
            o->jobs[i] = jobs[n++];
    return broken;
}

static bool is_older(const char *version, const char *than)
{
    struct semver a, b;
    return semver_parse(version, &a) && semver_parse(than, &b) && semver_compare(&a, &b) < 0;
}

static bool is_security(const char *reason)
{
    return strcmp(reason, "security") == 0;
}

/* What is retired is gone to from what is worse, and what is older only from what is retired: a
 * copy of the index that is behind takes nothing back. */
static bool is_taken(const struct invocation *in, const struct origin_entry *e)
{
    if (*e->found->reason != '\0')
        return option_given(in, "allow-retired") ||
               (e->retired && is_security(e->why.reason) && !is_security(e->found->reason));
    return e->retired || !is_older(e->found->version, e->entry.version);
}

/* The newest that it has, whatever the range. */
static int latest_find(const struct ml_index_query *query, struct ml_package_versions *v,
                       struct ml_error *err)
{
    struct ml_index_query any = *query;
    struct ml_index_found *found = NULL;
    any.range = NULL;
    if (ml_index_find(&any, &found, err) < 0)
        return -1;
    if (*found->reason == '\0')
        snprintf(v->latest, sizeof v->latest, "%s", found->version);
    ml_index_found_free(found);
    return 0;
}

static int ask_index(struct invocation *in, struct origins *o, size_t i, struct ml_error *err)
{
    struct origin_entry *e = &o->list[i];
    struct ml_package_versions *v = &o->jobs[i].versions;
    const struct ml_index_query query = {.name = e->origin.name,
                                         .range = strcmp(e->origin.ref, "*") ? e->origin.ref : NULL,
                                         .index = e->origin.index,
                                         .allow_retired = true};
    if (ml_index_find(&query, &e->found, err) < 0)
        return -1;
    bool taken = is_taken(in, e);
    snprintf(v->commit, sizeof v->commit, "%s", taken ? e->found->commit : e->origin.commit);
    snprintf(v->tag, sizeof v->tag, "%s", taken ? e->found->tag : e->origin.tag);
    snprintf(v->release, sizeof v->release, "%s", taken ? e->found->version : e->entry.version);
    return latest_find(&query, v, err);
}

static void warn_all(struct invocation *in, struct origins *o)
{
    struct ml_retired_list *retired = warn_open();
    for (size_t i = 0; i < o->n; i++)
        o->list[i].retired = warn_entry(in, retired, &o->list[i].entry, &o->list[i].why);
    ml_retired_close(retired);
}

int origins_ask(struct invocation *in, struct origins *o, const struct ml_package_request *how)
{
    o->jobs = calloc(o->n + 1, sizeof *o->jobs);
    if (o->jobs == NULL)
        return ml_error_memory(&in->err), failed(in);
    warn_all(in, o);
    int broken = ask_repositories(in, o, how);
    if (broken < 0)
        return failed(in);
    for (size_t i = 0; i < o->n; i++)
        if (*o->list[i].origin.index != '\0')
            broken += ask_index(in, o, i, &o->jobs[i].err) < 0;
    return broken > 0 ? ask_failed(in, o) : 0;
}

int origins_open(struct invocation *in, struct origins *ret, struct ml_package_request *how)
{
    int status = incoming_options(in, how);
    if (status == 0)
        status = origins_find(in, ret);
    return status == 0 ? origins_ask(in, ret, how) : status;
}

bool origin_is_outdated(const struct origins *o, size_t i)
{
    return strcmp(o->jobs[i].versions.commit, o->list[i].origin.commit) != 0;
}

bool origin_is_kept(const struct origins *o, size_t i)
{
    const struct origin_entry *e = &o->list[i];
    return e->found != NULL && *e->found->reason != '\0' && !origin_is_outdated(o, i) &&
           strcmp(e->found->commit, e->origin.commit) != 0;
}

/* Where what was asked for is no version, there is nothing to compare. */
bool origin_has_newer(const struct origins *o, size_t i)
{
    struct semver wanted, latest;
    const struct ml_package_versions *v = &o->jobs[i].versions;
    return semver_parse(v->latest, &latest) && semver_parse(v->release, &wanted) &&
           semver_compare(&latest, &wanted) > 0;
}

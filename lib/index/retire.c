/* Retiring versions in a clone of an index: the one thing of a version that may change. */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/semver.h"
#include "index/clone.h"

static int reason_take(const struct ml_retirement *r, enum index_reason *ret, struct ml_error *err)
{
    *ret = r->undo ? INDEX_NOT_RETIRED : index_reason_read(r->reason ? r->reason : "");
    if (r->undo)
        return 0;
    if (*ret == INDEX_NOT_RETIRED)
        return ml_error_set(err, ML_USAGE, "bad_reason", "'%.64s' is no reason to retire a version",
                            r->reason ? r->reason : ""),
               ml_error_hint(err, "--reason renamed, deprecated, security, invalid or other");
    if (r->message != NULL && *r->message != '\0' && index_text_good(r->message, INDEX_MESSAGE_MAX))
        return 0;
    ml_error_set(err, ML_USAGE, "no_message",
                 "why a version is retired is told in a line of 1 to %d bytes", INDEX_MESSAGE_MAX);
    return ml_error_hint(err, "--message 'it divides wrong; use 1.2.1'");
}

static bool same(const struct index_version *v, enum index_reason reason, const char *message)
{
    return v->retired == reason &&
           (reason == INDEX_NOT_RETIRED || strcmp(v->message, message) == 0);
}

/* Marks what is in the range; how many there are, and whether anything is another thing now. */
static size_t mark(struct index_plugin *p, const struct semver_range *range,
                   enum index_reason reason, const char *message, const char *date, bool *changed)
{
    size_t n = 0;
    struct semver version;
    for (size_t i = 0; i < p->n; i++) {
        struct index_version *v = &p->versions[i];
        if (!semver_parse(v->version, &version) || !semver_range_has(range, &version))
            continue;
        n++;
        if (same(v, reason, message))
            continue;
        *changed = true;
        v->retired = reason;
        v->message = reason == INDEX_NOT_RETIRED ? "" : message;
        v->date = reason == INDEX_NOT_RETIRED ? "" : date;
    }
    return n;
}

static int no_plugin(const struct ml_retirement *r, struct ml_error *err)
{
    ml_error_set(err, ML_NO_INPUT, "no_such_plugin", "the index has no plugin '%s'", r->name);
    return ml_error_hint(err, "is the clone up to date? git pull");
}

static int no_version(const struct ml_retirement *r, const struct index_plugin *p,
                      struct ml_error *err)
{
    ml_error_set(err, ML_NO_INPUT, "no_such_version", "'%s' has no version in '%.64s'", p->name,
                 r->range);
    return ml_error_hint(err, "its newest version is %s", p->versions[p->n - 1].version);
}

int ml_index_retire(const struct ml_retirement *r, const struct ml_index_commit *how,
                    struct ml_index_change *ret, struct ml_error *err)
{
    ARENA_AUTO a = ARENA_INIT;
    CLONE_AUTO clone = CLONE_INIT;
    struct index_plugin p;
    struct semver_range range;
    enum index_reason reason;
    char date[INDEX_DATE_SIZE];
    bool changed = false;
    if (reason_take(r, &reason, err) < 0)
        return -1;
    if (!semver_range_parse(r->range, &range))
        return ml_error_set(err, ML_DATA, "bad_range",
                            "'%.64s' is neither a version nor a range of versions", r->range);
    int there = clone_open(&a, how, r->name, &clone, &p, err);
    if (there <= 0)
        return there < 0 ? -1 : no_plugin(r, err);
    clone_date(date);
    size_t n = mark(&p, &range, reason, r->message, date, &changed);
    if (n == 0)
        return no_version(r, &p, err);
    ret->versions = n;
    snprintf(ret->name, sizeof ret->name, "%s", p.name);
    if (!changed)
        return 0;
    const char *message =
        r->undo ? arena_fmt(&a, "%s %s: not retired", p.name, r->range)
                : arena_fmt(&a, "%s %s: retired, %s", p.name, r->range, index_reason_word(reason));
    if (a.failed)
        return ml_error_memory(err);
    return clone_commit(&clone, &p, message, ret, err) < 0 ? -1 : 1;
}

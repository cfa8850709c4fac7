/* modload sync: the plugins of a project, as its lock says. The library does each step for all of
 * them; what is shown and asked is what install shows and asks. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/scope.h"
#include "base/shell-word.h"
#include "cmd/incoming.h"
#include "cmd/progress.h"
#include "modload/sync.h"

enum { BUILD_MS = 60000, TEST_MS = 10000, ORIGIN_TEXT_MAX = 200 };

struct syncing {
    struct invocation *in;
    struct ml_sync_request request;
    struct ml_sync *sync;
    const char *renew[OPTIONS_MAX];
    struct failures failures;
    struct incoming *incoming; /* what was fetched: first that which somebody has to agree to */
    size_t n, n_asking;
};

/* The packages are the sync's. */
static void syncing_free(struct syncing *s)
{
    for (size_t i = 0; i < s->n; i++)
        s->incoming[i].job.package = NULL;
    incoming_free(s->incoming, s->n);
    free(s->incoming);
    ml_sync_free(s->sync);
}

/* ---- failures ---- */

/* Not by its status: that of a plugin's end may be the same. */
static bool is_cancelled(const struct ml_error *err)
{
    return strcmp(err->code, "cancelled") == 0;
}

/* Who ends it by a signal knows why nothing came of the others. */
static void tell_failed(const char *plugin, const struct ml_error *err, void *arg)
{
    struct syncing *s = arg;
    if (is_cancelled(err))
        return;
    s->in->err = *err;
    failures_add(&s->failures, s->in);
}

/* The step's own error is among those that were told, unless it is of no plugin in particular. */
static int step_failed(struct syncing *s)
{
    struct invocation *in = s->in;
    bool told = strcmp(s->failures.last.message, in->err.message) == 0;
    if (is_cancelled(&in->err))
        return failed_or_signalled(in);
    if (!told)
        failures_add(&s->failures, in);
    return failures_end(&s->failures, in);
}

/* ---- the answer ---- */

static const char *state_word(enum ml_sync_state state)
{
    static const char *const words[] = {"same", "locked", "added", "changed", "gone"};
    return words[state];
}

/* An entry that only has the plugin's UUID. */
static void put_other(struct json *j, const struct ml_sync_plugin *p)
{
    json_key(j, "other");
    if (p->other == NULL) {
        json_null(j);
        return;
    }
    json_open(j, '{');
    json_pair(j, "name", p->other->name);
    json_pair(j, "plugin", p->other->plugin);
    json_pair(j, "version", p->other->version);
    json_pair(j, "bundle", p->other->bundle);
    json_pair(j, "origin", p->other_origin);
    json_close(j, '}');
}

static void put_one(struct json *j, const struct ml_sync_plugin *p)
{
    json_open(j, '{');
    json_pair(j, "uuid", p->uuid);
    json_pair(j, "name", p->name);
    json_pair(j, "state", state_word(p->state));
    json_pair(j, "git", p->git);
    json_pair(j, "tag", p->tag);
    json_pair(j, "release", p->release);
    json_pair(j, "commit", p->commit);
    json_pair(j, "release_before", p->release_before);
    json_pair(j, "commit_before", p->commit_before);
    json_pair(j, "bundle", p->bundle);
    json_key(j, "asks");
    json_bool(j, p->asks);
    json_strings(j, "asks_for", p->more, p->n_more);
    json_strings(j, "capabilities", p->capabilities, p->n_capabilities);
    json_strings(j, "capabilities_before", p->capabilities_before, p->n_capabilities_before);
    if (p->package != NULL)
        submodules_json(j, ml_package_info(p->package));
    put_other(j, p);
    if (p->state == ML_SYNC_GONE) {
        json_key(j, "unregistered");
        json_bool(j, p->unregistered);
    }
    json_close(j, '}');
}

static void put_json(const struct syncing *s)
{
    struct json *j = &s->in->data;
    const struct ml_sync_plugin *p;
    json_open(j, '{');
    json_key(j, "plugins");
    json_open(j, '[');
    for (size_t i = 0; (p = ml_sync_plugin(s->sync, i)) != NULL; i++)
        put_one(j, p);
    json_close(j, ']');
    json_key(j, "lock_written");
    json_bool(j, ml_sync_wrote_lock(s->sync));
    json_close(j, '}');
}

/* What --prune has taken out, or with --dry-run would. */
static bool is_pruned(const struct syncing *s, const struct ml_sync_plugin *p)
{
    struct ml_key key;
    struct ml_entry entry;
    if (p->state != ML_SYNC_GONE || !s->request.look_only || !s->request.prune)
        return p->unregistered;
    return p->other == NULL && ml_key_from_uuid(p->uuid, &key, NULL) == 0 &&
           ml_entry_read(s->in->ctx, &key, &entry, NULL) == 0;
}

/* A line for each that is not as it was: key, name, bundle, version, what became of it. */
static void put_text(const struct syncing *s)
{
    const struct ml_sync_plugin *p;
    for (size_t i = 0; (p = ml_sync_plugin(s->sync, i)) != NULL; i++) {
        bool gone = p->state == ML_SYNC_GONE;
        const char *commit = gone ? p->commit_before : p->commit;
        const char *release = gone ? p->release_before : p->release;
        if (p->state == ML_SYNC_SAME || (gone && !is_pruned(s, p)))
            continue;
        buf_fmt(&s->in->text, "%s  %s  %s  ", p->uuid, p->name, *p->bundle ? p->bundle : "-");
        if (*release != '\0')
            buf_str(&s->in->text, release);
        else
            buf_fmt(&s->in->text, "%.12s", commit);
        buf_fmt(&s->in->text, "  %s\n", state_word(p->state));
    }
}

/* Its origin was written by a stranger. */
static const char *other_text(const struct ml_sync_plugin *p, struct buf *text)
{
    const struct ml_entry *other = p->other;
    buf_reset(text);
    buf_fmt(text, "'%s' %s (%s)", *other->name ? other->name : other->plugin, other->version,
            other->bundle);
    buf_str(text, *p->other_origin ? " from " : ", nobody knows where from");
    put_plain(text, p->other_origin, ORIGIN_TEXT_MAX);
    return buf_text(text);
}

static void tell_gone(const struct syncing *s)
{
    const struct ml_sync_plugin *p;
    BUF_AUTO text = BUF_INIT;
    for (size_t i = 0; (p = ml_sync_plugin(s->sync, i)) != NULL; i++)
        if (p->state == ML_SYNC_GONE && p->other != NULL)
            note("the project does not name '%s' any more, and what has its UUID is another's and "
                 "stays: %s is %s; to take it out: modload unregister %s",
                 p->name, p->uuid, other_text(p, &text), p->uuid);
        else if (p->state == ML_SYNC_GONE && !p->unregistered)
            note("the project does not name '%s' (%s) any more; if it is registered, it stays: "
                 "modload unregister %s",
                 p->name, p->uuid, p->uuid);
}

static void tell_workers(const struct syncing *s)
{
    const struct ml_sync_plugin *p;
    struct ml_worker_status worker;
    struct ml_key key;
    for (size_t i = 0; (p = ml_sync_plugin(s->sync, i)) != NULL; i++) {
        if (p->state == ML_SYNC_SAME || ml_key_from_uuid(p->uuid, &key, NULL) < 0)
            continue;
        if (p->state != ML_SYNC_GONE)
            tell_worker(s->in, &key, p->bundle, p->name);
        else if (p->unregistered && ml_worker_query(s->in->ctx, &key, &worker, NULL) > 0)
            note("'%s' is taken out, and its worker goes on: modload release %s", p->name, p->uuid);
    }
}

static int answer(const struct syncing *s)
{
    const struct ml_sync_plugin *p;
    size_t n = 0, same = 0;
    for (size_t i = 0; (p = ml_sync_plugin(s->sync, i)) != NULL; i++) {
        n += p->state != ML_SYNC_GONE;
        same += p->state == ML_SYNC_SAME;
    }
    put_text(s);
    if (s->in->want_json)
        put_json(s);
    if (option_given(s->in, "dry-run"))
        return 0;
    tell_gone(s);
    if (same == n)
        note("%zu plugin%s as the lock says", n, n == 1 ? " is" : "s are");
    else if (same == 0)
        note("registered %zu plugin%s", n, n == 1 ? "" : "s");
    else
        note("registered %zu of %zu plugins: the others were so already", n - same, n);
    tell_workers(s);
    if (ml_sync_wrote_lock(s->sync))
        note("the lock was written: keep it with the project");
    return 0;
}

/* ---- the steps ---- */

static int fetch(struct syncing *s, struct progress *progress)
{
    const struct ml_sync_plugin *p;
    size_t n = 0;
    for (size_t i = 0; (p = ml_sync_plugin(s->sync, i)) != NULL; i++)
        n += p->state != ML_SYNC_SAME && p->state != ML_SYNC_GONE;
    progress_begin(progress, n);
    int status = ml_sync_fetch(s->sync, &s->in->err);
    progress_end(progress);
    return status < 0 ? step_failed(s) : 0;
}

static int incoming_add(struct syncing *s, const struct ml_sync_plugin *p)
{
    struct incoming *one = &s->incoming[s->n];
    one->job.request = s->request.how;
    one->job.package = (struct ml_package *)p->package;
    one->name = p->name;
    one->agreed = !p->asks; /* by the lock */
    one->asking.again = *p->commit_before != '\0';
    one->asking.agreed = p->capabilities_before;
    one->asking.n_agreed = p->n_capabilities_before;
    s->n++;
    return ml_key_from_uuid(p->uuid, &one->key, &s->in->err) < 0 ? failed(s->in) : 0;
}

static int incoming_find(struct syncing *s)
{
    const struct ml_sync_plugin *p;
    size_t n = 0;
    while (ml_sync_plugin(s->sync, n) != NULL)
        n++;
    s->incoming = calloc(n + 1, sizeof *s->incoming);
    if (s->incoming == NULL)
        return ml_error_memory(&s->in->err), failed(s->in);
    for (int asks = 1; asks >= 0; asks--) {
        for (size_t i = 0; (p = ml_sync_plugin(s->sync, i)) != NULL; i++)
            if (p->package != NULL && p->asks == asks && incoming_add(s, p) != 0)
                return failed(s->in);
        s->n_asking = asks ? s->n : s->n_asking;
    }
    return 0;
}

/* What a lock would replace that is not its own. */
static void tell_others(const struct syncing *s)
{
    const struct ml_sync_plugin *p;
    BUF_AUTO text = BUF_INIT;
    for (size_t i = 0; (p = ml_sync_plugin(s->sync, i)) != NULL; i++)
        if (p->state != ML_SYNC_GONE && p->other != NULL)
            note("'%s' replaces another entry: %s is %s", p->name, p->uuid, other_text(p, &text));
}

/* Where a lock is all that is gone by, nobody is asked. */
static int others_check(struct syncing *s)
{
    const struct ml_sync_plugin *p;
    struct invocation *in = s->in;
    BUF_AUTO text = BUF_INIT;
    BUF_AUTO dir = BUF_INIT;
    shell_word(&dir, s->request.dir);
    if (!s->request.frozen || s->request.look_only || option_given(in, "yes"))
        return 0;
    for (size_t i = 0; (p = ml_sync_plugin(s->sync, i)) != NULL; i++) {
        if (p->state == ML_SYNC_GONE || p->other == NULL)
            continue;
        ml_error_set(&in->err, ML_REFUSED, "other_entry",
                     "%s: the entry that has its UUID came from elsewhere: %s is %s", p->name,
                     p->uuid, other_text(p, &text));
        ml_error_hint(&in->err,
                      "to replace that entry all the same add --yes; to keep it give "
                      "'%s' another \"uuid\" in the project, and run modload sync %s",
                      p->name, buf_text(&dir));
        failures_add(&s->failures, in);
    }
    return failures_end(&s->failures, in);
}

static int agree(struct syncing *s)
{
    int status = incoming_find(s);
    if (status == 0)
        status = incoming_compare(s->in, s->incoming, s->n_asking);
    if (status == 0)
        status = incoming_show(s->in, s->incoming, s->n_asking);
    if (status == 0)
        tell_others(s);
    if (status == 0)
        status = incoming_retired(s->in, s->incoming, s->n);
    if (status == 0 && !s->request.look_only)
        status = incoming_agree(s->in, s->incoming, s->n_asking);
    return status;
}

static int sync_run(struct syncing *s, struct progress *progress)
{
    struct invocation *in = s->in;
    if (ml_sync_open(in->ctx, &s->request, &s->sync, &in->err) < 0)
        return failed_or_signalled(in);
    if (ml_sync_is_done(s->sync))
        return answer(s);
    int status = others_check(s);
    if (status == 0)
        status = fetch(s, progress);
    if (status == 0)
        status = agree(s);
    if (status == 0 && !s->request.look_only && ml_sync_apply(s->sync, &in->err) < 0)
        status = step_failed(s);
    return status != 0 ? status : answer(s);
}

static int run(struct invocation *in)
{
    __attribute__((cleanup(syncing_free))) struct syncing s = {.in = in};
    struct progress progress;
    struct ml_sync_request *r = &s.request;
    unsigned long jobs = 0;
    int status = incoming_options(in, &r->how);
    if (status != 0)
        return status;
    if (option_given(in, "frozen") && option_given(in, "update"))
        return usage_error(in, "sync: --frozen keeps the lock, and --update changes it");
    if (option_given(in, "jobs") && option_count(in, "jobs", 0, &jobs) < 0)
        return ML_USAGE;
    if (option_duration(in, "wait", DEFAULT_WAIT_MS, &r->wait_ms) < 0 ||
        option_duration(in, "build-timeout", BUILD_MS, &r->build_ms) < 0)
        return ML_USAGE;
    r->dir = in->n_args > 0 ? in->args[0] : ".";
    r->frozen = option_given(in, "frozen");
    r->look_only = option_given(in, "dry-run");
    r->prune = option_given(in, "prune");
    r->renew = s.renew;
    r->n_renew = option_values(in, "update", s.renew);
    r->at_once = (unsigned)jobs;
    r->test_ms = TEST_MS;
    r->diagnostics_fd = STDERR_FILENO;
    r->how.progress = progress_tell;
    r->how.arg = &progress;
    r->failed = tell_failed;
    r->arg = &s;
    return sync_run(&s, &progress);
}

static const struct command_option options[] = {
    {0, "frozen", NULL, "the lock is as it has to be: anything else is an error (78)"},
    {'u', "update", "NAME", "look for a newer commit of that plugin; '*': of all"},
    {0, "prune", NULL, "take those out that the lock has and the project names no more"},
    {'j', "jobs", "N", "how many to fetch and build at once"},
    INCOMING_OPTIONS,
    OPTION_WAIT,
    {0},
};

const struct command command_sync = {
    .name = "sync",
    .args = "[DIR]",
    .summary = "bring the registry to what a project needs",
    .help =
        "Reads \"plugins\" of DIR/modload.json, {\"math\": {\"git\": URL, \"version\": \"^1.2\"}}; "
        "\"ref\" instead of \"version\"\n"
        "names a branch, a tag or a commit, \"path\" a directory in the repository, \"uuid\" the "
        "key. What it got is kept\n"
        "in DIR/modload.lock, and is what everybody else gets: the same commit, the same files, "
        "checked against their\n"
        "digest (77). What the lock has is not asked about; what is new is shown, and somebody has "
        "to agree: to more\n"
        "capabilities than the lock has by --accept for each, beside --yes. All of the plugins are "
        "fetched, built and\n"
        "tested before any is registered. A commit that is locked stays until the project asks for "
        "another version, or\n"
        "--update for a newer one; a branch that was rewritten, or a tag that was moved, is an "
        "error (77).",
    .example = "modload sync --frozen",
    .options = options,
    .min_args = 0,
    .max_args = 1,
    .run = run,
};

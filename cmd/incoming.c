/* The way of plugins into the registry: fetch, compare, agree, build, test, register. What is shown
 * of them is in incoming_show.c. */
#include "cmd/incoming.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "base/scope.h"
#include "base/size.h"
#include "cmd/build.h"
#include "cmd/progress.h"

enum { ANSWER_MAX = 64, TEST_TIMEOUT_MS = 10000 };

void incoming_free(struct incoming *list, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        ml_package_free(list[i].job.package);
        ml_package_free(list[i].before);
        ml_bundle_info_free(list[i].info);
        ml_bundle_info_free(list[i].now);
        free(list[i].asking.more);
        free(list[i].asking.gone);
        free(list[i].changes);
        free(list[i].origin);
    }
}

int offline_wanted(struct invocation *in, bool *ret)
{
    const char *value = getenv("MODLOAD_OFFLINE");
    *ret = false;
    if (value != NULL && *value != '\0' && strcmp(value, "0") != 0 && strcmp(value, "1") != 0) {
        ml_error_set(&in->err, ML_CONFIG, "bad_variable", "MODLOAD_OFFLINE is '%.64s'", value);
        ml_error_hint(&in->err, "set it to 1 (no network), or to 0, or unset it");
        return failed(in);
    }
    *ret = option_given(in, "offline") || (value != NULL && strcmp(value, "1") == 0);
    return 0;
}

int network_wanted(struct invocation *in)
{
    bool offline;
    int status = offline_wanted(in, &offline);
    if (status != 0 || !offline)
        return status;
    ml_error_set(&in->err, ML_CONFIG, "offline", "MODLOAD_OFFLINE says that there is no network");
    ml_error_hint(&in->err, "MODLOAD_OFFLINE=0 modload %s ... uses it", in->command->name);
    return failed(in);
}

int incoming_options(struct invocation *in, struct ml_package_request *ret)
{
    int64_t ignored;
    bool offline;
    int status = offline_wanted(in, &offline);
    if (status != 0)
        return status;
    *ret = (struct ml_package_request){.cancel_fd = watch_signals(in)};
    ml_ctx_cancel_on(in->ctx, ret->cancel_fd);
    ret->cache = option_value(in, "from", NULL);
    ret->mirror = ret->cache != NULL;
    ret->offline = offline || ret->mirror;
    ret->submodules = option_given(in, "submodules");
    if (option_duration(in, "fetch-timeout", 0, &ret->timeout_ms) < 0 ||
        option_duration(in, "min-age", 0, &ignored) < 0)
        return ML_USAGE;
    return asking_options(in);
}

/* ---- fetching ---- */

static int tell_fetching(struct invocation *in, const struct incoming *i)
{
    const struct ml_package_request *r = &i->job.request;
    bool path = r->path != NULL && *r->path != '\0';
    AUTO_FREE char *source = NULL;
    if (ml_package_source(r, &source, &in->err) < 0)
        return failed(in);
    note("fetching %s%s%s", source, path ? ", " : "", path ? r->path : "");
    return 0;
}

/* Puts the failures of all of them together; in->err is the last. */
static int tell_failed(struct invocation *in, struct incoming *list, size_t n)
{
    struct failures failures = {0};
    for (size_t i = 0; i < n; i++) {
        if (list[i].job.package != NULL)
            continue;
        in->err = list[i].job.err;
        if (in->err.status == ML_SIGNAL + SIGINT)
            return failed_or_signalled(in);
        failures_add(&failures, in);
    }
    return failures_end(&failures, in);
}

/* The jobs have to lie side by side for those who fetch. */
int incoming_fetch(struct invocation *in, struct incoming *list, size_t n, unsigned at_once)
{
    struct progress progress;
    AUTO_FREE struct ml_package_job *jobs = calloc(n + 1, sizeof *jobs);
    if (jobs == NULL)
        return ml_error_memory(&in->err), failed(in);
    for (size_t i = 0; i < n; i++) {
        int status = tell_fetching(in, &list[i]);
        if (status != 0)
            return status;
    }
    progress_begin(&progress, n);
    for (size_t i = 0; i < n; i++) {
        jobs[i] = list[i].job;
        jobs[i].request.progress = progress_tell;
        jobs[i].request.arg = &progress;
    }
    int broken = ml_package_fetch_all(in->ctx, jobs, n, at_once, &in->err);
    progress_end(&progress);
    for (size_t i = 0; i < n; i++) {
        list[i].job = jobs[i];
        list[i].job.request.progress = NULL; /* what it points to is gone in a moment */
    }
    if (broken < 0)
        return failed_or_signalled(in);
    return broken > 0 ? tell_failed(in, list, n) : 0;
}

/* ---- what is there ---- */

/* Of an earlier version its commit tells what it was: if that is not at hand any more, what changed
 * is not known, which is no reason to stop. */
static int before_fetch(struct invocation *in, struct incoming *i)
{
    struct ml_origin origin;
    const struct ml_package_info *now = ml_package_info(i->job.package);
    struct ml_package_request request = i->job.request;
    if (ml_origin_parse(i->origin, &origin, NULL) < 0)
        return 0;
    request.source = origin.git;
    request.ref = "";
    request.path = origin.path;
    request.submodules = origin.submodules;
    request.commit = origin.commit;
    request.tag = request.tree = request.digest = NULL;
    request.index = request.name = request.version = NULL;
    request.offline = true;
    request.progress = NULL;
    if (now->git && strcmp(now->commit, origin.commit) != 0 &&
        ml_package_fetch(in->ctx, &request, &i->before, NULL) < 0)
        i->before = NULL;
    ml_origin_done(&origin);
    if (i->before == NULL)
        return 0;
    return ml_package_compare(i->before, i->job.package, &i->changes, &i->n_changes, &in->err);
}

static int origin_read(struct invocation *in, struct incoming *i)
{
    char origin[2 * PATH_MAX];
    if (ml_entry_origin(in->ctx, &i->key, origin, sizeof origin, &in->err) < 0)
        return -1;
    i->origin = strdup(origin);
    return i->origin ? 0 : ml_error_memory(&in->err);
}

int incoming_compare(struct invocation *in, struct incoming *list, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        list[i].there = ml_entry_read(in->ctx, &list[i].key, &list[i].entry, &in->err) == 0;
        if (!list[i].there && in->err.status != ML_NO_INPUT)
            return failed(in);
        in->err = (struct ml_error)ML_ERROR_INIT;
        if (list[i].there && (origin_read(in, &list[i]) < 0 || before_fetch(in, &list[i]) < 0))
            return failed_or_signalled(in);
        const struct ml_package_info *info = ml_package_info(list[i].job.package);
        if (asking_compare(in, &list[i], info->capabilities, info->n_capabilities) < 0)
            return failed(in);
    }
    return 0;
}

/* ---- agreeing ---- */

/* Who has agreed to this very commit need not do it again. */
bool incoming_is_known(const struct incoming *i)
{
    struct ml_origin origin;
    const struct ml_package_info *now = ml_package_info(i->job.package);
    if (i->agreed)
        return true;
    if (!i->there || ml_origin_parse(i->origin, &origin, NULL) < 0)
        return false;
    bool same = now->git && strcmp(origin.git, now->source) == 0 &&
                strcmp(origin.path, now->path) == 0 && strcmp(origin.commit, now->commit) == 0;
    ml_origin_done(&origin);
    return same;
}

/* A line from the terminal; nothing of it is left for others to read. -1: a signal. */
static int answer_read(struct invocation *in, char answer[ANSWER_MAX])
{
    struct pollfd p[2] = {{.fd = STDIN_FILENO, .events = POLLIN},
                          {.fd = watch_signals(in), .events = POLLIN}};
    *answer = '\0';
    while (poll(p, 2, -1) < 0)
        if (errno != EINTR)
            return ml_error_errno(&in->err, 0, errno, "cannot wait for an answer");
    if (p[1].revents != 0)
        return ml_error_set(&in->err, ML_SIGNAL + SIGINT, "cancelled", "cancelled");
    ssize_t n = read(STDIN_FILENO, answer, ANSWER_MAX - 1);
    answer[n > 0 ? n : 0] = '\0';
    return 0;
}

static int not_agreed(struct invocation *in, const struct incoming *list, size_t all,
                      const struct incoming *first, size_t n)
{
    const struct ml_package_info *info = ml_package_info(first->job.package);
    ml_error_set(&in->err, ML_REFUSED, "not_agreed", "nobody has agreed to '%.64s' from '%.200s'%s",
                 info->name, info->source, n > 1 ? " and others" : "");
    asking_hint(in, list, all);
    return failed(in);
}

static int too_young(struct invocation *in, const struct ml_package_info *info)
{
    char date[32];
    time_text(info->time, date);
    ml_error_set(&in->err, ML_REFUSED, "too_young",
                 "'%.64s' %.64s is of %s, and that is younger than --min-age %s", info->name,
                 *info->release ? info->release : info->version, date,
                 option_value(in, "min-age", ""));
    ml_error_hint(&in->err, "take an older version: @VERSION; or wait");
    return failed(in);
}

static int ages_check(struct invocation *in, const struct incoming *list, size_t n)
{
    int64_t min_ms;
    if (option_duration(in, "min-age", 0, &min_ms) < 0)
        return ML_USAGE;
    for (size_t i = 0; i < n; i++) {
        const struct ml_package_info *info = ml_package_info(list[i].job.package);
        if (info->git && min_ms > 0 && !incoming_is_known(&list[i]) &&
            (int64_t)time(NULL) - info->time < min_ms / 1000)
            return too_young(in, info);
    }
    return 0;
}

int incoming_ask(struct invocation *in, const char *question)
{
    char answer[ANSWER_MAX];
    if (in->want_json || !isatty(STDIN_FILENO) || !isatty(STDERR_FILENO))
        return 0;
    tcflush(STDIN_FILENO, TCIFLUSH); /* what was typed before was no answer to this */
    say("%s [y/N] ", question);
    return answer_read(in, answer) < 0 ? -1 : *answer == 'y' || *answer == 'Y';
}

/* By --yes, and --accept where one asks for more than before. */
static int said_beforehand(struct invocation *in, const struct incoming *list, size_t n)
{
    struct failures failures = {0};
    for (size_t i = 0; i < n; i++)
        if (asking_accepted(in, ml_package_info(list[i].job.package)->name, &list[i].asking) != 0)
            failures_add(&failures, in);
    if (failures_end(&failures, in) == 0)
        return 0;
    asking_rest_hint(in, list, n);
    return in->err.status;
}

/* A person takes his time, and meanwhile an editor may write. */
static int unchanged_check(struct invocation *in, const struct incoming *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (ml_package_unchanged(list[i].job.package, &in->err) < 0)
            return failed(in);
    return 0;
}

int incoming_agree(struct invocation *in, const struct incoming *list, size_t n)
{
    const struct incoming *first = NULL;
    size_t unknown = 0;
    int status = ages_check(in, list, n);
    for (size_t i = 0; i < n; i++)
        if (!incoming_is_known(&list[i]) || list[i].asking.n_more > 0) {
            first = first ? first : &list[i];
            unknown++;
        }
    if (status != 0 || unknown == 0)
        return status;
    if (option_given(in, "yes"))
        return said_beforehand(in, list, n);
    int yes = incoming_ask(in, asking_question(list, n, unknown > 1));
    if (yes < 0)
        return failed_or_signalled(in);
    return yes ? unchanged_check(in, list, n) : not_agreed(in, list, n, first, unknown);
}

/* ---- building and testing ---- */

static int build_failed(struct invocation *in, struct incoming *list, struct ml_build_job *jobs,
                        size_t n)
{
    struct failures failures = {0};
    for (size_t i = 0; i < n; i++) {
        if (jobs[i].info != NULL)
            continue;
        in->err = jobs[i].err;
        if (in->err.status == ML_SIGNAL + SIGINT)
            return failed_or_signalled(in);
        ml_error_wrap(&in->err, "cannot build '%.64s'", ml_package_info(list[i].job.package)->name);
        failures_add(&failures, in);
    }
    return failures_end(&failures, in);
}

int incoming_build(struct invocation *in, struct incoming *list, size_t n, unsigned at_once)
{
    struct build_options o;
    AUTO_FREE struct ml_build_job *jobs = calloc(n + 1, sizeof *jobs);
    if (jobs == NULL)
        return ml_error_memory(&in->err), failed(in);
    int status = build_options(in, &o);
    if (status != 0)
        return status;
    for (size_t i = 0; i < n; i++) {
        jobs[i].request = o.request;
        ml_package_build(list[i].job.package, &jobs[i].request);
        note("building %s", ml_package_info(list[i].job.package)->name);
    }
    int broken = ml_build_all(in->ctx, jobs, n, at_once, &in->err);
    for (size_t i = 0; i < n; i++)
        list[i].info = jobs[i].info;
    if (broken < 0)
        return failed_or_signalled(in);
    for (size_t i = 0; i < n && broken == 0; i++)
        note_skipped_of(list[i].info, &list[i].key);
    return broken > 0 ? build_failed(in, list, jobs, n) : 0;
}

struct told {
    const char *name;
    size_t passed, count;
};

static int tell_test(const struct ml_test_result *result, void *arg)
{
    struct told *told = arg;
    told->count = result->count;
    told->passed += result->passed;
    if (!result->passed)
        note("%s: test %zu of %zu failed: %s: %s", told->name, result->number, result->count,
             result->call, result->why);
    return 0;
}

/* What an entry has already was tested when it came. */
static int test_one(struct invocation *in, struct incoming *i)
{
    struct told told = {.name = i->info->name};
    int status = asking_built(in, i);
    if (status != 0)
        return status;
    if (i->there && strcmp(i->entry.bundle, i->info->bundle) == 0)
        return 0;
    int broken = ml_bundle_test(in->ctx, i->info->bundle, TEST_TIMEOUT_MS, watch_signals(in),
                                tell_test, &told, &in->err);
    if (broken < 0) {
        ml_error_wrap(&in->err, "cannot test '%s'", i->info->name);
        return failed_or_signalled(in);
    }
    if (told.count > 0)
        note("tested %s: %zu passed, %d failed", i->info->name, told.passed, broken);
    if (broken == 0)
        return 0;
    ml_error_set(&in->err, ML_DATA, "tests_failed", "'%s' fails %d of its own %zu tests",
                 i->info->name, broken, told.count);
    ml_error_hint(&in->err, "nothing was registered; to use it all the same: modload register U %s",
                  i->info->bundle);
    return failed(in);
}

int incoming_test(struct invocation *in, struct incoming *list, size_t n)
{
    int status = 0;
    for (size_t i = 0; i < n && status == 0; i++)
        status = test_one(in, &list[i]);
    return status;
}

/* ---- registering ---- */

void tell_worker(struct invocation *in, const struct ml_key *key, const char *bundle,
                 const char *word)
{
    struct ml_worker_status worker;
    if (ml_worker_query(in->ctx, key, &worker, NULL) > 0 &&
        (!worker.answers || strcmp(worker.bundle, bundle) != 0))
        note("its worker goes on with the code that it has: modload reload %s", word);
}

static void tell_registered(struct invocation *in, const struct incoming *i)
{
    char uuid[ML_UUID_SIZE];
    const struct ml_register_result *r = &i->registered;
    ml_key_to_uuid(&i->key, uuid);
    buf_fmt(&in->text, "%s\n", uuid);
    note("%s %s %s%s%s", r->changed ? "installed" : "installed already:", r->plugin, r->version,
         *r->name && strcmp(r->name, r->plugin) != 0 ? " as " : "",
         *r->name && strcmp(r->name, r->plugin) != 0 ? r->name : "");
    if (r->name_taken)
        note("the name '%s' belongs to another entry: %s has none; give it one: --name N",
             r->plugin, uuid);
    if (r->changed)
        tell_worker(in, &i->key, r->bundle, *r->name ? r->name : uuid);
}

int incoming_register(struct invocation *in, struct incoming *list, size_t n)
{
    size_t bad;
    AUTO_FREE struct ml_registration *entries = calloc(n + 1, sizeof *entries);
    if (entries == NULL)
        return ml_error_memory(&in->err), failed(in);
    for (size_t i = 0; i < n; i++)
        entries[i] = (struct ml_registration){
            .key = list[i].key,
            .bundle = list[i].info->bundle,
            .name = list[i].name,
            .origin = list[i].from ? list[i].from : ml_package_info(list[i].job.package)->origin,
            .seen = list[i].there ? list[i].entry.bundle : "",
        };
    if (ml_register_all(in->ctx, entries, n, &bad, &in->err) < 0) {
        if (bad < n)
            ml_error_wrap(&in->err, "cannot register '%s'", list[bad].info->name);
        return failed_or_signalled(in);
    }
    for (size_t i = 0; i < n; i++) {
        list[i].registered = entries[i].result;
        tell_registered(in, &list[i]);
    }
    return 0;
}

int incoming_finish(struct invocation *in, struct incoming *list, size_t n)
{
    bool dry = option_given(in, "dry-run");
    int status = incoming_compare(in, list, n);
    if (status == 0)
        status = incoming_show(in, list, n);
    if (status == 0)
        status = incoming_retired(in, list, n);
    if (status == 0 && !dry)
        status = incoming_agree(in, list, n);
    if (status == 0 && !dry)
        status = incoming_build(in, list, n, 0);
    if (status == 0 && !dry)
        status = incoming_test(in, list, n);
    if (status == 0 && !dry)
        status = incoming_register(in, list, n);
    if (status == 0)
        incoming_json(in, list, n);
    return status;
}

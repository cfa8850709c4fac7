/* Fail at every step: each call of each command fails once with each error that it may have, is cut
 * short, or is the first of many that fail: a full disk, one that has become read-only, a broken
 * one. The command goes through, or says in one line what failed; it never leaves half of a change.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "jobs.h"
#include "modes.h"
#include "trace.h"
#include "trial.h"

enum { DONE = COUNT_OWN, REFUSED, OLD, NEW };

/* Of each case, in the short form. */
enum { SHORT_POINTS = 8 };

enum how { ONCE, ON, CUT };

/* Of calls that differ in the digits of their path alone, as for each of 256 directories, the first
 * few are tried, and then one of many. */
enum { LIKE_MAX = 512, LIKE_FIRST = 3, LIKE_THEN = 32 };

/* One thing that goes wrong at one call: the at-th of that name. How many calls of other names come
 * before it may depend on how fast a compiler is. */
struct point {
    int trial, call, at;
    enum how how;
    int error;
};

struct failing {
    const struct rig *rig;
    const struct options *options;
    const struct trial *trials;
    size_t n_trials;
    struct result *results;
    struct point *points;
    size_t n_points, room;
};

/* One run: lists what may go wrong, or lets it. */
struct run_failing {
    struct failing *f;
    const char *home;
    int trial;
    const struct point *point; /* null: only list */
    int seen[N_CALLS];         /* how many of each name there were */
    uint64_t like[LIKE_MAX];   /* calls on paths that are alike, and how many of each */
    unsigned n_like[LIKE_MAX];
    char call[32];
    bool met, to_stderr; /* the point is reached; it was to tell of a failure */
};

static bool is_in_home(const struct call *call, const char *home)
{
    char path[PATH_MAX];
    return call_path(call, 0, path, sizeof path) && strncmp(path, home, strlen(home)) == 0;
}

/* ---- what may go wrong ---- */

static bool is_wanted(const struct options *o, const struct point *p, const char *name)
{
    const char *how = p->how == CUT ? "cut" : errno_name(p->error);
    return (o->at == 0 || o->at == p->at) && (o->error == NULL || strcmp(o->error, how) == 0) &&
           (o->call == NULL || strcmp(o->call, name) == 0);
}

static void add_point(struct run_failing *r, const struct call *call, enum how how, int error)
{
    struct failing *f = r->f;
    int index = call_index(call->info);
    struct point p = {r->trial, index, r->seen[index], how, error};
    if (!is_wanted(f->options, &p, call_name(call)))
        return;
    if (f->n_points == f->room) {
        f->room = f->room ? f->room * 2 : 1024;
        f->points = realloc(f->points, f->room * sizeof *f->points);
        if (f->points == NULL)
            give_up("out of memory");
    }
    f->points[f->n_points++] = p;
}

static bool is_one_too_many(struct run_failing *r, const struct call *call)
{
    char path[PATH_MAX];
    if (!call_path(call, 0, path, sizeof path))
        return false;
    for (char *p = path; *p != '\0'; p++)
        *p = isxdigit((unsigned char)*p) ? '#' : *p;
    uint64_t like = fnv(FNV_INIT + (unsigned)call_index(call->info), path, strlen(path));
    int i = 0;
    while (i < LIKE_MAX - 1 && r->n_like[i] > 0 && r->like[i] != like)
        i++;
    r->like[i] = like;
    unsigned n = ++r->n_like[i];
    return n > LIKE_FIRST && n % LIKE_THEN != 0;
}

/* The dynamic loader takes a read that is interrupted or short for a broken library: libc's
 * business, and no disk does that. */
static bool is_of_loader(const struct call *call)
{
    char path[PATH_MAX];
    return call_path(call, 0, path, sizeof path) && strstr(path, ".so") != NULL &&
           strstr(path, "/bundles/") == NULL && strstr(path, "/tmp/") == NULL;
}

/* A sanitizer's own requests for memory look like the program's; and with it all takes ten times as
 * long, so that one error for each call has to do. */
static void list_points(struct run_failing *r, const struct call *call)
{
    unsigned does = call->info->does;
    if (((does & CALL_MEMORY) != 0 && r->f->options->sanitized) || is_one_too_many(r, call))
        return;
    int n = r->f->options->sanitized ? 1 : CALL_ERRNOS;
    bool loads = is_of_loader(call);
    for (int i = 0; i < n && call->info->errnos[i] != 0; i++)
        if (!loads || call->info->errnos[i] != EINTR)
            add_point(r, call, ONCE, call->info->errnos[i]);
    for (int i = 0; i < 2 && (call_open_flags(call) & O_CREAT) != 0; i++)
        add_point(r, call, ONCE, i ? EDQUOT : ENOSPC);
    if ((does & CALL_COUNTS) != 0 && call->arg[2] > 1 && !loads)
        add_point(r, call, CUT, 0);
    if (!is_in_home(call, r->home) || !call_changes(call))
        return;
    add_point(r, call, ON, EIO);
    add_point(r, call, ON, EROFS);
    if (call_needs_room(call))
        add_point(r, call, ON, ENOSPC);
}

/* ---- letting it go wrong ---- */

static bool fails_from_now_on(const struct call *call, int error, const char *home)
{
    if ((call->info->does & CALL_CLOSES) != 0 || !is_in_home(call, home))
        return false;
    return error == ENOSPC ? call_needs_room(call) : error == EROFS ? call_changes(call) : true;
}

static enum trace_act enter(const struct call *call, int *error, void *arg)
{
    struct run_failing *r = arg;
    int index = call_index(call->info), n = ++r->seen[index];
    if (r->point == NULL) {
        list_points(r, call);
        return TRACE_GO;
    }
    *error = r->point->error;
    bool here = index == r->point->call && n == r->point->at;
    r->met = r->met || here;
    if (here) {
        snprintf(r->call, sizeof r->call, "%s", call_name(call));
        r->to_stderr = strcmp(r->call, "write") == 0 && call->arg[0] == 2;
    }
    if (r->point->how == ON)
        return r->met && fails_from_now_on(call, *error, r->home) ? TRACE_FAIL : TRACE_GO;
    if (!here)
        return TRACE_GO;
    return r->point->how == CUT ? TRACE_CUT_ONCE : TRACE_FAIL_ONCE;
}

/* A leak can only be looked for in a process that nobody watches. */
static void run_failing(struct run_failing *r, const struct trial *t, const char *world,
                        struct ended *ended, int *left)
{
    char home[PATH_ROOM];
    struct words words;
    const struct tracer tracer = {.enter = enter, .arg = r};
    const struct rig *rig = r->f->rig;
    r->home = rig_home(rig, world, home);
    trial_enter(rig, t, world);
    rig_words(rig, t->c->command, strlen(t->c->command), &words);
    rig_look_for_leaks(rig, r->point != NULL && r->point->how != ON);
    trace_run(words.argv, &tracer, ended, left);
    rig_look_for_leaks(rig, false);
}

/* ---- judging ---- */

/* Null, or what is wrong with the way it ended. */
static const char *wrong_end(const struct run_failing *r, const struct trial *t,
                             const struct ended *ended)
{
    bool harmless = r->point->how == CUT || r->point->error == EINTR;
    if (ended->hung || ended->signal != 0)
        return "a failure is an exit code";
    bool sync = strstr(r->call, "sync") != NULL;
    if (ended->code == 0 && sync && !harmless && !t->was_cut)
        return "what was not synced is not known to be done";
    /* what the disk does not give back is damage, and mended as such */
    bool damages = (t->c->flags & CASE_DAMAGED) != 0 && r->point->error == EIO;
    if (ended->code == 0)
        return damages || trial_is_answer(t, ended)
                   ? NULL
                   : "it says that all went well, and gives another answer";
    if (harmless)
        return "this should have been harmless";
    if (ended->code < 64 || ended->code > 78 || ended->code == 70)
        return "this is no exit code of such a failure";
    if (ended->out.len > 0)
        return "it failed, and gave an answer";
    return trial_is_told(t, ended, r->to_stderr) ? NULL : "a failure is told in one line";
}

static void judge(const struct run_failing *r, const struct trial *t, const char *world,
                  const struct ended *ended, struct result *result, struct buf *why)
{
    const char *wrong = wrong_end(r, t, ended);
    unsigned demands = MAY_GO_BACK | (ended->code == 0 ? MUST_BE_NEW : 0);
    unsigned is = wrong ? 0 : trial_check(r->f->rig, t, world, demands, result, why);
    if (wrong != NULL)
        buf_fmt(why, "%s\n", wrong);
    if (why->len > 0)
        return;
    result_count(result, COUNT_TRIED);
    result_count(result, ended->code == 0 ? DONE : REFUSED);
    if (is & STATE_OLD)
        result_count(result, OLD);
    if (is & STATE_NEW)
        result_count(result, NEW);
}

static const char *how_text(const struct point *p, char text[32])
{
    snprintf(text, 32, "%s%s", p->how == CUT ? "cut" : errno_name(p->error),
             p->how == ON ? " from here on" : "");
    return text;
}

static void try_point(size_t item, int worker, void *arg)
{
    struct failing *f = arg;
    const struct point *p = &f->points[item];
    const struct trial *t = &f->trials[p->trial];
    struct result *result = &f->results[p->trial];
    struct run_failing r = {.f = f, .point = p, .call = "-"};
    ENDED_AUTO ended = ENDED_INIT;
    BUF_AUTO why = BUF_INIT;
    char world[16], text[64], how[32];
    int left;
    if (result_is_full(result))
        return;
    run_failing(&r, t, worker_world(worker, world), &ended, &left);
    if (left > 0)
        buf_fmt(&why, "%d processes were left\n", left);
    else
        judge(&r, t, world, &ended, result, &why);
    if (why.len > 0)
        result_violation(result,
                         "'%s', %s number %d fails: %s: %s\n%s%s%stry: fault fail --full%s "
                         "--case '%s' --call %s --at %d --error %s\n",
                         t->c->command, r.call, p->at, how_text(p, how), ended_text(&ended, text),
                         buf_text(&why), buf_text(&ended.err), buf_text(&ended.out),
                         f->options->sanitized ? " --sanitized" : "", t->c->name, r.call, p->at,
                         p->how == CUT ? "cut" : errno_name(p->error));
}

static void report(const struct failing *f)
{
    for (size_t i = 0; i < f->n_trials; i++) {
        const struct trial *t = &f->trials[i];
        const struct result *r = &f->results[i];
        if (t->skip[0])
            tap_skip("fail: %s # skip %s", t->c->name, t->skip);
        else
            tap_result(r,
                       "fail: %-36s %5u failures, %5u tried: %5u done, %5u refused; %5u old, %5u "
                       "new",
                       t->c->name, r->count[COUNT_POINTS], r->count[COUNT_TRIED], r->count[DONE],
                       r->count[REFUSED], r->count[OLD], r->count[NEW]);
    }
    struct sum sum = results_sum(f->results, f->n_trials);
    figures_add(f->options->sanitized ? "fail+san" : "fail", f->n_trials, sum,
                "%u done all the same, %u refused", sum.count[DONE], sum.count[REFUSED]);
}

/* What may go wrong with a case, and which of it is tried. */
static void list_trial(struct failing *f, int trial)
{
    struct run_failing r = {.f = f, .trial = trial};
    struct point *first;
    size_t before = f->n_points;
    ENDED_AUTO ended = ENDED_INIT;
    int left;
    run_failing(&r, &f->trials[trial], "try", &ended, &left);
    size_t n = f->n_points - before, share = sample_size(f->options, n, SHORT_POINTS);
    f->results[trial].count[COUNT_POINTS] = (unsigned)n;
    first = f->points + before;
    for (size_t i = 0; i < share; i++)
        first[i] = first[sample_draw(f->options, trial, n, share, i)];
    f->n_points = before + share;
}

void fail_mode(const struct trials *trials, const struct options *options)
{
    struct failing f = {
        .rig = trials->rig, .options = options, .trials = trials->trial, .n_trials = trials->n};
    f.results = results_new(f.n_trials);
    for (size_t i = 0; i < f.n_trials; i++)
        if (!f.trials[i].skip[0])
            list_trial(&f, (int)i);
    jobs_run(f.n_points, options->jobs, try_point, &f);
    report(&f);
    results_free(f.results, f.n_trials);
    free(f.points);
}

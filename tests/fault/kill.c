/* Kill at every step: each command, killed before each call that changes the registry, opens a file
 * of it or takes a lock. What it had done by then stays, what its children were at does not. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "jobs.h"
#include "modes.h"
#include "trace.h"
#include "trial.h"

enum { OLD = COUNT_OWN, NEW, SAME, MIXED };

/* Of each case, in the short form. */
enum { SHORT_POINTS = 6 };

struct killing {
    const struct rig *rig;
    const struct trial *trials;
    size_t n_trials; /* those that change something */
    struct result *results;
    struct point {
        int trial, at;
    } * points;
    size_t n_points;
};

/* One run: counts the points, and kills at one of them. */
struct run_until {
    const char *home;
    int n, at;    /* 0: nowhere */
    bool reading; /* since the last point */
    char call[32];
};

/* Of several files of the registry that are opened to be read, one after the other, the first
 * counts: nothing changes between them. */
static bool is_point(const struct call *call, struct run_until *r)
{
    char path[PATH_MAX];
    bool changes = call_changes(call) || (call->info->does & CALL_LOCKS) != 0;
    bool reads = !changes && (call->info->does & CALL_OPENS) != 0 &&
                 call_path(call, 0, path, sizeof path) &&
                 strncmp(path, r->home, strlen(r->home)) == 0;
    bool counts = changes || (reads && !r->reading);
    r->reading = reads || (r->reading && !changes);
    return counts;
}

static enum trace_act enter(const struct call *call, int *error, void *arg)
{
    struct run_until *r = arg;
    if (!is_point(call, r) || ++r->n != r->at)
        return TRACE_GO;
    snprintf(r->call, sizeof r->call, "%s", call_name(call));
    return TRACE_KILL;
}

/* Runs the command in the world `world`; true when it was killed. */
static bool run_killed(const struct killing *k, const struct trial *t, const char *world,
                       struct run_until *r, struct ended *ended, int *left)
{
    char home[PATH_ROOM];
    struct words words;
    const struct tracer tracer = {.enter = enter, .arg = r};
    r->home = rig_home(k->rig, world, home);
    trial_enter(k->rig, t, world);
    rig_words(k->rig, t->c->command, strlen(t->c->command), &words);
    return !trace_run(words.argv, &tracer, ended, left);
}

static void count(struct result *result, unsigned is)
{
    static const int which[] = {[STATE_OLD] = OLD,
                                [STATE_NEW] = NEW,
                                [STATE_OLD | STATE_NEW] = SAME,
                                [STATE_MIXED] = MIXED};
    result_count(result, COUNT_TRIED);
    result_count(result, which[is]);
}

/* What it had said by then must be true. */
static void try_point(size_t item, int worker, void *arg)
{
    const struct killing *k = arg;
    const struct point *p = &k->points[item];
    const struct trial *t = &k->trials[p->trial];
    struct result *result = &k->results[p->trial];
    struct run_until r = {.at = p->at, .call = "-"};
    ENDED_AUTO ended = ENDED_INIT;
    BUF_AUTO why = BUF_INIT;
    char world[16];
    int left;
    if (result_is_full(result))
        return;
    bool killed = run_killed(k, t, worker_world(worker, world), &r, &ended, &left);
    bool answered = ended.out.len > 0 || ended.code == 0;
    if (left > 0)
        buf_fmt(&why, "%d processes were left\n", left);
    else if (!killed && ended.code != 0)
        buf_fmt(&why, "it was not killed, and failed: %s", buf_text(&ended.err));
    unsigned is = 0;
    if (why.len == 0)
        is = trial_check(k->rig, t, world, answered ? MUST_BE_NEW : 0, result, &why);
    if (is == 0)
        result_violation(
            result, "'%s', killed before call %d (%s):\n%stry: fault kill --case '%s' --at %d\n",
            t->c->command, p->at, r.call, buf_text(&why), t->c->name, p->at);
    else
        count(result, is);
}

/* How many points a command has. */
static int count_points(const struct killing *k, const struct trial *t)
{
    struct run_until r = {.at = 0};
    ENDED_AUTO ended = ENDED_INIT;
    int left;
    run_killed(k, t, "try", &r, &ended, &left);
    return r.n;
}

static void list_points(struct killing *k, int trial, const struct options *o)
{
    size_t n = (size_t)count_points(k, &k->trials[trial]);
    size_t share = sample_size(o, n, SHORT_POINTS);
    k->results[trial].count[COUNT_POINTS] = (unsigned)n;
    k->points = realloc(k->points, (k->n_points + n + 1) * sizeof *k->points);
    if (k->points == NULL)
        give_up("out of memory");
    for (size_t i = 0; i < share; i++) {
        int at = (int)sample_draw(o, trial, n, share, i) + 1;
        if (o->at == 0 || o->at == at)
            k->points[k->n_points++] = (struct point){trial, at};
    }
}

static void report(const struct killing *k)
{
    for (size_t i = 0; i < k->n_trials; i++) {
        const struct trial *t = &k->trials[i];
        const struct result *r = &k->results[i];
        if (t->skip[0])
            tap_skip("kill: %s # skip %s", t->c->name, t->skip);
        else
            tap_result(r,
                       "kill: %-36s %4u points, %4u tried: %4u old, %4u new, %4u same, %4u mixed",
                       t->c->name, r->count[COUNT_POINTS], r->count[COUNT_TRIED], r->count[OLD],
                       r->count[NEW], r->count[SAME], r->count[MIXED]);
    }
    struct sum sum = results_sum(k->results, k->n_trials);
    figures_add("kill", k->n_trials, sum, "%u old, %u new, %u where the two are the same, %u mixed",
                sum.count[OLD], sum.count[NEW], sum.count[SAME], sum.count[MIXED]);
}

void kill_mode(const struct trials *trials, const struct options *options)
{
    size_t n = trials_that_change(trials);
    struct killing k = {.rig = trials->rig, .trials = trials->trial, .n_trials = n};
    k.results = results_new(n);
    for (size_t i = 0; i < n; i++)
        if (!k.trials[i].skip[0])
            list_points(&k, (int)i, options);
    jobs_run(k.n_points, options->jobs, try_point, &k);
    report(&k);
    if (strstr("compile", options->filter) != NULL)
        kill_children(k.rig);
    results_free(k.results, n);
    free(k.points);
}

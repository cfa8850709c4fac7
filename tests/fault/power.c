/* Power cut: each command is recorded, with the one before it, since that may have left things that
 * are not on the disk yet. Every state that a file system may be found in afterwards is made, and
 * has to be old or new; after the command's end, new. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "jobs.h"
#include "modes.h"
#include "power.h"
#include "trial.h"

enum { OLD = COUNT_OWN, NEW, SAME, MIXED, ENDED };

/* Of each case, in the short form: half of them after the command's end, if there are as many. */
enum { SHORT_STATES = 8 };

struct film {
    struct recording recording;
    struct crash *crash;
    size_t n_crashes, room;
    bool done; /* the command ended well */
};

struct cutting {
    const struct rig *rig;
    const struct trial *trials;
    size_t n_trials; /* those that change something */
    struct film *films;
    struct result *results;
    struct point {
        int trial;
        size_t crash;
    } * points;
    size_t n_points;
};

static void keep_crash(const struct crash *crash, void *arg)
{
    struct film *film = arg;
    if (film->n_crashes == film->room) {
        film->room = film->room ? film->room * 2 : 256;
        film->crash = realloc(film->crash, film->room * sizeof *film->crash);
        if (film->crash == NULL)
            give_up("out of memory");
    }
    film->crash[film->n_crashes++] = *crash;
}

static void make_film(const struct rig *rig, const struct trial *t, struct film *film)
{
    ENDED_AUTO before = ENDED_INIT, ended = ENDED_INIT;
    rig_copy(rig, t->before[0] ? t->before : t->world, "film");
    record_begin(&film->recording, rig, "film");
    if (t->before[0])
        record_run(&film->recording, rig, t->last, t->cut_at, &before);
    int from = film->recording.n_ops;
    record_run(&film->recording, rig, t->c->command, 0, &ended);
    film->done = ended.code == 0;
    crash_each(&film->recording, from, keep_crash, film);
}

static bool is_end(const struct film *film, const struct crash *crash)
{
    return film->done && crash->at == film->recording.n_ops;
}

/* ---- which are tried ---- */

/* Adds the states of one kind, and keeps `share` of them. */
static void add_some(struct cutting *c, int trial, bool end, size_t share, const struct options *o)
{
    const struct film *film = &c->films[trial];
    struct point *first = c->points + c->n_points;
    size_t n = 0;
    for (size_t k = 0; k < film->n_crashes; k++)
        if (is_end(film, &film->crash[k]) == end)
            first[n++] = (struct point){trial, k};
    for (size_t i = 0; i < share; i++)
        first[i] = first[sample_draw(o, trial, n, share, i)];
    c->n_points += share;
}

static void choose(struct cutting *c, int trial, const struct options *o)
{
    const struct film *film = &c->films[trial];
    size_t n = film->n_crashes, ends = 0, share = sample_size(o, n, SHORT_STATES);
    c->points = realloc(c->points, (c->n_points + n + 1) * sizeof *c->points);
    if (c->points == NULL)
        give_up("out of memory");
    c->results[trial].count[COUNT_POINTS] = (unsigned)n;
    if (o->at > 0) {
        if ((size_t)o->at <= n)
            c->points[c->n_points++] = (struct point){trial, (size_t)o->at - 1};
        return;
    }
    for (size_t k = 0; k < n; k++)
        ends += is_end(film, &film->crash[k]);
    size_t for_ends = ends < share / 2 || share == n ? ends : share / 2;
    size_t others = share - for_ends < n - ends ? share - for_ends : n - ends;
    add_some(c, trial, true, for_ends, o);
    add_some(c, trial, false, others, o);
}

/* ---- trying ---- */

static void build(const struct cutting *c, const struct film *film, const struct crash *crash,
                  const char *world)
{
    char path[PATH_ROOM];
    rig_enter(c->rig, world);
    tree_remove(rig_home(c->rig, world, path));
    crash_build(&film->recording, crash, path_make(path, "%s/%s", c->rig->base, world));
}

static void try_point(size_t item, int worker, void *arg)
{
    static const int which[] = {[STATE_OLD] = OLD,
                                [STATE_NEW] = NEW,
                                [STATE_OLD | STATE_NEW] = SAME,
                                [STATE_MIXED] = MIXED};
    const struct cutting *c = arg;
    const struct point *p = &c->points[item];
    const struct trial *t = &c->trials[p->trial];
    const struct film *film = &c->films[p->trial];
    const struct crash *crash = &film->crash[p->crash];
    struct result *result = &c->results[p->trial];
    BUF_AUTO why = BUF_INIT;
    BUF_AUTO how = BUF_INIT;
    char world[16];
    if (result_is_full(result))
        return;
    build(c, film, crash, worker_world(worker, world));
    bool end = is_end(film, crash);
    unsigned is = trial_check(c->rig, t, world, end ? MUST_BE_NEW : MAY_GO_BACK, result, &why);
    result_count(result, COUNT_TRIED);
    if (end)
        result_count(result, ENDED);
    if (is != 0) {
        result_count(result, which[is]);
        return;
    }
    crash_text(&film->recording, crash, &how);
    result_violation(result, "'%s': %s%s%stry: fault power --case '%s' --at %zu\n", t->c->command,
                     buf_text(&how), end ? "the command had ended well\n" : "", buf_text(&why),
                     t->c->name, p->crash + 1);
}

static void report(const struct cutting *c)
{
    for (size_t i = 0; i < c->n_trials; i++) {
        const struct trial *t = &c->trials[i];
        const struct result *r = &c->results[i];
        if (t->skip[0])
            tap_skip("power: %s # skip %s", t->c->name, t->skip);
        else
            tap_result(r,
                       "power: %-36s %3d ops, %5u states, %5u tried: %5u old, %5u new, %5u same, "
                       "%5u mixed; %4u after its end",
                       t->c->name, c->films[i].recording.n_ops, r->count[COUNT_POINTS],
                       r->count[COUNT_TRIED], r->count[OLD], r->count[NEW], r->count[SAME],
                       r->count[MIXED], r->count[ENDED]);
    }
    struct sum sum = results_sum(c->results, c->n_trials);
    figures_add("power", c->n_trials, sum,
                "%u old, %u new, %u where the two are the same, %u mixed; %u after the end",
                sum.count[OLD], sum.count[NEW], sum.count[SAME], sum.count[MIXED],
                sum.count[ENDED]);
}

void power_mode(const struct trials *trials, const struct options *options)
{
    size_t n = trials_that_change(trials);
    struct cutting c = {.rig = trials->rig, .trials = trials->trial, .n_trials = n};
    c.results = results_new(n);
    c.films = calloc(n + 1, sizeof *c.films);
    if (c.films == NULL)
        give_up("out of memory");
    for (size_t i = 0; i < n; i++) {
        if (c.trials[i].skip[0])
            continue;
        make_film(c.rig, &c.trials[i], &c.films[i]);
        choose(&c, (int)i, options);
    }
    jobs_run(c.n_points, options->jobs, try_point, &c);
    report(&c);
    for (size_t i = 0; i < n; i++) {
        record_free(&c.films[i].recording);
        free(c.films[i].crash);
    }
    results_free(c.results, n);
    free(c.films);
    free(c.points);
}

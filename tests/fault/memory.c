/* No memory at every step: each request that a command makes is refused once, and is the first of
 * which all are refused. The command goes through, or ends with 71. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "jobs.h"
#include "modes.h"
#include "run.h"
#include "trial.h"

enum { DONE = COUNT_OWN, REFUSED };
enum { OUT_OF_MEMORY = 71 };

/* Of each case, in the short form. */
enum { SHORT_POINTS = 6 };

struct point {
    int trial, at;
    bool on;
};

struct starving {
    const struct rig *rig;
    const struct trial *trials;
    size_t n_trials;
    struct result *results;
    struct point *points;
    size_t n_points;
};

/* The dynamic program, and not the static front, so that its malloc can be replaced. */
static void run_starving(const struct rig *rig, const struct trial *t, const char *world, int at,
                         bool on, struct ended *ended)
{
    char number[16];
    struct words words;
    trial_enter(rig, t, world);
    rig_words(rig, t->c->command, strlen(t->c->command), &words);
    words.argv[0] = rig->core;
    snprintf(number, sizeof number, "%d", at);
    setenv("NOMEM_AT", number, 1);
    if (on)
        setenv("NOMEM_ON", "1", 1);
    struct run_how how = RUN_PLAIN;
    how.preload = rig->nomem;
    run_as(words.argv, &how, ended);
    unsetenv("NOMEM_AT");
    unsetenv("NOMEM_ON");
}

static int count_requests(const struct rig *rig, const struct trial *t)
{
    char path[PATH_ROOM];
    BUF_AUTO text = BUF_INIT;
    ENDED_AUTO ended = ENDED_INIT;
    setenv("NOMEM_COUNT", path_make(path, "%s/files/requests", rig->base), 1);
    run_starving(rig, t, "try", 0, false, &ended);
    unsetenv("NOMEM_COUNT");
    int n = fs_read_file(AT_FDCWD, path, &text, 64) < 0 ? 0 : atoi(buf_text(&text));
    if (ended.code != 0 || n == 0)
        give_up("case '%s': cannot count its requests for memory: %s", t->c->name,
                buf_text(&ended.err));
    return n;
}

/* Each request is refused in two ways. */
static void list_points(struct starving *s, int trial, const struct options *o)
{
    size_t n = 2 * (size_t)count_requests(s->rig, &s->trials[trial]);
    size_t share = sample_size(o, n, SHORT_POINTS);
    s->results[trial].count[COUNT_POINTS] = (unsigned)n;
    s->points = realloc(s->points, (s->n_points + n + 1) * sizeof *s->points);
    if (s->points == NULL)
        give_up("out of memory");
    for (size_t i = 0; i < share; i++) {
        size_t drawn = sample_draw(o, trial, n, share, i);
        int at = (int)drawn / 2 + 1;
        if (o->at == 0 || o->at == at)
            s->points[s->n_points++] = (struct point){trial, at, drawn % 2 != 0};
    }
}

/* Null, or what is wrong with the way it ended. Where no memory comes back, there may be none for
 * the message. */
static const char *wrong_end(const struct point *p, const struct trial *t,
                             const struct ended *ended)
{
    if (ended->code == 0)
        return trial_is_answer(t, ended) ? NULL
                                         : "it says that all went well, and gives another answer";
    if (ended->code != OUT_OF_MEMORY)
        return "memory that is out is exit code 71";
    if (ended->out.len > 0)
        return "it failed, and gave an answer";
    return trial_is_told(t, ended, p->on) ? NULL : "a failure is told in one line";
}

static void try_point(size_t item, int worker, void *arg)
{
    const struct starving *s = arg;
    const struct point *p = &s->points[item];
    const struct trial *t = &s->trials[p->trial];
    struct result *result = &s->results[p->trial];
    ENDED_AUTO ended = ENDED_INIT;
    BUF_AUTO why = BUF_INIT;
    char world[16], text[64];
    if (result_is_full(result))
        return;
    run_starving(s->rig, t, worker_world(worker, world), p->at, p->on, &ended);
    const char *wrong = wrong_end(p, t, &ended);
    if (wrong != NULL)
        buf_fmt(&why, "%s\n", wrong);
    else
        trial_check(s->rig, t, world, MAY_GO_BACK | (ended.code == 0 ? MUST_BE_NEW : 0), result,
                    &why);
    result_count(result, COUNT_TRIED);
    result_count(result, ended.code == 0 ? DONE : REFUSED);
    if (why.len > 0)
        result_violation(result,
                         "'%s', no memory at request %d%s: %s: %s%s%stry: fault memory --case "
                         "'%s' --at %d\n",
                         t->c->command, p->at, p->on ? " and from there on" : "",
                         ended_text(&ended, text), buf_text(&why), buf_text(&ended.err),
                         buf_text(&ended.out), t->c->name, p->at);
}

static void report(const struct starving *s)
{
    for (size_t i = 0; i < s->n_trials; i++) {
        const struct trial *t = &s->trials[i];
        const struct result *r = &s->results[i];
        if (t->skip[0])
            tap_skip("memory: %s # skip %s", t->c->name, t->skip);
        else
            tap_result(r, "memory: %-36s %5u refusals, %5u tried: %5u done, %5u refused",
                       t->c->name, r->count[COUNT_POINTS], r->count[COUNT_TRIED], r->count[DONE],
                       r->count[REFUSED]);
    }
    struct sum sum = results_sum(s->results, s->n_trials);
    figures_add("memory", s->n_trials, sum, "%u done all the same, %u ended with 71",
                sum.count[DONE], sum.count[REFUSED]);
}

void memory_mode(const struct trials *trials, const struct options *options)
{
    struct starving s = {.rig = trials->rig, .trials = trials->trial, .n_trials = trials->n};
    s.results = results_new(s.n_trials);
    for (size_t i = 0; i < s.n_trials; i++)
        if (!s.trials[i].skip[0])
            list_points(&s, (int)i, options);
    jobs_run(s.n_points, options->jobs, try_point, &s);
    report(&s);
    results_free(s.results, s.n_trials);
    free(s.points);
}

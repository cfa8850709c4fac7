/* Storm: many processes at one registry for some time, a part of their commands killed. Afterwards
 * verify finds nothing, gc leaves nothing in the workshop, and nobody is left. */
#include "storm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "jobs.h"
#include "layout.h"
#include "modes.h"

struct storm {
    const struct rig *rig;
    const struct options *options;
    struct result *results;
    int64_t end_ms;
    bool *can; /* what this build has of storm_works */
    int weights;
};

static void must(const struct rig *rig, const char *const *argv)
{
    ENDED_AUTO ended = ENDED_INIT;
    if (run(argv, &ended) < 0)
        give_up("storm: '%s' does not work: %s", argv[1], buf_text(&ended.err));
}

/* The four bundles have an entry each that nobody touches, so that gc lets them be. */
void storm_prepare(const struct rig *rig)
{
    rig_copy(rig, "seed", "storm");
    for (int i = 0; i < N_BUNDLES; i++) {
        const char *argv[] = {rig->modload,   "register", rig_key(i + 1),
                              rig->bundle[i], "--name=",  NULL};
        must(rig, argv);
    }
    for (int i = 0; i < STORM_STEADY; i++) {
        const char *argv[] = {rig->modload, "register", storm_key(i), rig->bundle[i], NULL};
        must(rig, argv);
    }
    for (int i = 0; i < STORM_SOURCES; i++) {
        char file[24], text[96];
        snprintf(file, sizeof file, "storm%d.c", i);
        snprintf(text, sizeof text, "int storm(int x) { return x ^ %d; }\n", i);
        rig_file(rig, file, text);
    }
}

static int draw_work(const struct storm *s, struct client *c)
{
    int n = (int)client_draw(c, (unsigned)s->weights);
    for (int i = 0; i < n_storm_works; i++) {
        if (s->can[i] && n < storm_works[i].weight)
            return i;
        n -= s->can[i] ? storm_works[i].weight : 0;
    }
    return 0;
}

static void client(size_t item, int worker, void *arg)
{
    const struct storm *s = arg;
    struct client c = {.rig = s->rig, .number = (int)item};
    c.random = s->options->seed * 1000 + item;
    c.own = 1u << N_BUNDLES;
    while (clock_ms() < s->end_ms) {
        int i = draw_work(s, &c);
        storm_works[i].run(&c, &s->results[i]);
    }
    ended_free(&c.ended);
}

/* ---- the end ---- */

static void end_command(const struct rig *rig, struct result *result, const char *command)
{
    const char *argv[] = {rig->modload, command, NULL};
    char text[64];
    ENDED_AUTO ended = ENDED_INIT;
    if (!rig_has(rig, command))
        return;
    if (run(argv, &ended) < 0)
        result_violation(result, "%s, at the end, %s: %s%s", command, ended_text(&ended, text),
                         buf_text(&ended.out), buf_text(&ended.err));
}

static void count_bundle(const char *id, void *arg)
{
    ++*(int *)arg;
}

static void check_bundle(const char *id, void *arg)
{
    const struct storm *s = arg;
    char home[PATH_ROOM], text[160];
    layout_bundle_state(rig_home(s->rig, "storm", home), id, text);
    if (strcmp(text, "whole") != 0)
        result_violation(&s->results[n_storm_works], "bundle %s: %s\n", id, text);
}

/* Whoever comes last finds everything in order, and nothing that is nobody's. */
static int check_end(struct storm *s)
{
    struct result *result = &s->results[n_storm_works];
    const char *list[] = {s->rig->modload, "list", "--json", NULL};
    const char *change[] = {s->rig->modload, "register", rig_key(N_KEYS), s->rig->bundle[0], NULL};
    char home[PATH_ROOM];
    int bundles = 0;
    ENDED_AUTO ended = ENDED_INIT;
    BUF_AUTO why = BUF_INIT;
    end_command(s->rig, result, "verify");
    must(s->rig, change);
    end_command(s->rig, result, "gc");
    end_command(s->rig, result, "verify");
    run(list, &ended);
    storm_check_list(s->rig, buf_text(&ended.out), &why);
    rig_home(s->rig, "storm", home);
    layout_litter(home, &why);
    layout_bundles(home, count_bundle, &bundles);
    layout_bundles(home, check_bundle, s);
    if (run_settle() > 0)
        buf_str(&why, "processes are left\n");
    if (why.len > 0)
        result_violation(result, "%s", buf_text(&why));
    return bundles;
}

static void report(const struct storm *s, int bundles)
{
    for (int i = 0; i < n_storm_works; i++) {
        const struct result *r = &s->results[i];
        if (!s->can[i]) {
            tap_skip("storm: %s # skip this build has no '%s'", storm_works[i].name,
                     storm_works[i].needs);
            continue;
        }
        tap_result(r, "storm: %-24s %6u done, %4u busy, %5u gone, %5u killed, %3u taken",
                   storm_works[i].name, r->count[STORM_DONE], r->count[STORM_BUSY],
                   r->count[STORM_GONE], r->count[STORM_KILLED], r->count[STORM_TAKEN]);
    }
    tap_result(&s->results[n_storm_works], "storm: at its end all is in order (%d bundles)",
               bundles);
    struct sum sum = results_sum(s->results, (size_t)n_storm_works + 1);
    for (int outcome = STORM_DONE; outcome <= STORM_TAKEN; outcome++)
        sum.count[COUNT_TRIED] += sum.count[outcome];
    sum.count[COUNT_POINTS] = sum.count[COUNT_LOOKED_AT] = sum.count[COUNT_TRIED];
    figures_add("storm", (size_t)n_storm_works, sum,
                "%u done, %u busy, %u gone, %u killed; %d processes, %d keys",
                sum.count[STORM_DONE], sum.count[STORM_BUSY], sum.count[STORM_GONE],
                sum.count[STORM_KILLED], s->options->processes, STORM_KEYS);
}

void storm_mode(const struct trials *trials, const struct options *given)
{
    const struct rig *rig = trials->rig;
    struct options options = *given;
    struct storm s = {.rig = rig, .options = &options};
    char why[128];
    options.processes = given->processes ? given->processes : given->full ? 32 : 8;
    options.seconds = given->seconds ? given->seconds : given->full ? 60 : 5;
    s.results = results_new((size_t)n_storm_works + 1);
    s.can = calloc((size_t)n_storm_works, sizeof *s.can);
    if (s.can == NULL)
        give_up("out of memory");
    storm_prepare(rig);
    for (int i = 0; i < n_storm_works; i++) {
        const char *needs = storm_works[i].needs;
        s.can[i] = rig_supports(rig, needs, strlen(needs), why);
        s.weights += s.can[i] ? storm_works[i].weight : 0;
    }
    s.end_ms = clock_ms() + options.seconds * 1000;
    jobs_run((size_t)options.processes, options.processes, client, &s);
    rig_enter(rig, "storm");
    report(&s, check_end(&s));
    results_free(s.results, (size_t)n_storm_works + 1);
    free(s.can);
}

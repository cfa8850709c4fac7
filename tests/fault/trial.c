/* Preparing cases, and what must hold after each of them, however it was cut short. */
#include "trial.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "layout.h"
#include "run.h"
#include "trace.h"
#include "tree.h"

const char *worker_world(int worker, char name[16])
{
    snprintf(name, 16, "w%d", worker);
    return name;
}

void trial_enter(const struct rig *rig, const struct trial *t, const char *world)
{
    rig_copy(rig, t->world, world);
}

/* ---- preparing ---- */

/* Runs a command that must do; what it says goes to the trial, when there is one. */
static void run_well(const struct rig *rig, const struct trial *t, const char *line, size_t n,
                     struct ended *ended)
{
    struct words words;
    char text[64];
    rig_words(rig, line, n, &words);
    if (run(words.argv, ended) < 0 && !(t->c->again && ended->code == t->c->again))
        give_up("case '%s': '%.*s' %s: %s", t->c->name, (int)n, line, ended_text(ended, text),
                buf_text(&ended->err));
}

/* Keeps the home as it is before a command, which may be the last one. */
static void keep_before(const struct rig *rig, struct trial *t, const char *line, size_t n)
{
    snprintf(t->before, sizeof t->before, "%sb", t->world);
    snprintf(t->last, sizeof t->last, "%.*s", (int)n, line);
    rig_copy(rig, t->world, t->before);
}

struct cut {
    int n, at;
};

static enum trace_act cut_enter(const struct call *call, int *error, void *arg)
{
    struct cut *cut = arg;
    return call_changes(call) && ++cut->n == cut->at ? TRACE_KILL : TRACE_GO;
}

/* Kills a command at its n-th change, in a fresh copy of the world `from`. Whether it left
 * something to finish: 1, 0; -1 when it was through before. */
static int cut_at(const struct rig *rig, const char *from, const struct words *words, int n)
{
    char home[PATH_ROOM];
    int left;
    struct cut cut = {.at = n};
    const struct tracer tracer = {.enter = cut_enter, .arg = &cut};
    ENDED_AUTO ended = ENDED_INIT;
    rig_copy(rig, from, "cut");
    if (trace_run(words->argv, &tracer, &ended, &left))
        return -1;
    return layout_is_pending(rig_home(rig, "cut", home));
}

/* "!cut PERCENT COMMAND": the command is killed where a change is written down and not through: at
 * the first such point (0), at the last one (100), or between. */
static bool prepare_cut(const struct rig *rig, struct trial *t, const char *line, size_t n)
{
    int percent = atoi(line), first = 0, last = 0, state;
    const char *command = strchr(line, ' ') + 1;
    struct words words;
    rig_words(rig, command, n - (size_t)(command - line), &words);
    for (int at = 1; (state = cut_at(rig, t->world, &words, at)) >= 0; at++) {
        first = state && !first ? at : first;
        last = state ? at : last;
    }
    if (first == 0) {
        snprintf(t->skip, sizeof t->skip, "nothing is left to be finished in format %d",
                 rig->format);
        return false;
    }
    keep_before(rig, t, command, n - (size_t)(command - line));
    t->cut_at = first + (last - first) * percent / 100;
    cut_at(rig, t->before, &words, t->cut_at);
    rig_copy(rig, "cut", t->world);
    t->was_cut = true;
    return true;
}

static bool prepare_format_1(const struct rig *rig, struct trial *t)
{
    char seed[PATH_ROOM], home[PATH_ROOM], lines[1024];
    if (rig->format == 1) {
        snprintf(t->skip, sizeof t->skip, "this build makes registries of format 1");
        return false;
    }
    rig_home(rig, "seed", seed);
    tree_remove(rig_home(rig, t->world, home));
    snprintf(lines, sizeof lines, "%s alpha %s %s %s\n%s beta %s\n%s gamma %s -\n%s delta - %s\n",
             rig_key(1), rig->bundle[0], rig->bundle[1], rig->bundle[2], rig_key(2), rig->bundle[1],
             rig_key(3), rig->bundle[2], rig_key(4), rig->bundle[3]);
    layout_make_format_1(seed, home, lines);
    return true;
}

/* "!empty": no home; "!seed": one with the bundles alone; "!format1"; "!damage WHAT WHICH"; "!cut".
 */
static bool prepare_otherwise(const struct rig *rig, struct trial *t, const char *line, size_t n)
{
    char home[PATH_ROOM];
    struct words words;
    rig_words(rig, line, n, &words);
    const char *word = words.argv[1];
    rig_home(rig, t->world, home);
    if (strcmp(word, "!empty") == 0)
        tree_remove(home);
    else if (strcmp(word, "!seed") == 0)
        rig_copy(rig, "seed", t->world);
    else if (strcmp(word, "!format1") == 0)
        return prepare_format_1(rig, t);
    else if (strcmp(word, "!cut") == 0)
        return prepare_cut(rig, t, line + 5, n - 5);
    else if (strcmp(word, "!damage") != 0 || !layout_damage(home, words.argv[2], words.argv[3]))
        give_up("case '%s': '%.*s' cannot be done", t->c->name, (int)n, line);
    return true;
}

/* Takes the next of several commands: its length, `*line` where it begins; 0 at their end. */
static size_t next_command(const char **line)
{
    *line += strspn(*line, "; ");
    return strcspn(*line, ";");
}

static bool supported(const struct rig *rig, struct trial *t, const char *line)
{
    for (size_t n; (n = next_command(&line)) > 0; line += n) {
        size_t skip = 0;
        if (strncmp(line, "!cut ", 5) == 0)
            skip = 5 + strcspn(line + 5, " ") + 1;
        if (*line == '!' && skip == 0)
            continue;
        if (!rig_supports(rig, line + skip, n - skip, t->skip))
            return false;
    }
    t->skip[0] = '\0';
    return true;
}

static bool prepare(const struct rig *rig, struct trial *t)
{
    const char *line = t->c->prepare;
    rig_copy(rig, "seed", t->world);
    for (size_t n; (n = next_command(&line)) > 0; line += n) {
        ENDED_AUTO ended = ENDED_INIT;
        t->before[0] = '\0';
        if (*line != '!')
            keep_before(rig, t, line, n);
        rig_enter(rig, t->world);
        if (*line != '!')
            run_well(rig, t, line, n, &ended);
        else if (!prepare_otherwise(rig, t, line, n))
            return false;
    }
    return true;
}

/* ---- the states before and after ---- */

static void ask_for_keys(struct questions *q, const char *text)
{
    for (const char *p = text; p != NULL && *p != '\0'; p++)
        if ((p[0] == '%' && isdigit((unsigned char)p[1])) ||
            (isdigit((unsigned char)p[0]) && p[1] == ':'))
            q->key[p[p[0] == '%'] - '0'] = true;
}

/* In a copy: reading may finish a change, or bring a home up to date. */
static void read_copy(const struct rig *rig, struct trial *t, const char *from, struct state *ret)
{
    char home[PATH_ROOM];
    rig_copy(rig, from, "look");
    state_read(rig, &t->q, rig_home(rig, "look", home), ret);
}

static void demand(const struct rig *rig, const struct trial *t, const struct state *s,
                   const char *spec, const char *when)
{
    BUF_AUTO why = BUF_INIT;
    if (spec != NULL && !state_is(rig, s, spec, &why))
        give_up("case '%s', %s: %s", t->c->name, when, buf_text(&why));
}

/* The state of a world, and what the command makes of it. */
static void learn_states(const struct rig *rig, struct trial *t, const char *world,
                         struct state *old, struct state *new, struct ended *ended)
{
    ended_free(ended);
    read_copy(rig, t, world, old);
    rig_copy(rig, world, "try");
    run_well(rig, t, t->c->command, strlen(t->c->command), ended);
    read_copy(rig, t, "try", new);
}

/* A command that is given twice gives what it gave once. */
static void demand_again(const struct rig *rig, struct trial *t)
{
    STATE_AUTO again = {.n = 0};
    BUF_AUTO why = BUF_INIT;
    ENDED_AUTO ended = ENDED_INIT;
    rig_enter(rig, "try");
    run_well(rig, t, t->c->command, strlen(t->c->command), &ended);
    read_copy(rig, t, "try", &again);
    if ((state_compare(&again, &t->new, &t->new, &why) & STATE_NEW) == 0)
        give_up("case '%s': the second time is not as the first: %s", t->c->name, buf_text(&why));
}

/* A case whose command does not do what the table says would test nothing. The first look tells
 * which names to ask for. */
static void learn(const struct rig *rig, struct trial *t)
{
    struct ended ended = ENDED_INIT;
    struct ended back = ENDED_INIT;
    for (int round = 0; round < 2; round++) {
        if (t->was_cut)
            learn_states(rig, t, t->before, &t->back_old, &t->back_new, &back);
        learn_states(rig, t, t->world, &t->old, &t->new, &ended);
        questions_add_names(&t->q, &t->old);
        questions_add_names(&t->q, &t->new);
        questions_add_names(&t->q, &t->back_old);
    }
    demand(rig, t, &t->old, t->c->old, "before the command");
    demand(rig, t, &t->new, t->c->new, "after the command");
    t->out = ended.out;
    t->err = ended.err;
    t->back_out = back.out;
    buf_free(&back.err);
    demand_again(rig, t);
}

static void trial_init(struct trial *t, const struct rig *rig, const struct fault_case *c)
{
    const char *const texts[] = {c->prepare, c->command, c->old, c->new};
    *t = (struct trial){.c = c, .known = known_new()};
    snprintf(t->world, sizeof t->world, "c%zu", (size_t)(c - fault_cases));
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        ask_for_keys(&t->q, texts[i]);
    if (supported(rig, t, c->prepare) && supported(rig, t, c->command) && prepare(rig, t))
        learn(rig, t);
}

void trials_init(struct trials *trials, const struct rig *rig, const char *filter)
{
    *trials = (struct trials){rig, calloc(n_fault_cases, sizeof *trials->trial), 0};
    if (trials->trial == NULL)
        give_up("out of memory");
    for (size_t i = 0; i < n_fault_files; i++)
        rig_file(rig, fault_files[i][0], fault_files[i][1]);
    for (size_t i = 0; i < n_fault_cases; i++)
        if (strstr(fault_cases[i].name, filter) != NULL)
            trial_init(&trials->trial[trials->n++], rig, &fault_cases[i]);
    if (trials->n == 0)
        give_up("no case has '%s' in its name", filter);
}

size_t trials_that_change(const struct trials *trials)
{
    size_t n = 0;
    while (n < trials->n && (trials->trial[n].c->flags & CASE_READS) == 0)
        n++;
    for (size_t i = n; i < trials->n; i++)
        if ((trials->trial[i].c->flags & CASE_READS) == 0)
            give_up("case '%s' comes after one that only reads", trials->trial[i].c->name);
    return n;
}

void trials_done(struct trials *trials)
{
    for (size_t i = 0; i < trials->n; i++) {
        struct trial *t = &trials->trial[i];
        state_free(&t->old);
        state_free(&t->new);
        state_free(&t->back_old);
        state_free(&t->back_new);
        buf_free(&t->out);
        buf_free(&t->err);
        buf_free(&t->back_out);
        known_free(t->known);
    }
    free(trials->trial);
}

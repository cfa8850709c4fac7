/* zoo: what plugins do to their callers, and what has to come of it. It drives the commands of a
 * build and looks at processes and files as a user would. What it prints is TAP. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "drive.h"
#include "jobs.h"
#include "storm.h"

static const char usage[] =
    "usage: zoo [OPTION...], in the top directory of the sources\n"
    "\n"
    "  --times N      each row so often (default: once)\n"
    "  --jobs N       in so many worlds at once (default: as many as there are processors)\n"
    "  --case TEXT    only rows with this in their name\n"
    "  --list         the table\n"
    "  --storm        instead of that: many callers of one worker, while others are killed\n"
    "  --processes N, --seconds N, --seed N    of the storm (default: 64 callers, 5 s)\n"
    "  --build DIR    the build to test (default: the one that this program is in)\n"
    "  --keep         leave the place with the homes as it is, and say where it is\n";

struct settings {
    struct options options;
    const char *build;
    bool keep, list;
};

static int option_number(const char *text)
{
    char *end;
    long n = strtol(text, &end, 10);
    if (*end != '\0' || n < 1 || n > 1000000)
        give_up("'%s' is not a number", text);
    return (int)n;
}

/* How many words it took. */
static int take_option(struct settings *s, char **word)
{
    struct options *o = &s->options;
    const char *value = word[1];
    if (strcmp(word[0], "--storm") == 0)
        return o->storm = true;
    if (strcmp(word[0], "--keep") == 0)
        return s->keep = true;
    if (strcmp(word[0], "--list") == 0)
        return s->list = true;
    if (value == NULL)
        give_up("'%s' is no option, or lacks its value\n%s", word[0], usage);
    if (strcmp(word[0], "--case") == 0)
        o->filter = value;
    else if (strcmp(word[0], "--times") == 0)
        o->times = option_number(value);
    else if (strcmp(word[0], "--jobs") == 0)
        o->jobs = option_number(value);
    else if (strcmp(word[0], "--processes") == 0)
        o->processes = option_number(value);
    else if (strcmp(word[0], "--seconds") == 0)
        o->seconds = option_number(value);
    else if (strcmp(word[0], "--seed") == 0)
        o->seed = strtoull(value, NULL, 10);
    else if (strcmp(word[0], "--build") == 0)
        s->build = value;
    else
        give_up("'%s' is no option\n%s", word[0], usage);
    return 2;
}

static void parse(struct settings *s, char **argv)
{
    s->options = (struct options){.filter = "",
                                  .times = 1,
                                  .jobs = (int)sysconf(_SC_NPROCESSORS_ONLN),
                                  .processes = 64,
                                  .seconds = 5};
    for (char **word = argv + 1; *word != NULL;)
        word += take_option(s, word);
    if (s->options.storm)
        s->options.jobs = 1;
}

static void show_rows(void)
{
    for (size_t i = 0; i < n_rows; i++)
        printf("%-40s %-12s %3d  %-14s %s\n", rows[i].name,
               strrchr(rows[i].plugin, '/') ? strrchr(rows[i].plugin, '/') + 1 : rows[i].plugin,
               rows[i].code, rows[i].error ? rows[i].error : "ok",
               rows[i].call ? rows[i].call : "");
}

/* ---- all rows ---- */

struct visit {
    const struct zoo *zoo;
    const struct row *const *row;
    struct result *results;
    size_t n;
};

/* The rows that are asked for, and a null behind them. */
static const struct row **choose_rows(const struct options *options)
{
    const struct row **chosen = calloc(n_rows + 1, sizeof *chosen);
    size_t n = 0;
    if (chosen == NULL)
        give_up("out of memory");
    for (size_t i = 0; i < n_rows; i++)
        if (strstr(rows[i].name, options->filter) != NULL)
            chosen[n++] = &rows[i];
    if (n == 0)
        give_up("there is no row '%s'", options->filter);
    return chosen;
}

static void visit(size_t item, int worker, void *arg)
{
    const struct visit *v = arg;
    size_t i = item % v->n;
    world_enter(v->zoo, worker);
    if (!result_is_full(&v->results[i]))
        drive(v->zoo, worker, v->row[i], &v->results[i]);
}

static void report(const struct visit *v, const struct options *options)
{
    unsigned ms = 0;
    for (size_t i = 0; i < v->n; i++) {
        const unsigned *count = v->results[i].count;
        tap_result(&v->results[i], "zoo: %-40s %4u times, %5u ms, at most %5u", v->row[i]->name,
                   count[TIMES], count[TIMES] ? count[MILLISECONDS] / count[TIMES] : 0,
                   count[LONGEST]);
        ms += count[MILLISECONDS];
    }
    for (int i = 0; i < v->zoo->n_worlds; i++)
        tap_result(&v->results[v->n + (size_t)i],
                   "zoo: world %d: its %u workers are well, go, and leave nothing", i,
                   v->results[v->n + (size_t)i].count[TIMES]);
    tap_say("zoo: %zu rows, %d times, %d at once, %u ms of all of them", v->n, options->times,
            options->jobs, ms);
}

/* When the processes that drove them have ended, the workers fall to this one. */
static void rows_mode(const struct zoo *zoo, const struct row *const *chosen,
                      const struct options *options)
{
    struct visit v = {.zoo = zoo, .row = chosen};
    while (chosen[v.n] != NULL)
        v.n++;
    v.results = results_new(v.n + (size_t)zoo->n_worlds);
    jobs_run(v.n * (size_t)options->times, options->jobs, visit, &v);
    for (int i = 0; i < zoo->n_worlds; i++) {
        world_enter(zoo, i);
        drive_end(zoo, i, &v.results[v.n + (size_t)i]);
    }
    if (run_settle() > 0)
        result_violation(&v.results[v.n], "processes were left\n");
    report(&v, options);
}

/* ---- the program ---- */

static int play(const struct settings *s, const char *base)
{
    struct zoo zoo;
    const struct row **chosen = s->options.storm ? NULL : choose_rows(&s->options);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    zoo_init(&zoo, base, s->build, chosen, s->options.jobs);
    if (s->options.storm)
        storm_mode(&zoo, &s->options);
    else
        rows_mode(&zoo, chosen, &s->options);
    free(chosen);
    return tap_end();
}

/* However the play ends, nobody of it stays on the stage. A signal to end comes to this process,
 * and ends the play. */
static int watch(pid_t player, const sigset_t *signals)
{
    int status = 0, n, told = 0;
    pid_t got;
    while ((got = waitpid(player, &status, WNOHANG)) == 0)
        if (sigwait(signals, &n) == 0 && n != SIGCHLD) {
            told = n;
            kill(player, SIGKILL);
        }
    look_end(NULL, 0);
    if (told != 0)
        return 128 + told;
    return got > 0 && WIFEXITED(status) ? WEXITSTATUS(status) : 70;
}

int main(int argc, char **argv)
{
    struct settings s = {.keep = false};
    char base[PLACE_SIZE];
    sigset_t signals, before;
    parse(&s, argv);
    if (s.list) {
        show_rows();
        return 0;
    }
    place_clean_environment();
    place_open("zoo", s.keep, base);
    if (s.keep)
        tap_say("the homes are in %s", base);
    sigemptyset(&signals);
    for (const int *n = (const int[]){SIGCHLD, SIGINT, SIGTERM, SIGHUP, 0}; *n != 0; n++)
        sigaddset(&signals, *n);
    sigprocmask(SIG_BLOCK, &signals, &before);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    pid_t player = fork();
    if (player < 0)
        give_up("cannot fork: %s", strerror(errno));
    if (player == 0) {
        sigprocmask(SIG_SETMASK, &before, NULL);
        exit(play(&s, base));
    }
    return watch(player, &signals);
}

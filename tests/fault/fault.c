/* fault MODE...: proves what modload promises of its registry when things go wrong. It drives the
 * commands of a build and looks at the registry as a user would. What it prints is TAP. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cases.h"
#include "modes.h"
#include "report.h"
#include "rig.h"
#include "trace.h"

static const char usage[] =
    "usage: fault kill|fail|memory|power|storm... [OPTION...]\n"
    "\n"
    "  kill     each command is killed before each of its system calls\n"
    "  fail     each system call of each command fails\n"
    "  memory   each request for memory of each command fails\n"
    "  power    the power is cut at each point of each command\n"
    "  storm    many commands at once, some of them killed\n"
    "  cases    the commands under test\n"
    "\n"
    "  --full         everything; without it a part that is through in a minute or two\n"
    "  --build DIR    the build to test (default: the one that this program is in)\n"
    "  --sanitized    it has sanitizers\n"
    "  --jobs N       processes (default: as many as there are processors)\n"
    "  --case TEXT    only cases with this in their name\n"
    "  --at N         only this point\n"
    "  --call NAME    only calls of this name\n"
    "  --error NAME   only this failure: EIO, EROFS..., cut\n"
    "  --sample N     so many points of each case, instead of what the short form has\n"
    "  --processes N, --seconds N, --seed N    of the storm\n"
    "  --keep         leave the place with the homes as it is, and say where it is\n";

struct settings {
    struct options options;
    const char *build;
    const char *mode[8];
    int n_modes;
    bool keep;
};

static const struct {
    const char *name;
    void (*run)(const struct trials *trials, const struct options *options);
    bool tries, traces; /* needs the trials; watches processes */
} modes[] = {
    {"kill", kill_mode, true, true},      {"fail", fail_mode, true, true},
    {"memory", memory_mode, true, false}, {"power", power_mode, true, true},
    {"storm", storm_mode, false, false},
};
enum { N_MODES = sizeof modes / sizeof *modes };

static int option_number(const char *text)
{
    char *end;
    long n = strtol(text, &end, 10);
    if (*end != '\0' || n < 0 || n > 1000000)
        give_up("'%s' is not a number", text);
    return (int)n;
}

/* How many words it took. */
static int take_option(struct settings *s, char **word)
{
    struct options *o = &s->options;
    const char *value = word[1];
    if (strcmp(word[0], "--full") == 0)
        return o->full = true;
    if (strcmp(word[0], "--sanitized") == 0)
        return o->sanitized = true;
    if (strcmp(word[0], "--keep") == 0)
        return s->keep = true;
    if (value == NULL)
        give_up("'%s' is no option, or lacks its value\n%s", word[0], usage);
    if (strcmp(word[0], "--build") == 0)
        s->build = value;
    else if (strcmp(word[0], "--case") == 0)
        o->filter = value;
    else if (strcmp(word[0], "--call") == 0)
        o->call = value;
    else if (strcmp(word[0], "--error") == 0)
        o->error = value;
    else if (strcmp(word[0], "--jobs") == 0)
        o->jobs = option_number(value);
    else if (strcmp(word[0], "--at") == 0)
        o->at = option_number(value);
    else if (strcmp(word[0], "--sample") == 0)
        o->sample = (unsigned)option_number(value);
    else if (strcmp(word[0], "--processes") == 0)
        o->processes = option_number(value);
    else if (strcmp(word[0], "--seconds") == 0)
        o->seconds = option_number(value);
    else if (strcmp(word[0], "--seed") == 0)
        o->seed = strtoull(value, NULL, 10);
    else
        give_up("'%s' is no option\n%s", word[0], usage);
    return 2;
}

static void parse(struct settings *s, char **argv)
{
    s->options = (struct options){.jobs = (int)sysconf(_SC_NPROCESSORS_ONLN), .filter = ""};
    for (char **word = argv + 1; *word != NULL;)
        if (strncmp(*word, "--", 2) == 0)
            word += take_option(s, word);
        else if (s->n_modes < 8)
            s->mode[s->n_modes++] = *word++;
    if (s->n_modes == 0)
        give_up("nothing to do\n%s", usage);
}

static void show_cases(void)
{
    for (size_t i = 0; i < n_fault_cases; i++)
        printf("%-36s %s\n", fault_cases[i].name, fault_cases[i].command);
}

static int find_mode(const char *name)
{
    for (int i = 0; i < N_MODES; i++)
        if (strcmp(modes[i].name, name) == 0)
            return i;
    give_up("there is no '%s'\n%s", name, usage);
}

/* The trials are prepared when they are first needed, and then are those of all modes. */
static void run_mode(struct trials *trials, const struct settings *s, int mode)
{
    if (modes[mode].traces && !trace_possible()) {
        tap_skip("%s # skip this machine lets no process watch another", modes[mode].name);
        return;
    }
    if (modes[mode].tries && trials->trial == NULL)
        trials_init(trials, trials->rig, s->options.filter);
    figures_begin();
    modes[mode].run(trials, &s->options);
}

int main(int argc, char **argv)
{
    struct settings s = {.n_modes = 0};
    struct rig rig = {.format = 0};
    struct trials trials = {.rig = &rig};
    parse(&s, argv);
    if (strcmp(s.mode[0], "cases") == 0) {
        show_cases();
        return 0;
    }
    rig.sanitized = s.options.sanitized;
    rig_init(&rig, s.build, s.keep);
    tap_say("build %s, registry format %d", rig.modload, rig.format);
    if (s.keep)
        tap_say("the homes are in %s", rig.base);
    for (int i = 0; i < s.n_modes; i++)
        find_mode(s.mode[i]);
    for (int i = 0; i < s.n_modes; i++)
        run_mode(&trials, &s, find_mode(s.mode[i]));
    trials_done(&trials);
    buf_free(&rig.help);
    return tap_end();
}

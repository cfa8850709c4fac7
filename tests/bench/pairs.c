/* Times two programs against each other, in turn, so that what the machine does meanwhile meets
 * both: pairs RUNS -- [NAME=VALUE...] PROGRAM ARG... -- [NAME=VALUE...] PROGRAM ARG... An argument
 * @FILE stands for a line of that file, the next one in each run. Prints one line: median of the
 * first in us, median of the second in us, and of the ratios first/second of each pair the median,
 * the smallest and the largest. A program that fails ends the measurement. Time is from before the
 * program is started until it has been waited for.
 */
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

extern char **environ;

/* What is run: the lines for the one argument that changes, if there is one. */
struct program {
    char **env; /* NAME=VALUE, up to argv */
    char **argv;
    char **changing; /* where in argv; null: nowhere */
    char **lines;
    size_t n_lines, at;
};

static double now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static void prepare(struct program *p)
{
    for (char **word = p->env; word < p->argv; word++)
        putenv(*word);
    if (p->changing != NULL)
        *p->changing = p->lines[p->at++ % p->n_lines];
}

/* Runs a program with its output thrown away; returns how long it took, or ends this one. */
static double time_program(struct program *p, const posix_spawn_file_actions_t *quiet)
{
    pid_t pid;
    int status;
    prepare(p);
    double start = now_us();
    int error = posix_spawn(&pid, p->argv[0], quiet, NULL, p->argv, environ);
    if (error != 0) {
        fprintf(stderr, "pairs: cannot start '%s': %s\n", p->argv[0], strerror(error));
        exit(66);
    }
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            exit(70);
    double took = now_us() - start;
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        fprintf(stderr, "pairs: '%s' failed (wait status %#x)\n", p->argv[0], (unsigned)status);
        exit(1);
    }
    return took;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double sort_median(double *values, int n)
{
    qsort(values, (size_t)n, sizeof *values, by_size);
    return n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

/* ---- the command line ---- */

static void lines_read(struct program *p, const char *path)
{
    char *line = NULL;
    size_t size = 0;
    ssize_t n;
    FILE *file = fopen(path, "re");
    while (file != NULL && (n = getline(&line, &size, file)) > 0) {
        line[n - (line[n - 1] == '\n')] = '\0';
        p->lines = realloc(p->lines, (p->n_lines + 1) * sizeof *p->lines);
        if (p->lines == NULL || (p->lines[p->n_lines++] = strdup(line)) == NULL)
            exit(71);
    }
    free(line);
    if (p->n_lines == 0) {
        fprintf(stderr, "pairs: cannot read '%s'\n", path);
        exit(66);
    }
    fclose(file);
}

static void program_read(struct program *p, char **words)
{
    p->env = p->argv = words;
    while (*p->argv != NULL && strchr(*p->argv, '=') != NULL)
        p->argv++;
    for (char **word = p->argv; *word != NULL; word++)
        if (**word == '@') {
            p->changing = word;
            lines_read(p, *word + 1);
        }
}

/* Cuts the arguments at each "--". */
static int split(char **argv, struct program programs[2])
{
    char **words[2];
    int n = 0;
    for (char **a = argv; *a != NULL; a++)
        if (strcmp(*a, "--") == 0 && n < 2) {
            *a = NULL;
            words[n++] = a + 1;
        }
    for (int i = 0; i < 2 && n == 2; i++)
        program_read(&programs[i], words[i]);
    return n == 2 && programs[0].argv[0] != NULL && programs[1].argv[0] != NULL ? 0 : -1;
}

int main(int argc, char **argv)
{
    enum { WARM_UP = 3 };
    static struct program programs[2];
    int runs = argc > 1 ? (int)strtol(argv[1], NULL, 10) : 0;
    if (runs < 1 || runs > 1000000 || split(argv, programs) < 0) {
        fprintf(stderr, "usage: pairs RUNS -- PROGRAM ARG... -- PROGRAM ARG...\n");
        return 64;
    }
    double *times[3];
    for (int i = 0; i < 3; i++)
        if ((times[i] = calloc((size_t)runs, sizeof **times)) == NULL)
            return 71;
    posix_spawn_file_actions_t quiet;
    posix_spawn_file_actions_init(&quiet);
    posix_spawn_file_actions_addopen(&quiet, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    for (int run = -WARM_UP; run < runs; run++) {
        double first = time_program(&programs[0], &quiet),
               second = time_program(&programs[1], &quiet);
        if (run < 0)
            continue;
        times[0][run] = first;
        times[1][run] = second;
        times[2][run] = first / second;
    }
    double ratio = sort_median(times[2], runs);
    printf("%.0f %.0f %.3f %.3f %.3f\n", sort_median(times[0], runs), sort_median(times[1], runs),
           ratio, times[2][0], times[2][runs - 1]);
    posix_spawn_file_actions_destroy(&quiet);
    for (int i = 0; i < 3; i++)
        free(times[i]);
    return 0;
}

/* What a program takes: spent RUNS PROGRAM ARG... Prints one line: the median of how long it took,
 * in us, and the largest of its peaks of resident memory, in KiB (getrusage(2)). Its input is that
 * of this program, its output is thrown away. A run that fails ends the measurement with its exit
 * status. */
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static double now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Runs it once, and returns how long it took. */
static double run(char **argv, const posix_spawn_file_actions_t *quiet, struct rusage *used)
{
    pid_t pid;
    int status;
    double start = now_us();
    int error = posix_spawn(&pid, argv[0], quiet, NULL, argv, environ);
    if (error != 0) {
        fprintf(stderr, "spent: cannot start '%s': %s\n", argv[0], strerror(error));
        exit(66);
    }
    while (wait4(pid, &status, 0, used) < 0)
        if (errno != EINTR)
            exit(70);
    double took = now_us() - start;
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        fprintf(stderr, "spent: '%s' failed (wait status %#x)\n", argv[0], (unsigned)status);
        exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
    }
    return took;
}

int main(int argc, char **argv)
{
    enum { RUNS_MAX = 1000 };
    static double took[RUNS_MAX];
    long peak = 0;
    int runs = argc > 2 ? (int)strtol(argv[1], NULL, 10) : 0;
    if (runs < 1 || runs > RUNS_MAX) {
        fprintf(stderr, "usage: spent RUNS PROGRAM ARG...\n");
        return 64;
    }
    posix_spawn_file_actions_t quiet;
    posix_spawn_file_actions_init(&quiet);
    posix_spawn_file_actions_addopen(&quiet, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    for (int i = 0; i < runs; i++) {
        struct rusage used;
        took[i] = run(argv + 2, &quiet, &used);
        peak = used.ru_maxrss > peak ? used.ru_maxrss : peak;
    }
    qsort(took, (size_t)runs, sizeof *took, by_size);
    printf("%.0f %ld\n", took[runs / 2], peak);
    posix_spawn_file_actions_destroy(&quiet);
    return 0;
}

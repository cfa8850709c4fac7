/* What every animal of the zoo has: a function that behaves, by which the keeper sees that the
 * worker is well, and one that tells what an earlier call could have changed. */
#ifndef ZOO_H
#define ZOO_H

#include <fenv.h>
#include <locale.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

extern char **environ;

/* Set by those who change something. */
static int touched;

int add(int a, int b)
{
    return a + b;
}

__attribute__((unused, noreturn)) static void hang(void)
{
    for (;;)
        pause();
}

static void tell_places(FILE *out)
{
    char path[256] = "";
    mode_t mask = umask(0);
    umask(mask);
    fprintf(out, "in %s, umask %o", getcwd(path, sizeof path), mask);
    for (char **word = environ; *word != NULL; word++)
        fprintf(out, ", %s", *word);
    for (int fd = 0; fd < 256; fd++)
        if (dup2(fd, fd) == fd)
            fprintf(out, ", descriptor %d", fd);
}

static void tell_numbers(FILE *out)
{
    volatile double three = 3;
    fprintf(out, ", locale %s, 1/3 %a, rounding %d", setlocale(LC_ALL, NULL), 1 / three,
            fegetround());
    for (int i = 0; i < RLIM_NLIMITS; i++) {
        struct rlimit limit = {0};
        getrlimit(i, &limit);
        fprintf(out, ", limit %d %lx", i, (unsigned long)limit.rlim_cur);
    }
}

static void tell_process(FILE *out)
{
    static const char *const wanted[] = {
        "Name:", "Threads:", "SigPnd:", "ShdPnd:", "SigBlk:", "SigIgn:", "SigCgt:", "NoNewPrivs:"};
    char line[256];
    FILE *status = fopen("/proc/self/status", "re");
    while (status != NULL && fgets(line, sizeof line, status) != NULL)
        for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
            if (strncmp(line, wanted[i], strlen(wanted[i])) == 0)
                fprintf(out, ", %.*s", (int)strcspn(line, "\n"), line);
    for (int i = ITIMER_REAL; i <= ITIMER_PROF; i++) {
        struct itimerval timer;
        getitimer(i, &timer);
        fprintf(out, ", timer %ld", (long)timer.it_value.tv_sec);
    }
    fprintf(out, ", nice %d, scheduler %d, leader %d, dumpable %d, touched %d",
            getpriority(PRIO_PROCESS, 0), sched_getscheduler(0), getsid(0) == getpid(),
            prctl(PR_GET_DUMPABLE), touched);
}

/* All that one call must not see of another. */
const char *facts(void)
{
    static char text[16384];
    FILE *out = fmemopen(text, sizeof text, "w");
    if (out == NULL)
        return "";
    tell_places(out);
    tell_numbers(out);
    tell_process(out);
    fclose(out);
    return text;
}

#endif

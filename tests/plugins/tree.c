/* Leaves processes behind, or tries to. Each says on its output who they are. */
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void deaf(void)
{
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, NULL);
    for (int n = 1; n < 32; n++)
        signal(n, SIG_IGN);
}

static _Noreturn void stay(void)
{
    for (;;)
        pause();
}

static void say(void)
{
    char line[32];
    int n = snprintf(line, sizeof line, "%d\n", (int)getpid());
    if (write(1, line, (size_t)n) != n)
        _exit(1);
}

/* a child that stays; the call returns */
long child(void)
{
    pid_t pid = fork();
    if (pid == 0)
        stay();
    return pid;
}

/* away from its parent, its session and its signals, as a daemon does it */
long daemon_child(void)
{
    int ends[2];
    pid_t pid = -1;
    if (pipe(ends) < 0)
        return -1;
    if (fork() == 0) {
        setsid();
        if (fork() == 0) {
            pid = getpid();
            deaf();
            if (write(ends[1], &pid, sizeof pid) != sizeof pid)
                _exit(1);
            stay();
        }
        _exit(0);
    }
    wait(NULL);
    return read(ends[0], &pid, sizeof pid) == sizeof pid ? pid : -1;
}

/* a whole family, three deep, and then it hangs itself */
void family(void)
{
    for (int i = 0; i < 3; i++) {
        if (fork() == 0) {
            setsid();
            fork();
            deaf();
        }
    }
    say();
    stay();
}

/* another program, which knows nothing of modload */
long program(void)
{
    pid_t pid = fork();
    if (pid == 0) {
        execlp("sleep", "sleep", "1000", (char *)NULL);
        _exit(127);
    }
    return pid;
}

/* runs from its own death: a child goes on where the parent ends, for ten seconds at most */
void runaway(void)
{
    time_t end = time(NULL) + 10;
    if (fork() != 0)
        return;
    setsid();
    while (time(NULL) < end)
        if (fork() > 0)
            _exit(0);
}

/* crashes with a child, when that has said who it is */
void child_and_crash(void)
{
    int ends[2];
    char byte;
    if (pipe(ends) < 0)
        return;
    if (fork() == 0) {
        say();
        close(ends[0]);
        close(ends[1]);
        stay();
    }
    close(ends[1]);
    if (read(ends[0], &byte, 1) == 0)
        raise(SIGSEGV);
}

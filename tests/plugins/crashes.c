/* Crashes, in the ways that a program of C can, and in some that only an enemy would choose. "mark:
 * NAME" stands in the line in which a backtrace has to find NAME. Values that come back are used,
 * so that no call is the last thing that its function does: it would leave no frame. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <modload/plugin.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

ML_PLUGIN("crashes", "1.0.0")

static const int fixed[4] = {1, 2, 3, 4};

int fine(void)
{
    return 7;
}

/* ---- as programs do ---- */

__attribute__((noinline)) static int read_at(const volatile int *at)
{
    return *at + 1; /* mark: read_at */
}

int reads(long at)
{
    return read_at((const int *)at) + 1; /* mark: reads */
}

static inline int innermost(const volatile int *at)
{
    return *at * 3; /* mark: innermost */
}

static inline int middle(const volatile int *at)
{
    return innermost(at) + 1; /* mark: middle */
}

int inlined(long at)
{
    return middle((const int *)at) * 2; /* mark: inlined */
}

int writes_const(int i)
{
    *(volatile int *)&fixed[i & 3] = 5; /* mark: writes_const */
    return fixed[0];
}

int calls(long at)
{
    int (*to)(void) = (int (*)(void))at;
    return to() + 1; /* mark: calls */
}

/* the C library on top */
int measures(long at)
{
    return (int)strlen((const char *)at) + 1; /* mark: measures */
}

static int compare(const void *a, const void *b)
{
    return read_at(*(int *const *)a) - 1; /* mark: compare */
}

/* the C library in between */
int sorts(int n)
{
    const int *list[2] = {NULL, NULL};
    qsort(list, 2, sizeof *list, compare); /* mark: sorts */
    return list[0] == NULL;
}

int overflows(int n)
{
    volatile char room[1000];
    memset((char *)room, n, sizeof room);
    return n == -1 ? room[0] : overflows(n + 1) + room[1];
}

int divides(int a, int b)
{
    return a / b; /* mark: divides */
}

int traps(void)
{
    __builtin_trap(); /* mark: traps */
}

/* a file that is shorter than its mapping */
int reads_behind_end(void)
{
    int fd = memfd_create("short", MFD_CLOEXEC);
    const volatile char *p = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
    return p[100]; /* mark: reads_behind_end */
}

int aborts(void)
{
    abort(); /* mark: aborts */
}

int raises(int n)
{
    return raise(n) + 1; /* mark: raises */
}

static void *thread(void *at)
{
    return (void *)(long)read_at(at); /* mark: thread */
}

int in_thread(long at)
{
    pthread_t t;
    pthread_create(&t, NULL, thread, (void *)at);
    return pthread_join(t, NULL);
}

/* all of them, as near to the same moment as it can be had */
int in_threads(int n, long at)
{
    pthread_t t;
    for (int i = 0; i < n; i++)
        pthread_create(&t, NULL, thread, (void *)at);
    return pthread_join(t, NULL);
}

/* ---- what is no crash of the call ---- */

int child_crashes(long at)
{
    int status;
    pid_t pid = fork();
    if (pid == 0)
        _exit(read_at((const int *)at));
    waitpid(pid, &status, 0);
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

int child_first(long at)
{
    return child_crashes(at) + raise(SIGFPE); /* mark: child_first */
}

static void leave(int n)
{
    _exit(n);
}

/* a handler of its own wins */
int handles(long at)
{
    signal(SIGSEGV, leave);
    return read_at((const int *)at);
}

/* ---- as an enemy does ---- */

/* no handler is called, the kernel ends the process */
int blocks_and_reads(long at)
{
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, NULL);
    return read_at((const int *)at);
}

int overflows_without_stack(void)
{
    stack_t none = {.ss_flags = SS_DISABLE};
    sigaltstack(&none, NULL);
    return overflows(0);
}

int starves_and_reads(long at)
{
    const struct rlimit zero = {0, 0};
    for (int fd = 0; fd < 1024; fd++)
        close(fd);
    setrlimit(RLIMIT_NOFILE, &zero);
    setrlimit(RLIMIT_FSIZE, &zero);
    setrlimit(RLIMIT_AS, &zero);
    setrlimit(RLIMIT_STACK, &zero);
    return read_at((const int *)at) + 1; /* mark: starves_and_reads */
}

/* The stack pointer is somebody's guess. */
#if defined(__x86_64__)
#define MOVE "mov %0, %%rsp\n\tud2"
#else
#define MOVE "mov sp, %0\n\tudf #0"
#endif
int moves_stack(long to)
{
    __asm__ volatile(MOVE : : "r"(to) : "memory"); /* mark: moves_stack */
    return 1;
}

int moves_stack_to_heap(void)
{
    char *room = malloc(100);
    return moves_stack((long)room & ~15L);
}

/* Fills the end of what is shared with the supervisor, where the record of a crash is, and dies of
 * a signal that no handler sees. */
int scribbles(int word, int n)
{
    unsigned long start, end;
    char line[512], kind;
    FILE *maps = fopen("/proc/self/maps", "r");
    while (maps != NULL && fgets(line, sizeof line, maps) != NULL)
        if (sscanf(line, "%lx-%lx rw%*c%c", &start, &end, &kind) == 3 && kind == 's' &&
            end - start > 300 << 10)
            for (int *p = (int *)(end - (300 << 10)); p < (int *)end; p++)
                *p = word;
    signal(n, SIG_DFL);
    return raise(n);
}

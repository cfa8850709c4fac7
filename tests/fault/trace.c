/* The ptrace engine. A process stops twice at each call: before it is made, where it can be turned
 * into another, and after it, where its result can be changed. */
#include "trace.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include "report.h"

#define SYSCALL_STOP (SIGTRAP | 0x80) /* with PTRACE_O_TRACESYSGOOD */

/* ---- registers: the call's number, its arguments, its result ---- */

#if defined __x86_64__

static void put(pid_t pid, size_t offset, uint64_t value)
{
    if (ptrace(PTRACE_POKEUSER, pid, (void *)offset, (void *)value) < 0)
        give_up("cannot change a register: %s", strerror(errno));
}

static void set_number(pid_t pid, int number)
{
    put(pid, offsetof(struct user_regs_struct, orig_rax), (uint64_t)(int64_t)number);
}

static void set_argument(pid_t pid, int arg, uint64_t value)
{
    static const size_t at[] = {
        offsetof(struct user_regs_struct, rdi), offsetof(struct user_regs_struct, rsi),
        offsetof(struct user_regs_struct, rdx), offsetof(struct user_regs_struct, r10),
        offsetof(struct user_regs_struct, r8),  offsetof(struct user_regs_struct, r9)};
    put(pid, at[arg], value);
}

static void set_result(pid_t pid, int64_t value)
{
    put(pid, offsetof(struct user_regs_struct, rax), (uint64_t)value);
}

#elif defined __aarch64__

static void put(pid_t pid, int reg, uint64_t value)
{
    struct user_regs_struct regs;
    struct iovec all = {&regs, sizeof regs};
    if (ptrace(PTRACE_GETREGSET, pid, (void *)NT_PRSTATUS, &all) < 0)
        give_up("cannot read the registers: %s", strerror(errno));
    regs.regs[reg] = value;
    if (ptrace(PTRACE_SETREGSET, pid, (void *)NT_PRSTATUS, &all) < 0)
        give_up("cannot change a register: %s", strerror(errno));
}

static void set_number(pid_t pid, int number)
{
    struct iovec one = {&number, sizeof number};
    if (ptrace(PTRACE_SETREGSET, pid, (void *)NT_ARM_SYSTEM_CALL, &one) < 0)
        give_up("cannot change a system call: %s", strerror(errno));
}

static void set_argument(pid_t pid, int arg, uint64_t value)
{
    put(pid, arg, value);
}

static void set_result(pid_t pid, int64_t value)
{
    put(pid, 0, (uint64_t)value);
}

#else
#error "the fault harnesses know x86-64 and aarch64"
#endif

/* ---- one process under trace ---- */

struct tracee {
    const struct tracer *tracer;
    struct call call;
    bool begun;  /* main() has */
    bool inside; /* between a call's begin and its end */
    int error;   /* that the call at hand is to fail with */
    enum trace_act act;
};

/* open_stdio() in cmd/main.c is the first thing that main() does. */
static bool is_begin_of_main(const struct call *call)
{
    char path[16];
    return (call_open_flags(call) & O_ACCMODE) == O_RDWR &&
           call_text(call, call->info->on == ON_AT ? 1 : 0, path, sizeof path) &&
           strcmp(path, "/dev/null") == 0;
}

static void read_call(struct tracee *t)
{
    struct __ptrace_syscall_info info;
    if (ptrace(PTRACE_GET_SYSCALL_INFO, t->call.pid, (void *)sizeof info, &info) < 0)
        give_up("cannot look at a system call: %s", strerror(errno));
    if (info.op == PTRACE_SYSCALL_INFO_ENTRY) {
        t->call.number = (long)info.entry.nr;
        t->call.info = call_find(t->call.number);
        for (int i = 0; i < 6; i++)
            t->call.arg[i] = info.entry.args[i];
    } else {
        t->call.result = info.exit.rval;
    }
    t->inside = info.op == PTRACE_SYSCALL_INFO_ENTRY;
}

/* A brk that fails gives the end as it is, and so does one to nowhere. A close lets the descriptor
 * go whatever it says (close(2)). A call number that does not exist makes the kernel do nothing. */
static void spoil(const struct tracee *t)
{
    const struct call *call = &t->call;
    if (t->act == TRACE_CUT_ONCE)
        set_argument(call->pid, 2, call->arg[2] > 1 ? call->arg[2] / 2 : 1);
    else if ((call->info->does & CALL_BRK) != 0)
        set_argument(call->pid, 0, 0);
    else if ((call->info->does & CALL_CLOSES) == 0)
        set_number(call->pid, -1);
}

/* The kernel keeps the registers of arguments, and compilers rely on it. */
static void unspoil(const struct tracee *t)
{
    const struct call *call = &t->call;
    if (t->act == TRACE_CUT_ONCE)
        set_argument(call->pid, 2, call->arg[2]);
    else if ((call->info->does & CALL_BRK) != 0)
        set_argument(call->pid, 0, call->arg[0]);
    else
        set_result(call->pid, -t->error);
}

static bool is_spoiled(const struct tracee *t)
{
    return t->act == TRACE_FAIL || t->act == TRACE_FAIL_ONCE || t->act == TRACE_CUT_ONCE;
}

static void at_begin(struct tracee *t)
{
    t->act = TRACE_GO;
    if (t->call.info == NULL)
        return;
    if (!t->begun) {
        t->begun = is_begin_of_main(&t->call);
        return;
    }
    t->act = t->tracer->enter(&t->call, &t->error, t->tracer->arg);
    if (is_spoiled(t))
        spoil(t);
}

/* A program that was executed is another one: its main() is yet to come. */
static void at_end(struct tracee *t)
{
    if (t->call.info == NULL || !t->begun)
        return;
    if (is_spoiled(t))
        unspoil(t);
    else if (t->tracer->leave != NULL)
        t->tracer->leave(&t->call, t->tracer->arg);
    if ((t->call.info->does & CALL_EXECS) != 0 && !is_spoiled(t) && t->call.result == 0)
        t->begun = false;
}

/* One stop. False when the process is not to be looked at any more. */
static bool take_stop(struct tracee *t, int status)
{
    int signal = 0;
    if (WSTOPSIG(status) == SYSCALL_STOP) {
        read_call(t);
        if (t->inside)
            at_begin(t);
        else
            at_end(t);
    } else if (status >> 16 == 0 && WSTOPSIG(status) != SIGSTOP) {
        signal = WSTOPSIG(status);
    }
    if (t->act == TRACE_KILL) {
        kill(t->call.pid, SIGKILL);
        return true;
    }
    bool let_go = is_spoiled(t) && t->act != TRACE_FAIL && !t->inside;
    if (ptrace(let_go ? PTRACE_DETACH : PTRACE_SYSCALL, t->call.pid, NULL, (void *)(long)signal) <
            0 &&
        errno != ESRCH)
        give_up("cannot let a process go on: %s", strerror(errno));
    return !let_go;
}

/* The first stop is the SIGSTOP before its execve. */
static bool follow(struct tracee *t, int *status)
{
    int64_t deadline = run_deadline();
    pid_t pid = t->call.pid;
    bool watched = false;
    while (run_wait(pid, status, deadline)) {
        if (!WIFSTOPPED(*status))
            return true;
        if (!watched)
            ptrace(PTRACE_SETOPTIONS, pid, NULL,
                   (void *)(long)(PTRACE_O_EXITKILL | PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEEXEC));
        watched = true;
        take_stop(t, *status);
    }
    kill(pid, SIGKILL);
    run_wait(pid, status, run_deadline());
    return false;
}

bool trace_run(const char *const *argv, const struct tracer *tracer, struct ended *ret, int *left)
{
    int status;
    struct tracee t = {.tracer = tracer};
    struct run_how how = RUN_PLAIN;
    how.traced = true;
    t.call.pid = run_start(argv, &how);
    bool in_time = follow(&t, &status);
    run_collect(status, ret);
    ret->hung = !in_time;
    *left = run_settle();
    return t.act != TRACE_KILL;
}

static enum trace_act pass(const struct call *call, int *error, void *arg)
{
    return TRACE_GO;
}

bool trace_possible(void)
{
    static const char *const argv[] = {"/bin/true", NULL};
    const struct tracer tracer = {.enter = pass};
    ENDED_AUTO ended = ENDED_INIT;
    int left;
    trace_run(argv, &tracer, &ended, &left);
    return ended.code == 0;
}

#include "watched.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>

/* A child that stops at its system calls; -1: none may be watched. */
static pid_t begin_watched(int (*body)(void *arg), void *arg)
{
    int status;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
            _exit(77);
        raise(SIGSTOP);
        _exit(body(arg));
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (!WIFSTOPPED(status))
        return -1;
    ptrace(PTRACE_SETOPTIONS, pid, NULL, (void *)(PTRACE_O_EXITKILL | PTRACE_O_TRACESYSGOOD));
    return pid;
}

/* Runs it to the next begin or end of a call. False when it has ended. */
static bool run_to_call(pid_t pid, struct __ptrace_syscall_info *info)
{
    int status;
    ptrace(PTRACE_SYSCALL, pid, NULL, NULL);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (WIFEXITED(status)) {
        assert_int_equal(WEXITSTATUS(status), 0);
        return false;
    }
    assert_true(WIFSTOPPED(status) && WSTOPSIG(status) == (SIGTRAP | 0x80));
    assert_true(ptrace(PTRACE_GET_SYSCALL_INFO, pid, (void *)sizeof *info, info) > 0);
    return true;
}

/* Calls that change nothing on the disk, whoever makes them: most of all. */
static bool only_looks(const struct __ptrace_syscall_info *entry)
{
    static const uint64_t calls[] = {SYS_read,       SYS_pread64, SYS_close,    SYS_fstat,
                                     SYS_newfstatat, SYS_lseek,   SYS_fcntl,    SYS_readlinkat,
                                     SYS_getdents64, SYS_brk,     SYS_mmap,     SYS_munmap,
                                     SYS_flock,      SYS_ppoll,   SYS_faccessat};
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
        if (entry->entry.nr == calls[i])
            return true;
    return entry->entry.nr == SYS_openat && (entry->entry.args[2] & (O_CREAT | O_TRUNC)) == 0;
}

int watched(int (*body)(void *arg), void *arg, void (*look)(void *arg), void *look_arg)
{
    struct __ptrace_syscall_info entry, end;
    bool changed = true;
    pid_t pid = begin_watched(body, arg);
    if (pid < 0)
        return -1;
    while (run_to_call(pid, &entry)) {
        if (changed)
            look(look_arg);
        if (!run_to_call(pid, &end))
            break;
        changed = !end.exit.is_error && !only_looks(&entry);
    }
    return 0;
}

int interrupted(int (*body)(void *arg), void *arg, int n, void (*act)(void *arg), void *act_arg)
{
    struct __ptrace_syscall_info info;
    pid_t pid = begin_watched(body, arg);
    if (pid < 0)
        return -1;
    for (int stops = 0; stops < 2 * n + 1; stops++) /* each call's begin and end */
        if (!run_to_call(pid, &info))
            return 0;
    act(act_arg);
    ptrace(PTRACE_DETACH, pid, NULL, NULL);
    assert_int_equal(child_finish(pid), 0);
    return 1;
}

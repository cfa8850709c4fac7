/* By hand and not by libseccomp: it is entered between fork and exec, where other threads may hold
 * the lock of the heap, and modload's front has it in as well (doctor), which links libc alone. The
 * program is a constant: a list of numbers and what is answered. */
#include "base/syscall-filter.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__)
#define ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCH AUDIT_ARCH_AARCH64
#else
#error "modload is for x86-64 and aarch64"
#endif

/* Since Linux 5.1 new calls have the same number everywhere; older headers lack these. */
enum { NR_QUOTACTL_FD = 443, NR_SETXATTRAT = 463, NR_REMOVEXATTRAT = 466 };
enum { X32_BIT = 0x40000000 };
#define NAMESPACES                                                                                 \
    (CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID |  \
     CLONE_NEWNET)

#define LOAD(field)    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define ANSWER(action) BPF_STMT(BPF_RET | BPF_K, (action))
#define REFUSE(errnum) ANSWER(SECCOMP_RET_ERRNO | (errnum))
#define ALLOW          ANSWER(SECCOMP_RET_ALLOW)
#define MASK(bits)     BPF_STMT(BPF_ALU | BPF_AND | BPF_K, (bits))
/* If what was loaded is `value`, the next statement; else the one behind it. */
#define IF(value) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (value), 0, 1)
/* As IF, over `n` statements. */
#define IF_ELSE(value, n) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (value), 0, (n))
#define NO(call, errnum)  IF(SYS_##call), REFUSE(errnum)

/* Arguments are 64 bits wide, and the kernel looks at the lower 32 of these: both architectures
 * have them first. */
static struct sock_filter filter[] = {
    LOAD(arch),
    IF_ELSE(ARCH, 1),
    BPF_STMT(BPF_JMP | BPF_JA, 1),
    ANSWER(SECCOMP_RET_KILL_PROCESS),
    LOAD(nr),
#ifdef __x86_64__
    BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, X32_BIT, 0, 1),
    REFUSE(ENOSYS),
#endif
    /* network */
    NO(socket, EACCES),
    NO(socketpair, EACCES),
    NO(io_uring_setup, ENOSYS),
    /* arguments that cannot be seen */
    NO(clone3, ENOSYS),
    NO(openat2, ENOSYS),
    /* the group */
    NO(setsid, EPERM),
    NO(setpgid, EPERM),
    /* other processes */
    NO(ptrace, EPERM),
    NO(process_vm_readv, EPERM),
    NO(process_vm_writev, EPERM),
    NO(kcmp, EPERM),
    NO(pidfd_getfd, EPERM),
    NO(keyctl, EPERM),
    NO(add_key, EPERM),
    NO(request_key, EPERM),
    NO(shmget, EPERM),
    NO(shmat, EPERM),
    NO(semget, EPERM),
    NO(msgget, EPERM),
    NO(mq_open, EPERM),
    /* files, where Landlock does not reach */
    NO(truncate, EACCES),
    NO(fchown, EPERM),
    NO(fchownat, EPERM),
    NO(utimensat, EPERM),
    NO(setxattr, EPERM),
    NO(lsetxattr, EPERM),
    NO(fsetxattr, EPERM),
    NO(removexattr, EPERM),
    NO(lremovexattr, EPERM),
    NO(fremovexattr, EPERM),
    IF(NR_SETXATTRAT),
    REFUSE(ENOSYS),
    IF(NR_REMOVEXATTRAT),
    REFUSE(ENOSYS),
    NO(name_to_handle_at, EPERM),
    NO(open_by_handle_at, EPERM),
    NO(fanotify_init, EPERM),
#ifdef __x86_64__
    NO(chown, EPERM),
    NO(lchown, EPERM),
    NO(utime, EPERM),
    NO(utimes, EPERM),
    NO(futimesat, EPERM),
#endif
    /* the machine */
    NO(unshare, EPERM),
    NO(setns, EPERM),
    NO(mount, EPERM),
    NO(umount2, EPERM),
    NO(pivot_root, EPERM),
    NO(chroot, EPERM),
    NO(open_tree, ENOSYS),
    NO(move_mount, ENOSYS),
    NO(fsopen, ENOSYS),
    NO(fsconfig, ENOSYS),
    NO(fsmount, ENOSYS),
    NO(fspick, ENOSYS),
    NO(bpf, EPERM),
    NO(perf_event_open, EPERM),
    NO(userfaultfd, EPERM),
    NO(init_module, EPERM),
    NO(finit_module, EPERM),
    NO(delete_module, EPERM),
    NO(kexec_load, EPERM),
    NO(reboot, EPERM),
    NO(swapon, EPERM),
    NO(swapoff, EPERM),
    NO(acct, EPERM),
    NO(quotactl, EPERM),
    IF(NR_QUOTACTL_FD),
    REFUSE(EPERM),
    NO(sethostname, EPERM),
    NO(setdomainname, EPERM),
    NO(settimeofday, EPERM),
    NO(clock_settime, EPERM),
    NO(adjtimex, EPERM),
    NO(clock_adjtime, EPERM),
    NO(syslog, EPERM),
#ifdef __x86_64__
    NO(iopl, EPERM),
    NO(ioperm, EPERM),
    /* with O_TRUNC and for reading: before ABI 3 Landlock lets that cut what may only be read */
    IF_ELSE(SYS_open, 5),
    LOAD(args[1]),
    MASK(O_TRUNC | O_ACCMODE),
    IF(O_TRUNC),
    REFUSE(EACCES),
    ALLOW,
#endif
    IF_ELSE(SYS_openat, 5),
    LOAD(args[2]),
    MASK(O_TRUNC | O_ACCMODE),
    IF(O_TRUNC),
    REFUSE(EACCES),
    ALLOW,
    IF_ELSE(SYS_clone, 5),
    LOAD(args[0]),
    MASK(NAMESPACES),
    IF(0),
    ALLOW,
    REFUSE(EPERM),
    ALLOW,
};

bool syscall_filter_available(void)
{
    uint32_t action = SECCOMP_RET_ERRNO;
    return syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0;
}

int syscall_filter_enter(void)
{
    const struct sock_fprog program = {sizeof filter / sizeof *filter, filter};
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) == 0)
        return 0;
    return errno == ENOSYS || errno == EINVAL ? 0 : -1;
}

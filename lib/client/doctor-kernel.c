/* What the kernel offers is asked for, not read off its version: distributions add to old ones, and
 * containers take away from new ones. Asking has no effect: wrong arguments, or things that are
 * dropped at once. */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/landlock.h"
#include "base/scope.h"
#include "client/doctor.h"

enum {
    KERNEL_MAJOR = 5, /* 5.15: README */
    KERNEL_MINOR = 15,
    PROC_MAGIC = 0x9fa0,      /* linux/magic.h: PROC_SUPER_MAGIC */
    FILES_LOW = 256,          /* a supervisor needs some 20; a build one for each compiler */
    PROCESSES_LOW = 64,       /* a call is 2, a build 2 for each compiler and what those start */
    FILE_SIZE_LOW = 64 << 20, /* of the objects that compilers write */
    ADDRESS_SPACE_LOW = 512 << 20, /* a compiler takes up to that */
};

/* ---- the kernel ---- */

static void release_look(struct doctor *d)
{
    struct utsname is;
    int major = 0, minor = 0;
    if (uname(&is) < 0 || sscanf(is.release, "%d.%d", &major, &minor) != 2) {
        doctor_tell(d, ML_HEALTH_WARNING, "kernel", "does not say what it is");
        return;
    }
    bool old = major < KERNEL_MAJOR || (major == KERNEL_MAJOR && minor < KERNEL_MINOR);
    doctor_tell(d, old ? ML_HEALTH_PROBLEM : ML_HEALTH_OK, "kernel", "%s %s, %s", is.sysname,
                is.release, is.machine);
    if (old)
        doctor_hint(d, "modload needs Linux %d.%d or later", KERNEL_MAJOR, KERNEL_MINOR);
}

/* EPERM is what the profiles of containers answer for calls that they do not know. */
static bool is_missing(long result)
{
    return result < 0 && (errno == ENOSYS || errno == EPERM);
}

/* Signal 0 is sent to nobody. */
static bool lacks_pidfd_open(void)
{
    AUTO_CLOSE int fd = (int)syscall(SYS_pidfd_open, getpid(), 0);
    return is_missing(fd) ||
           (fd >= 0 && is_missing(syscall(SYS_pidfd_send_signal, fd, 0, NULL, 0)));
}

/* There is no descriptor of that number. */
static bool lacks_close_range(void)
{
    return is_missing(syscall(SYS_close_range, ~0U, ~0U, 0));
}

static bool lacks_openat2(void)
{
    struct open_how how = {.flags = O_PATH | O_CLOEXEC};
    AUTO_CLOSE int fd = (int)syscall(SYS_openat2, AT_FDCWD, "/", &how, sizeof how);
    return is_missing(fd);
}

/* No kernel knows all flags: one that has the call says EINVAL. */
static bool lacks_renameat2(void)
{
    return is_missing(syscall(SYS_renameat2, AT_FDCWD, "/", AT_FDCWD, "/", ~0U));
}

static bool lacks_memfd(void)
{
    AUTO_CLOSE int fd = (int)syscall(SYS_memfd_create, "", 1U /* MFD_CLOEXEC */);
    return is_missing(fd);
}

static bool lacks_subreaper(void)
{
    int is;
    return prctl(PR_GET_CHILD_SUBREAPER, &is, 0, 0, 0) < 0;
}

static void calls_look(struct doctor *d)
{
    static const struct {
        const char *name;
        bool (*lacks)(void);
    } calls[] = {
        {"pidfd_open", lacks_pidfd_open}, {"close_range", lacks_close_range},
        {"openat2", lacks_openat2},       {"renameat2", lacks_renameat2},
        {"memfd_create", lacks_memfd},    {"PR_SET_CHILD_SUBREAPER", lacks_subreaper},
    };
    BUF_AUTO missing = BUF_INIT;
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
        if (calls[i].lacks())
            buf_fmt(&missing, "%s%s", missing.len > 0 ? ", " : "", calls[i].name);
    if (missing.len == 0) {
        doctor_tell(d, ML_HEALTH_OK, "system calls", "all that are needed");
        return;
    }
    doctor_tell(d, ML_HEALTH_PROBLEM, "system calls", "missing, or not allowed: %s",
                buf_text(&missing));
    doctor_hint(d, "in a container, run it with a newer runtime or another seccomp profile");
}

/* ---- what a sandbox is made of ---- */

/* Builds and unpacking are confined by it where it is there (doctor-compiler.c). This version has
 * no sandbox for plugins: what one would be made of is told, and its lack is no problem. */
static void landlock_look(struct doctor *d)
{
    long abi = landlock_abi();
    if (abi > 0) {
        doctor_tell(d, ML_HEALTH_OK, "landlock", "ABI %ld", abi);
        return;
    }
    doctor_tell(d, ML_HEALTH_WARNING, "landlock", "%s",
                errno == EOPNOTSUPP ? "is in the kernel, and switched off"
                                    : "is not in the kernel");
    doctor_hint(d, "builds cannot be confined to files: boot with lsm=landlock,..., or with a "
                   "kernel that has it");
}

static void seccomp_look(struct doctor *d)
{
    uint32_t action = SECCOMP_RET_ERRNO;
    if (syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0) {
        doctor_tell(d, ML_HEALTH_OK, "seccomp", "filters");
        return;
    }
    doctor_tell(d, ML_HEALTH_WARNING, "seccomp", "no filters: %s", strerror(errno));
    doctor_hint(d, "plugins cannot be kept from system calls on this kernel");
}

/* In a child, which is gone right after. Nothing of modload depends on it: told, never blamed. */
static void namespaces_look(struct doctor *d)
{
    int status = -1;
    pid_t pid = fork();
    if (pid == 0)
        _exit(unshare(CLONE_NEWUSER) < 0);
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
        continue;
    bool may = pid > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0;
    doctor_tell(d, ML_HEALTH_OK, "namespaces", "%s",
                may ? "of users, without being root" : "none of users; nothing needs them");
}

/* A directory of that name is not enough: containers have empty ones. */
static void proc_look(struct doctor *d)
{
    struct statfs fs;
    if (statfs("/proc", &fs) == 0 && fs.f_type == PROC_MAGIC) {
        doctor_tell(d, ML_HEALTH_OK, "/proc", "mounted");
        return;
    }
    doctor_tell(d, ML_HEALTH_PROBLEM, "/proc", "is not mounted");
    doctor_hint(d,
                "plugins are mapped, and their processes ended, by way of it: mount -t proc proc "
                "/proc");
}

void doctor_kernel(struct doctor *d)
{
    release_look(d);
    calls_look(d);
    landlock_look(d);
    seccomp_look(d);
    namespaces_look(d);
    proc_look(d);
}

/* ---- limits ---- */

static const char *limit_text(int resource, char text[32])
{
    struct rlimit limit;
    if (getrlimit(resource, &limit) < 0)
        return "?";
    if (limit.rlim_cur == RLIM_INFINITY)
        return "any number of";
    snprintf(text, 32, "%llu", (unsigned long long)limit.rlim_cur);
    return text;
}

static bool is_low(int resource, rlim_t enough)
{
    struct rlimit limit;
    return getrlimit(resource, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY &&
           limit.rlim_cur < enough;
}

/* Root's processes are not counted (getrlimit(2), RLIMIT_NPROC). Cores are told because people look
 * for them: a plugin never leaves one. */
void doctor_limits(struct doctor *d)
{
    static const struct {
        int resource;
        rlim_t enough;
        const char *what, *hint;
    } limits[] = {
        {RLIMIT_NOFILE, FILES_LOW, "open files", "ulimit -n 1024"},
        {RLIMIT_NPROC, PROCESSES_LOW, "processes", "ulimit -u unlimited"},
        {RLIMIT_FSIZE, FILE_SIZE_LOW, "bytes of a file", "ulimit -f unlimited"},
        {RLIMIT_AS, ADDRESS_SPACE_LOW, "bytes of memory", "ulimit -v unlimited"},
    };
    char text[32], more[32];
    bool low = false;
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        if (!is_low(limits[i].resource, limits[i].enough) ||
            (limits[i].resource == RLIMIT_NPROC && geteuid() == 0))
            continue;
        low = true;
        doctor_tell(d, ML_HEALTH_WARNING, "limits", "%s %s: builds and calls may fail",
                    limit_text(limits[i].resource, text), limits[i].what);
        doctor_hint(d, "%s", limits[i].hint);
    }
    if (!low)
        doctor_tell(d, ML_HEALTH_OK, "limits", "%s open files, %s processes; plugins leave no core",
                    limit_text(RLIMIT_NOFILE, text), limit_text(RLIMIT_NPROC, more));
}

/* libarchive and what it stands on are large, and bugs in them have run code before. Here is what
 * such code would find: a process that holds three descriptors. Landlock is a second wall: a kernel
 * without it, or one that has nested it too deep (16 times), leaves the first. */
#include "archive/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/error.h"
#include "base/limit.h"
#include "base/scope.h"

enum { DESCRIPTORS_MAX = 16 }; /* three that came, the directory, a parent and a file */

/* ---- limits ---- */

static int limit_all(const struct archive_limits *limits, struct ml_error *err)
{
    if (limit_lower(RLIMIT_CPU, limits->cpu_s, err) < 0 ||
        limit_lower(RLIMIT_FSIZE, limits->file_bytes, err) < 0 ||
        limit_lower(RLIMIT_CORE, 0, err) < 0 || limit_lower(RLIMIT_NPROC, 0, err) < 0 ||
        limit_memory(limits->memory_bytes, err) < 0)
        return -1;
    return limit_lower(RLIMIT_NOFILE, DESCRIPTORS_MAX, err);
}

/* ---- Landlock ---- */

/* As linux/landlock.h has it today: the headers that we are built with may be older than the
 * kernel. Each version of the ABI knows more rights; those that it does not know are not named. */
struct ruleset {
    uint64_t fs, net, scoped;
};
static const uint64_t fs_rights[] = {0, 0x1fff, 0x3fff, 0x7fff, 0x7fff, 0xffff};
enum { ABI_NET = 4, NET_RIGHTS = 3 };     /* TCP: bind, connect */
enum { ABI_SCOPE = 6, SCOPE_RIGHTS = 3 }; /* abstract sockets, signals to others */

/* All rights that this kernel knows are taken away before three are given back. */
static int ruleset_open(void)
{
    long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    const long known = sizeof fs_rights / sizeof *fs_rights - 1;
    if (abi < 1)
        return -1;
    struct ruleset rules = {.fs = fs_rights[abi < known ? abi : known],
                            .net = abi >= ABI_NET ? NET_RIGHTS : 0,
                            .scoped = abi >= ABI_SCOPE ? SCOPE_RIGHTS : 0};
    size_t size = abi >= ABI_SCOPE ? sizeof rules
                  : abi >= ABI_NET ? offsetof(struct ruleset, scoped)
                                   : sizeof rules.fs;
    return (int)syscall(SYS_landlock_create_ruleset, &rules, size, 0);
}

static void lock_to(int dirfd)
{
    AUTO_CLOSE int ruleset = ruleset_open();
    struct landlock_path_beneath_attr rule = {.allowed_access = LANDLOCK_ACCESS_FS_WRITE_FILE |
                                                                LANDLOCK_ACCESS_FS_MAKE_REG |
                                                                LANDLOCK_ACCESS_FS_MAKE_DIR,
                                              .parent_fd = dirfd};
    if (ruleset < 0 ||
        syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) < 0)
        return;
    syscall(SYS_landlock_restrict_self, ruleset, 0);
}

/* Landlock asks for no_new_privs, and comes last: it closes the door to /proc. */
int archive_confine(int dirfd, const struct archive_limits *limits, struct ml_error *err)
{
    umask(077);
    if (limit_all(limits, err) < 0)
        return -1;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return ml_error_errno(err, ML_LIMIT, errno, "cannot confine the reader");
    lock_to(dirfd);
    return 0;
}

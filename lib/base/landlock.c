/* As linux/landlock.h has it today. Each version of the ABI knows more rights; those that it does
 * not know must not be named. */
#include "base/landlock.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The numbers are the same on all architectures (since Linux 5.1 new calls are). */
enum { CREATE_RULESET = 444, ADD_RULE = 445, RESTRICT_SELF = 446 };
enum { GET_VERSION = 1, PATH_BENEATH = 1 };

struct ruleset {
    uint64_t fs, net, scoped;
};
struct rule {
    uint64_t rights;
    int32_t fd;
} __attribute__((packed));

static const uint64_t fs_rights[] = {0, 0x1fff, 0x3fff, 0x7fff, 0x7fff, 0xffff};
enum { ABI_NET = 4, NET_RIGHTS = 3 };     /* TCP: bind, connect */
enum { ABI_SCOPE = 6, SCOPE_RIGHTS = 3 }; /* abstract sockets, signals to others */
enum { FILE_RIGHTS = 0xc007 };            /* execute, write, read, truncate, ioctl */

long landlock_abi(void)
{
    return syscall(CREATE_RULESET, NULL, 0, GET_VERSION);
}

static uint64_t known_rights(long abi)
{
    const long known = sizeof fs_rights / sizeof *fs_rights - 1;
    return fs_rights[abi < known ? abi : known];
}

static int ruleset_open(bool net)
{
    long abi = landlock_abi();
    if (abi < 1)
        return -1;
    struct ruleset rules = {.fs = known_rights(abi),
                            .net = net && abi >= ABI_NET ? NET_RIGHTS : 0,
                            .scoped = abi >= ABI_SCOPE ? SCOPE_RIGHTS : 0};
    size_t size = abi >= ABI_SCOPE ? sizeof rules
                  : abi >= ABI_NET ? offsetof(struct ruleset, scoped)
                                   : sizeof rules.fs;
    return (int)syscall(CREATE_RULESET, &rules, size, 0);
}

int landlock_open(void)
{
    return ruleset_open(true);
}

int landlock_open_tcp(void)
{
    return ruleset_open(false);
}

int landlock_allow(int ruleset, int fd, uint64_t rights)
{
    struct stat st;
    long abi = landlock_abi();
    if (abi < 1 || fstat(fd, &st) < 0)
        return -1;
    rights &= known_rights(abi) & (S_ISDIR(st.st_mode) ? ~0ULL : FILE_RIGHTS);
    struct rule rule = {.rights = rights, .fd = fd};
    return (int)syscall(ADD_RULE, ruleset, PATH_BENEATH, &rule, 0);
}

int landlock_enter(int ruleset)
{
    return (int)syscall(RESTRICT_SELF, ruleset, 0);
}

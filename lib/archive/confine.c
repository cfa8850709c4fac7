/* libarchive and what it stands on are large, and bugs in them have run code before. Here is what
 * such code would find: a process that holds three descriptors. Landlock is a second wall: a kernel
 * without it, or one that has nested it too deep (16 times), leaves the first. */
#include "archive/confine.h"

#include <errno.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/landlock.h"
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

/* ---- files ---- */

static void lock_to(int dirfd)
{
    AUTO_CLOSE int ruleset = landlock_open();
    if (ruleset < 0 || (dirfd >= 0 && landlock_allow(ruleset, dirfd, LANDLOCK_MAKE) < 0))
        return;
    landlock_enter(ruleset);
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

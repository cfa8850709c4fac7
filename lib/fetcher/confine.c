/* libgit2 and what it stands on read what a stranger sends, and bugs in them have run code before
 * (CVE-2024-24577). Such code would find a process that can write one directory, read what programs
 * have to read and the one secret of its kind of source, and start no other. Landlock is a second
 * wall: a kernel without it leaves limits, and an environment without secrets. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/landlock.h"
#include "base/limit.h"
#include "base/scope.h"
#include "fetcher/fetcher.h"

/* Packs, a socket, files: far more than are open at a time. */
enum { DESCRIPTORS_MAX = 256 };

/* A pack comes through a file of its own, whose index is smaller; changes are one file. */
static int limits_set(const struct fetch_order *order, struct ml_error *err)
{
    const struct fetch_limits *l = &order->limits;
    uint64_t file = order->step == FETCH_STEP_CHANGES  ? l->tree.total_bytes
                    : order->step == FETCH_STEP_EXPORT ? l->tree.file_bytes
                                                       : l->pack_bytes;
    if (limit_lower(RLIMIT_CPU, l->cpu_s, err) < 0 || limit_lower(RLIMIT_FSIZE, file, err) < 0 ||
        limit_lower(RLIMIT_CORE, 0, err) < 0 ||
        limit_lower(RLIMIT_NOFILE, DESCRIPTORS_MAX, err) < 0)
        return -1;
    return limit_memory(l->memory_bytes, err);
}

static void allow(int ruleset, const char *path, uint64_t rights)
{
    AUTO_CLOSE int fd = open(path, O_PATH | O_CLOEXEC);
    if (fd >= 0)
        landlock_allow(ruleset, fd, rights);
}

static void allow_home(int ruleset, const char *leaf)
{
    char path[PATH_MAX];
    const char *home = getenv("HOME");
    if (home != NULL && snprintf(path, sizeof path, "%s/%s", home, leaf) < (int)sizeof path)
        allow(ruleset, path, LANDLOCK_READ);
}

static void allow_variable(int ruleset, const char *name)
{
    const char *path = getenv(name);
    if (path != NULL && *path == '/')
        allow(ruleset, path, LANDLOCK_READ);
}

/* Names of hosts are looked up by libc's modules, which may be any, and talk to what listens in
 * /run. */
static void allow_network(int ruleset)
{
    static const char *const paths[] = {"/etc", "/usr", "/lib", "/lib64", "/run", "/nix/store"};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
        allow(ruleset, paths[i], LANDLOCK_READ);
    allow(ruleset, "/dev/urandom", LANDLOCK_READ);
}

static void allow_source(int ruleset, const struct source *source)
{
    switch (source->kind) {
    case SOURCE_HTTPS:
        allow_network(ruleset);
        allow_home(ruleset, ".netrc");
        allow_variable(ruleset, "MODLOAD_TOKEN_FILE");
        allow_variable(ruleset, "SSL_CERT_FILE");
        allow_variable(ruleset, "SSL_CERT_DIR");
        break;
    case SOURCE_SSH:
        allow_network(ruleset);
        allow_home(ruleset, ".ssh");
        break;
    case SOURCE_GIT:
        allow_network(ruleset);
        break;
    case SOURCE_FILE:
    case SOURCE_PATH:
        allow(ruleset, source->url, LANDLOCK_READ);
        break;
    }
}

/* Where it stands is what it may write. */
static void lock_to(const struct fetch_order *order)
{
    bool fetches = order->step == FETCH_STEP_FETCH, commits = order->step == FETCH_STEP_COMMIT;
    bool network = fetches && !order->offline && order->source.kind < SOURCE_FILE;
    AUTO_CLOSE int ruleset = network ? landlock_open_tcp() : landlock_open();
    if (ruleset < 0)
        return;
    bool looks = order->step == FETCH_STEP_MODULES;
    uint64_t cache = order->mirror || looks ? LANDLOCK_READ : LANDLOCK_READ | LANDLOCK_CHANGE;
    allow(ruleset, ".", fetches || commits || looks ? cache : LANDLOCK_MAKE);
    allow(ruleset, "/dev/null", LANDLOCK_READ | LANDLOCK_WRITE);
    if (!fetches && !commits && !looks)
        allow(ruleset, order->cache, LANDLOCK_READ);
    else if (fetches && !order->offline)
        allow_source(ruleset, &order->source);
    landlock_enter(ruleset);
}

int fetcher_confine(const struct fetch_order *order, struct ml_error *err)
{
    umask(order->step == FETCH_STEP_COMMIT ? 022 : 077); /* a clone is not ours alone */
    if (limits_set(order, err) < 0)
        return -1;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return ml_error_errno(err, ML_LIMIT, errno, "cannot confine the fetch");
    lock_to(order);
    return 0;
}

/* The runtime directory, and the workers that live in it or died in it. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fs.h"
#include "base/scope.h"
#include "client/doctor.h"

#define NAME "runtime"

enum { HASH_LENGTH = 16 }; /* context.c: home_hash */

/* ---- the directory ---- */

/* The usual trap is a variable of another user, or of a session that has ended: its directory is
 * gone, and what is above it is root's. */
static void base_missing(struct doctor *d, const char *base, const char *why)
{
    AUTO_FREE char *near = doctor_nearest(base);
    if (near != NULL && access(near, W_OK | X_OK) == 0) {
        doctor_tell(d, ML_HEALTH_OK, NAME,
                    "%s (%s): not there yet; the first 'modload load' makes it", base, why);
        return;
    }
    doctor_tell(d, ML_HEALTH_PROBLEM, NAME,
                "%s (%s) is not there, and cannot be made: '%s' is not "
                "yours to write to",
                base, why, near ? near : "");
    doctor_hint(d, "set MODLOAD_RUNTIME_DIR to a directory of yours: under sudo and cron, "
                   "XDG_RUNTIME_DIR is often that of another user, or of none");
}

/* A socket is a file, and its lock another: not every file system has both. */
static void base_fs_look(struct doctor *d, const char *base)
{
    struct statfs fs;
    AUTO_FREE char *near = doctor_nearest(base);
    const struct doctor_fs *known =
        near != NULL && statfs(near, &fs) == 0 ? doctor_fs_find((long)fs.f_type) : NULL;
    if (known == NULL || known->local)
        return;
    doctor_tell(d, ML_HEALTH_WARNING, NAME, "%s is on %s, where sockets and locks may not work",
                base, known->name);
    doctor_hint(d, "set MODLOAD_RUNTIME_DIR to a directory on a local disk or in memory");
}

/* sun_path has 108 bytes (unix(7)); what does not fit goes by way of /proc (context.c). */
static void socket_length_look(struct doctor *d, const char *base)
{
    static const char name[] = "sockets";
    struct sockaddr_un addr;
    size_t n = strlen(base) + 1 + HASH_LENGTH + 1 + ML_UUID_SIZE - 1 + strlen(".control");
    if (n < sizeof addr.sun_path) {
        doctor_tell(d, ML_HEALTH_OK, name, "paths of %zu bytes, of %zu", n,
                    sizeof addr.sun_path - 1);
    } else if (access("/proc/self/fd", X_OK) == 0) {
        doctor_tell(d, ML_HEALTH_OK, name, "paths of %zu bytes, by way of /proc", n);
    } else {
        doctor_tell(d, ML_HEALTH_PROBLEM, name, "paths of %zu bytes, and sockets have room for %zu",
                    n, sizeof addr.sun_path - 1);
        doctor_hint(d, "set MODLOAD_RUNTIME_DIR to a shorter path, or mount /proc");
    }
}

/* ---- the workers ---- */

struct workers {
    size_t live, silent;
    char uuid[ML_UUID_SIZE]; /* of the first that is silent */
};

static int worker_count(const struct ml_worker_status *status, void *arg)
{
    struct workers *workers = arg;
    if (status->answers) {
        workers->live++;
    } else if (workers->silent++ == 0) {
        ml_key_to_uuid(&status->key, workers->uuid);
    }
    return 0;
}

/* A worker lives as long as its lock is held. A shared lock for a moment tells; who starts a worker
 * meanwhile tries again. */
static bool is_dead(int dir, const char *uuid)
{
    char name[RUN_NAME_SIZE];
    run_file_name(uuid, RUN_LOCK, name);
    AUTO_CLOSE int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT;
    return flock(fd, LOCK_SH | LOCK_NB) == 0;
}

/* How many workers have left files and are dead. A lock without sockets may be of one that is just
 * being started or has just left: only sockets count. */
static size_t dead_count(int run_fd)
{
    size_t n = 0;
    int fd = openat(run_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    AUTO_CLOSEDIR DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (dir == NULL) {
        scope_close(&fd);
        return 0;
    }
    for (struct dirent *e; (e = readdir(dir)) != NULL;) {
        char uuid[ML_UUID_SIZE];
        if (strlen(e->d_name) <= 36 || strcmp(e->d_name + 36, ".control") != 0)
            continue;
        snprintf(uuid, sizeof uuid, "%.36s", e->d_name);
        n += store_uuid_valid(uuid) && is_dead(dirfd(dir), uuid);
    }
    return n;
}

/* Those that live are asked, as by `ps`; those that died are found by what they left. */
static void workers_look(struct doctor *d)
{
    static const char name[] = "workers";
    struct workers workers = {0};
    struct ml_error why = ML_ERROR_INIT;
    if (ml_workers(d->ctx, worker_count, &workers, &why) < 0) {
        doctor_error(d, ML_HEALTH_PROBLEM, name, &why);
        return;
    }
    doctor_tell(d, ML_HEALTH_OK, name, "%zu live", workers.live);
    if (workers.silent > 0) {
        doctor_tell(d, ML_HEALTH_WARNING, name, "%zu %s not answer, such as that of %s",
                    workers.silent, workers.silent == 1 ? "does" : "do", workers.uuid);
        doctor_hint(d,
                    "it is starting, or was stopped: modload ps; to be rid of it, find its process "
                    "and end it: ps ax | grep %s",
                    workers.uuid);
    }
    size_t dead = dead_count(d->ctx->run_fd);
    if (dead > 0) {
        doctor_tell(d, ML_HEALTH_WARNING, name, "%zu %s killed, and left %s sockets", dead,
                    dead == 1 ? "was" : "were", dead == 1 ? "its" : "their");
        doctor_hint(d, "load or release the entry to take them away; they do no harm");
    }
}

void doctor_runtime(struct doctor *d)
{
    const char *why;
    struct ml_error error = ML_ERROR_INIT;
    if (d->ctx == NULL)
        return; /* without a registry there is nowhere for its workers */
    AUTO_FREE char *base = ctx_runtime_base(d->ctx, &why);
    if (base == NULL) {
        d->failed = true;
        return;
    }
    int there = ctx_runtime(d->ctx, false, &error);
    struct stat st;
    if (there < 0)
        doctor_error(d, ML_HEALTH_PROBLEM, NAME, &error);
    else if (there == 0 && stat(base, &st) < 0)
        base_missing(d, base, why);
    else
        doctor_tell(d, ML_HEALTH_OK, NAME, "%s (%s)", base, why);
    base_fs_look(d, base);
    socket_length_look(d, base);
    if (there > 0)
        workers_look(d);
}

/* The one lock of all writers, and what dead ones left in tmp/. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

#include "base/error.h"
#include "base/fs.h"
#include "base/proc.h"
#include "base/scope.h"
#include "registry_store/internal.h"

/* Who has the lock says so in the file: for the message of those who waited in vain, never for
 * more. The pid may be another's by the time it is read. */
static void lock_sign(const struct store *store, int fd)
{
    char text[160], when[STORE_TIME_SIZE];
    utc_text(when, utc_now());
    int n = snprintf(text, sizeof text, "pid %d, '%.64s', since %s\n", (int)getpid(),
                     store->command ? store->command : "modload", when);
    if (ftruncate(fd, 0) < 0 || pwrite(fd, text, (size_t)n, 0) < 0)
        return; /* only the message would have been better for it */
}

/* Reads without the lock, so it may find half of a line: good enough for a message. A holder that
 * is stopped will not let go by itself, however long one waits. */
static int lock_busy(struct store *store, struct ml_error *err)
{
    BUF_AUTO holder = BUF_INIT;
    int pid = 0;
    if (fs_read_file(store->fd, "locks/write", &holder, 4096) == 0 && holder.len > 0)
        holder.data[strcspn(holder.data, "\n")] = '\0';
    bool stopped = sscanf(buf_text(&holder), "pid %d", &pid) == 1 && proc_is_stopped(pid);
    ml_error_set(err, ML_BUSY, NULL, "registry '%s' is locked by another modload (%s%s)",
                 store->home, holder.len > 0 ? holder.data : "unknown", stopped ? ", stopped" : "");
    if (stopped)
        return ml_error_hint(err, "it was stopped: let it go on (kill -CONT %d) or end it", pid);
    return ml_error_hint(err, "try again, or wait longer: --wait 60s");
}

/* Only lock holders put files into tmp/: whatever is there now is litter. Without this, each
 * command that was killed would leave one for ever. */
static void sweep_files(struct store *store)
{
    AUTO_CLOSE int tmp = openat(store->fd, "tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct names names;
    if (tmp < 0 || names_read(tmp, ".", &names) < 0)
        return;
    for (size_t i = 0; i < names.n; i++)
        unlinkat(tmp, names.item[i], 0); /* fails on directories, which have locks of their own */
    names_free(&names);
}

/* Removes builds whose maker is dead: its flock on their directory went with it. A stage that is
 * alive is locked, and passed over at once. A directory that was made a moment ago and is not
 * locked yet may be taken: its maker notices (bundle.c: stage_try). Errors are for the next
 * sweep. */
void sweep_stages(struct store *store)
{
    AUTO_CLOSE int tmp = openat(store->fd, "tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct names names;
    if (tmp < 0 || names_read(tmp, ".", &names) < 0)
        return;
    for (size_t i = 0; i < names.n; i++) {
        AUTO_CLOSE int fd =
            openat(tmp, names.item[i], O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0)
            fs_remove_tree(tmp, names.item[i]);
    }
    names_free(&names);
}

/* The file is never unlinked: who waits on one that is gone would hold a lock that nobody else
 * looks at. flock, not fcntl: POSIX locks are dropped when any descriptor of the file is closed
 * (fcntl(2)), in whichever library. */
int lock_take(struct store *store, int64_t wait_ms)
{
    AUTO_CLOSE int fd =
        openat(store->fd, "locks/write", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0)
        return -1;
    if (!S_ISREG(st.st_mode)) { /* a FIFO would do, until somebody mends it (check.c) */
        errno = EINVAL;
        return -1;
    }
    if (fs_lock(fd, wait_ms, store->cancel_fd) < 0)
        return -1;
    lock_sign(store, fd);
    return steal_fd(&fd);
}

int hint_read_only(struct ml_error *err)
{
    return ml_error_hint(err,
                         "it can only be read here: set MODLOAD_HOME to a registry of your own");
}

static int lock_impossible(struct store *store, struct ml_error *err)
{
    int errnum = errno;
    ml_error_errno(err, ML_CANT_CREATE, errnum, "cannot lock '%s/locks/write'", store->home);
    if (errnum == EROFS || errnum == EACCES || errnum == EPERM)
        return hint_read_only(err);
    return is_damage(errnum) ? ml_error_hint(err, "run: modload verify --repair") : -1;
}

int lock_failed(struct store *store, struct ml_error *err)
{
    if (errno == EWOULDBLOCK)
        return lock_busy(store, err);
    if (errno == ECANCELED)
        return ml_error_set(err, ML_SIGNAL + 2, "cancelled",
                            "interrupted while registry '%s' was locked", store->home);
    return lock_impossible(store, err);
}

int store_write_lock(struct store *store, struct ml_error *err)
{
    AUTO_CLOSE int fd = lock_take(store, store->wait_ms);
    if (fd < 0)
        return lock_failed(store, err);
    if (journal_recover(store, err) < 0)
        return -1;
    sweep_files(store);
    return steal_fd(&fd);
}

/* Opening a registry: whose it is, which format it has, and what dead processes left in it. Also
 * the one lock of all writers. Nothing here knows what an entry or a bundle is. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

#include "base/error.h"
#include "base/fs.h"
#include "base/scope.h"
#include "registry_store/internal.h"

static const char format_text[] = "modload registry 1\n";
/* all that a registry's directory may hold besides FORMAT, and what it takes to be one */
static const char *const home_dirs[] = {"bundles", "entries", "names", "locks", "tmp"};
enum { N_HOME_DIRS = sizeof home_dirs / sizeof *home_dirs };

/* Somebody else's directory, or one that others may write to, could be changed behind our back.
 * Root's registry is root's: a root that looks at a user's would leave files there that are not
 * his. Only the home itself is looked at, through the handle; what lies above it can move it away,
 * but not get into it. */
static int check_owner(const struct store *store, struct ml_error *err)
{
    struct stat st;
    if (fstat(store->fd, &st) < 0)
        return ml_error_errno(err, 0, errno, "cannot look at '%s'", store->home);
    if (st.st_uid != geteuid()) {
        ml_error_set(err, ML_REFUSED, NULL, "registry '%s' belongs to uid %u, not to you (%u)",
                     store->home, st.st_uid, geteuid());
        return ml_error_hint(err, "use a registry of your own: set MODLOAD_HOME");
    }
    if ((st.st_mode & 022) != 0) {
        ml_error_set(err, ML_REFUSED, NULL, "registry '%s' can be written to by others (mode %04o)",
                     store->home, st.st_mode & 07777);
        return ml_error_hint(err, "run: chmod go-w '%s'", store->home);
    }
    return 0;
}

/* Links in the path are followed: ~/.local may well be one. From here on all goes through the
 * handle, so what the path means later does not matter. */
static int open_home(struct store *store, bool create, struct ml_error *err)
{
    if (create && fs_mkdir_parents(store->home, 0700) < 0)
        return ml_error_errno(err, ML_CANT_CREATE, errno, "cannot make the registry '%s'",
                              store->home);
    store->fd = open(store->home, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (store->fd < 0 && errno == ENOENT && !create)
        return 0;
    if (store->fd < 0)
        return ml_error_errno(err, 0, errno, "cannot open the registry '%s'", store->home);
    return check_owner(store, err);
}

/* 1 when the home has our format, 0 when it has none yet. An older program must not write into a
 * newer layout, nor guess what it reads: it stops with the number. */
static int check_format(struct store *store, struct ml_error *err)
{
    BUF_AUTO text = BUF_INIT;
    if (fs_read_file(store->fd, "FORMAT", &text, 256) < 0) {
        if (errno == ENOENT)
            return 0;
        return ml_error_errno(err, 0, errno, "cannot read '%s/FORMAT'", store->home);
    }
    if (strcmp(buf_text(&text), format_text) == 0)
        return 1;
    unsigned version;
    if (sscanf(buf_text(&text), "modload registry %u", &version) != 1)
        return ml_error_set(err, ML_CONFIG, "bad_format",
                            "'%s/FORMAT' is not of a modload registry", store->home);
    ml_error_set(err, ML_CONFIG, "newer_format",
                 "registry '%s' has format %u; this modload knows format 1", store->home, version);
    return ml_error_hint(err, "use the modload that made it, or another MODLOAD_HOME");
}

/* A directory of somebody's own files must not turn into a registry because of a mistyped path. */
static int check_only_ours(struct store *store, struct ml_error *err)
{
    struct names names;
    if (names_read(store->fd, ".", &names) < 0)
        return ml_error_errno(err, 0, errno, "cannot read '%s'", store->home);
    int status = 0;
    for (size_t i = 0; i < names.n && status == 0; i++) {
        bool known = strcmp(names.item[i], "FORMAT") == 0; /* another maker was faster */
        for (size_t d = 0; d < N_HOME_DIRS; d++)
            known = known || strcmp(names.item[i], home_dirs[d]) == 0;
        if (known)
            continue;
        status = ml_error_set(err, ML_CONFIG, "not_a_registry",
                              "'%s' is no registry, and holds other files ('%s')", store->home,
                              names.item[i]);
        ml_error_hint(err, "set MODLOAD_HOME to an empty or a new directory");
    }
    names_free(&names);
    return status;
}

/* 0 when this process or another has written it. */
static int write_format(struct store *store, struct ml_error *err)
{
    /* Under the lock: another maker may be done by now, and sweep what it finds in tmp/. */
    AUTO_CLOSE int lock = store_write_lock(store, err);
    int format = lock < 0 ? -1 : check_format(store, err);
    if (format != 0)
        return format;
    if (fs_replace_file(store->fd, "tmp", "FORMAT", format_text, strlen(format_text), 0600) < 0)
        return ml_error_errno(err, ML_CANT_CREATE, errno, "cannot write '%s/FORMAT'", store->home);
    return 0;
}

/* FORMAT comes last: where it is, everything else is. A maker that died before that left
 * directories, which the next one finds and goes on with. */
static int make_home(struct store *store, struct ml_error *err)
{
    if (check_only_ours(store, err) < 0)
        return -1;
    for (size_t d = 0; d < N_HOME_DIRS; d++)
        if (fs_mkdir(store->fd, home_dirs[d], 0700) < 0)
            return ml_error_errno(err, ML_CANT_CREATE, errno, "cannot make '%s/%s'", store->home,
                                  home_dirs[d]);
    return write_format(store, err);
}

/* Removes builds whose maker is dead: its flock on their directory went with it. A stage that is
 * alive is locked, and passed over at once. A directory that was made a moment ago and is not
 * locked yet may be taken: its maker notices (bundle.c: stage_try). Errors are for the next
 * sweep. */
static void sweep_stages(struct store *store)
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

/* A missing FORMAT without `create` is an empty registry, not an error: lookups find nothing
 * there. */
int store_open(const char *home, bool create, int64_t wait_ms, struct store **ret,
               struct ml_error *err)
{
    struct store *store = calloc(1, sizeof *store);
    if (store == NULL || (store->home = strdup(home)) == NULL) {
        free(store);
        return ml_error_memory(err);
    }
    store->fd = -1;
    store->wait_ms = wait_ms;
    int format = open_home(store, create, err);
    if (format == 0 && store->fd >= 0)
        format = check_format(store, err);
    if (format == 0 && create)
        format = make_home(store, err);
    if (format < 0) {
        store_close(store);
        return -1;
    }
    if (create)
        sweep_stages(store);
    *ret = store;
    return 0;
}

bool store_present(const struct store *store)
{
    return store->fd >= 0;
}

void store_close(struct store *store)
{
    if (store == NULL)
        return;
    if (store->fd >= 0)
        close(store->fd);
    free(store->home);
    free(store);
}

/* ---- the lock of all writers ---- */

/* Who has the lock says so in the file: for the message of those who waited in vain, never for
 * more. The pid may be another's by the time it is read. */
static void lock_sign(int fd)
{
    char text[96], when[32];
    time_t now = time(NULL);
    struct tm utc;
    strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &utc));
    int n = snprintf(text, sizeof text, "pid %d since %s\n", (int)getpid(), when);
    if (ftruncate(fd, 0) < 0 || pwrite(fd, text, (size_t)n, 0) < 0)
        return; /* only the message would have been better for it */
}

/* Reads without the lock, so it may find half of a line: good enough for a message. */
static int lock_busy(struct store *store, int fd, struct ml_error *err)
{
    char holder[96] = "";
    ssize_t n = pread(fd, holder, sizeof holder - 1, 0);
    holder[n > 0 ? n : 0] = '\0';
    holder[strcspn(holder, "\n")] = '\0';
    ml_error_set(err, ML_BUSY, NULL, "registry '%s' is locked by another modload (%s)", store->home,
                 *holder ? holder : "unknown");
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

/* The file is never unlinked: who waits on one that is gone would hold a lock that nobody else
 * looks at. flock, not fcntl: POSIX locks are dropped when any descriptor of the file is closed
 * (fcntl(2)), in whichever library. */
int store_write_lock(struct store *store, struct ml_error *err)
{
    AUTO_CLOSE int fd =
        openat(store->fd, "locks/write", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return ml_error_errno(err, ML_CANT_CREATE, errno, "cannot open '%s/locks/write'",
                              store->home);
    if (fs_lock(fd, store->wait_ms) < 0) {
        if (errno == EWOULDBLOCK)
            return lock_busy(store, fd, err);
        return ml_error_errno(err, ML_IO, errno, "cannot lock '%s/locks/write'", store->home);
    }
    lock_sign(fd);
    sweep_files(store);
    return steal_fd(&fd);
}

/* ---- small things that all files here need ---- */

static int name_compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* -1 with errno ENOMEM, and what was there before is kept. */
static int names_add(struct names *names, size_t *cap, const char *name)
{
    if (names->n == *cap) {
        size_t more = *cap ? *cap * 2 : 32;
        char **item = realloc(names->item, more * sizeof *item);
        if (item == NULL)
            return -1;
        names->item = item;
        *cap = more;
    }
    char *copy = strdup(name);
    if (copy == NULL)
        return -1;
    names->item[names->n++] = copy;
    return 0;
}

/* All names at once and sorted, so that lists have an order, and what is removed meanwhile does not
 * disturb a readdir that is under way. errno tells readdir's end from its failure (readdir(3)). */
int names_read(int dirfd, const char *path, struct names *ret)
{
    struct names names = {0};
    size_t cap = 0;
    int fd = openat(dirfd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    AUTO_CLOSEDIR DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (dir == NULL) {
        if (fd >= 0)
            close(fd);
        return -1;
    }
    struct dirent *e;
    while (errno = 0, (e = readdir(dir)) != NULL)
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0 &&
            names_add(&names, &cap, e->d_name) < 0)
            break;
    if (errno != 0) {
        int saved = errno;
        names_free(&names);
        errno = saved;
        return -1;
    }
    if (names.n > 0)
        qsort(names.item, names.n, sizeof *names.item, name_compare);
    *ret = names;
    return 0;
}

void names_free(struct names *names)
{
    for (size_t i = 0; i < names->n; i++)
        free(names->item[i]);
    free(names->item);
    *names = (struct names){0};
}

/* A registry that is missing is ENOENT, as a missing link is. What lies before the last slash is
 * not looked at: it only matters to people who follow the link with ls. */
const char *link_leaf(struct store *store, const char *path, char target[LINK_SIZE])
{
    if (store->fd < 0) {
        errno = ENOENT;
        return NULL;
    }
    if (fs_read_link(store->fd, path, target, LINK_SIZE) < 0)
        return NULL;
    const char *slash = strrchr(target, '/');
    return slash ? slash + 1 : target;
}

/* Opening a registry: whose it is, which format it has, and what has to be done before anybody
 * looks. Nothing here knows what an entry or a bundle is. */
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

/* all that a registry's directory may hold besides FORMAT, and what it takes to be one */
static const char *const home_dirs[] = {"bundles", "entries", "history", "names",
                                        "journal", "locks",   "tmp"};
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

bool home_dir_known(const char *name)
{
    for (size_t d = 0; d < N_HOME_DIRS; d++)
        if (strcmp(name, home_dirs[d]) == 0)
            return true;
    return strcmp(name, "lost+found") == 0; /* check.c makes it where it needs it */
}

/* A directory of somebody's own files must not turn into a registry because of a mistyped path. */
static int check_only_ours(struct store *store, struct ml_error *err)
{
    struct names names;
    if (names_read(store->fd, ".", &names) < 0)
        return ml_error_errno(err, 0, errno, "cannot read '%s'", store->home);
    int status = 0;
    for (size_t i = 0; i < names.n && status == 0; i++) {
        /* FORMAT: another maker was faster */
        if (strcmp(names.item[i], "FORMAT") == 0 || home_dir_known(names.item[i]))
            continue;
        status = ml_error_set(err, ML_CONFIG, "not_a_registry",
                              "'%s' is no registry, and holds other files ('%s')", store->home,
                              names.item[i]);
        ml_error_hint(err, "set MODLOAD_HOME to an empty or a new directory");
    }
    names_free(&names);
    return status;
}

/* Durable before anything is put into them. */
static int make_dirs(struct store *store, struct ml_error *err)
{
    int made = 0;
    for (size_t d = 0; d < N_HOME_DIRS; d++) {
        int status = fs_mkdir(store->fd, home_dirs[d], 0700);
        if (status < 0)
            return ml_error_errno(err, ML_CANT_CREATE, errno, "cannot make '%s/%s'", store->home,
                                  home_dirs[d]);
        made += status;
    }
    if (made > 0 && fs_sync_dir(store->fd, ".") < 0)
        return ml_error_errno(err, 0, errno, "cannot sync '%s'", store->home);
    return 0;
}

/* The directory may be one that was there, and was empty. FORMAT comes last: where it is,
 * everything else is. A maker that died before that left directories, which the next one finds and
 * goes on with. Another maker may be done by the time that the lock is ours. */
static int make_home(struct store *store, struct ml_error *err)
{
    if (check_only_ours(store, err) < 0)
        return -1;
    if (fchmodat(store->fd, ".", 0700, 0) < 0)
        return ml_error_errno(err, ML_CANT_CREATE, errno, "cannot make the registry '%s'",
                              store->home);
    if (make_dirs(store, err) < 0)
        return -1;
    AUTO_CLOSE int lock = store_write_lock(store, err);
    int format = lock < 0 ? -1 : format_read(store, err);
    if (format != 0)
        return format;
    return format_write(store, err);
}

/* ---- what has to be done before anybody looks ---- */

/* Steps from one format to the next, by the number that they begin with. */
static int (*const upgrades[])(struct store *store, struct ml_error *err) = {
    [1] = upgrade_1_to_2,
};

static int upgrade(struct store *store, struct ml_error *err)
{
    struct ml_error why = ML_ERROR_INIT;
    AUTO_CLOSE int lock = store_write_lock(store, &why);
    if (lock < 0 && why.status != ML_BUSY) {
        ml_error_set(err, ML_CONFIG, "old_format",
                     "registry '%s' has an older format, and cannot be brought up to date: %s",
                     store->home, why.message);
        return ml_error_hint(err, "run any modload command once where it may write there");
    }
    if (lock < 0) {
        if (err != NULL)
            *err = why;
        return -1;
    }
    int format = format_read(store, err); /* somebody else may have done it */
    if (format < 0 || (format < FORMAT_NOW && make_dirs(store, err) < 0))
        return -1;
    for (; format < FORMAT_NOW; format++)
        if (upgrades[format](store, err) < 0)
            return -1;
    return format_write(store, err);
}

/* A writer that lives is at it: what it changes is old or new to us. One that died: whoever comes
 * next finishes his change. Where that cannot be, in a home that is read-only, each entry still is
 * old or new. */
static void finish_pending(struct store *store)
{
    if (!journal_pending(store))
        return;
    AUTO_CLOSE int lock = lock_take(store, 0);
    if (lock >= 0)
        journal_recover(store, NULL); /* the next writer will say what was wrong */
}

/* What has no FORMAT is new, or it has lost it: then nobody knows which format it is of, and it
 * must neither pass for an empty one nor be written to. Where something is in it, another process
 * may have made it since. The format; 0: it is new; -1. */
static int format_or_new(struct store *store, struct ml_error *err)
{
    int format = format_read(store, err);
    int used = format == 0 ? home_used(store->fd) : 0;
    if (used < 0)
        return store_errno(err, "cannot look into registry '%s'", store->home);
    if (used > 0)
        format = format_read(store, err);
    if (used == 0 || format != 0)
        return format;
    ml_error_set(err, ML_REFUSED, "damaged", "registry '%s' has lost its FORMAT", store->home);
    return ml_error_hint(err, "run: modload verify --repair");
}

static int prepare(struct store *store, const struct store_options *o, struct ml_error *err)
{
    struct ml_error why = ML_ERROR_INIT;
    int format = open_home(store, o->create, err);
    if (format < 0 || store->fd < 0)
        return format;
    format = format_or_new(store, &why);
    if (format < 0 && o->mend &&
        (strcmp(why.code, "damaged") == 0 || strcmp(why.code, "bad_format") == 0))
        return format_check(store, err);
    if (format < 0) {
        if (err != NULL)
            *err = why;
        return -1;
    }
    if (format == 0 && o->create)
        return make_home(store, err);
    if (format == 0) { /* no registry yet: it reads as an empty one */
        close(steal_fd(&store->fd));
        return 0;
    }
    if (format < FORMAT_NOW)
        return upgrade(store, err);
    /* a restore of a backup that knew no empty directories must not keep a writer out */
    if (o->create && make_dirs(store, err) < 0)
        return -1;
    finish_pending(store);
    return 0;
}

/* A missing FORMAT without `create` is an empty registry, not an error: lookups find nothing
 * there. */
int store_open(const char *home, const struct store_options *options, struct store **ret,
               struct ml_error *err)
{
    struct store *store = calloc(1, sizeof *store);
    if (store == NULL || (store->home = strdup(home)) == NULL) {
        free(store);
        return ml_error_memory(err);
    }
    store->fd = -1;
    store->wait_ms = options->wait_ms;
    store->cancel_fd = options->cancel_fd;
    store->command = options->command;
    if (prepare(store, options, err) < 0) {
        store_close(store);
        return -1;
    }
    if (options->create)
        sweep_stages(store);
    *ret = store;
    return 0;
}

void store_cancel_on(struct store *store, int cancel_fd)
{
    store->cancel_fd = cancel_fd;
}

bool store_present(const struct store *store)
{
    return store->fd >= 0;
}

bool store_read_only(const struct store *store)
{
    struct stat st;
    return store->fd >= 0 && fstat(store->fd, &st) == 0 && (st.st_mode & S_IWUSR) == 0;
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

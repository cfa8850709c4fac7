/* Whether a registry is what its layout says: every link, line and name, and nothing else. With
 * `repair`, what can be put right is; what nobody knows is moved to lost+found/, never removed.
 * What is in a bundle is the builder's to check (lib/build/sound.c).
 *
 * All under the write lock, or entries would change between two looks; a home that cannot be
 * written to is looked at without. */
#include "registry_store/check.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/error.h"
#include "base/fs.h"
#include "base/scope.h"
#include "base/sys.h"

int problem_tell(struct check *c, const char *path, int mended, const char *what)
{
    c->result->problems++;
    c->result->mended += mended > 0;
    int status = c->policy->problem(path, what, mended > 0, c->policy->arg);
    return mended < 0 ? -1 : status;
}

int problem_errno(struct check *c, const char *path)
{
    return ml_error_errno(c->err, 0, errno, "cannot check '%s/%s'", c->store->home, path);
}

/* A file that the disk does not give back any more is damage, and there may be more of it. */
int problem_unread(struct check *c, const char *path)
{
    char what[128];
    if (errno_is_shortage(errno))
        return problem_errno(c, path);
    c->unsure = true;
    snprintf(what, sizeof what, "cannot be read: %s", strerror(errno));
    return problem_tell(c, path, 0, what);
}

int mend_failed(struct check *c, const char *path)
{
    bool hopeless = errno_is_shortage(errno) || errno == EIO || errno == ENOSPC ||
                    errno == EDQUOT || errno == EROFS;
    c->unsure = true;
    if (!hopeless)
        return 0;
    return ml_error_errno(c->err, 0, errno, "cannot mend '%s/%s'", c->store->home, path);
}

/* ---- what does not belong there ---- */

static int lost_place(struct store *store, char to[PATH_SIZE])
{
    char name[24];
    fs_random_name(name, sizeof name, "");
    snprintf(to, PATH_SIZE, "lost+found/%s", name);
    return fs_mkdir(store->fd, "lost+found", 0700);
}

static int lost_sync(struct store *store)
{
    return fs_sync_dir(store->fd, "lost+found") < 0 ? -1 : fs_sync_dir(store->fd, ".");
}

int store_move_away(struct store *store, int dirfd, const char *path)
{
    char to[PATH_SIZE];
    if (lost_place(store, to) < 0 ||
        sys_renameat2(dirfd, path, store->fd, to, RENAME_NOREPLACE) < 0)
        return -1;
    return lost_sync(store);
}

int keep_copy(struct store *store, const char *path)
{
    char to[PATH_SIZE];
    if (lost_place(store, to) < 0 || linkat(store->fd, path, store->fd, to, 0) < 0)
        return -1;
    return lost_sync(store);
}

int problem_move_away(struct check *c, const char *path)
{
    if (!c->policy->repair)
        return 0;
    return store_move_away(c->store, c->store->fd, path) == 0 ? 1 : mend_failed(c, path);
}

static int foreign(struct check *c, const char *dir, const char *name)
{
    AUTO_FREE char *path = NULL;
    if (asprintf(&path, "%s%s%s", dir, *dir ? "/" : "", name) < 0)
        return ml_error_memory(c->err);
    return problem_tell(c, path, problem_move_away(c, path), "does not belong there");
}

static int dir_make(struct check *c, const char *path)
{
    if (!c->policy->repair)
        return 0;
    return fs_mkdir(c->store->fd, path, 0700) == 1 && fs_sync_dir(c->store->fd, ".") == 0
               ? 1
               : mend_failed(c, path);
}

/* In these two nothing lies for long. What is in the place of another may be all that is left of
 * what it held, or lead there. */
static int dir_replace(struct check *c, const char *path)
{
    if (strcmp(path, "locks") != 0 && strcmp(path, "tmp") != 0)
        return 0;
    int away = problem_move_away(c, path);
    return away > 0 ? dir_make(c, path) : away;
}

bool mode_is_wrong(const struct check *c, unsigned mode, unsigned good)
{
    unsigned ignored = c->read_only ? S_IWUSR : 0;
    return ((mode & 07777) | ignored) != (good | ignored);
}

int mode_mend(struct check *c, const char *path, unsigned mode)
{
    if (!c->policy->repair)
        return 0;
    return fchmodat(c->store->fd, path, mode, 0) == 0 ? 1 : mend_failed(c, path);
}

/* A directory of the registry: one, ours, and closed to others. */
static int check_dir(struct check *c, const char *path)
{
    struct stat st;
    if (fstatat(c->store->fd, path, &st, AT_SYMLINK_NOFOLLOW) < 0) {
        if (errno != ENOENT)
            return problem_errno(c, path);
        return problem_tell(c, path, dir_make(c, path), "is missing");
    }
    if (!S_ISDIR(st.st_mode))
        return problem_tell(c, path, dir_replace(c, path), "is no directory");
    if (st.st_uid != geteuid())
        return problem_tell(c, path, 0, "belongs to somebody else");
    if (!mode_is_wrong(c, st.st_mode, 0700))
        return 0;
    return problem_tell(c, path, mode_mend(c, path, 0700), "has another mode than 0700");
}

/* A file of ours that is where it should be. */
static int check_file(struct check *c, const char *path, const struct stat *st)
{
    if (st->st_uid != geteuid())
        return problem_tell(c, path, 0, "belongs to somebody else");
    if (!mode_is_wrong(c, st->st_mode, 0600))
        return 0;
    return problem_tell(c, path, mode_mend(c, path, 0600), "has another mode than 0600");
}

/* Made by the first who needs it. What is no file is nobody's lock (lock_take), and only who mends,
 * one at a time, moves it away. */
static int check_lock_file(struct check *c)
{
    static const char path[] = "locks/write";
    struct stat st;
    if (fstatat(c->store->fd, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT || errno == ENOTDIR ? 0 : problem_errno(c, path);
    if (!S_ISREG(st.st_mode))
        return problem_tell(c, path, problem_move_away(c, path), "is no file");
    return check_file(c, path, &st);
}

/* Every name in a directory, each to be known by `is_ours`. */
static int check_names_in(struct check *c, const char *dir, bool (*is_ours)(const char *name))
{
    struct names names;
    if (names_read(c->store->fd, *dir ? dir : ".", &names) < 0)
        return errno == ENOENT || errno == ENOTDIR ? 0 : problem_errno(c, dir);
    int status = 0;
    for (size_t i = 0; i < names.n && status == 0; i++)
        if (!is_ours(names.item[i]))
            status = foreign(c, dir, names.item[i]);
    names_free(&names);
    return status;
}

static bool is_of_home(const char *name)
{
    return strcmp(name, "FORMAT") == 0 || home_dir_known(name);
}

static bool is_shard(const char *name)
{
    return strlen(name) == 2 && strspn(name, "0123456789abcdef") == 2;
}

static bool is_journal(const char *name)
{
    return strcmp(name, "apply") == 0;
}

static bool is_lock(const char *name)
{
    return strcmp(name, "write") == 0;
}

/* What mending itself needs: with `repair` that comes before the lock, and else in its turn. */
static int check_tools(struct check *c)
{
    static const char *const dirs[] = {"locks", "journal", "tmp"};
    for (size_t i = 0; i < sizeof dirs / sizeof *dirs; i++)
        if (check_dir(c, dirs[i]) != 0)
            return -1;
    return check_lock_file(c);
}

static int check_places(struct check *c)
{
    static const struct {
        const char *dir;
        bool (*is_ours)(const char *name);
        bool tool;
    } places[] = {
        {"", is_of_home, false},
        {"entries", is_shard, false},
        {"history", is_shard, false},
        {"journal", is_journal, true},
        {"locks", is_lock, true},
        {"bundles", store_bundle_valid, false},
        {"names", store_name_valid, false},
    };
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        const char *dir = places[i].dir;
        if ((!places[i].tool && check_dir(c, *dir ? dir : ".") != 0) ||
            check_names_in(c, dir, places[i].is_ours) != 0)
            return -1;
    }
    return c->policy->repair ? 0 : check_tools(c);
}

/* The store was opened without it only to mend it, and all else is of the format of now. */
static int check_format(struct check *c)
{
    struct ml_error why = ML_ERROR_INIT;
    struct stat st;
    int format = format_read(c->store, &why);
    if (format > 0) {
        if (fstatat(c->store->fd, "FORMAT", &st, AT_SYMLINK_NOFOLLOW) < 0)
            return problem_errno(c, "FORMAT");
        return check_file(c, "FORMAT", &st);
    }
    if (format < 0 && strcmp(why.code, "bad_format") != 0) {
        if (c->err != NULL)
            *c->err = why;
        return -1;
    }
    int mended = format < 0 ? problem_move_away(c, "FORMAT") : c->policy->repair;
    if (mended > 0 && format_write(c->store, c->err) < 0)
        return -1;
    return problem_tell(c, "FORMAT", mended, format < 0 ? "is not of a registry" : "is missing");
}

/* What is in the place of a bundle keeps it from being filed, and gc from looking further. */
static int check_bundle_places(struct check *c)
{
    struct names names;
    if (names_read(c->store->fd, "bundles", &names) < 0)
        return errno == ENOENT || errno == ENOTDIR ? 0 : problem_errno(c, "bundles");
    int status = 0;
    for (size_t i = 0; i < names.n && status == 0; i++) {
        char path[PATH_SIZE];
        if (!store_bundle_valid(names.item[i]))
            continue;
        bundle_path(names.item[i], NULL, path);
        int filed = bundle_is_filed(c->store, names.item[i]);
        if (filed < 0)
            status = problem_errno(c, path);
        else if (filed == 0)
            status = problem_tell(c, path, problem_move_away(c, path), "is no directory");
    }
    names_free(&names);
    return status;
}

/* ---- the journal ---- */

/* What a change that was cut short had in mind cannot be told any more: what is there stays, entry
 * by entry, and history is made to say so. */
static int check_journal(struct check *c, bool locked)
{
    struct ml_error why = ML_ERROR_INIT;
    if (!journal_pending(c->store))
        return 0;
    if (!locked)
        return problem_tell(c, "journal/apply", 0, "is a change that is not through");
    if (journal_recover(c->store, &why) == 0)
        return 0;
    if (why.status != ML_REFUSED) {
        if (c->err != NULL)
            *c->err = why;
        return -1;
    }
    return problem_tell(c, "journal/apply", problem_move_away(c, "journal/apply"), "is damaged");
}

/* ---- names ---- */

int name_is_known(struct store *store, const char *name, const char *uuid)
{
    LOG_AUTO log = {.n = 0};
    int known = 0;
    if (log_read(store, shard_of(uuid), uuid, &log) < 0)
        return -1;
    for (size_t i = 0; i < log.n; i++)
        if (record_is_generation(&log.records[i]))
            known = strcmp(log.records[i].name, name) == 0;
    return known;
}

/* Whether an entry is there and has the name: 1, 0; -1 and errno. Who was seen to be has no history
 * to be read. */
static int name_is_of(struct check *c, const char *name, const char *uuid, bool slow)
{
    char path[PATH_SIZE], target[LINK_SIZE];
    entry_path(uuid, path);
    const char *id = link_leaf(c->store, path, target);
    if (id == NULL && !is_no_link(errno))
        return -1;
    if (id == NULL || !store_bundle_valid(id))
        return 0;
    return slow ? name_is_known(c->store, name, uuid) : 1;
}

/* Nothing is moved away because it could not be read: neither itself nor what it leads to, which is
 * looked at a second time here and may look other than it did. */
static int check_name(struct check *c, const char *name, bool slow)
{
    char path[PATH_SIZE], target[LINK_SIZE], good[LINK_SIZE];
    name_path(name, path);
    const char *leaf = link_leaf(c->store, path, target);
    if (leaf == NULL && !is_no_link(errno))
        return problem_unread(c, path);
    if (leaf == NULL || !store_uuid_valid(leaf))
        return problem_tell(c, path, problem_move_away(c, path), "leads to no entry");
    snprintf(good, sizeof good, "../entries/%.2s/%s", leaf, leaf);
    int is = strcmp(target, good) == 0 ? name_is_of(c, name, leaf, slow) : 0;
    if (is < 0)
        return problem_unread(c, path);
    if (is == 0)
        return problem_tell(c, path, c->unsure ? 0 : problem_move_away(c, path),
                            "leads to no entry of that name");
    return 0;
}

/* Every entry's name leads to it: that was seen before. So there is one too many only if there are
 * more names than entries that have one. */
static int check_all_names(struct check *c)
{
    struct names names;
    if (names_read(c->store->fd, "names", &names) < 0)
        return errno == ENOENT ? 0 : problem_errno(c, "names");
    int status = 0;
    bool slow = names.n != c->n_named;
    for (size_t i = 0; i < names.n && status == 0; i++)
        if (store_name_valid(names.item[i]))
            status = check_name(c, names.item[i], slow);
    names_free(&names);
    return status;
}

/* ---- all of it ---- */

static int check_all(struct check *c)
{
    if (check_places(c) != 0 || check_bundle_places(c) != 0)
        return -1;
    for (unsigned shard = 0; shard < N_SHARDS; shard++)
        if (check_shard(c, shard) != 0)
            return -1;
    return check_all_names(c);
}

static int check_run(struct check *c, bool locked)
{
    if (check_format(c) != 0 || check_journal(c, locked) != 0)
        return -1;
    if (c->policy->uuid != NULL)
        return check_shard(c, shard_of(c->policy->uuid));
    return check_all(c);
}

/* A home that is only to be read is refused before anything of it is touched. */
static int check_writable(struct check *c)
{
    struct store *store = c->store;
    bool on_disk = faccessat(store->fd, ".", W_OK, AT_EACCESS) == 0 || errno != EROFS;
    if (!c->read_only && on_disk)
        return 0;
    ml_error_errno(c->err, ML_CANT_CREATE, on_disk ? EACCES : EROFS, "cannot mend registry '%s'",
                   store->home);
    if (!on_disk)
        return hint_read_only(c->err);
    return ml_error_hint(c->err, "it can only be read here; to mend it: chmod u+w '%s'",
                         store->home);
}

/* One who mends at a time: what the lock of all writers stands on may have to be mended before it
 * can be had. The descriptor of a lock, or -1. */
static int mend_begin(struct check *c)
{
    struct store *store = c->store;
    if (check_writable(c) < 0)
        return -1;
    AUTO_CLOSE int fd = openat(store->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return problem_errno(c, ".");
    if (fs_lock(fd, store->wait_ms, store->cancel_fd) < 0)
        return lock_failed(store, c->err);
    return steal_fd(&fd);
}

int store_check(struct store *store, const struct store_check *policy,
                struct store_check_result *ret, struct ml_error *err)
{
    struct check c = {.store = store, .policy = policy, .result = ret, .err = err};
    *ret = (struct store_check_result){.problems = 0};
    if (store->fd < 0)
        return 0;
    c.read_only = store_read_only(store);
    utc_text(c.time, utc_now());
    AUTO_CLOSE int mending = policy->repair ? mend_begin(&c) : -1;
    if (policy->repair && (mending < 0 || check_tools(&c) != 0))
        return -1;
    AUTO_CLOSE int lock = lock_take(store, store->wait_ms);
    if (lock < 0 && (policy->repair || errno == EWOULDBLOCK || errno == ECANCELED))
        return lock_failed(store, err);
    /* a journal that is gone must not come back over histories that were written anew */
    if (policy->repair && fs_sync_dir(store->fd, "journal") < 0 && errno != ENOENT)
        return problem_errno(&c, "journal");
    int status = check_run(&c, lock >= 0);
    ids_free(&c.lost);
    return status;
}

/* The registry is looked at from outside (registry_store/inspect.c): opening it would refuse just
 * those that somebody asks about. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "base/proc.h"
#include "base/scope.h"
#include "base/size.h"
#include "client/doctor.h"

enum {
    LOW_BYTES = 256 << 20, /* a build of a large plugin takes this much */
    NO_BYTES = 4 << 20,    /* a registry's own change takes some KiB */
    LOW_FILES = 1000,
    LONG_S = 60, /* a change takes milliseconds */
};

#define NAME "registry"

/* Magic numbers of statfs(2); those that linux/magic.h does not have are from each file system's
 * own sources. What is not here is told by its number. */
static const struct {
    long type;
    struct doctor_fs fs;
} known[] = {
    {0xef53, {"ext4", true, true, true}},          {0x58465342, {"xfs", true, true, true}},
    {0x9123683e, {"btrfs", true, true, true}},     {0xf2f52010, {"f2fs", true, true, true}},
    {0xca451a4e, {"bcachefs", true, true, true}},  {0x2fc12fc1, {"zfs", true, true, true}},
    {0x01021994, {"tmpfs", true, true, false}},    {0x858458f6, {"ramfs", true, true, false}},
    {0x794c7630, {"overlay", true, true, false}},  {0x6969, {"nfs", false, false, true}},
    {0xff534d42, {"cifs", false, false, true}},    {0xfe534d42, {"smb2", false, false, true}},
    {0x517b, {"smb", false, false, true}},         {0x01021997, {"9p", false, false, true}},
    {0x00c36400, {"ceph", false, false, true}},    {0x65735546, {"fuse", false, false, true}},
    {0x5346414f, {"afs", false, false, true}},     {0x4d44, {"vfat", false, true, true}},
    {0x2011bab0, {"exfat", false, true, true}},    {0x5346544e, {"ntfs", false, true, true}},
    {0x7366746e, {"ntfs3", false, true, true}},    {0x9660, {"iso9660", false, true, true}},
    {0x73717368, {"squashfs", false, true, true}},
};

const struct doctor_fs *doctor_fs_find(long type)
{
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (known[i].type == type)
            return &known[i].fs;
    return NULL;
}

/* ---- the directory ---- */

/* What is missing is no fault: the first command that writes makes it. */
static void missing_look(struct doctor *d, const char *home)
{
    AUTO_FREE char *near = doctor_nearest(home);
    if (near != NULL && access(near, W_OK | X_OK) == 0) {
        doctor_tell(d, ML_HEALTH_OK, NAME,
                    "%s: not there yet; the first 'modload compile' makes it", home);
        return;
    }
    doctor_tell(d, ML_HEALTH_PROBLEM, NAME,
                "%s is not there, and cannot be made: '%s' is not yours "
                "to write to",
                home, near ? near : "");
    doctor_hint(d, "set MODLOAD_HOME to a directory that you can write to");
}

static void format_look(struct doctor *d, const char *home, const struct store_inspection *r)
{
    if (r->format < 0 && r->used) {
        doctor_tell(d, ML_HEALTH_PROBLEM, NAME, "%s has lost its FORMAT", home);
        doctor_hint(d, "run: modload verify --repair");
    } else if (r->format < 0) {
        doctor_tell(d, ML_HEALTH_OK, NAME, "%s: empty; the first 'modload compile' fills it", home);
    } else if (r->format == 0) {
        doctor_tell(d, ML_HEALTH_PROBLEM, NAME, "'%s/FORMAT' is not of a modload registry", home);
        doctor_hint(d,
                    "set MODLOAD_HOME to another directory, or bring the file back: it holds "
                    "'modload registry %d'",
                    r->format_known);
    } else if (r->format > r->format_known) {
        doctor_tell(d, ML_HEALTH_PROBLEM, NAME, "%s has format %d; this modload knows format %d",
                    home, r->format, r->format_known);
        doctor_hint(d, "use the modload that made it, or another MODLOAD_HOME");
    } else if (!r->writable || r->read_only) {
        doctor_tell(d, ML_HEALTH_WARNING, NAME, "%s can be read, and not be written to", home);
        doctor_hint(d, "what is registered can be run; to change it, make it writable: %s",
                    r->read_only ? "its file system is mounted read-only" : "chmod u+w");
    } else {
        doctor_tell(d, ML_HEALTH_OK, NAME, "%s, format %d", home, r->format);
    }
}

/* In the order in which opening it would refuse: what comes first hides what comes after. */
static void home_look(struct doctor *d, const char *home, const struct store_inspection *r)
{
    if (!r->there) {
        missing_look(d, home);
    } else if (r->uid != geteuid()) {
        doctor_tell(d, ML_HEALTH_PROBLEM, NAME, "%s belongs to uid %u, not to you (%u)", home,
                    r->uid, geteuid());
        doctor_hint(d, "use a registry of your own: set MODLOAD_HOME");
    } else if ((r->mode & 022) != 0) {
        doctor_tell(d, ML_HEALTH_PROBLEM, NAME, "%s can be written to by others (mode %04o)", home,
                    r->mode);
        doctor_hint(d, "run: chmod go-w '%s'; then check what is in it: modload verify", home);
    } else if (!r->readable) {
        doctor_tell(d, ML_HEALTH_PROBLEM, NAME, "%s cannot be read (mode %04o)", home, r->mode);
        doctor_hint(d, "run: chmod u+rwx '%s'", home);
    } else if (r->closed[0] != '\0') {
        doctor_tell(d, ML_HEALTH_PROBLEM, NAME, "%s/%s is closed to you (mode %04o)", home,
                    r->closed, r->closed_mode);
        doctor_hint(d, "run: chmod u+rwX '%s/%s'; then modload verify --repair for what is in it",
                    home, r->closed);
    } else {
        format_look(d, home, r);
    }
}

static void open_look(struct doctor *d, const char *home, const struct store_inspection *r)
{
    bool itself = strcmp(r->open, ".") == 0;
    if (r->format < 1 || r->open[0] == '\0' || (r->mode & 022) != 0)
        return;
    doctor_tell(d, ML_HEALTH_WARNING, NAME, "%s%s%s is open to others (mode %04o)", home,
                itself ? "" : "/", itself ? "" : r->open, r->open_mode);
    doctor_hint(d, "run: chmod go-rwx '%s%s%s'", home, itself ? "" : "/", itself ? "" : r->open);
}

/* ---- the disk ---- */

/* Whether it knows the flags of renameat2(2) cannot be asked without making files, so it is looked
 * up. One that is not known may well do. */
static void fs_look(struct doctor *d, const struct store_inspection *r)
{
    static const char name[] = "file system";
    const struct doctor_fs *fs = doctor_fs_find(r->fs_type);
    if (fs == NULL) {
        doctor_tell(d, ML_HEALTH_WARNING, name, "of a kind that modload does not know (%#lx)",
                    r->fs_type);
        doctor_hint(d, "it needs flock(2), fsync(2) and renameat2(2) with RENAME_NOREPLACE and "
                       "RENAME_EXCHANGE");
    } else if (!fs->local) {
        doctor_tell(d, ML_HEALTH_WARNING, name,
                    "%s: locks and renames may not hold between machines", fs->name);
        doctor_hint(d, "use it from one machine at a time, or set MODLOAD_HOME to a local disk");
    } else if (!fs->renames) {
        doctor_tell(d, ML_HEALTH_PROBLEM, name,
                    "%s cannot rename without replacing "
                    "(renameat2(2)): no bundle can be filed",
                    fs->name);
        doctor_hint(d, "set MODLOAD_HOME to a directory on ext4, xfs or btrfs");
    } else if (!fs->lasting) {
        doctor_tell(d, ML_HEALTH_WARNING, name, "%s: what is registered is gone with %s", fs->name,
                    strcmp(fs->name, "overlay") == 0 ? "the container" : "a restart");
        doctor_hint(d, "to keep it, set MODLOAD_HOME to a directory on a disk");
    } else {
        doctor_tell(d, ML_HEALTH_OK, name, "%s", fs->name);
    }
}

/* What is left for those who are not root: the rest is not theirs. */
static void space_look(struct doctor *d, const struct store_inspection *r)
{
    static const char name[] = "space";
    char free_text[SIZE_TEXT];
    bool files_low = r->size_files > 0 && r->free_files < LOW_FILES;
    if (r->size_bytes == 0)
        return; /* the disk said nothing, or has no size */
    size_round(r->free_bytes, free_text);
    if (r->free_bytes < NO_BYTES || (r->size_files > 0 && r->free_files < 10)) {
        doctor_tell(d, ML_HEALTH_PROBLEM, name, "the disk is full: %s free, %" PRIu64 " files",
                    free_text, r->free_files);
        doctor_hint(d, "make room: nothing can be registered or built");
    } else if (r->free_bytes < LOW_BYTES || files_low) {
        doctor_tell(d, ML_HEALTH_WARNING, name,
                    "the disk is nearly full: %s free, %" PRIu64 " files", free_text,
                    r->free_files);
        doctor_hint(d, "make room: a build may need more");
    } else if (r->size_files > 0) {
        doctor_tell(d, ML_HEALTH_OK, name, "%s free, %" PRIu64 " files", free_text, r->free_files);
    } else {
        doctor_tell(d, ML_HEALTH_OK, name, "%s free", free_text);
    }
}

/* ---- what goes on in it ---- */

/* How long the lock has been held, by what the holder wrote; 0 when that is not known. */
static long held_for(const char *text)
{
    struct tm tm = {0};
    const char *since = strstr(text, " since ");
    if (since == NULL || sscanf(since + 7, "%d-%d-%dT%d:%d:%dZ", &tm.tm_year, &tm.tm_mon,
                                &tm.tm_mday, &tm.tm_hour, &tm.tm_min, &tm.tm_sec) != 6)
        return 0;
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    return (long)(time(NULL) - timegm(&tm));
}

/* A stopped writer is the one thing that keeps all others waiting for good. */
static void lock_look(struct doctor *d, const struct store_inspection *r)
{
    static const char name[] = "write lock";
    if (r->lock_damaged) {
        doctor_tell(d, ML_HEALTH_PROBLEM, name, "locks/write is no file: nothing can be changed");
        doctor_hint(d, "run: modload verify --repair");
        return;
    }
    if (!r->lock_held) {
        doctor_tell(d, ML_HEALTH_OK, name, "free");
        return;
    }
    long seconds = held_for(r->lock_text);
    const char *who = *r->lock_text ? r->lock_text : "nobody said who";
    if (proc_is_stopped(r->lock_pid)) {
        doctor_tell(d, ML_HEALTH_PROBLEM, name, "held by a process that is stopped (%s)", who);
        doctor_hint(d, "let it go on: kill -CONT %d; or end it: kill -KILL %d", r->lock_pid,
                    r->lock_pid);
    } else if (seconds > LONG_S) {
        doctor_tell(d, ML_HEALTH_WARNING, name, "held for %ld s (%s)", seconds, who);
        doctor_hint(d, "see what it does: ps -p %d", r->lock_pid);
    } else {
        doctor_tell(d, ML_HEALTH_OK, name, "held by a command at work (%s)", who);
    }
}

/* But for a journal that cannot be understood, what is left behind keeps nobody from working: it is
 * put right by whoever writes next. */
static void leftovers_look(struct doctor *d, const struct store_inspection *r)
{
    if (r->journal_damaged) {
        doctor_tell(d, ML_HEALTH_PROBLEM, "journal",
                    "journal/apply is damaged: nothing can be changed");
        doctor_hint(d, "run: modload verify --repair");
    } else if (r->unfinished && !r->lock_held) {
        doctor_tell(d, ML_HEALTH_WARNING, "journal",
                    "a change was cut short, and waits to be finished");
        doctor_hint(d, "the next command that writes finishes it");
    }
    if (r->litter > 0) {
        doctor_tell(d, ML_HEALTH_WARNING, "leftovers", "%zu of commands that were killed",
                    r->litter);
        doctor_hint(d, "the next command that writes takes them away");
    } else {
        doctor_tell(d, ML_HEALTH_OK, "leftovers", "none");
    }
}

static void contents_look(struct doctor *d, const struct store_inspection *r)
{
    doctor_tell(d, ML_HEALTH_OK, "contents", "%s%" PRIu64 " %s, %s%" PRIu64 " %s",
                r->many ? "about " : "", r->entries, r->entries == 1 ? "entry" : "entries",
                r->many_bundles ? "more than " : "", r->bundles - r->many_bundles,
                r->bundles == 1 ? "bundle" : "bundles");
}

void doctor_registry(struct doctor *d)
{
    struct store_inspection r;
    if (d->ctx == NULL) {
        doctor_error(d, ML_HEALTH_PROBLEM, NAME, &d->why);
        return;
    }
    if (store_inspect(d->ctx->home, &r) < 0) {
        struct ml_error why = ML_ERROR_INIT;
        ml_error_errno(&why, 0, errno, "cannot open '%s'", d->ctx->home);
        doctor_error(d, ML_HEALTH_PROBLEM, NAME, &why);
        doctor_hint(d, "set MODLOAD_HOME to a directory of yours");
        return;
    }
    home_look(d, d->ctx->home, &r);
    open_look(d, d->ctx->home, &r);
    fs_look(d, &r);
    space_look(d, &r);
    if (!r.there || !r.readable || (r.format < 0 && !r.used))
        return;
    lock_look(d, &r);
    leftovers_look(d, &r);
    contents_look(d, &r);
}

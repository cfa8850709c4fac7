/* Changes of one entry or a hundred thousand: written down, made durable, then applied; whoever
 * finds one that is written down and not through applies it again. Every step gives the same result
 * however often it is taken, so where the first writer died does not matter.
 *
 *     modload journal 1
 *     shard 8c 12345              the size of history/8c before the change
 *     was <bundle> <name>         what the entry of the next line was, "-" is none
 *     +<line of history>
 *     ...
 *     end 0123456789abcdef        FNV-1a (64 bits) of all before this line
 *
 * That it is there means that the change will be. Only where the disk does not let it (full,
 * broken) it is taken back, by what the entries were. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fs.h"
#include "base/hash.h"
#include "base/scope.h"
#include "base/sys.h"
#include "registry_store/internal.h"

static const char journal_path[] = "journal/apply", head[] = "modload journal 1\n";
enum { JOURNAL_MAX = 1 << 30, END_SIZE = 4 + 16 + 1 };

/* ---- writing it down ---- */

/* A last line without its end comes from damage only. It is closed, so that ours is one of its own.
 */
void journal_add(struct journal *j, const struct shard_log *log, const struct store_record *record,
                 const char *before, const char *name_before)
{
    int shard = (int)shard_of(record->uuid);
    if (j->text.len == 0)
        buf_str(&j->text, head);
    if (shard != j->shard) {
        buf_fmt(&j->text, "shard %02x %zu\n", (unsigned)shard, log->size);
        if (log->open_end)
            buf_str(&j->text, "+\n");
    }
    j->shard = shard;
    buf_fmt(&j->text, "was %s %s\n+", *before ? before : "-", *name_before ? name_before : "-");
    store_record_write(&j->text, record);
}

/* ---- reading it ---- */

/* One entry's part of the change. */
struct step {
    struct store_record record;
    char *before, *name_before; /* "" is none */
};

/* One shard's part: `lines` of `n_bytes` go behind the first `size` bytes of its history. */
struct part {
    unsigned shard;
    off_t size;
    const char *lines;
    size_t n_bytes;
    bool made; /* a directory or file that was not there */
};

struct apply {
    struct store *store;
    struct buf text, lines; /* `text` is cut up by the steps; `lines` go to the histories */
    struct part part[N_SHARDS];
    unsigned n_parts;
    struct step *step;
    size_t n_steps;
    bool renames; /* some step has to do with names */
};

static void apply_free(struct apply *a)
{
    buf_free(&a->text);
    buf_free(&a->lines);
    free(a->step);
}

static bool was_parse(char *line, struct step *step)
{
    char *blank = strchr(line, ' ');
    if (blank == NULL)
        return false;
    *blank = '\0';
    step->before = strcmp(line, "-") == 0 ? blank : line;
    step->name_before = strcmp(blank + 1, "-") == 0 ? blank : blank + 1;
    return (*step->before == '\0' || store_bundle_valid(step->before)) &&
           (*step->name_before == '\0' || store_name_valid(step->name_before));
}

static bool shard_parse(struct apply *a, const char *line)
{
    unsigned shard;
    long long size;
    int end = -1;
    bool digits = strspn(line, "0123456789abcdef") == 2 && line[2] == ' ';
    if (digits)
        sscanf(line, "%2x %lld%n", &shard, &size, &end);
    if (end < 0 || (a->n_parts > 0 && shard <= a->part[a->n_parts - 1].shard) ||
        line[end] != '\0' || size < 0 || a->n_parts == N_SHARDS)
        return false;
    a->part[a->n_parts++] = (struct part){.shard = shard, .size = (off_t)size};
    return true;
}

/* The line goes to the history as it is; what it says is read from a copy. */
static bool record_take(struct apply *a, struct step *step, char *line, size_t n)
{
    struct part *part = &a->part[a->n_parts - 1];
    line[n] = '\n';
    buf_add(&a->lines, line, n + 1);
    part->n_bytes += n + 1;
    if (n == 0)
        return true;
    a->n_steps++;
    if (!store_record_parse(line, n, &step->record) || shard_of(step->record.uuid) != part->shard)
        return false;
    a->renames = a->renames || strcmp(step->name_before, step->record.name) != 0;
    return true;
}

static bool line_take(struct apply *a, char *line, size_t n)
{
    struct step *step = &a->step[a->n_steps];
    line[n] = '\0';
    if (strncmp(line, "shard ", 6) == 0)
        return shard_parse(a, line + 6);
    if (strncmp(line, "was ", 4) == 0)
        return was_parse(line + 4, step);
    return *line == '+' && a->n_parts > 0 && (n == 1 || step->before != NULL) &&
           record_take(a, step, line + 1, n - 1);
}

static bool end_holds(const struct buf *text)
{
    char end[END_SIZE + 1];
    if (text->len < sizeof head - 1 + END_SIZE || memcmp(text->data, head, sizeof head - 1) != 0)
        return false;
    size_t n = text->len - END_SIZE;
    snprintf(end, sizeof end, "end %016" PRIx64 "\n", hash_fnv1a(HASH_FNV1A_INIT, text->data, n));
    return memcmp(text->data + n, end, END_SIZE) == 0;
}

static bool text_parse(struct apply *a)
{
    if (!end_holds(&a->text))
        return false;
    char *end = a->text.data + a->text.len - END_SIZE;
    for (char *line = a->text.data + sizeof head - 1, *next; line < end; line = next) {
        next = memchr(line, '\n', (size_t)(end - line));
        if (next == NULL || !line_take(a, line, (size_t)(next - line)))
            return false;
        next++;
    }
    const char *lines = buf_text(&a->lines);
    for (unsigned i = 0; i < a->n_parts; lines += a->part[i++].n_bytes)
        a->part[i].lines = lines;
    return true;
}

/* At most as many steps as there are lines, two for each and three for the first. */
static int apply_parse(struct apply *a, struct ml_error *err)
{
    size_t lines = 1;
    for (const char *p = a->text.data, *end = p + a->text.len;
         (p = memchr(p, '\n', (size_t)(end - p))); p++)
        lines++;
    a->step = calloc(lines, sizeof *a->step);
    if (a->step == NULL)
        return ml_error_memory(err);
    if (text_parse(a) && !a->lines.failed)
        return 0;
    if (a->lines.failed)
        return ml_error_memory(err);
    ml_error_set(err, ML_REFUSED, "damaged", "'%s/%s' is damaged", a->store->home, journal_path);
    return ml_error_hint(err, "run: modload verify --repair");
}

/* ---- applying it, or taking it back ---- */

/* What was not begun needs no taking back, on a disk that is full or closed to us; what has lost
 * lines since is not made longer. */
static int history_undo(struct apply *a, struct part *part, const char *path)
{
    struct stat st;
    if (fstatat(a->store->fd, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? 0 : -1;
    if (st.st_size <= part->size)
        return 0;
    AUTO_CLOSE int fd = openat(a->store->fd, path, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
    return fd < 0 ? -1 : TEMP_FAILURE_RETRY(ftruncate(fd, part->size));
}

/* How many bytes of a part are in the history already, from its first one on. -1 with errno. */
static ssize_t history_same(int fd, const struct part *part)
{
    char there[4096];
    size_t same = 0;
    while (same < part->n_bytes) {
        ssize_t n = TEMP_FAILURE_RETRY(pread(fd, there, sizeof there, part->size + (off_t)same));
        if (n < 0)
            return -1;
        for (ssize_t i = 0; i < n && same < part->n_bytes; i++, same++)
            if (there[i] != part->lines[same])
                return (ssize_t)same;
        if (n == 0)
            break;
    }
    return (ssize_t)same;
}

/* Lines that are there already stay: whoever reads meanwhile must not miss those of an entry that
 * is there, and the disk may not let us write them again. */
static int history_put(struct apply *a, struct part *part, bool undo)
{
    char path[PATH_SIZE];
    struct stat st;
    shard_path("history", part->shard, path);
    if (undo)
        return history_undo(a, part, path);
    AUTO_CLOSE int fd = openat(a->store->fd, path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0 || fstat(fd, &st) < 0)
        return -1;
    if (st.st_size < part->size) { /* lines are lost that this change was to follow */
        errno = EINVAL;
        return -1;
    }
    ssize_t same = history_same(fd, part);
    if (same < 0)
        return -1;
    off_t end = part->size + same;
    if (st.st_size != end && TEMP_FAILURE_RETRY(ftruncate(fd, end)) < 0)
        return -1;
    if (lseek(fd, end, SEEK_SET) < 0)
        return -1;
    return fs_write_all(fd, part->lines + same, part->n_bytes - (size_t)same);
}

/* A new link is made where it belongs; one that is there is replaced by a rename, so that nobody
 * sees it missing. */
static int link_put(struct apply *a, const char *path, const char *target, bool undo)
{
    struct store *store = a->store;
    char now[LINK_SIZE];
    if (symlinkat(target, store->fd, path) == 0)
        return 0;
    if (errno != EEXIST)
        return -1;
    /* what is so already needs no room on a disk that is full */
    if (fs_read_link(store->fd, path, now, sizeof now) >= 0 && strcmp(now, target) == 0)
        return 0;
    if (fs_replace_link(store->fd, "tmp", path, target) == 0)
        return 0;
    /* the last resort on a full disk: what is to go gives its room to what comes back */
    if (!undo || (errno != ENOSPC && errno != EDQUOT) || unlinkat(store->fd, path, 0) < 0)
        return -1;
    return symlinkat(target, store->fd, path);
}

/* What is no link was not made by the change that is taken back. */
static int link_drop(struct apply *a, const char *path, bool undo)
{
    if (unlinkat(a->store->fd, path, 0) == 0 || errno == ENOENT || (undo && errno == EISDIR))
        return 0;
    return -1;
}

static int entry_put(struct apply *a, const char *uuid, const char *bundle, bool undo)
{
    char path[PATH_SIZE], target[LINK_SIZE];
    entry_path(uuid, path);
    if (*bundle == '\0')
        return link_drop(a, path, undo);
    snprintf(target, sizeof target, "../../bundles/%s", bundle);
    return link_put(a, path, target, undo);
}

static int name_put(struct apply *a, const char *name, const char *uuid, bool undo)
{
    char path[PATH_SIZE], target[LINK_SIZE];
    name_path(name, path);
    snprintf(target, sizeof target, "../entries/%.2s/%s", uuid, uuid);
    return link_put(a, path, target, undo);
}

/* Of several lines of one key, the last generation says what the entry is: the others are history.
 */
static bool step_counts(const struct apply *a, const struct step *s)
{
    const struct step *end = a->step + a->n_steps;
    for (const struct step *next = s + 1;
         next < end && strcmp(next->record.uuid, s->record.uuid) == 0; next++)
        if (record_is_generation(&next->record))
            return false;
    return record_is_generation(&s->record);
}

static int step_put(struct apply *a, const struct step *s, bool undo)
{
    const char *bundle = undo ? s->before : s->record.bundle;
    const char *name = undo ? s->name_before : s->record.name;
    if (!step_counts(a, s))
        return 0;
    bool renamed = strcmp(s->name_before, s->record.name) != 0;
    if (*name != '\0' && renamed && name_put(a, name, s->record.uuid, undo) < 0)
        return -1;
    return entry_put(a, s->record.uuid, bundle, undo);
}

/* One that went to another entry leads there by now, and stays. */
static int step_drop_name(struct apply *a, const struct step *s, bool undo)
{
    const char *old = undo ? s->record.name : s->name_before;
    const char *now = undo ? s->name_before : s->record.name;
    char path[PATH_SIZE];
    if (!step_counts(a, s) || *old == '\0' || strcmp(old, now) == 0)
        return 0;
    int ours = name_leads_to(a->store, old, s->record.uuid, NULL);
    if (ours <= 0)
        return ours;
    name_path(old, path);
    return link_drop(a, path, undo);
}

static int steps_put(struct apply *a, bool undo)
{
    for (size_t i = 0; i < a->n_steps; i++)
        if (step_put(a, &a->step[i], undo) < 0)
            return -1;
    return 0;
}

static int steps_drop_names(struct apply *a, bool undo)
{
    for (size_t i = 0; a->renames && i < a->n_steps; i++)
        if (step_drop_name(a, &a->step[i], undo) < 0)
            return -1;
    return 0;
}

/* Entries that were not there go first when a change is taken back: on a full disk they take the
 * room of what has to come again. */
static int steps_drop_entries(struct apply *a)
{
    for (size_t i = 0; i < a->n_steps; i++)
        if (step_counts(a, &a->step[i]) && *a->step[i].before == '\0' &&
            entry_put(a, a->step[i].record.uuid, "", true) < 0)
            return -1;
    return 0;
}

/* Names that are new come before those that go: an entry has for a moment two names, never none
 * that it should have. Back it goes the other way round. */
static int steps_take(struct apply *a, bool undo)
{
    if (undo)
        return steps_drop_entries(a) < 0 || steps_drop_names(a, true) < 0 ? -1 : steps_put(a, true);
    return steps_put(a, false) < 0 ? -1 : steps_drop_names(a, false);
}

static int file_sync(struct store *store, const char *path)
{
    AUTO_CLOSE int fd = openat(store->fd, path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    return fd < 0 ? -1 : fs_sync(fd);
}

/* By errno: what could not be made or opened has nothing to be taken back. */
static bool was_not_begun(void)
{
    return errno == ENOENT || errno == EACCES;
}

/* Every file and directory that the change went through, once. fsync(2) of a directory says nothing
 * about its parent's. */
static int parts_sync(struct apply *a, bool undo)
{
    char path[PATH_SIZE];
    bool made = false;
    for (unsigned i = 0; i < a->n_parts; i++) {
        shard_path("history", a->part[i].shard, path);
        if (file_sync(a->store, path) < 0 && !(undo && was_not_begun()))
            return -1;
        shard_path("entries", a->part[i].shard, path);
        if (fs_sync_dir(a->store->fd, path) < 0 && !(undo && was_not_begun()))
            return -1;
        made = made || a->part[i].made;
    }
    if (made &&
        (fs_sync_dir(a->store->fd, "history") < 0 || fs_sync_dir(a->store->fd, "entries") < 0))
        return -1;
    return a->renames ? fs_sync_dir(a->store->fd, "names") : 0;
}

/* Histories come first: an entry that is there has its history. */
static int apply_run(struct apply *a, bool undo)
{
    char path[PATH_SIZE];
    for (unsigned i = 0; i < a->n_parts; i++) {
        shard_path("entries", a->part[i].shard, path);
        int made = undo ? 0 : fs_mkdir(a->store->fd, path, 0700);
        a->part[i].made = made > 0 || a->part[i].size == 0;
        if (made < 0 || history_put(a, &a->part[i], undo) < 0)
            return -1;
    }
    if (steps_take(a, undo) < 0 || parts_sync(a, undo) < 0)
        return -1;
    return unlinkat(a->store->fd, journal_path, 0);
}

/* What cannot be done is undone, which needs no room on the disk but that which was there before.
 */
static int apply_or_undo(struct apply *a, struct ml_error *err)
{
    if (apply_run(a, false) == 0)
        return 0;
    int why = errno;
    bool undone = apply_run(a, true) == 0;
    errno = why;
    if (undone)
        return store_errno(err, "cannot change registry '%s', which is as it was", a->store->home);
    store_errno(err, "cannot finish a change of registry '%s'", a->store->home);
    return ml_error_hint(err,
                         "mend the disk, or make room; the next modload command goes on with it");
}

/* The rename is what decides: before it nothing has happened, after it everything will. */
static int journal_write(struct store *store, struct journal *j, struct ml_error *err)
{
    uint64_t hash = hash_fnv1a(HASH_FNV1A_INIT, buf_text(&j->text), j->text.len);
    buf_fmt(&j->text, "end %016" PRIx64 "\n", hash);
    if (j->text.failed)
        return ml_error_memory(err);
    if (fs_replace_file(store->fd, "tmp", journal_path, j->text.data, j->text.len, 0600) == 0)
        return 0;
    ml_error_errno(err, 0, errno, "cannot write '%s/%s'", store->home, journal_path);
    /* it may be there, and only its sync have failed */
    if (unlinkat(store->fd, journal_path, 0) == 0 || errno == ENOENT)
        return -1;
    store_errno(err, "cannot finish a change of registry '%s'", store->home);
    return ml_error_hint(err, "mend the disk; the next modload command goes on with it");
}

int journal_commit(struct store *store, struct journal *j, struct ml_error *err)
{
    __attribute__((cleanup(apply_free))) struct apply a = {.store = store};
    if (j->text.failed)
        return ml_error_memory(err);
    if (j->text.len == 0)
        return 0;
    if (journal_write(store, j, err) < 0)
        return -1;
    a.text = j->text; /* from here on ours */
    j->text = (struct buf)BUF_INIT;
    if (apply_parse(&a, err) == 0)
        return apply_or_undo(&a, err);
    unlinkat(store->fd, journal_path, 0); /* nothing has happened yet */
    return -1;
}

bool journal_pending(struct store *store)
{
    return faccessat(store->fd, journal_path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

bool journal_damaged(struct store *store)
{
    struct ml_error why = ML_ERROR_INIT;
    __attribute__((cleanup(apply_free))) struct apply a = {.store = store};
    if (fs_read_file(store->fd, journal_path, &a.text, JOURNAL_MAX) < 0)
        return errno != ENOENT && is_damage(errno);
    return apply_parse(&a, &why) < 0 && why.status == ML_REFUSED;
}

int journal_recover(struct store *store, struct ml_error *err)
{
    __attribute__((cleanup(apply_free))) struct apply a = {.store = store};
    if (fs_read_file(store->fd, journal_path, &a.text, JOURNAL_MAX) < 0) {
        if (errno == ENOENT)
            return 0;
        return store_errno(err, "cannot read '%s/%s'", store->home, journal_path);
    }
    if (apply_parse(&a, err) < 0)
        return -1;
    /* its writer may have died before its name was durable, and what is applied must not be first
     */
    if (fs_sync_dir(store->fd, "journal") < 0)
        return store_errno(err, "cannot sync '%s/journal'", store->home);
    return apply_or_undo(&a, err);
}

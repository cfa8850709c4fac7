/* Entries beside their histories. The link is what people get, so where both are whole and differ,
 * history is made to say what the link says; where the link is not, the newest generation says what
 * it should be. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/fs.h"
#include "base/scope.h"
#include "base/sys.h"
#include "registry_store/check.h"

/* One key: its link, if there is one, and its newest generation, if there is one. */
struct pair {
    const char *uuid;
    bool linked;
    const struct store_record *newest;
    const struct shard_log *log;
    char path[PATH_SIZE];
};

/* ---- mending ---- */

/* As it is now: another line of the shard may have been mended since it was read. */
static size_t history_size(struct check *c, const char *uuid)
{
    char path[PATH_SIZE];
    struct stat st;
    shard_path("history", shard_of(uuid), path);
    return fstatat(c->store->fd, path, &st, AT_SYMLINK_NOFOLLOW) == 0 ? (size_t)st.st_size : 0;
}

/* "math@1.2.0"; "" where the bundle is damaged. -1: that cannot be told. */
static int plugin_of(struct check *c, const char *bundle, char plugin[STORE_PLUGIN_SIZE])
{
    char own[STORE_NAME_SIZE], version[STORE_NAME_SIZE];
    struct ml_error why = ML_ERROR_INIT;
    *plugin = '\0';
    if (store_bundle_name(c->store, bundle, own, version, &why) == 0)
        snprintf(plugin, STORE_PLUGIN_SIZE, "%s@%s", own, version);
    else if (why.status != ML_REFUSED && why.status != ML_IO) {
        if (c->err != NULL)
            *c->err = why;
        return -1;
    }
    return 0;
}

/* A line that says what is, and with it, through the journal, the links. The entry has that bundle
 * before and after: should the change be taken back, it has it still. */
static int mend(struct check *c, const struct pair *p, const char *bundle, const char *name)
{
    char plugin[STORE_PLUGIN_SIZE];
    struct journal journal = JOURNAL_INIT;
    if (!c->policy->repair)
        return 0;
    int leads = *name ? name_leads_to(c->store, name, p->uuid, c->err) : 0;
    if (leads < 0 || plugin_of(c, bundle, plugin) < 0)
        return -1;
    const struct store_record r = {
        .uuid = p->uuid,
        .generation = p->newest ? p->newest->generation + 1 : 1,
        .time = c->time,
        .op = STORE_REGISTER,
        .bundle = bundle,
        .name = name,
        .plugin = plugin,
        .origin =
            p->newest && strcmp(p->newest->bundle, bundle) == 0 ? p->newest->origin : "repair",
    };
    struct shard_log now = {.size = history_size(c, p->uuid)};
    now.open_end = p->log->open_end && now.size == p->log->size;
    journal_add(&journal, &now, &r, bundle, leads > 0 ? name : "");
    int status = journal_commit(c->store, &journal, c->err);
    buf_free(&journal.text);
    return status < 0 ? -1 : 1;
}

/* What is in its place changes places with the link, so that no failure leaves the entry without
 * either. */
static int link_put(struct check *c, const struct pair *p, const char *target)
{
    int home = c->store->fd;
    char name[24], temp[32];
    if (!p->linked)
        return symlinkat(target, home, p->path);
    fs_random_name(name, sizeof name, "");
    snprintf(temp, sizeof temp, "tmp/%s", name);
    if (symlinkat(target, home, temp) < 0)
        return -1;
    if (sys_renameat2(home, temp, home, p->path, RENAME_EXCHANGE) == 0)
        return store_move_away(c->store, home, temp);
    int saved = errno;
    unlinkat(home, temp, 0);
    errno = saved;
    return -1;
}

/* Without a line: only the link is wrong, and history says what it should be. */
static int relink(struct check *c, const struct pair *p)
{
    char target[LINK_SIZE], shard[PATH_SIZE];
    const char *bundle = p->newest ? p->newest->bundle : "";
    if (!c->policy->repair || *bundle == '\0')
        return 0;
    int there = bundle_is_filed(c->store, bundle);
    if (there <= 0)
        return there < 0 ? mend_failed(c, p->path) : 0;
    shard_path("entries", shard_of(p->uuid), shard);
    snprintf(target, sizeof target, "../../bundles/%s", bundle);
    int made = fs_mkdir(c->store->fd, shard, 0700);
    if (made < 0 || link_put(c, p, target) < 0 || fs_sync_dir(c->store->fd, shard) < 0 ||
        (made > 0 && fs_sync_dir(c->store->fd, "entries") < 0))
        return mend_failed(c, p->path);
    return 1;
}

/* A name that leads to the entry, where its history cannot say; a walk over all names, for an entry
 * that is damaged. */
static int find_name(struct check *c, const char *uuid, char name[STORE_NAME_SIZE])
{
    struct names names;
    int leads = 0;
    if (names_read(c->store->fd, "names", &names) < 0)
        return errno == ENOENT ? 0 : problem_errno(c, "names");
    for (size_t i = 0; i < names.n && leads == 0; i++) {
        if (store_name_valid(names.item[i]))
            leads = name_leads_to(c->store, names.item[i], uuid, c->err);
        if (leads > 0)
            strcpy(name, names.item[i]);
    }
    names_free(&names);
    return leads < 0 ? -1 : 0;
}

/* ---- one key ---- */

/* The bundle that the link leads to, if it is exactly the link that we would have made: 1, 0; -1
 * and errno. */
static int link_is_ours(struct check *c, const struct pair *p, char bundle[STORE_BUNDLE_SIZE])
{
    char target[LINK_SIZE], good[LINK_SIZE];
    const char *id = link_leaf(c->store, p->path, target);
    if (id == NULL && !is_no_link(errno))
        return -1;
    if (id == NULL || !store_bundle_valid(id))
        return 0;
    strcpy(bundle, id);
    snprintf(good, sizeof good, "../../bundles/%s", bundle);
    return strcmp(target, good) == 0;
}

/* Who has the name that an entry should have: 1 another one that should, too; 0; -1 and errno, or
 * the error. */
static int name_is_taken(struct check *c, const char *name)
{
    char owner[STORE_UUID_SIZE], other[STORE_BUNDLE_SIZE];
    struct ml_error why = ML_ERROR_INIT;
    if (store_name_lookup(c->store, name, owner, &why) == 0 &&
        store_lookup(c->store, owner, other, &why) == 0) {
        int known = name_is_known(c->store, name, owner);
        return known < 0 ? store_errno(c->err, "cannot read the history of %s", owner) : known;
    }
    if (why.status == ML_NO_INPUT || why.status == ML_REFUSED)
        return 0;
    if (c->err != NULL)
        *c->err = why;
    return -1;
}

static int check_name_of(struct check *c, const struct pair *p, const char *bundle)
{
    char path[PATH_SIZE];
    const char *name = p->newest->name;
    if (*name == '\0')
        return 0;
    c->n_named++;
    int leads = name_leads_to(c->store, name, p->uuid, c->err);
    int taken = leads == 0 ? name_is_taken(c, name) : 0;
    if (leads != 0 || taken < 0)
        return leads < 0 || taken < 0 ? -1 : 0;
    name_path(name, path);
    c->n_named -= (size_t)taken;
    return problem_tell(c, path, mend(c, p, bundle, taken ? "" : name),
                        "does not lead to the entry of that name");
}

/* With its link again, an entry may still lack its name. */
static int check_bent(struct check *c, const struct pair *p)
{
    bool out = p->newest != NULL && *p->newest->bundle == '\0';
    int mended = out ? problem_move_away(c, p->path) : relink(c, p);
    int status = problem_tell(c, p->path, mended, "is no link to a bundle");
    return status == 0 && mended > 0 && !out ? check_name_of(c, p, p->newest->bundle) : status;
}

static int check_dangling(struct check *c, const struct pair *p, const char *bundle)
{
    bool another = p->newest != NULL && strcmp(p->newest->bundle, bundle) != 0;
    if (!another && ids_add(&c->lost, bundle) < 0)
        return ml_error_memory(c->err);
    return problem_tell(c, p->path, another ? relink(c, p) : 0,
                        "leads to a bundle that is missing");
}

static int check_without_history(struct check *c, const struct pair *p, const char *bundle)
{
    char name[STORE_NAME_SIZE] = "";
    if (find_name(c, p->uuid, name) < 0)
        return -1;
    c->n_named += *name != '\0';
    return problem_tell(c, p->path, mend(c, p, bundle, name), "has no history");
}

static int check_linked(struct check *c, const struct pair *p)
{
    char bundle[STORE_BUNDLE_SIZE];
    int ours = link_is_ours(c, p, bundle);
    int there = ours > 0 ? bundle_is_filed(c->store, bundle) : 0;
    if (ours < 0 || there < 0)
        return problem_unread(c, p->path);
    if (!ours)
        return check_bent(c, p);
    if (!there)
        return check_dangling(c, p, bundle);
    if (p->newest == NULL)
        return check_without_history(c, p, bundle);
    if (strcmp(p->newest->bundle, bundle) != 0)
        return problem_tell(c, p->path, mend(c, p, bundle, p->newest->name),
                            "is not what its history says");
    return check_name_of(c, p, bundle);
}

static int check_pair(struct check *c, struct pair *p)
{
    if (c->policy->uuid != NULL && strcmp(c->policy->uuid, p->uuid) != 0)
        return 0;
    entry_path(p->uuid, p->path);
    if (p->linked)
        return check_linked(c, p);
    if (*p->newest->bundle == '\0')
        return 0; /* taken out */
    return problem_tell(c, p->path, relink(c, p), "is missing");
}

/* ---- earlier generations ---- */

/* A bundle stays as long as a line names it: gc writes the histories without a line before it takes
 * what only that line had named (gc.c). So one that is missing is lost, and with it the way back to
 * that generation. Nothing here can make it again. */
static int check_generation(struct check *c, const struct store_record *r)
{
    char path[PATH_SIZE], what[96];
    int there = *r->bundle == '\0' || ids_have(&c->lost, r->bundle)
                    ? 1
                    : bundle_is_filed(c->store, r->bundle);
    if (there > 0)
        return 0;
    bundle_path(r->bundle, NULL, path);
    if (there < 0)
        return problem_unread(c, path);
    if (ids_add(&c->lost, r->bundle) < 0)
        return ml_error_memory(c->err);
    snprintf(what, sizeof what, "is missing, and generation %lu of %s with it", r->generation,
             r->uuid);
    return problem_tell(c, path, 0, what);
}

static int check_generations(struct check *c, const struct shard_log *log)
{
    int status = 0;
    for (size_t i = 0; i < log->n && status == 0; i++)
        if (c->policy->uuid == NULL || strcmp(c->policy->uuid, log->records[i].uuid) == 0)
            status = check_generation(c, &log->records[i]);
    return status;
}

/* ---- the file of a history ---- */

/* What is written anew is what could be read; the file as it was is kept. */
static int rewrite(struct check *c, const char *path, const struct shard_log *log)
{
    BUF_AUTO text = BUF_INIT;
    if (!c->policy->repair)
        return 0;
    for (size_t i = 0; i < log->n; i++)
        store_record_write(&text, &log->records[i]);
    if (text.failed)
        return ml_error_memory(c->err);
    if (keep_copy(c->store, path) < 0 ||
        fs_replace_file(c->store->fd, "tmp", path, buf_text(&text), text.len, 0600) < 0)
        return mend_failed(c, path);
    return 1;
}

static bool is_in_order(const struct shard_log *log, unsigned shard)
{
    for (size_t i = 0; i < log->n; i++)
        if (shard_of(log->records[i].uuid) != shard)
            return false;
    return true;
}

/* `*log` is read again when it was written anew. */
static int check_history(struct check *c, unsigned shard, struct shard_log *log)
{
    char path[PATH_SIZE], what[64];
    struct stat st;
    shard_path("history", shard, path);
    if (fstatat(c->store->fd, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? 0 : problem_errno(c, path);
    if (!S_ISREG(st.st_mode))
        return problem_tell(c, path, problem_move_away(c, path), "is no file");
    if (mode_is_wrong(c, st.st_mode, 0600)) {
        if (problem_tell(c, path, mode_mend(c, path, 0600), "has another mode than 0600") != 0)
            return -1;
    }
    if (log_read(c->store, shard, NULL, log) < 0)
        return problem_errno(c, path);
    if (!is_in_order(log, shard))
        return problem_tell(c, path, 0, "has lines of another shard");
    if (log->damaged == 0)
        return 0;
    snprintf(what, sizeof what, "has %zu damaged line%s", log->damaged,
             log->damaged == 1 ? "" : "s");
    int mended = rewrite(c, path, log);
    log_free(log);
    if (mended >= 0 && log_read(c->store, shard, NULL, log) < 0)
        return problem_errno(c, path);
    return problem_tell(c, path, mended, what);
}

/* ---- a shard ---- */

/* Two sorted lists, walked as one: keys that have a link, and keys that have a history. */
static int check_pairs(struct check *c, const struct names *names, const struct shard_log *log,
                       const struct store_record **newest, size_t n)
{
    int status = 0;
    for (size_t i = 0, k = 0; status == 0 && (i < names->n || k < n);) {
        if (i < names->n && !store_uuid_valid(names->item[i])) {
            i++; /* told already */
            continue;
        }
        int order = i == names->n ? 1 : k == n ? -1 : strcmp(names->item[i], newest[k]->uuid);
        struct pair p = {.uuid = order <= 0 ? names->item[i] : newest[k]->uuid,
                         .linked = order <= 0,
                         .newest = order >= 0 ? newest[k] : NULL,
                         .log = log};
        i += order <= 0;
        k += order >= 0;
        status = check_pair(c, &p);
    }
    return status;
}

static int check_foreign(struct check *c, unsigned shard, const struct names *names)
{
    for (size_t i = 0; i < names->n; i++) {
        AUTO_FREE char *path = NULL;
        if (store_uuid_valid(names->item[i]) && shard_of(names->item[i]) == shard)
            continue;
        if (asprintf(&path, "entries/%02x/%s", shard, names->item[i]) < 0)
            return ml_error_memory(c->err);
        if (problem_tell(c, path, problem_move_away(c, path), "does not belong there") != 0)
            return -1;
    }
    return 0;
}

/* It is made with its first entry. */
static int check_shard_dir(struct check *c, const char *path)
{
    struct stat st;
    if (fstatat(c->store->fd, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT || errno == ENOTDIR ? 0 : problem_errno(c, path);
    if (!S_ISDIR(st.st_mode))
        return problem_tell(c, path, problem_move_away(c, path), "is no directory");
    if (!mode_is_wrong(c, st.st_mode, 0700))
        return 0;
    return problem_tell(c, path, mode_mend(c, path, 0700), "has another mode than 0700");
}

int check_shard(struct check *c, unsigned shard)
{
    LOG_AUTO log = {.n = 0};
    struct names names = {0};
    char path[PATH_SIZE];
    size_t n = 0;
    shard_path("entries", shard, path);
    if (check_shard_dir(c, path) != 0)
        return -1;
    if (names_read(c->store->fd, path, &names) < 0 && errno != ENOENT && errno != ENOTDIR)
        return problem_errno(c, path);
    int status = check_history(c, shard, &log);
    AUTO_FREE const struct store_record **newest = newest_records(&log, &n);
    if (status == 0 && newest == NULL)
        status = ml_error_memory(c->err);
    if (status == 0 && c->policy->uuid == NULL)
        status = check_foreign(c, shard, &names);
    if (status == 0)
        status = check_pairs(c, &names, &log, newest, n);
    if (status == 0)
        status = check_generations(c, &log);
    names_free(&names);
    return status;
}

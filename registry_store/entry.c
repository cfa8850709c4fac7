/* Entries and names: links that are switched, and a record of each change. `current` is the truth
 * about an entry, names/<name> about a name; the records are history, and hints where to look. A
 * change that is cut short at any point leaves one of the two states, and the next one completes or
 * overwrites it. */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/error.h"
#include "base/fs.h"
#include "base/scope.h"
#include "registry_store/internal.h"

/* an origin may be a path of 4096 bytes, each of which may be escaped to three */
enum { RECORD_MAX = 16384 };

/* One spelling per key: what is not lower case would be another directory. */
bool store_uuid_valid(const char *uuid)
{
    for (int i = 0; i < 36; i++) {
        bool hyphen = i == 8 || i == 13 || i == 18 || i == 23;
        if (hyphen ? uuid[i] != '-'
                   : uuid[i] == '\0' || strchr("0123456789abcdef", uuid[i]) == NULL)
            return false;
    }
    return uuid[36] == '\0';
}

/* A letter or digit first keeps out ".", ".." and what looks like an option. */
bool store_name_valid(const char *name)
{
    size_t n = strnlen(name, STORE_NAME_SIZE);
    if (n == 0 || n >= STORE_NAME_SIZE || !isalnum((unsigned char)name[0]))
        return false;
    return strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-") == n;
}

/* 256 shards by the first two digits, so that no directory grows beyond what ls and readdir do
 * well. The limits in the format keep it within ENTRY_PATH_SIZE whatever comes in. */
void entry_path(const char *uuid, const char *leaf, char path[ENTRY_PATH_SIZE])
{
    snprintf(path, ENTRY_PATH_SIZE, "entries/%.2s/%.36s%s%.20s", uuid, uuid, leaf ? "/" : "",
             leaf ? leaf : "");
}

static int not_registered(const char *uuid, struct ml_error *err)
{
    ml_error_set(err, ML_NO_INPUT, "not_registered", "key %s is not registered", uuid);
    return ml_error_hint(err, "register it: modload register %s BUNDLE|SOURCE", uuid);
}

/* One readlink. It follows nothing: that the bundle is there is known from when the link was
 * made. */
int store_lookup(struct store *store, const char *uuid, char bundle[STORE_BUNDLE_SIZE],
                 struct ml_error *err)
{
    char path[ENTRY_PATH_SIZE], target[LINK_SIZE];
    entry_path(uuid, "current", path);
    const char *id = link_leaf(store, path, target);
    if (id == NULL && errno == ENOENT)
        return not_registered(uuid, err);
    if (id == NULL)
        return ml_error_errno(err, 0, errno, "cannot read '%s/%s'", store->home, path);
    if (!store_bundle_valid(id))
        return ml_error_set(err, ML_REFUSED, "damaged", "'%s/%s' points at no bundle", store->home,
                            path);
    strcpy(bundle, id);
    return 0;
}

/* ---- names ---- */

/* `name` must be valid. */
static void name_path(const char *name, char path[ENTRY_PATH_SIZE])
{
    snprintf(path, ENTRY_PATH_SIZE, "names/%s", name);
}

/* A name whose link is damaged counts as free: the next register --name puts it right. */
int store_name_lookup(struct store *store, const char *name, char uuid[STORE_UUID_SIZE],
                      struct ml_error *err)
{
    char path[ENTRY_PATH_SIZE], target[LINK_SIZE];
    name_path(name, path);
    const char *leaf = link_leaf(store, path, target);
    if (leaf == NULL && errno != ENOENT)
        return ml_error_errno(err, 0, errno, "cannot read '%s/%s'", store->home, path);
    if (leaf == NULL || !store_uuid_valid(leaf)) {
        ml_error_set(err, ML_NO_INPUT, "no_such_name", "nothing is registered as '%s'", name);
        return ml_error_hint(err, "see what is: modload list");
    }
    strcpy(uuid, leaf);
    return 0;
}

int store_each_name(struct store *store, int (*each)(const char *name, const char *uuid, void *arg),
                    void *arg, struct ml_error *err)
{
    struct names names;
    if (store->fd < 0)
        return 0;
    if (names_read(store->fd, "names", &names) < 0)
        return errno == ENOENT
                   ? 0
                   : ml_error_errno(err, 0, errno, "cannot read '%s/names'", store->home);
    int status = 0;
    for (size_t i = 0; i < names.n && status == 0; i++) {
        char uuid[STORE_UUID_SIZE];
        if (store_name_valid(names.item[i]) &&
            store_name_lookup(store, names.item[i], uuid, NULL) == 0)
            status = each(names.item[i], uuid, arg);
    }
    names_free(&names);
    return status;
}

/* ---- what was changed when: lines of "word value" in files 1, 2, 3 ... ---- */

/* The number of an entry's newest record; 0 when it has none. */
static unsigned long newest_record(struct store *store, const char *uuid)
{
    char path[ENTRY_PATH_SIZE];
    struct names names;
    entry_path(uuid, NULL, path);
    if (store->fd < 0 || names_read(store->fd, path, &names) < 0)
        return 0;
    unsigned long newest = 0;
    for (size_t i = 0; i < names.n; i++) {
        char *end;
        unsigned long n = strtoul(names.item[i], &end, 10);
        if (*end == '\0' && n > newest)
            newest = n;
    }
    names_free(&names);
    return newest;
}

/* Control characters and "%" become %xx, so that a record has one line per word whatever a path
 * holds. */
static void record_line(struct buf *text, const char *word, const char *value)
{
    buf_fmt(text, "%s ", word);
    for (const unsigned char *p = (const unsigned char *)value; *p != '\0'; p++)
        if (*p < 0x20 || *p == 0x7f || *p == '%')
            buf_fmt(text, "%%%02x", *p); /* a path may hold a newline; a line may not */
        else
            buf_char(text, (char)*p);
    buf_char(text, '\n');
}

/* The number is free: the write lock is held, so nobody else adds one. Written before the links are
 * switched: a record of what never came to be does no harm, a change without one would be forgotten
 * by drop_old_names(). */
static int record_write(struct store *store, const struct store_change *change,
                        struct ml_error *err)
{
    BUF_AUTO text = BUF_INIT;
    char when[32], path[ENTRY_PATH_SIZE], number[24];
    time_t now = time(NULL);
    struct tm utc;
    strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &utc));
    record_line(&text, "time", when);
    if (change->bundle != NULL)
        record_line(&text, "bundle", change->bundle);
    if (change->name != NULL)
        record_line(&text, "name", change->name);
    if (change->origin != NULL)
        record_line(&text, "origin", change->origin);
    if (text.failed)
        return ml_error_memory(err);
    snprintf(number, sizeof number, "%lu", newest_record(store, change->uuid) + 1);
    entry_path(change->uuid, number, path);
    if (fs_replace_file(store->fd, "tmp", path, text.data, text.len, 0600) < 0)
        return ml_error_errno(err, 0, errno, "cannot write '%s/%s'", store->home, path);
    return 0;
}

/* Undoes what record_line() did, in place. */
static void record_decode(char *text)
{
    char *to = text;
    for (const char *p = text; *p != '\0'; p++) {
        if (*p == '%' && isxdigit((unsigned char)p[1]) && isxdigit((unsigned char)p[2])) {
            const char digits[3] = {p[1], p[2], '\0'};
            *to++ = (char)strtol(digits, NULL, 16);
            p += 2;
        } else {
            *to++ = *p;
        }
    }
    *to = '\0';
}

/* Copies the value of `word` in record `number`, or "". Where a word is there twice, the last
 * counts. One that cannot be read is as good as none. */
static void record_read(struct store *store, const char *uuid, unsigned long number,
                        const char *word, char *value, size_t size)
{
    BUF_AUTO text = BUF_INIT;
    char path[ENTRY_PATH_SIZE], leaf[24];
    value[0] = '\0';
    snprintf(leaf, sizeof leaf, "%lu", number);
    entry_path(uuid, leaf, path);
    if (store->fd < 0 || fs_read_file(store->fd, path, &text, RECORD_MAX) < 0)
        return;
    size_t n = strlen(word);
    for (char *line = text.data, *next; line != NULL && *line != '\0'; line = next) {
        next = strchr(line, '\n');
        if (next != NULL)
            *next++ = '\0';
        if (strncmp(line, word, n) == 0 && line[n] == ' ') {
            record_decode(line + n + 1);
            snprintf(value, size, "%s", line + n + 1);
        }
    }
}

static bool name_leads_to(struct store *store, const char *name, const char *uuid)
{
    char owner[STORE_UUID_SIZE];
    return store_name_valid(name) && store_name_lookup(store, name, owner, NULL) == 0 &&
           strcmp(owner, uuid) == 0;
}

/* The links decide; the records only say which ones to look at. Not only the newest: a change that
 * was cut short has left a record of what never came to be. */
int store_entry_name(struct store *store, const char *uuid, char name[STORE_NAME_SIZE],
                     struct ml_error *err)
{
    for (unsigned long number = newest_record(store, uuid); number > 0; number--) {
        record_read(store, uuid, number, "name", name, STORE_NAME_SIZE);
        if (name_leads_to(store, name, uuid))
            return 0;
    }
    name[0] = '\0';
    return 0;
}

int store_entry_origin(struct store *store, const char *uuid, char *origin, size_t size,
                       struct ml_error *err)
{
    record_read(store, uuid, newest_record(store, uuid), "origin", origin, size);
    return 0;
}

/* ---- changes ---- */

/* Under the write lock, so it stays free until the change is through. */
static int check_name_free(struct store *store, const struct store_change *change,
                           struct ml_error *err)
{
    char owner[STORE_UUID_SIZE], bundle[STORE_BUNDLE_SIZE];
    if (store_name_lookup(store, change->name, owner, NULL) < 0 || strcmp(owner, change->uuid) == 0)
        return 0;
    if (store_lookup(store, owner, bundle, NULL) < 0)
        return 0; /* of an entry that was taken out: the name is free again */
    ml_error_set(err, ML_DATA, "name_taken", "the name '%s' belongs to %s", change->name, owner);
    return ml_error_hint(err, "choose another one: --name NAME");
}

/* The directory and, where they are new, the names that lead to it are synced one by one: fsync(2)
 * of a directory says nothing about its parents'. */
static int make_entry(struct store *store, const char *uuid, struct ml_error *err)
{
    char shard[SHARD_DIR_SIZE], path[ENTRY_PATH_SIZE];
    snprintf(shard, sizeof shard, "entries/%.2s", uuid);
    entry_path(uuid, NULL, path);
    int made_shard = fs_mkdir(store->fd, shard, 0700);
    int made_entry = made_shard < 0 ? -1 : fs_mkdir(store->fd, path, 0700);
    if (made_entry < 0 || (made_shard && fs_sync_dir(store->fd, "entries") < 0) ||
        (made_entry && fs_sync_dir(store->fd, shard) < 0))
        return ml_error_errno(err, ML_CANT_CREATE, errno, "cannot make '%s/%s'", store->home, path);
    return 0;
}

/* The name first: until the entry's own link is switched it leads to what was there before. Targets
 * are relative, so that a registry can be moved as a whole. */
static int put_entry(struct store *store, const struct store_change *change, struct ml_error *err)
{
    char path[ENTRY_PATH_SIZE], target[LINK_SIZE];
    if (change->name != NULL) {
        name_path(change->name, path);
        snprintf(target, sizeof target, "../entries/%.2s/%s", change->uuid, change->uuid);
        if (fs_replace_link(store->fd, "tmp", path, target) < 0)
            return ml_error_errno(err, 0, errno, "cannot write '%s/%s'", store->home, path);
    }
    entry_path(change->uuid, "current", path);
    snprintf(target, sizeof target, "../../../bundles/%s", change->bundle);
    if (fs_replace_link(store->fd, "tmp", path, target) < 0)
        return ml_error_errno(err, 0, errno, "cannot write '%s/%s'", store->home, path);
    return 0;
}

/* The link alone goes: the directory keeps the records, so that a key that comes back goes on
 * counting. */
static int take_entry_out(struct store *store, const char *uuid, struct ml_error *err)
{
    char path[ENTRY_PATH_SIZE];
    entry_path(uuid, "current", path);
    if (unlinkat(store->fd, path, 0) < 0)
        return ml_error_errno(err, 0, errno, "cannot remove '%s/%s'", store->home, path);
    entry_path(uuid, NULL, path);
    if (fs_sync_dir(store->fd, path) < 0)
        return ml_error_errno(err, 0, errno, "cannot sync '%s/%s'", store->home, path);
    return 0;
}

/* Synced even when it was gone: whoever unlinked it may have been killed before his sync. */
static int drop_name(struct store *store, const char *name, struct ml_error *err)
{
    char path[ENTRY_PATH_SIZE];
    name_path(name, path);
    if ((unlinkat(store->fd, path, 0) < 0 && errno != ENOENT) ||
        fs_sync_dir(store->fd, "names") < 0)
        return ml_error_errno(err, 0, errno, "cannot remove '%s/%s'", store->home, path);
    return 0;
}

/* Takes away every name that the entry ever had but the one that it has now. Comes last in every
 * change: an entry has for a moment two names, never none that it should have. */
static int drop_old_names(struct store *store, const struct store_change *change,
                          struct ml_error *err)
{
    char name[STORE_NAME_SIZE];
    for (unsigned long number = newest_record(store, change->uuid); number > 0; number--) {
        record_read(store, change->uuid, number, "name", name, sizeof name);
        if (change->name != NULL && strcmp(name, change->name) == 0)
            continue;
        if (name_leads_to(store, name, change->uuid) && drop_name(store, name, err) < 0)
            return -1;
    }
    return 0;
}

/* Null and "" are both "none". */
static bool text_equal(const char *a, const char *b)
{
    return strcmp(a ? a : "", b ? b : "") == 0;
}

/* The order is that of harm: refuse what can be refused, then make what nobody sees, then record,
 * then switch the links, then clean up. Before the switch of `current` a crash has at most added a
 * name to the entry; after it only old names are left, which the same command, given again,
 * removes. */
int store_change_entry(struct store *store, const struct store_change *change, struct ml_error *err)
{
    char before[STORE_BUNDLE_SIZE] = "", name[STORE_NAME_SIZE];
    AUTO_CLOSE int lock = store_write_lock(store, err);
    if (lock < 0)
        return -1;
    store_lookup(store, change->uuid, before, NULL);
    store_entry_name(store, change->uuid, name, NULL);
    if (text_equal(before, change->bundle) &&
        (change->bundle == NULL || text_equal(name, change->name)))
        /* Nothing to change; but the same change may have been cut short before it was through. */
        return drop_old_names(store, change, err);
    if (change->bundle != NULL && !store_bundle_exists(store, change->bundle))
        return bundle_missing(store, change->bundle, err);
    if (change->name != NULL && check_name_free(store, change, err) < 0)
        return -1;
    if (make_entry(store, change->uuid, err) < 0 || record_write(store, change, err) < 0)
        return -1;
    if ((change->bundle ? put_entry(store, change, err)
                        : take_entry_out(store, change->uuid, err)) < 0)
        return -1;
    return drop_old_names(store, change, err) < 0 ? -1 : 1;
}

/* ---- listing ---- */

/* Whether a UUID, without its hyphens, begins with `prefix`. `prefix` is lower-case hex digits
 * without hyphens, as many as a key has at most. */
static bool uuid_begins(const char *uuid, const char *prefix)
{
    for (; *prefix != '\0'; uuid++) {
        if (*uuid == '-')
            continue;
        if (*uuid != *prefix++)
            return false;
    }
    return true;
}

/* Entries that were taken out have no `current`, and are passed over; so are damaged ones, so that
 * one of them does not keep the rest from being listed. */
static int each_in_shard(struct store *store, const char *shard, const char *prefix,
                         int (*each)(const char *uuid, const char *bundle, void *arg), void *arg,
                         struct ml_error *err)
{
    char path[ENTRY_PATH_SIZE];
    struct names names;
    snprintf(path, sizeof path, "entries/%s", shard);
    if (names_read(store->fd, path, &names) < 0)
        return errno == ENOENT
                   ? 0
                   : ml_error_errno(err, 0, errno, "cannot read '%s/%s'", store->home, path);
    int status = 0;
    for (size_t i = 0; i < names.n && status == 0; i++) {
        char bundle[STORE_BUNDLE_SIZE];
        const char *uuid = names.item[i];
        if (store_uuid_valid(uuid) && uuid_begins(uuid, prefix) &&
            store_lookup(store, uuid, bundle, NULL) == 0)
            status = each(uuid, bundle, arg);
    }
    names_free(&names);
    return status;
}

/* Shards have the digits as names, so their order and the order in them is that of the keys, and
 * only the names of one shard are in memory. With two digits there is one shard to look at. */
int store_each_entry(struct store *store, const char *prefix,
                     int (*each)(const char *uuid, const char *bundle, void *arg), void *arg,
                     struct ml_error *err)
{
    char shard[3];
    struct names shards;
    if (store->fd < 0)
        return 0;
    if (strlen(prefix) >= 2) {
        snprintf(shard, sizeof shard, "%.2s", prefix);
        return each_in_shard(store, shard, prefix, each, arg, err);
    }
    if (names_read(store->fd, "entries", &shards) < 0)
        return errno == ENOENT
                   ? 0
                   : ml_error_errno(err, 0, errno, "cannot read '%s/entries'", store->home);
    int status = 0;
    for (size_t i = 0; i < shards.n && status == 0; i++)
        if (strncmp(shards.item[i], prefix, strlen(prefix)) == 0)
            status = each_in_shard(store, shards.item[i], prefix, each, arg, err);
    names_free(&shards);
    return status;
}

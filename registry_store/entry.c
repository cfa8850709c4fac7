/* Looking at entries and names: links, which are read without a lock, and listings, which put to
 * each link what history says of it. */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/fs.h"
#include "base/scope.h"
#include "registry_store/internal.h"

/* One spelling per key: what is not lower case would be another directory. */
bool store_uuid_valid(const char *uuid)
{
    for (int i = 0; i < 36; i++) {
        char c = uuid[i];
        bool hyphen = i == 8 || i == 13 || i == 18 || i == 23;
        if (hyphen ? c != '-' : !((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')))
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

/* ---- paths ---- */

/* 256 shards by the first two digits, so that no directory grows beyond what ls and readdir do
 * well. The limits in the formats keep paths within PATH_SIZE whatever comes in. */
void entry_path(const char *uuid, char path[PATH_SIZE])
{
    snprintf(path, PATH_SIZE, "entries/%.2s/%.36s", uuid, uuid);
}

void name_path(const char *name, char path[PATH_SIZE])
{
    snprintf(path, PATH_SIZE, "names/%.64s", name);
}

void shard_path(const char *dir, unsigned shard, char path[PATH_SIZE])
{
    snprintf(path, PATH_SIZE, "%.16s/%02x", dir, shard & (N_SHARDS - 1));
}

unsigned shard_of(const char *uuid)
{
    const char digits[3] = {uuid[0], uuid[1], '\0'};
    return (unsigned)strtoul(digits, NULL, 16);
}

/* ---- one entry ---- */

int not_registered(const char *uuid, struct ml_error *err)
{
    ml_error_set(err, ML_NO_INPUT, "not_registered", "key %s is not registered", uuid);
    return ml_error_hint(err, "register it: modload register %s BUNDLE|SOURCE", uuid);
}

/* One readlink. It follows nothing: that the bundle is there is known from when the link was
 * made. */
int store_lookup(struct store *store, const char *uuid, char bundle[STORE_BUNDLE_SIZE],
                 struct ml_error *err)
{
    char path[PATH_SIZE], target[LINK_SIZE];
    entry_path(uuid, path);
    const char *id = link_leaf(store, path, target);
    if (id == NULL && errno == ENOENT)
        return not_registered(uuid, err);
    if (id == NULL && !is_no_link(errno))
        return store_errno(err, "cannot read '%s/%s'", store->home, path);
    if (id == NULL || !store_bundle_valid(id)) {
        ml_error_set(err, ML_REFUSED, "damaged", "'%s/%s' points at no bundle", store->home, path);
        return ml_error_hint(err, "run: modload verify --repair");
    }
    strcpy(bundle, id);
    return 0;
}

/* ---- names ---- */

/* A name whose link is damaged counts as free: the next register --name puts it right. */
int store_name_lookup(struct store *store, const char *name, char uuid[STORE_UUID_SIZE],
                      struct ml_error *err)
{
    char path[PATH_SIZE], target[LINK_SIZE];
    name_path(name, path);
    const char *leaf = link_leaf(store, path, target);
    if (leaf == NULL && !is_no_link(errno))
        return store_errno(err, "cannot read '%s/%s'", store->home, path);
    if (leaf == NULL || !store_uuid_valid(leaf)) {
        ml_error_set(err, ML_NO_INPUT, "no_such_name", "nothing is registered as '%s'", name);
        return ml_error_hint(err, "see what is: modload list");
    }
    strcpy(uuid, leaf);
    return 0;
}

int name_leads_to(struct store *store, const char *name, const char *uuid, struct ml_error *err)
{
    char path[PATH_SIZE], target[LINK_SIZE];
    if (*name == '\0')
        return 0;
    name_path(name, path);
    const char *leaf = link_leaf(store, path, target);
    if (leaf == NULL && !is_no_link(errno))
        return store_errno(err, "cannot read '%s/%s'", store->home, path);
    return leaf != NULL && strcmp(leaf, uuid) == 0;
}

int store_each_name(struct store *store, int (*each)(const char *name, const char *uuid, void *arg),
                    void *arg, struct ml_error *err)
{
    struct names names;
    if (store->fd < 0)
        return 0;
    if (names_read(store->fd, "names", &names) < 0)
        return errno == ENOENT ? 0 : store_errno(err, "cannot read '%s/names'", store->home);
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

/* What a walk does in each shard. */
struct walk {
    struct store *store;
    const char *prefix;
    int (*key)(const char *uuid, const char *bundle, void *arg);
    int (*entry)(const struct store_entry *entry, void *arg); /* or null */
    void *arg;
    struct ml_error *err;
};

/* The newest records of a shard, sorted, and how far the walk is in them. */
struct newest {
    const struct store_record **record;
    size_t n, at;
    bool whole; /* no line of the shard is damaged */
};

/* The newest record of a key, or null. Keys come in order. */
static const struct store_record *newest_of(struct newest *newest, const char *uuid)
{
    while (newest->at < newest->n && strcmp(newest->record[newest->at]->uuid, uuid) < 0)
        newest->at++;
    bool known = newest->at < newest->n && strcmp(newest->record[newest->at]->uuid, uuid) == 0;
    return known ? newest->record[newest->at] : NULL;
}

/* A history that is whole says what every link says, and a link less to read for each of a million
 * entries is half of the time. Where a line is damaged, the links are asked. */
static int show_entry(const struct walk *w, const char *uuid, struct newest *newest)
{
    char bundle[STORE_BUNDLE_SIZE];
    const struct store_record *r = newest_of(newest, uuid);
    struct store_entry entry = {.uuid = uuid, .name = "", .plugin = ""};
    if (r != NULL && newest->whole && *r->bundle != '\0') {
        entry.bundle = r->bundle;
    } else {
        if (store_lookup(w->store, uuid, bundle, NULL) < 0)
            return 0; /* taken out meanwhile, or damaged: the rest is told all the same */
        entry.bundle = bundle;
    }
    if (r != NULL)
        entry.name = r->name;
    if (r != NULL && strcmp(r->bundle, entry.bundle) == 0)
        entry.plugin = r->plugin;
    return w->entry(&entry, w->arg);
}

static int show_key(const struct walk *w, const char *uuid)
{
    char bundle[STORE_BUNDLE_SIZE];
    return store_lookup(w->store, uuid, bundle, NULL) < 0 ? 0 : w->key(uuid, bundle, w->arg);
}

static int each_in_names(const struct walk *w, const struct names *names, struct newest *newest)
{
    int status = 0;
    for (size_t i = 0; i < names->n && status == 0; i++) {
        const char *uuid = names->item[i];
        if (!store_uuid_valid(uuid) || !uuid_begins(uuid, w->prefix))
            continue;
        status = w->entry != NULL ? show_entry(w, uuid, newest) : show_key(w, uuid);
    }
    return status;
}

static int each_in_shard(const struct walk *w, unsigned shard)
{
    char path[PATH_SIZE];
    struct names names;
    LOG_AUTO log = {.n = 0};
    size_t n = 0;
    shard_path("entries", shard, path);
    if (names_read(w->store->fd, path, &names) < 0)
        return errno == ENOENT ? 0
                               : store_errno(w->err, "cannot read '%s/%s'", w->store->home, path);
    AUTO_FREE const struct store_record **records = NULL;
    int status = 0;
    if (w->entry != NULL &&
        (log_read(w->store, shard, NULL, &log) < 0 || !(records = newest_records(&log, &n))))
        status = store_errno(w->err, "cannot read the history of '%s'", w->store->home);
    struct newest newest = {.record = records, .n = n, .whole = log.damaged == 0};
    if (status == 0)
        status = each_in_names(w, &names, &newest);
    names_free(&names);
    return status;
}

/* Shards have the digits as names, so their order and the order in them is that of the keys, and
 * only one shard is in memory. With two digits there is one shard to look at. */
static int walk_shards(const struct walk *w)
{
    size_t n = strlen(w->prefix);
    unsigned first = 0, last = N_SHARDS - 1;
    if (w->store->fd < 0)
        return 0;
    if (n > 0) {
        char digits[3] = {w->prefix[0], n > 1 ? w->prefix[1] : '0', '\0'};
        first = (unsigned)strtoul(digits, NULL, 16);
        last = n > 1 ? first : first + 15;
    }
    int status = 0;
    for (unsigned shard = first; shard <= last && status == 0; shard++)
        status = each_in_shard(w, shard);
    return status;
}

int store_each_key(struct store *store, const char *prefix,
                   int (*each)(const char *uuid, const char *bundle, void *arg), void *arg,
                   struct ml_error *err)
{
    const struct walk w = {store, prefix, each, NULL, arg, err};
    return walk_shards(&w);
}

int store_each_entry(struct store *store, const char *prefix,
                     int (*each)(const struct store_entry *entry, void *arg), void *arg,
                     struct ml_error *err)
{
    const struct walk w = {store, prefix, NULL, each, arg, err};
    return walk_shards(&w);
}

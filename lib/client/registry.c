/* The public view of the registry: keys and names in, entries out. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "client/context.h"

/* 4 digits tell 65536 keys apart: with fewer, a word is more likely a name that was mistyped. */
enum { PREFIX_MIN = 4 };

/* ---- which key a word stands for ---- */

/* The first key that was found, and how many were: never more than 2. */
struct prefix_match {
    char uuid[ML_UUID_SIZE];
    int found;
};

static int prefix_matches(const char *uuid, const char *bundle, void *arg)
{
    struct prefix_match *match = arg;
    strcpy(match->uuid, uuid);
    return ++match->found == 2; /* two are as ambiguous as a thousand */
}

/* Lower-cases the hex digits of a prefix, without its hyphens. False when it is the prefix of
 * neither text form of a key: the one has every hyphen as far as it goes, the other none. A whole
 * key does not come here: it was parsed before. */
static bool prefix_digits(const char *word, char digits[33])
{
    bool uuid_form = strchr(word, '-') != NULL;
    size_t n = 0;
    for (const char *p = word; *p != '\0'; p++) {
        size_t at = (size_t)(p - word);
        bool hyphen = uuid_form && (at == 8 || at == 13 || at == 18 || at == 23);
        if (hyphen != (*p == '-') || n == 32)
            return false;
        if (hyphen)
            continue;
        if (!isxdigit((unsigned char)*p))
            return false;
        digits[n++] = (char)tolower((unsigned char)*p);
    }
    digits[n] = '\0';
    return n >= PREFIX_MIN;
}

/* The entries are walked: with 4 digits known that is one of 256 shards, and no index has to be
 * kept true. */
static int resolve_prefix(struct store *store, const char *word, struct ml_key *key,
                          struct ml_error *err)
{
    char digits[33];
    struct prefix_match match = {.found = 0};
    if (!prefix_digits(word, digits)) {
        ml_error_set(err, ML_DATA, "bad_key", "'%s' is neither a key nor a name", word);
        return ml_error_hint(err,
                             "give a UUID, 32 hex digits, the first 4 or more of them, or a name");
    }
    if (store_each_entry(store, digits, prefix_matches, &match, err) < 0)
        return -1;
    if (match.found == 1)
        return ml_key_from_uuid(match.uuid, key, err);
    if (match.found == 0) {
        ml_error_set(err, ML_NO_INPUT, "not_registered", "nothing is registered as '%s'", word);
        return ml_error_hint(err, "see what is: modload list");
    }
    ml_error_set(err, ML_DATA, "ambiguous", "'%s' stands for more than one key", word);
    return ml_error_hint(err, "give more of its digits: modload list");
}

/* name, or name@version: the version must be that of the entry's bundle. Three looks that take no
 * lock: an entry that is changed in between gives the old or the new answer. */
static int resolve_name(struct store *store, const char *word, struct ml_key *key,
                        struct ml_error *err)
{
    char name[STORE_NAME_SIZE], uuid[STORE_UUID_SIZE], bundle[STORE_BUNDLE_SIZE];
    char plugin[STORE_NAME_SIZE], version[STORE_NAME_SIZE];
    size_t n = strcspn(word, "@");
    memcpy(name, word, n);
    name[n] = '\0';
    if (store_name_lookup(store, name, uuid, err) < 0)
        return -1;
    if (word[n] == '@') {
        if (store_lookup(store, uuid, bundle, err) < 0 ||
            store_bundle_name(store, bundle, plugin, version, err) < 0)
            return -1;
        if (strcmp(version, word + n + 1) != 0) {
            ml_error_set(err, ML_NO_INPUT, "no_such_version", "'%s' is at version %s, not %s", name,
                         version, word + n + 1);
            return ml_error_hint(err, "use %s, or %s@%s", name, name, version);
        }
    }
    return ml_key_from_uuid(uuid, key, err);
}

/* Whether somebody meant a key: as long as one, or with its hyphens. Such a word with a fault in it
 * must not pass for a name. */
static bool is_key_shaped(const char *word)
{
    size_t n = strlen(word);
    bool hyphens =
        n > 23 && word[8] == '-' && word[13] == '-' && word[18] == '-' && word[23] == '-';
    return hyphens || (n >= 30 && strspn(word, "0123456789abcdefABCDEF-") == n);
}

/* "name" or "name@anything": what follows the @ is compared, never made a path of. */
static bool is_name_form(const char *word)
{
    char name[ML_NAME_SIZE];
    size_t n = strcspn(word, "@");
    if (n >= sizeof name)
        return false;
    memcpy(name, word, n);
    name[n] = '\0';
    return ml_name_valid(name);
}

/* A whole key needs no registry, so that a new one can be registered where there is none yet.
 * Errors of a name that is also a prefix are dropped: the prefix has the last word, and the last
 * error. */
int ml_resolve(struct ml_ctx *ctx, const char *word, struct ml_key *key, struct ml_error *err)
{
    struct store *store;
    char digits[33];
    if (ml_key_parse(word, key, NULL) == 0)
        return 0;
    bool prefix = prefix_digits(word, digits);
    if (!prefix && (is_key_shaped(word) || !is_name_form(word))) {
        ml_error_set(err, ML_DATA, "bad_key", "'%s' is neither a key nor a name", word);
        return ml_error_hint(err,
                             "give a UUID, 32 hex digits, the first 4 or more of them, or a name");
    }
    if (ctx_store(ctx, false, &store, err) < 0)
        return -1;
    /* A name that reads like hex digits wins over a prefix: somebody gave it. */
    if (is_name_form(word) && resolve_name(store, word, key, prefix ? NULL : err) == 0)
        return 0;
    return prefix ? resolve_prefix(store, word, key, err) : -1;
}

/* ---- entries ---- */

int ml_lookup(struct ml_ctx *ctx, const struct ml_key *key, char bundle[ML_BUNDLE_ID_SIZE],
              struct ml_error *err)
{
    struct store *store;
    char uuid[ML_UUID_SIZE];
    ml_key_to_uuid(key, uuid);
    if (ctx_store(ctx, false, &store, err) < 0)
        return -1;
    return store_lookup(store, uuid, bundle, err);
}

/* The name for an entry when none was asked for: the one it has, else the plugin's own if that is
 * free. A link left by an entry that was taken out does not make it taken. The write lock is not
 * held yet: another writer may take the name in between, and store_change_entry() then says so. */
static void choose_name(struct store *store, const char *uuid, struct ml_register_result *result)
{
    char owner[STORE_UUID_SIZE], bundle[STORE_BUNDLE_SIZE];
    store_entry_name(store, uuid, result->name, NULL);
    if (result->name[0] != '\0' || !ml_name_valid(result->plugin))
        return;
    result->name_taken = store_name_lookup(store, result->plugin, owner, NULL) == 0 &&
                         strcmp(owner, uuid) != 0 && store_lookup(store, owner, bundle, NULL) == 0;
    if (!result->name_taken)
        strcpy(result->name, result->plugin);
}

int ml_bundle_resolve(struct ml_ctx *ctx, const char *prefix, char bundle[ML_BUNDLE_ID_SIZE],
                      struct ml_error *err)
{
    struct store *store;
    if (ctx_store(ctx, false, &store, err) < 0)
        return -1;
    return store_bundle_resolve(store, prefix, bundle, err);
}

/* Everything that can be refused is refused before the lock is taken; the store looks again under
 * it. */
int ml_register(struct ml_ctx *ctx, const struct ml_key *key, const char *bundle, const char *name,
                const char *origin, struct ml_register_result *ret, struct ml_error *err)
{
    struct store *store;
    struct ml_register_result result = {0};
    char uuid[ML_UUID_SIZE];
    ml_key_to_uuid(key, uuid);
    if (!store_bundle_valid(bundle))
        return ml_error_set(err, ML_DATA, "bad_bundle", "'%s' is not a bundle id", bundle);
    if (name != NULL && *name != '\0' && !ml_name_valid(name)) {
        ml_error_set(err, ML_DATA, "bad_name", "'%s' cannot be a name", name);
        return ml_error_hint(
            err, "a name is 1 to 64 of A-Z a-z 0-9 . _ -, a letter or digit first, and no key");
    }
    if (ctx_store(ctx, true, &store, err) < 0 ||
        store_bundle_name(store, bundle, result.plugin, result.version, err) < 0)
        return -1;
    if (name != NULL)
        strcpy(result.name, name);
    else
        choose_name(store, uuid, &result);
    struct store_change change = {uuid, bundle, result.name[0] ? result.name : NULL, origin};
    int changed = store_change_entry(store, &change, err);
    if (changed < 0)
        return -1;
    result.changed = changed;
    if (ret != NULL)
        *ret = result;
    return 0;
}

int ml_unregister(struct ml_ctx *ctx, const struct ml_key *key, struct ml_error *err)
{
    struct store *store;
    char uuid[ML_UUID_SIZE], bundle[STORE_BUNDLE_SIZE];
    struct ml_error why = ML_ERROR_INIT;
    ml_key_to_uuid(key, uuid);
    if (ctx_store(ctx, false, &store, err) < 0)
        return -1;
    if (store_lookup(store, uuid, bundle, &why) < 0 && why.status == ML_NO_INPUT)
        return 0; /* nothing to do, so a registry is not made for it either */
    if (ctx_store(ctx, true, &store, err) < 0)
        return -1;
    struct store_change change = {.uuid = uuid};
    return store_change_entry(store, &change, err);
}

/* Errors leave texts empty: a damaged bundle must not keep a list from being shown. */
static void entry_fill(struct store *store, const char *uuid, const char *bundle,
                       struct ml_entry *entry)
{
    memset(entry, 0, sizeof *entry);
    ml_key_from_uuid(uuid, &entry->key, NULL);
    strcpy(entry->bundle, bundle);
    store_entry_name(store, uuid, entry->name, NULL);
    store_bundle_name(store, bundle, entry->plugin, entry->version, NULL);
}

int ml_entry_read(struct ml_ctx *ctx, const struct ml_key *key, struct ml_entry *entry,
                  struct ml_error *err)
{
    struct store *store;
    char uuid[ML_UUID_SIZE], bundle[STORE_BUNDLE_SIZE];
    ml_key_to_uuid(key, uuid);
    if (ctx_store(ctx, false, &store, err) < 0 || store_lookup(store, uuid, bundle, err) < 0)
        return -1;
    entry_fill(store, uuid, bundle, entry);
    return 0;
}

int ml_entry_origin(struct ml_ctx *ctx, const struct ml_key *key, char *origin, size_t size,
                    struct ml_error *err)
{
    struct store *store;
    char uuid[ML_UUID_SIZE];
    ml_key_to_uuid(key, uuid);
    if (ctx_store(ctx, false, &store, err) < 0)
        return -1;
    return store_entry_origin(store, uuid, origin, size, err);
}

/* Carries the caller's callback through the store's own, which knows no public types. */
struct entry_walk {
    struct store *store;
    int (*each)(const struct ml_entry *entry, void *arg);
    void *arg;
};

static int walk_entry(const char *uuid, const char *bundle, void *arg)
{
    const struct entry_walk *walk = arg;
    struct ml_entry entry;
    entry_fill(walk->store, uuid, bundle, &entry);
    return walk->each(&entry, walk->arg);
}

int ml_entries(struct ml_ctx *ctx, int (*each)(const struct ml_entry *entry, void *arg), void *arg,
               struct ml_error *err)
{
    struct entry_walk walk = {.each = each, .arg = arg};
    if (ctx_store(ctx, false, &walk.store, err) < 0)
        return -1;
    return store_each_entry(walk.store, "", walk_entry, &walk, err);
}

/* The public view of the registry: keys and names in, entries out. */
#include <ctype.h>
#include <stdio.h>
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
    if (store_each_key(store, digits, prefix_matches, &match, err) < 0)
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

int ml_bundle_resolve(struct ml_ctx *ctx, const char *prefix, char bundle[ML_BUNDLE_ID_SIZE],
                      struct ml_error *err)
{
    struct store *store;
    if (ctx_store(ctx, false, &store, err) < 0)
        return -1;
    if (store_bundle_resolve(store, prefix, bundle, err) < 0)
        return -1;
    return ctx_keep(ctx, bundle, err);
}

/* A line lacks it where the bundle could not be read when the line was made: it may be readable by
 * now. What cannot be told is no reason to hide the rest. */
void plugin_tell(struct store *store, const char *bundle, const char *plugin,
                 char name[ML_NAME_SIZE], char version[ML_VERSION_SIZE])
{
    size_t n = strcspn(plugin, "@");
    snprintf(name, ML_NAME_SIZE, "%.*s", (int)n, plugin);
    snprintf(version, ML_VERSION_SIZE, "%s", plugin[n] == '@' ? plugin + n + 1 : "");
    if (*plugin == '\0' && *bundle != '\0' &&
        store_bundle_name(store, bundle, name, version, NULL) < 0)
        *name = *version = '\0';
}

/* ---- one entry ---- */

/* The newest generation: what its lines say of what the link says. */
struct entry_now {
    struct ml_entry *entry;
    char plugin[STORE_PLUGIN_SIZE];
    char *origin;
    size_t origin_size;
};

static int take_newest(const struct store_record *r, void *arg)
{
    struct entry_now *now = arg;
    if (r->op == STORE_PIN || r->op == STORE_UNPIN)
        return 0;
    if (now->entry != NULL) {
        snprintf(now->entry->name, sizeof now->entry->name, "%s", r->name);
        snprintf(now->plugin, sizeof now->plugin, "%s", r->plugin);
    }
    if (now->origin != NULL)
        snprintf(now->origin, now->origin_size, "%s", r->origin);
    return 0;
}

int ml_entry_read(struct ml_ctx *ctx, const struct ml_key *key, struct ml_entry *entry,
                  struct ml_error *err)
{
    struct store *store;
    char uuid[ML_UUID_SIZE];
    ml_key_to_uuid(key, uuid);
    *entry = (struct ml_entry){.key = *key}; /* `key` may be the one in it */
    if (ctx_store(ctx, false, &store, err) < 0 || store_lookup(store, uuid, entry->bundle, err) < 0)
        return -1;
    struct entry_now now = {.entry = entry};
    int status = store_history(store, uuid, take_newest, &now, err);
    plugin_tell(store, entry->bundle, now.plugin, entry->plugin, entry->version);
    return status;
}

int ml_entry_origin(struct ml_ctx *ctx, const struct ml_key *key, char *origin, size_t size,
                    struct ml_error *err)
{
    struct store *store;
    char uuid[ML_UUID_SIZE];
    struct entry_now now = {.origin = origin, .origin_size = size};
    ml_key_to_uuid(key, uuid);
    snprintf(origin, size, "%s", "");
    if (ctx_store(ctx, false, &store, err) < 0)
        return -1;
    return store_history(store, uuid, take_newest, &now, err);
}

/* ---- all entries ---- */

/* Carries the caller's callback through the store's own, which knows no public types. */
struct entry_walk {
    struct store *store;
    int (*each)(const struct ml_entry *entry, void *arg);
    void *arg;
};

static int walk_entry(const struct store_entry *e, void *arg)
{
    const struct entry_walk *walk = arg;
    struct ml_entry entry;
    ml_key_from_uuid(e->uuid, &entry.key, NULL);
    snprintf(entry.bundle, sizeof entry.bundle, "%s", e->bundle);
    snprintf(entry.name, sizeof entry.name, "%s", e->name);
    plugin_tell(walk->store, e->bundle, e->plugin, entry.plugin, entry.version);
    return walk->each(&entry, walk->arg);
}

int ml_entries(struct ml_ctx *ctx, int (*each)(const struct ml_entry *entry, void *arg), void *arg,
               struct ml_error *err)
{
    struct store *store;
    if (ctx_store(ctx, false, &store, err) < 0)
        return -1;
    struct entry_walk walk = {.store = store, .each = each, .arg = arg};
    return store_each_entry(store, "", walk_entry, &walk, err);
}

int ml_removed(struct ml_ctx *ctx, int (*each)(const struct ml_entry *entry, void *arg), void *arg,
               struct ml_error *err)
{
    struct store *store;
    if (ctx_store(ctx, false, &store, err) < 0)
        return -1;
    struct entry_walk walk = {.store = store, .each = each, .arg = arg};
    return store_each_removed(store, walk_entry, &walk, err);
}

/* ---- finding what was taken out ---- */

struct removed_match {
    const char *word, *digits; /* the latter null: the word is no prefix */
    struct ml_key key;
    int found;
};

static int removed_matches(const struct ml_entry *e, void *arg)
{
    struct removed_match *match = arg;
    char hex[ML_KEY_TEXT_SIZE];
    ml_key_to_hex(&e->key, hex);
    bool prefix = match->digits != NULL && strncmp(hex, match->digits, strlen(match->digits)) == 0;
    if (prefix || strcmp(e->name, match->word) == 0) {
        match->key = e->key;
        match->found++;
    }
    return 0;
}

int ml_resolve_removed(struct ml_ctx *ctx, const char *word, struct ml_key *key,
                       struct ml_error *err)
{
    char digits[33];
    struct ml_error why = ML_ERROR_INIT;
    struct removed_match match = {.word = word};
    if (ml_resolve(ctx, word, key, &why) == 0)
        return 0;
    match.digits = prefix_digits(word, digits) ? digits : NULL;
    if (why.status == ML_NO_INPUT && ml_removed(ctx, removed_matches, &match, err) < 0)
        return -1;
    if (match.found == 1) {
        *key = match.key;
        return 0;
    }
    if (match.found > 1) {
        ml_error_set(&why, ML_DATA, "ambiguous",
                     "'%s' stands for more than one key that was taken out", word);
        ml_error_hint(&why, "see them: modload list --removed");
    }
    if (err != NULL)
        *err = why;
    return -1;
}

/* ---- bundles, and whether all is well ---- */

int ml_bundles(struct ml_ctx *ctx, int (*each)(const char *bundle, void *arg), void *arg,
               struct ml_error *err)
{
    struct store *store;
    if (ctx_store(ctx, false, &store, err) < 0)
        return -1;
    return store_each_bundle(store, each, arg, err);
}

/* A store of its own: one whose FORMAT is lost or damaged is opened by nobody else. */
static int check_mending(struct ml_ctx *ctx, const struct store_check *check,
                         struct store_check_result *found, struct ml_error *err)
{
    struct store *store;
    const struct store_options options = {.wait_ms = ctx->wait_ms,
                                          .cancel_fd = ctx->cancel_fd,
                                          .command = ctx->command,
                                          .mend = true};
    if (store_open(ctx->home, &options, &store, err) < 0)
        return -1;
    int status = store_check(store, check, found, err);
    store_close(store);
    return status;
}

int ml_check(struct ml_ctx *ctx, const struct ml_key *key, bool repair,
             int (*problem)(const char *path, const char *what, bool mended, void *arg), void *arg,
             struct ml_check_result *ret, struct ml_error *err)
{
    struct store *store;
    struct store_check_result found = {.problems = 0};
    char uuid[ML_UUID_SIZE];
    const struct store_check check = {repair, key ? uuid : NULL, problem, arg};
    if (key != NULL)
        ml_key_to_uuid(key, uuid);
    int status = -1;
    if (repair)
        status = check_mending(ctx, &check, &found, err);
    else if (ctx_store(ctx, false, &store, err) == 0)
        status = store_check(store, &check, &found, err);
    *ret = (struct ml_check_result){found.problems, found.mended};
    return status;
}

char *ml_bundle_place(const char *bundle, const char *path)
{
    return store_bundle_place(bundle, path);
}

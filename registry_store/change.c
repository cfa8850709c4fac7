/* Changes, planned: what every entry is, what it shall be, and whether that can be. All of it under
 * the write lock, and before anything is written: one change that cannot be means that none is
 * made. */
#include <errno.h>
#include <fcntl.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/error.h"
#include "base/scope.h"
#include "registry_store/internal.h"

/* A change with what the registry says about its entry. */
struct item {
    struct store_change *change;
    size_t number; /* in the caller's list */
    char before[STORE_BUNDLE_SIZE], name_before[STORE_NAME_SIZE];
    struct store_record after; /* `uuid` null: nothing changes */
    unsigned long newest;      /* generation */
    const char *origin_before; /* of that; null: there is none */
    bool wants_own;            /* the name is welcome if it is free, and not asked for */
    bool releases;             /* the name that it has becomes free */
};

/* Who takes a name in this change. */
struct claim {
    const char *name;
    const struct item *item;
};

struct plan {
    struct store *store;
    struct item *item; /* sorted by key */
    size_t n;
    struct shard_log *log; /* per shard; empty where no entry is of it */
    void *claims;          /* tsearch(3), by name */
    char time[STORE_TIME_SIZE];
    struct journal journal;
};

static void plan_free(struct plan *p)
{
    tdestroy(p->claims, free);
    for (unsigned i = 0; p->log != NULL && i < N_SHARDS; i++)
        log_free(&p->log[i]);
    free(p->log);
    free(p->item);
    buf_free(&p->journal.text);
}

/* ---- what is ---- */

static int item_compare(const void *a, const void *b)
{
    const struct item *x = a, *y = b;
    return strcmp(x->change->uuid, y->change->uuid);
}

static struct item *plan_find(const struct plan *p, const char *uuid)
{
    struct store_change change = {.uuid = uuid};
    struct item key = {.change = &change};
    return bsearch(&key, p->item, p->n, sizeof key, item_compare);
}

/* The name counts only as long as its link leads here: the link is what people get. */
static int item_look(struct plan *p, struct item *item, struct ml_error *err)
{
    struct ml_error why = ML_ERROR_INIT;
    char path[PATH_SIZE];
    struct stat st;
    entry_path(item->change->uuid, path);
    /* A link that was bent is replaced; a directory could not be. */
    bool bent = store_lookup(p->store, item->change->uuid, item->before, &why) < 0 &&
                strcmp(why.code, "damaged") == 0 &&
                fstatat(p->store->fd, path, &st, AT_SYMLINK_NOFOLLOW) == 0 && !S_ISDIR(st.st_mode);
    if (why.status != 0 && why.status != ML_NO_INPUT && !bent) {
        if (err != NULL)
            *err = why;
        return -1;
    }
    int named = name_leads_to(p->store, item->name_before, item->change->uuid, err);
    if (named == 0)
        item->name_before[0] = '\0';
    return named < 0 ? -1 : 0;
}

static int logs_read(struct plan *p, struct ml_error *err)
{
    p->log = calloc(N_SHARDS, sizeof *p->log);
    if (p->log == NULL)
        return ml_error_memory(err);
    for (size_t i = 0; i < p->n; i++) {
        unsigned shard = shard_of(p->item[i].change->uuid);
        if (i > 0 && shard == shard_of(p->item[i - 1].change->uuid))
            continue;
        bool alone = i + 1 == p->n || shard_of(p->item[i + 1].change->uuid) != shard;
        if (log_read(p->store, shard, alone ? p->item[i].change->uuid : NULL, &p->log[shard]) < 0)
            return store_errno(err, "cannot read the history of '%s'", p->store->home);
    }
    return 0;
}

static void record_apply(struct item *item, const struct store_record *r)
{
    if (!record_is_generation(r))
        return;
    item->newest = r->generation > item->newest ? r->generation : item->newest;
    item->origin_before = r->origin;
    snprintf(item->name_before, sizeof item->name_before, "%s", r->name);
}

static int plan_look(struct plan *p, struct ml_error *err)
{
    if (logs_read(p, err) < 0)
        return -1;
    for (unsigned shard = 0; shard < N_SHARDS; shard++)
        for (size_t i = 0; i < p->log[shard].n; i++) {
            struct item *item = plan_find(p, p->log[shard].records[i].uuid);
            if (item != NULL)
                record_apply(item, &p->log[shard].records[i]);
        }
    for (size_t i = 0; i < p->n; i++)
        if (item_look(p, &p->item[i], err) < 0)
            return -1;
    return 0;
}

/* ---- generations ---- */

static const struct store_record *generation_find(const struct plan *p, const struct item *item,
                                                  unsigned long number)
{
    const struct shard_log *log = &p->log[shard_of(item->change->uuid)];
    for (size_t i = log->n; i-- > 0;)
        if (log->records[i].generation == number && record_is_generation(&log->records[i]) &&
            strcmp(log->records[i].uuid, item->change->uuid) == 0)
            return &log->records[i];
    return NULL;
}

/* What is current, seen through rollbacks: going back twice goes two steps back, not back and
 * forth. 0: the entry was taken out, and its newest generation is what it would go back to. */
static unsigned long generation_now(const struct plan *p, const struct item *item)
{
    unsigned long number = item->newest;
    for (const struct store_record *r;
         (r = generation_find(p, item, number)) != NULL && r->of > 0 && r->of < number;)
        number = r->of;
    return number;
}

/* The newest generation before `number` that is another bundle than the current one. */
static const struct store_record *generation_before(const struct plan *p, const struct item *item,
                                                    unsigned long number)
{
    const struct store_record *found = NULL;
    const struct shard_log *log = &p->log[shard_of(item->change->uuid)];
    for (size_t i = 0; i < log->n; i++) {
        const struct store_record *r = &log->records[i];
        if (strcmp(r->uuid, item->change->uuid) == 0 && record_is_generation(r) &&
            *r->bundle != '\0' && r->generation < number && strcmp(r->bundle, item->before) != 0)
            found = r;
    }
    return found;
}

static int no_generation(const struct item *item, struct ml_error *err)
{
    unsigned long number = item->change->generation;
    if (item->newest == 0)
        return not_registered(item->change->uuid, err);
    if (number == 0)
        ml_error_set(err, ML_NO_INPUT, "no_generation", "key %s has no earlier generation",
                     item->change->uuid);
    else
        ml_error_set(err, ML_NO_INPUT, "no_generation", "key %s has no generation %lu",
                     item->change->uuid, number);
    return ml_error_hint(err, "see what there is: modload history %s", item->change->uuid);
}

static int generation_gone(const struct item *item, unsigned long number, const char *bundle,
                           struct ml_error *err)
{
    ml_error_set(err, ML_NO_INPUT, "bundle_gone",
                 "generation %lu of key %s: its bundle '%s' is gone", number, item->change->uuid,
                 bundle);
    return ml_error_hint(err, "give the number of another one: modload history %s",
                         item->change->uuid);
}

/* ---- what shall be ---- */

static void item_set(struct plan *p, struct item *item, const char *bundle, const char *plugin)
{
    item->after = (struct store_record){
        .uuid = item->change->uuid,
        .generation = item->newest + 1,
        .time = p->time,
        .op = item->change->op,
        .bundle = bundle,
        .name = "",
        .plugin = plugin,
        .origin = "",
    };
}

static void decide_register(struct plan *p, struct item *item)
{
    struct store_change *c = item->change;
    item_set(p, item, c->bundle, c->plugin);
    item->after.origin = c->origin ? c->origin : "";
    item->after.name = c->name ? c->name : item->name_before;
    if (c->name == NULL && item->name_before[0] == '\0' && c->own_name != NULL) {
        item->after.name = c->own_name;
        item->wants_own = true;
    }
}

/* What comes back has its name again, unless somebody else has it by now. */
static int decide_rollback(struct plan *p, struct item *item, struct ml_error *err)
{
    struct store_change *c = item->change;
    bool out = item->before[0] == '\0';
    const struct store_record *back =
        c->generation > 0 ? generation_find(p, item, c->generation)
                          : generation_before(p, item, generation_now(p, item) + out);
    if (back == NULL || *back->bundle == '\0')
        return no_generation(item, err);
    item_set(p, item, back->bundle, back->plugin);
    item->after.of = back->generation;
    item->after.origin = back->origin;
    item->after.name = item->name_before[0] ? item->name_before : back->name;
    item->wants_own = item->name_before[0] == '\0';
    return 0;
}

/* 1, 0, or -1 and the error. */
static int is_pinned(const struct plan *p, const char *uuid, unsigned long number,
                     struct ml_error *err)
{
    size_t n;
    AUTO_FREE const struct store_record **pins = newest_pins(&p->log[shard_of(uuid)], &n);
    return pins == NULL ? ml_error_memory(err) : pin_find(pins, n, uuid, number) != NULL;
}

static int decide_pin(struct plan *p, struct item *item, struct ml_error *err)
{
    struct store_change *c = item->change;
    unsigned long number = c->generation ? c->generation : item->newest;
    const struct store_record *r = generation_find(p, item, number);
    if (c->generation == 0 && item->before[0] == '\0')
        return not_registered(c->uuid, err);
    if (r == NULL || *r->bundle == '\0')
        return no_generation(item, err);
    item_set(p, item, "", "");
    int there = c->op == STORE_PIN ? store_bundle_filed(p->store, r->bundle, err) : 1;
    if (there <= 0)
        return there < 0 ? -1 : generation_gone(item, number, r->bundle, err);
    item->after.generation = number;
    strcpy(c->bundle_now, r->bundle);
    int pinned = is_pinned(p, c->uuid, number, err);
    if (pinned < 0)
        return -1;
    if (pinned == (c->op == STORE_PIN))
        item->after.uuid = NULL;
    c->generation_now = number;
    return 0;
}

static int decide(struct plan *p, struct item *item, struct ml_error *err)
{
    switch (item->change->op) {
    case STORE_REGISTER:
        decide_register(p, item);
        return 0;
    case STORE_UNREGISTER:
        item_set(p, item, "", "");
        return 0;
    case STORE_ROLLBACK:
        return decide_rollback(p, item, err);
    default:
        return decide_pin(p, item, err);
    }
}

/* ---- names ---- */

static int claim_compare(const void *a, const void *b)
{
    const struct claim *x = a, *y = b;
    return strcmp(x->name, y->name);
}

static int name_taken(const struct item *item, const char *owner, struct ml_error *err)
{
    ml_error_set(err, ML_DATA, "name_taken", "the name '%s' belongs to %s", item->after.name,
                 owner);
    return ml_error_hint(err, "choose another one: --name NAME");
}

/* 1 and who has the name that an entry shall have, but for those who give it up in this change; 0:
 * nobody. A link of an entry that was taken out does not count. */
static int name_owner(const struct plan *p, const struct item *item, char owner[STORE_UUID_SIZE],
                      struct ml_error *err)
{
    char bundle[STORE_BUNDLE_SIZE];
    struct ml_error why = ML_ERROR_INIT;
    const struct claim key = {.name = item->after.name};
    struct claim *const *claim = tfind(&key, &p->claims, claim_compare);
    if (claim != NULL) {
        strcpy(owner, (*claim)->item->change->uuid);
        return (*claim)->item != item;
    }
    if (store_name_lookup(p->store, item->after.name, owner, &why) < 0 ||
        (strcmp(owner, item->change->uuid) != 0 &&
         store_lookup(p->store, owner, bundle, &why) < 0)) {
        bool nobody = why.status == ML_NO_INPUT || why.status == ML_REFUSED;
        if (!nobody && err != NULL)
            *err = why;
        return nobody ? 0 : -1;
    }
    const struct item *other = plan_find(p, owner);
    return other != item && (other == NULL || !other->releases);
}

static int name_claim(struct plan *p, struct item *item, struct ml_error *err)
{
    char owner[STORE_UUID_SIZE];
    int taken = name_owner(p, item, owner, err);
    if (taken < 0)
        return -1;
    if (taken && !item->wants_own)
        return name_taken(item, owner, err);
    if (taken) {
        item->change->name_taken = true;
        item->after.name = "";
        return 0;
    }
    struct claim *claim = malloc(sizeof *claim);
    if (claim == NULL)
        return ml_error_memory(err);
    *claim = (struct claim){item->after.name, item};
    if (tsearch(claim, &p->claims, claim_compare) == NULL) {
        free(claim);
        return ml_error_memory(err);
    }
    return 0;
}

/* Names that are asked for come before those that would be welcome, whatever the order of the
 * list. */
static int names_decide(struct plan *p, size_t *failed, struct ml_error *err)
{
    for (size_t i = 0; i < p->n; i++) {
        struct item *item = &p->item[i];
        item->releases = item->after.uuid != NULL && record_is_generation(&item->after) &&
                         item->name_before[0] != '\0' &&
                         strcmp(item->name_before, item->after.name) != 0;
    }
    for (int welcome = 0; welcome <= 1; welcome++)
        for (size_t i = 0; i < p->n; i++) {
            struct item *item = &p->item[i];
            if (item->after.uuid == NULL || *item->after.name == '\0' ||
                item->wants_own != welcome || name_claim(p, item, err) == 0)
                continue;
            *failed = item->number;
            return -1;
        }
    return 0;
}

/* ---- the change ---- */

static bool is_same(const struct item *item)
{
    const char *origin = item->origin_before ? item->origin_before : "";
    bool counts = item->change->origin_counts || item->change->op == STORE_ROLLBACK;
    return strcmp(item->before, item->after.bundle) == 0 &&
           strcmp(item->name_before, item->after.name) == 0 &&
           (!counts || strcmp(origin, item->after.origin) == 0);
}

/* Whoever decided this has seen something else. */
static int seen_check(const struct item *item, struct ml_error *err)
{
    const char *seen = item->change->seen;
    if (seen == NULL || strcmp(seen, item->before) == 0 ||
        strcmp(item->before, item->after.bundle) == 0)
        return 0;
    ml_error_set(err, ML_BUSY, "changed_meanwhile",
                 "entry %s was changed by somebody else meanwhile: it was %s, and is %s now",
                 item->change->uuid, *seen ? seen : "not there",
                 *item->before ? item->before : "not there");
    return ml_error_hint(err, "nothing was changed; look at it, and try again");
}

/* What is so already is not written again. What comes after this cannot be refused any more. */
static int item_finish(struct plan *p, struct item *item, struct ml_error *err)
{
    struct store_change *c = item->change;
    if (item->after.uuid == NULL)
        return 0;
    if (record_is_generation(&item->after)) {
        const char *bundle = item->after.bundle;
        int there = *bundle == '\0' ? 1 : store_bundle_filed(p->store, bundle, err);
        if (there < 0)
            return -1;
        if (there == 0)
            return c->op == STORE_ROLLBACK ? generation_gone(item, item->after.of, bundle, err)
                                           : bundle_missing(p->store, bundle, err);
        strcpy(c->bundle_now, bundle);
        snprintf(c->plugin_now, sizeof c->plugin_now, "%s", item->after.plugin);
        snprintf(c->name_now, sizeof c->name_now, "%s", item->after.name);
        c->generation_now = is_same(item) ? item->newest : item->after.generation;
        if (is_same(item))
            return 0;
    }
    c->changed = true;
    journal_add(&p->journal, &p->log[shard_of(c->uuid)], &item->after, item->before,
                item->name_before);
    return 0;
}

static int plan_make(struct plan *p, size_t *failed, struct ml_error *err)
{
    if (plan_look(p, err) < 0)
        return -1;
    for (size_t i = 0; i < p->n; i++)
        if (decide(p, &p->item[i], err) < 0 || seen_check(&p->item[i], err) < 0) {
            *failed = p->item[i].number;
            return -1;
        }
    if (names_decide(p, failed, err) < 0)
        return -1;
    for (size_t i = 0; i < p->n; i++)
        if (item_finish(p, &p->item[i], err) < 0) {
            *failed = p->item[i].number;
            return -1;
        }
    return 0;
}

int store_change(struct store *store, struct store_change *changes, size_t n, size_t *failed,
                 struct ml_error *err)
{
    __attribute__((cleanup(plan_free))) struct plan p = {.store = store, .journal = JOURNAL_INIT};
    size_t ignored;
    failed = failed ? failed : &ignored;
    *failed = n;
    AUTO_CLOSE int lock = store_write_lock(store, err);
    if (lock < 0)
        return -1;
    p.item = calloc(n + 1, sizeof *p.item);
    if (p.item == NULL)
        return ml_error_memory(err);
    utc_text(p.time, utc_now());
    for (p.n = 0; p.n < n; p.n++)
        p.item[p.n] = (struct item){.change = &changes[p.n], .number = p.n};
    qsort(p.item, n, sizeof *p.item, item_compare);
    if (plan_make(&p, failed, err) < 0)
        return -1;
    return journal_commit(store, &p.journal, err);
}

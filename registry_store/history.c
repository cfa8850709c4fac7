/* What was changed when: told, and taken over from another registry. */
#include <errno.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/error.h"
#include "base/fs.h"
#include "base/scope.h"
#include "registry_store/internal.h"

int store_history(struct store *store, const char *uuid,
                  int (*each)(const struct store_record *record, void *arg), void *arg,
                  struct ml_error *err)
{
    LOG_AUTO log = {.n = 0};
    if (log_read(store, shard_of(uuid), uuid, &log) < 0)
        return store_errno(err, "cannot read the history of %s", uuid);
    int status = 0;
    for (size_t i = 0; i < log.n && status == 0; i++)
        status = each(&log.records[i], arg);
    return status;
}

/* For qsort(3), of pointers into one array: by key, and of one key as they came. */
static int key_compare(const void *a, const void *b)
{
    const struct store_record *const *x = a, *const *y = b;
    int order = strcmp((*x)->uuid, (*y)->uuid);
    return order != 0 ? order : (*x < *y ? -1 : *x > *y);
}

/* Whether a record is the last generation of its key: what the entry is, or will be. */
static bool is_newest(const struct store_record **by_key, size_t n, size_t i)
{
    if (!record_is_generation(by_key[i]))
        return false;
    for (size_t k = i + 1; k < n && strcmp(by_key[k]->uuid, by_key[i]->uuid) == 0; k++)
        if (record_is_generation(by_key[k]))
            return false;
    return true;
}

/* By key: which of two entries was changed first is nothing that either of them knows. */
static int each_in_log(struct store *store, unsigned shard,
                       int (*each)(const struct store_record *record, bool newest, void *arg),
                       void *arg, struct ml_error *err)
{
    LOG_AUTO log = {.n = 0};
    if (log_read(store, shard, NULL, &log) < 0)
        return store_errno(err, "cannot read the history of '%s'", store->home);
    AUTO_FREE const struct store_record **by_key = malloc((log.n + 1) * sizeof *by_key);
    if (by_key == NULL)
        return ml_error_memory(err);
    for (size_t i = 0; i < log.n; i++)
        by_key[i] = &log.records[i];
    qsort(by_key, log.n, sizeof *by_key, key_compare);
    int status = 0;
    for (size_t i = 0; i < log.n && status == 0; i++)
        status = each(by_key[i], is_newest(by_key, log.n, i), arg);
    return status;
}

int store_each_record(struct store *store,
                      int (*each)(const struct store_record *record, bool newest, void *arg),
                      void *arg, struct ml_error *err)
{
    if (store->fd < 0)
        return 0;
    AUTO_CLOSE int lock = lock_take(store, store->wait_ms);
    if (lock < 0 && (errno == EWOULDBLOCK || errno == ECANCELED))
        return lock_failed(store, err);
    int status = 0;
    for (unsigned shard = 0; shard < N_SHARDS && status == 0; shard++)
        status = each_in_log(store, shard, each, arg, err);
    return status;
}

/* ---- entries that were taken out ---- */

/* The last generation with a bundle of the entry that `out` takes out. */
static const struct store_record *last_bundle(const struct shard_log *log, size_t out)
{
    for (size_t i = out; i-- > 0;)
        if (record_is_generation(&log->records[i]) && *log->records[i].bundle != '\0' &&
            strcmp(log->records[i].uuid, log->records[out].uuid) == 0)
            return &log->records[i];
    return NULL;
}

static int each_removed_in(struct store *store, unsigned shard,
                           int (*each)(const struct store_entry *entry, void *arg), void *arg,
                           struct ml_error *err)
{
    LOG_AUTO log = {.n = 0};
    size_t n;
    if (log_read(store, shard, NULL, &log) < 0)
        return store_errno(err, "cannot read the history of '%s'", store->home);
    AUTO_FREE const struct store_record **newest = newest_records(&log, &n);
    int status = newest == NULL ? ml_error_memory(err) : 0;
    for (size_t i = 0; i < n && status == 0; i++) {
        const struct store_record *last = last_bundle(&log, (size_t)(newest[i] - log.records));
        if (*newest[i]->bundle != '\0' || last == NULL)
            continue;
        const struct store_entry entry = {last->uuid, last->bundle, last->name, last->plugin};
        status = each(&entry, arg);
    }
    return status;
}

int store_each_removed(struct store *store, int (*each)(const struct store_entry *entry, void *arg),
                       void *arg, struct ml_error *err)
{
    int status = 0;
    for (unsigned shard = 0; shard < N_SHARDS && status == 0; shard++)
        status = each_removed_in(store, shard, each, arg, err);
    return status;
}

/* ---- history that was made elsewhere ---- */

enum { GENERATION_FAR = 1000000000 };

struct adoption {
    struct store *store;
    struct store_arrival *arrival;
    const struct store_record **index; /* by key; of one key as they came */
    void *taken;                       /* names, for tsearch(3) */
    char time[STORE_TIME_SIZE];
    struct journal journal;
};

static int text_compare(const void *a, const void *b)
{
    return strcmp(a, b);
}

/* Takes a name, in the registry and among those that came with it. 1; 0 when another entry has it;
 * -1 when memory is out. */
static int name_take(struct store *store, void **taken, const char *name)
{
    char owner[STORE_UUID_SIZE], bundle[STORE_BUNDLE_SIZE];
    if (tfind(name, taken, text_compare) != NULL)
        return 0;
    if (store_name_lookup(store, name, owner, NULL) == 0 &&
        store_lookup(store, owner, bundle, NULL) == 0)
        return 0;
    return tsearch(name, taken, text_compare) != NULL ? 1 : -1;
}

/* What this registry knows of a key. */
struct known {
    unsigned long newest; /* generation; 0: nothing */
    char bundle[STORE_BUNDLE_SIZE], name[STORE_NAME_SIZE];
};

static void known_find(struct store *store, const struct shard_log *log, const char *uuid,
                       struct known *ret)
{
    *ret = (struct known){.newest = 0};
    for (size_t i = 0; i < log->n; i++)
        if (record_is_generation(&log->records[i]) && strcmp(log->records[i].uuid, uuid) == 0) {
            ret->newest = log->records[i].generation;
            snprintf(ret->name, sizeof ret->name, "%s", log->records[i].name);
        }
    store_lookup(store, uuid, ret->bundle, NULL);
}

/* What an entry that came will be called. */
static int adopt_name(struct adoption *a, struct store_record *r, const struct known *known,
                      struct ml_error *err)
{
    const struct store_arrival *arrival = a->arrival;
    const char *name = r->name;
    if (known->name[0] != '\0' && known->bundle[0] != '\0') {
        r->name = known->name;
        return 0;
    }
    int free_name = *name == '\0' ? 1 : name_take(a->store, &a->taken, name);
    if (free_name != 0)
        return free_name < 0 ? ml_error_memory(err) : 0;
    r->name = "";
    return arrival->name_taken ? arrival->name_taken(r->uuid, name, arrival->arg, err) : 0;
}

/* What is current there becomes current here; a name that another entry has is left out. */
static int adopt_newest(struct adoption *a, struct store_record *r, const struct shard_log *log,
                        const struct known *known, struct ml_error *err)
{
    struct store_arrival *arrival = a->arrival;
    int there = *r->bundle == '\0' ? 1 : store_bundle_filed(a->store, r->bundle, err);
    if (there < 0)
        return -1;
    if (there == 0 && !(arrival->brings && arrival->brings(r->bundle, arrival->arg)))
        return ml_error_set(err, ML_REFUSED, "bad_history", "bundle '%s' of key %s is missing",
                            r->bundle, r->uuid);
    if (adopt_name(a, r, known, err) < 0)
        return -1;
    journal_add(&a->journal, log, r, known->bundle, known->bundle[0] ? known->name : "");
    arrival->n_changed++;
    return 0;
}

/* An entry that has a history here gets one more generation, if it is another bundle: two histories
 * cannot be made one. What was taken out there is not taken out here. */
static int adopt_known(struct adoption *a, struct store_record r, const struct shard_log *log,
                       const struct known *known, struct ml_error *err)
{
    if (*r.bundle == '\0' || strcmp(r.bundle, known->bundle) == 0)
        return 0;
    r.generation = known->newest + 1;
    r.op = STORE_REGISTER;
    r.of = 0;
    r.time = a->time;
    return adopt_newest(a, &r, log, known, err);
}

/* Whether a line may follow on that of generation `last`: what we write goes up, and a pin is about
 * what there was. The bound leaves more room than anybody uses, so that no history that was made up
 * keeps its entry from changing again. */
static bool follows(const struct store_record *r, unsigned long last)
{
    if (!record_is_generation(r))
        return r->generation <= last;
    return r->generation > last && r->generation < GENERATION_FAR && r->of < r->generation;
}

/* The records of one key, `*i` to before the next. Only the last one says what the entry is; those
 * before it are history, so it alone has to be possible. */
static int adopt_key(struct adoption *a, size_t *i, const struct shard_log *log,
                     struct ml_error *err)
{
    const char *uuid = a->index[*i]->uuid;
    unsigned long last = 0;
    struct known known;
    known_find(a->store, log, uuid, &known);
    a->arrival->n_entries++;
    for (; *i < a->arrival->n && strcmp(a->index[*i]->uuid, uuid) == 0; ++*i) {
        struct store_record r = *a->index[*i];
        bool newest = is_newest(a->index, a->arrival->n, *i);
        int status = 0;
        if (!follows(&r, last))
            return ml_error_set(err, ML_REFUSED, "bad_history",
                                "the history of key %s is not in order", uuid);
        last = record_is_generation(&r) ? r.generation : last;
        if (newest && known.newest > 0)
            status = adopt_known(a, r, log, &known, err);
        else if (newest)
            status = adopt_newest(a, &r, log, &known, err);
        else if (known.newest == 0)
            journal_add(&a->journal, log, &r, "", "");
        if (status < 0)
            return -1;
    }
    return 0;
}

static int adopt_all(struct adoption *a, struct ml_error *err)
{
    for (size_t i = 0; i < a->arrival->n;) {
        unsigned shard = shard_of(a->index[i]->uuid);
        LOG_AUTO log = {.n = 0};
        if (log_read(a->store, shard, NULL, &log) < 0)
            return store_errno(err, "cannot read the history of '%s'", a->store->home);
        while (i < a->arrival->n && shard_of(a->index[i]->uuid) == shard)
            if (adopt_key(a, &i, &log, err) < 0)
                return -1;
    }
    return 0;
}

/* The bundles come between: nothing can be refused any more, and nothing points at them yet. */
static int adopt_commit(struct adoption *a, struct ml_error *err)
{
    struct store_arrival *arrival = a->arrival;
    if (arrival->file != NULL) {
        if (arrival->file(arrival->arg, err) < 0)
            return -1;
        if (fs_sync_dir(a->store->fd, "bundles") < 0)
            return store_errno(err, "cannot sync the bundles of '%s'", a->store->home);
    }
    return journal_commit(a->store, &a->journal, err);
}

static void keep_text(void *text)
{
}

int store_adopt(struct store *store, struct store_arrival *arrival, struct ml_error *err)
{
    AUTO_FREE const struct store_record **index = malloc((arrival->n + 1) * sizeof *index);
    struct adoption a = {
        .store = store, .arrival = arrival, .index = index, .journal = JOURNAL_INIT};
    if (index == NULL)
        return ml_error_memory(err);
    for (size_t i = 0; i < arrival->n; i++)
        index[i] = &arrival->records[i];
    qsort(index, arrival->n, sizeof *index, key_compare);
    utc_text(a.time, utc_now());
    arrival->n_entries = arrival->n_changed = 0;
    AUTO_CLOSE int lock = store_write_lock(store, err);
    int status = lock < 0 || adopt_all(&a, err) < 0 ? -1 : adopt_commit(&a, err);
    tdestroy(a.taken, keep_text); /* the names are the caller's */
    buf_free(&a.journal.text);
    return status;
}

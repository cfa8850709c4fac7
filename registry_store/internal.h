/* What the files of this folder share. */
#ifndef REGISTRY_STORE_INTERNAL_H
#define REGISTRY_STORE_INTERNAL_H

#include "base/buf.h"
#include "registry_store/store.h"

enum {
    PATH_SIZE = 96,  /* "entries/8c/<uuid>", "bundles/<id>/<leaf>" */
    LINK_SIZE = 128, /* a link's target, with room to see that it is none of ours */
    N_SHARDS = 256,
    FORMAT_NOW = 2,
};

struct store {
    char *home;
    int fd; /* O_PATH of the home; -1: there is none yet, which reads as empty */
    int64_t wait_ms;
    int cancel_fd;
    const char *command;
};

/* ---- paths: what goes in is valid ---- */

void entry_path(const char *uuid, char path[PATH_SIZE]);
void name_path(const char *name, char path[PATH_SIZE]);
void bundle_path(const char *id, const char *leaf, char path[PATH_SIZE]); /* `leaf` may be null */
void shard_path(const char *dir, unsigned shard, char path[PATH_SIZE]);   /* "history", 0x8c */
unsigned shard_of(const char *uuid);

/* ---- format.c ---- */

/* What the home has: its format's number, 0: none, or -1. */
int format_read(struct store *store, struct ml_error *err);
int format_write(struct store *store, struct ml_error *err);

/* Whether anything lies in a home, whatever its format: 1, 0: it is new; -1 and errno. */
int home_used(int home);

/* Whether all that is in it is of the format that is written now, as far as can be told without
 * FORMAT: 0, or -1 and ML_CONFIG. */
int format_check(struct store *store, struct ml_error *err);

/* ---- store.c ---- */

/* Whether a name is one that a registry's directory has. */
bool home_dir_known(const char *name);

/* ---- lock.c ---- */

/* Takes the lock of all writers; the descriptor holds it until it is closed. -1 and ML_BUSY, naming
 * the holder. Finishes what a dead writer left, and sweeps the files that he left in tmp/. */
int store_write_lock(struct store *store, struct ml_error *err);

/* The same without finishing anything, and waiting for `wait_ms`. -1 with errno; EWOULDBLOCK:
 * somebody else has it. */
int lock_take(struct store *store, int64_t wait_ms);

/* Why it was not had, by errno, naming the holder. Returns -1. */
int lock_failed(struct store *store, struct ml_error *err);

/* What to do where the registry cannot be written to. Returns -1. */
int hint_read_only(struct ml_error *err);

/* Removes what dead makers of bundles left. */
void sweep_stages(struct store *store);

/* ---- dir.c ---- */

/* Sorted names in a directory, but "." and "..". The caller frees with names_free(). */
struct names {
    char **item;
    size_t n;
};
int names_read(int dirfd, const char *path, struct names *ret);
void names_free(struct names *names);

/* The last part of a link's target, if the link can be read; null otherwise. */
const char *link_leaf(struct store *store, const char *path, char target[LINK_SIZE]);

/* By an errno: whether a file of ours is missing, or is something else than it was made; whether
 * what was to be a link is none, or not there. */
bool is_damage(int errnum);
bool is_no_link(int errnum);

/* As ml_error_errno() with errno, for files of the registry itself: what is damage is ML_REFUSED.
 * Returns -1, and leaves errno as it was. */
__attribute__((format(printf, 2, 3))) int store_errno(struct ml_error *err, const char *fmt, ...);

/* Sets of bundle ids. */
struct ids {
    char (*item)[STORE_BUNDLE_SIZE];
    size_t n, cap;
    bool sorted;
};
int ids_add(struct ids *ids, const char *id); /* -1: memory */
bool ids_have(struct ids *ids, const char *id);
void ids_free(struct ids *ids);

/* ---- record.c ---- */

int64_t utc_now(void);                                        /* since 1970 */
void utc_text(char text[STORE_TIME_SIZE], int64_t seconds);   /* since 1970 */
bool time_valid(const char *text);                            /* as utc_text() writes it */
bool record_is_generation(const struct store_record *record); /* not a pin */

/* The history of a shard in memory. */
struct shard_log {
    struct buf text; /* cut up by the records */
    struct store_record *records;
    size_t n;
    size_t size;    /* of the file */
    bool open_end;  /* its last byte is no newline */
    size_t damaged; /* lines that are no records */
};

/* Reads a shard's history, or what is in it of one `uuid`. A missing file is empty. 0, or -1 with
 * errno. */
int log_read(struct store *store, unsigned shard, const char *uuid, struct shard_log *ret);
void log_free(struct shard_log *log);
#define LOG_AUTO __attribute__((cleanup(log_free))) struct shard_log

/* The records of a shard as they apply now: one for each key, sorted by key. Null: memory. The
 * caller frees the array. */
const struct store_record **newest_records(const struct shard_log *log, size_t *n);

/* What was last said about each generation that was ever pinned: its last pin or unpin, sorted by
 * key and generation. Null: memory. The caller frees the array. */
const struct store_record **newest_pins(const struct shard_log *log, size_t *n);

/* The one among them that is about this generation and pins it; null: it is not pinned. */
const struct store_record *pin_find(const struct store_record **pins, size_t n, const char *uuid,
                                    unsigned long generation);

/* ---- journal.c ---- */

/* A change in the making: lines for histories, and what they replace. Keys come shard by shard. */
struct journal {
    struct buf text;
    int shard; /* that the last lines are of; -1 */
};
#define JOURNAL_INIT                                                                               \
    {                                                                                              \
        .shard = -1                                                                                \
    }

/* `before` and `name_before` are the entry's now, or "". `log` is of the record's shard. */
void journal_add(struct journal *journal, const struct shard_log *log,
                 const struct store_record *record, const char *before, const char *name_before);

/* Makes it happen, whole, and durable; or nothing of it. Under the write lock. */
int journal_commit(struct store *store, struct journal *journal, struct ml_error *err);

/* Whether a change is written down and not through. */
bool journal_pending(struct store *store);

/* Whether it cannot be understood. Reads it, and does nothing about it. */
bool journal_damaged(struct store *store);

/* Finishes it, or takes it back where it cannot be finished. Under the write lock. */
int journal_recover(struct store *store, struct ml_error *err);

/* ---- others ---- */

/* In a registry that is present: 1, 0, or -1 and errno when that cannot be told. */
int bundle_is_filed(struct store *store, const char *id);

/* -1 and ML_NO_INPUT. */
int bundle_missing(struct store *store, const char *id, struct ml_error *err);
int not_registered(const char *uuid, struct ml_error *err);

/* Whether names/<name> is this entry's: 1, 0; or -1, errno and the error when that cannot be told.
 */
int name_leads_to(struct store *store, const char *name, const char *uuid, struct ml_error *err);

/* Where the entry's directory handle lies matters to none but them: brings a home of format 1 to 2.
 * Under the write lock; may be cut short anywhere and begun again. */
int upgrade_1_to_2(struct store *store, struct ml_error *err);

#endif

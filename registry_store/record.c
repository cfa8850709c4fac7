/* Lines of history, and the files that hold them. A line proves itself by its hash, so that a
 * flipped bit is seen, and what a writer is just adding is not taken for a record. */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/fs.h"
#include "base/hash.h"
#include "base/scope.h"
#include "registry_store/internal.h"

/* one shard of 256; a registry of a million entries has about 600 KB in each */
enum { LOG_MAX = 1 << 30, N_COLUMNS = 10, HASH_DIGITS = 16 };

static const char *const op_words[] = {[STORE_REGISTER] = "register",
                                       [STORE_UNREGISTER] = "unregister",
                                       [STORE_ROLLBACK] = "rollback",
                                       [STORE_PIN] = "pin",
                                       [STORE_UNPIN] = "unpin"};
enum { N_OPS = sizeof op_words / sizeof *op_words };

const char *store_op_word(enum store_op op)
{
    return op_words[op];
}

bool record_is_generation(const struct store_record *record)
{
    return record->op != STORE_PIN && record->op != STORE_UNPIN;
}

/* Not time(2), which may be a tick behind the times of files: what has just been filed would be of
 * a second that is still to come. */
int64_t utc_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return now.tv_sec;
}

void utc_text(char text[STORE_TIME_SIZE], int64_t seconds)
{
    time_t t = (time_t)seconds;
    struct tm utc;
    if (gmtime_r(&t, &utc) == NULL ||
        strftime(text, STORE_TIME_SIZE, "%Y-%m-%dT%H:%M:%SZ", &utc) == 0)
        strcpy(text, "1970-01-01T00:00:00Z"); /* a clock that is far off must not stop a change */
}

/* ---- writing ---- */

/* A column is never empty and holds no blank, so that cut(1) and awk can read the file as well. */
static void column(struct buf *out, const char *value)
{
    if (value == NULL || *value == '\0')
        buf_char(out, '-');
    else if (strcmp(value, "-") == 0)
        buf_str(out, "%2d");
    else
        for (const unsigned char *p = (const unsigned char *)value; *p != '\0'; p++)
            if (*p <= 0x20 || *p == 0x7f || *p == '%')
                buf_fmt(out, "%%%02x", *p);
            else
                buf_char(out, (char)*p);
    buf_char(out, ' ');
}

static void number_column(struct buf *out, unsigned long number)
{
    if (number == 0)
        buf_str(out, "- ");
    else
        buf_fmt(out, "%lu ", number);
}

void store_record_write(struct buf *out, const struct store_record *r)
{
    size_t start = out->len;
    column(out, r->uuid);
    number_column(out, r->generation);
    column(out, r->time);
    column(out, op_words[r->op]);
    number_column(out, r->of);
    column(out, r->bundle);
    column(out, r->name);
    column(out, r->plugin);
    column(out, r->origin);
    if (out->failed)
        return;
    uint64_t hash = hash_fnv1a(HASH_FNV1A_INIT, out->data + start, out->len - start - 1);
    buf_fmt(out, "%016" PRIx64 "\n", hash);
}

/* ---- reading ---- */

static int hex_digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool is_escaped(unsigned char c)
{
    return c <= 0x20 || c == 0x7f || c == '%';
}

/* Undoes what column() did, in place. False for what it does not write. */
static bool column_decode(char *text)
{
    bool hyphen = strcmp(text, "%2d") == 0;
    if (*text == '\0')
        return false;
    if (strcmp(text, "-") == 0) {
        *text = '\0';
        return true;
    }
    char *to = text;
    for (const char *p = text; *p != '\0'; p++) {
        if (*p != '%') {
            if (is_escaped((unsigned char)*p))
                return false;
            *to++ = *p;
            continue;
        }
        int high = hex_digit(p[1]), low = high < 0 ? -1 : hex_digit(p[2]);
        if (low < 0 || (high == 0 && low == 0) ||
            !(hyphen || is_escaped((unsigned char)(high << 4 | low))))
            return false;
        *to++ = (char)(high << 4 | low);
        p += 2;
    }
    *to = '\0';
    return true;
}

/* 0 for "-". False for what is no number, or more than a generation can be. */
static bool number_parse(const char *text, unsigned long *ret)
{
    *ret = 0;
    if (strcmp(text, "-") == 0)
        return true;
    size_t n = strlen(text);
    if (n == 0 || n > 18 || strspn(text, "0123456789") != n || *text == '0')
        return false;
    *ret = strtoul(text, NULL, 10);
    return true;
}

static bool op_parse(const char *word, enum store_op *ret)
{
    for (unsigned i = 0; i < N_OPS; i++)
        if (strcmp(op_words[i], word) == 0) {
            *ret = (enum store_op)i;
            return true;
        }
    return false;
}

bool time_valid(const char *text)
{
    static const char form[] = "0000-00-00T00:00:00Z";
    for (size_t i = 0; i < sizeof form; i++)
        if (form[i] == '0' ? !isdigit((unsigned char)text[i]) : text[i] != form[i])
            return false;
    return true;
}

/* Cuts the line at its blanks. Exactly as many as there are columns. */
static bool columns_split(char *line, char *column[N_COLUMNS])
{
    for (unsigned i = 0; i < N_COLUMNS; i++) {
        column[i] = line;
        char *blank = line == NULL ? NULL : strchr(line, ' ');
        if (line == NULL || (blank == NULL) != (i == N_COLUMNS - 1))
            return false;
        if (blank != NULL)
            *blank++ = '\0';
        line = blank;
    }
    return true;
}

/* What ends up in a path is checked, whatever the hash says: it finds accidents, not intent. */
static bool record_valid(const struct store_record *r)
{
    if (!store_uuid_valid(r->uuid) || r->generation == 0 || !time_valid(r->time) ||
        (*r->bundle != '\0' && !store_bundle_valid(r->bundle)) ||
        (*r->name != '\0' && !store_name_valid(r->name)) || strlen(r->plugin) >= STORE_PLUGIN_SIZE)
        return false;
    return (*r->bundle != '\0') == (r->op == STORE_REGISTER || r->op == STORE_ROLLBACK);
}

static bool hash_holds(const char *line, size_t n)
{
    char hash[HASH_DIGITS + 1];
    if (n <= HASH_DIGITS + 1 || line[n - HASH_DIGITS - 1] != ' ' || memchr(line, '\0', n) != NULL)
        return false;
    snprintf(hash, sizeof hash, "%016" PRIx64,
             hash_fnv1a(HASH_FNV1A_INIT, line, n - HASH_DIGITS - 1));
    return memcmp(hash, line + n - HASH_DIGITS, HASH_DIGITS) == 0;
}

bool store_record_parse(char *line, size_t n, struct store_record *ret)
{
    char *c[N_COLUMNS];
    if (!hash_holds(line, n))
        return false;
    line[n] = '\0';
    if (!columns_split(line, c) || !number_parse(c[1], &ret->generation) ||
        !op_parse(c[3], &ret->op) || !number_parse(c[4], &ret->of))
        return false;
    for (unsigned i = 5; i < 9; i++)
        if (!column_decode(c[i]))
            return false;
    ret->uuid = c[0];
    ret->time = c[2];
    ret->bundle = c[5];
    ret->name = c[6];
    ret->plugin = c[7];
    ret->origin = c[8];
    return record_valid(ret);
}

/* ---- files ---- */

static int log_add(struct shard_log *log, size_t *cap, char *line, size_t n)
{
    if (log->n == *cap) {
        size_t more = *cap ? *cap * 2 : 16;
        struct store_record *records = realloc(log->records, more * sizeof *records);
        if (records == NULL) {
            errno = ENOMEM;
            return -1;
        }
        log->records = records;
        *cap = more;
    }
    bool good = store_record_parse(line, n, &log->records[log->n]);
    log->n += good;
    log->damaged += !good;
    return 0;
}

/* With `uuid`, lines of others are passed over before anything is computed: a look at one entry of
 * a million costs one pass over one shard. An empty line closes a line that had no end. */
static int log_split(struct shard_log *log, const char *uuid)
{
    size_t cap = 0;
    char *end = log->text.data + log->text.len;
    for (char *line = log->text.data, *next; line < end; line = next) {
        char *newline = memchr(line, '\n', (size_t)(end - line));
        size_t n = newline ? (size_t)(newline - line) : (size_t)(end - line);
        next = line + n + 1;
        bool other = uuid != NULL && (n < STORE_UUID_SIZE || memcmp(line, uuid, 36) != 0);
        if (n > 0 && !other && log_add(log, &cap, line, n) < 0)
            return -1;
    }
    return 0;
}

int log_read(struct store *store, unsigned shard, const char *uuid, struct shard_log *ret)
{
    char path[PATH_SIZE];
    *ret = (struct shard_log){.n = 0};
    if (store->fd < 0)
        return 0;
    shard_path("history", shard, path);
    if (fs_read_file(store->fd, path, &ret->text, LOG_MAX) < 0)
        return errno == ENOENT ? 0 : -1;
    ret->size = ret->text.len;
    ret->open_end = ret->size > 0 && ret->text.data[ret->size - 1] != '\n';
    return log_split(ret, uuid);
}

void log_free(struct shard_log *log)
{
    buf_free(&log->text);
    free(log->records);
    *log = (struct shard_log){.n = 0};
}

/* ---- what they say now ---- */

/* What a record is about: generations their key, pins a generation of it. */
static int subject_compare(const struct store_record *x, const struct store_record *y)
{
    int order = strcmp(x->uuid, y->uuid);
    if (order != 0 || record_is_generation(x))
        return order;
    return (x->generation > y->generation) - (x->generation < y->generation);
}

/* Within a subject by age: the last one says what holds now. */
static int record_compare(const void *a, const void *b)
{
    const struct store_record *const *x = a, *const *y = b;
    int order = subject_compare(*x, *y);
    return order != 0 ? order : (*x < *y ? -1 : 1);
}

static const struct store_record **newest(const struct shard_log *log, bool generations, size_t *n)
{
    const struct store_record **index = malloc((log->n + 1) * sizeof *index);
    size_t kept = 0;
    *n = 0;
    if (index == NULL)
        return NULL;
    for (size_t i = 0; i < log->n; i++)
        if (record_is_generation(&log->records[i]) == generations)
            index[kept++] = &log->records[i];
    if (kept > 0)
        qsort(index, kept, sizeof *index, record_compare);
    for (size_t i = 0; i < kept; i++)
        if (i + 1 == kept || subject_compare(index[i], index[i + 1]) != 0)
            index[(*n)++] = index[i];
    return index;
}

const struct store_record **newest_records(const struct shard_log *log, size_t *n)
{
    return newest(log, true, n);
}

const struct store_record **newest_pins(const struct shard_log *log, size_t *n)
{
    return newest(log, false, n);
}

static int pin_compare(const void *a, const void *b)
{
    const struct store_record *const *x = a, *const *y = b;
    return subject_compare(*x, *y);
}

const struct store_record *pin_find(const struct store_record **pins, size_t n, const char *uuid,
                                    unsigned long generation)
{
    const struct store_record about = {.uuid = uuid, .generation = generation, .op = STORE_PIN};
    const struct store_record *key = &about;
    const struct store_record *const *found =
        n > 0 ? bsearch(&key, pins, n, sizeof *pins, pin_compare) : NULL;
    return found != NULL && (*found)->op == STORE_PIN ? *found : NULL;
}

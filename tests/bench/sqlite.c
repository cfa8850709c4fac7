/* The registry as SQLite would keep it: what modload's is measured beside. The same promises: a
 * change is whole, and on the disk when its command ends (WAL, synchronous=FULL); an entry's
 * changes are kept; a name belongs to one entry.
 *
 *     sqlite DB many             changes, one transaction: the lines of `register --many`
 *     sqlite DB register U B     one change
 *     sqlite DB lookup U         prints the bundle
 *     sqlite DB lookups KEYS N   looks up N keys of that file; prints nanoseconds for one
 *     sqlite DB list             prints all entries
 *     sqlite DB history U        prints the changes of an entry
 *     sqlite DB gc [keep-last]   prints the bundles that something points at; with keep-last only
 *                                after each entry's earlier changes are forgotten
 */
#include <sqlite3.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "modload/modload.h"

enum { BATCHES = 5 };

static const char schema[] =
    "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
    "CREATE TABLE IF NOT EXISTS entries(uuid BLOB PRIMARY KEY, bundle TEXT, name TEXT, plugin TEXT,"
    " version TEXT) WITHOUT ROWID;"
    "CREATE UNIQUE INDEX IF NOT EXISTS names ON entries(name) WHERE name IS NOT NULL;"
    "CREATE TABLE IF NOT EXISTS history(uuid BLOB, generation INTEGER, time TEXT, change TEXT,"
    " bundle TEXT, name TEXT, plugin TEXT, version TEXT, origin TEXT,"
    " PRIMARY KEY(uuid, generation)) WITHOUT ROWID;";

static sqlite3 *db;

static _Noreturn void die(const char *what)
{
    fprintf(stderr, "sqlite: %s: %s\n", what, sqlite3_errmsg(db));
    exit(74);
}

static void exec(const char *sql)
{
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
        die(sql);
}

static sqlite3_stmt *prepare(const char *sql)
{
    sqlite3_stmt *ret;
    if (sqlite3_prepare_v2(db, sql, -1, &ret, NULL) != SQLITE_OK)
        die(sql);
    return ret;
}

static void bind_key(sqlite3_stmt *s, int at, const char *uuid)
{
    struct ml_key key;
    if (ml_key_from_uuid(uuid, &key, NULL) < 0)
        die(uuid);
    sqlite3_bind_blob(s, at, key.bytes, sizeof key.bytes, SQLITE_TRANSIENT);
}

static const char *text_of(sqlite3_stmt *s, int column)
{
    const unsigned char *text = sqlite3_column_text(s, column);
    return text ? (const char *)text : "";
}

/* ---- changes ---- */

static sqlite3_stmt *current, *upsert, *record;

static void prepare_change(void)
{
    current = prepare("SELECT bundle, name FROM entries WHERE uuid=?1");
    upsert = prepare("INSERT INTO entries VALUES(?1, ?2, ?3, 'plugin', '1.0.0') ON CONFLICT(uuid)"
                     " DO UPDATE SET bundle=?2, name=?3, plugin='plugin', version='1.0.0'");
    record = prepare("INSERT INTO history VALUES(?1, 1 + (SELECT ifnull(max(generation), 0) FROM"
                     " history WHERE uuid=?1), strftime('%Y-%m-%dT%H:%M:%SZ'), 'register', ?2, ?3,"
                     " 'plugin', '1.0.0', NULL)");
}

static void run_change(sqlite3_stmt *s, const char *uuid, const char *bundle, const char *name)
{
    bind_key(s, 1, uuid);
    sqlite3_bind_text(s, 2, bundle, -1, SQLITE_TRANSIENT);
    sqlite3_bind_text(s, 3, name, -1, SQLITE_TRANSIENT);
    if (sqlite3_step(s) != SQLITE_DONE)
        die("change");
    sqlite3_reset(s);
}

/* What is so already is no change, as with modload. Without a name an entry keeps the one it has.
 */
static void change(const char *uuid, const char *bundle, const char *name)
{
    char kept[ML_NAME_SIZE] = "";
    bind_key(current, 1, uuid);
    bool there = sqlite3_step(current) == SQLITE_ROW;
    if (there)
        snprintf(kept, sizeof kept, "%s", name ? name : text_of(current, 1));
    bool same =
        there && strcmp(text_of(current, 0), bundle) == 0 && strcmp(text_of(current, 1), kept) == 0;
    sqlite3_reset(current);
    if (same)
        return;
    if (there)
        name = kept[0] ? kept : NULL;
    run_change(upsert, uuid, bundle, name);
    run_change(record, uuid, bundle, name);
}

static int many(char **args)
{
    char line[512], uuid[64], bundle[64], name[80];
    exec("BEGIN IMMEDIATE");
    prepare_change();
    while (fgets(line, sizeof line, stdin) != NULL) {
        int n = sscanf(line, "{\"key\":\"%36[^\"]\",\"bundle\":\"%34[^\"]\",\"name\":\"%64[^\"]\"",
                       uuid, bundle, name);
        if (n < 2)
            die("a line that is none");
        change(uuid, bundle, n == 3 ? name : NULL);
    }
    exec("COMMIT");
    return 0;
}

static int register_one(char **args)
{
    exec("BEGIN IMMEDIATE");
    prepare_change();
    change(args[0], args[1], NULL);
    exec("COMMIT");
    return 0;
}

/* ---- looking up ---- */

static int lookup(char **args)
{
    sqlite3_stmt *s = prepare("SELECT bundle FROM entries WHERE uuid=?1");
    bind_key(s, 1, args[0]);
    if (sqlite3_step(s) != SQLITE_ROW)
        return 66;
    puts(text_of(s, 0));
    return 0;
}

static double now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static struct ml_key *keys_read(const char *path, size_t *n)
{
    struct ml_key *keys = NULL;
    char line[64];
    FILE *file = fopen(path, "re");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        keys = realloc(keys, (*n + 1) * sizeof *keys);
        line[strcspn(line, "\n")] = '\0';
        if (keys == NULL || ml_key_from_uuid(line, &keys[(*n)++], NULL) < 0)
            die(path);
    }
    if (file != NULL)
        fclose(file);
    return keys;
}

static double batch(sqlite3_stmt *s, const struct ml_key *keys, size_t n_keys, size_t n)
{
    double start = now_ns();
    for (size_t i = 0; i < n; i++) {
        sqlite3_bind_blob(s, 1, keys[i % n_keys].bytes, sizeof keys->bytes, SQLITE_STATIC);
        if (sqlite3_step(s) != SQLITE_ROW || *text_of(s, 0) == '\0')
            die("lookup");
        sqlite3_reset(s);
    }
    return (now_ns() - start) / (double)n;
}

static int lookups(char **args)
{
    double took[BATCHES];
    size_t n_keys = 0, n = strtoull(args[1], NULL, 10) / BATCHES;
    struct ml_key *keys = keys_read(args[0], &n_keys);
    sqlite3_stmt *s = prepare("SELECT bundle FROM entries WHERE uuid=?1");
    if (n_keys == 0 || n == 0)
        return 66;
    for (int i = 0; i < BATCHES; i++)
        took[i] = batch(s, keys, n_keys, n);
    qsort(took, BATCHES, sizeof *took, by_size);
    printf("%.0f\n", took[BATCHES / 2]);
    free(keys);
    return 0;
}

/* ---- lists ---- */

/* Prints all rows; a key that is a blob as its UUID. */
static int rows(sqlite3_stmt *s)
{
    while (sqlite3_step(s) == SQLITE_ROW) {
        for (int i = 0; i < sqlite3_column_count(s); i++) {
            char uuid[ML_UUID_SIZE];
            const char *text = uuid;
            if (sqlite3_column_type(s, i) == SQLITE_BLOB)
                ml_key_to_uuid(sqlite3_column_blob(s, i), uuid);
            else
                text = text_of(s, i);
            printf("%s%s", i ? "  " : "", *text ? text : "-");
        }
        putchar('\n');
    }
    return 0;
}

static int list(char **args)
{
    return rows(prepare("SELECT uuid, name, bundle, plugin || '@' || version FROM entries"));
}

static int history(char **args)
{
    sqlite3_stmt *s = prepare("SELECT * FROM history WHERE uuid=?1 ORDER BY generation DESC");
    bind_key(s, 1, args[0]);
    return rows(s);
}

static int gc(char **args)
{
    exec("BEGIN IMMEDIATE");
    if (args[0] != NULL)
        exec("DELETE FROM history AS h WHERE generation <"
             " (SELECT max(generation) FROM history WHERE uuid=h.uuid)");
    rows(prepare("SELECT DISTINCT bundle FROM history"));
    exec("COMMIT");
    return 0;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        int args;
        int (*run)(char **args);
        bool writes;
    } commands[] = {{"many", 0, many, true},      {"register", 2, register_one, true},
                    {"lookup", 1, lookup, false}, {"lookups", 2, lookups, false},
                    {"list", 0, list, false},     {"history", 1, history, false},
                    {"gc", 0, gc, true}};
    for (size_t i = 0; argc > 2 && i < sizeof commands / sizeof *commands; i++) {
        if (strcmp(argv[2], commands[i].name) != 0 || argc - 3 < commands[i].args)
            continue;
        if (sqlite3_open(argv[1], &db) != SQLITE_OK)
            die(argv[1]);
        if (commands[i].writes)
            exec(schema);
        return commands[i].run(argv + 3);
    }
    fprintf(stderr, "usage: sqlite DB many|register|lookup|lookups|list|history|gc ARG...\n");
    return 64;
}

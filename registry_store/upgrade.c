/* From format 1 to 2. In format 1 an entry was a directory, entries/8c/<uuid>/, with a link
 * `current` and a file for each change (1, 2, 3 ...: lines of "word value"). A million of them took
 * 8 GB and three inodes each; now an entry is a link, and its changes are lines of its shard's
 * history.
 *
 * Shard by shard: its history first, whole, then its entries, each by one exchange of directory and
 * link. What was cut short is begun again: a history that is there is whole, and an entry that is a
 * link is done. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fs.h"
#include "base/scope.h"
#include "base/sys.h"
#include "registry_store/internal.h"

/* an origin may be a path of 4096 bytes, each of which may be escaped to three */
enum { RECORD_MAX = 16384 };

static int upgrade_errno(struct store *store, const char *path, struct ml_error *err)
{
    return ml_error_errno(err, 0, errno, "cannot bring '%s/%s' up to date", store->home, path);
}

/* ---- the records of format 1 ---- */

static void value_decode(char *text)
{
    char *to = text;
    for (const char *p = text; *p != '\0'; p++) {
        unsigned byte;
        if (*p == '%' && sscanf(p + 1, "%2x", &byte) == 1 && byte != 0) {
            *to++ = (char)byte;
            p += 2;
        } else {
            *to++ = *p;
        }
    }
    *to = '\0';
}

/* Where a word is there twice, the last counts. */
static void record_word(struct store_record *r, char *line)
{
    char *value = strchr(line, ' ');
    if (value == NULL)
        return;
    *value++ = '\0';
    value_decode(value);
    if (strcmp(line, "time") == 0 && time_valid(value))
        r->time = value;
    else if (strcmp(line, "bundle") == 0 && store_bundle_valid(value))
        r->bundle = value;
    else if (strcmp(line, "name") == 0 && store_name_valid(value))
        r->name = value;
    else if (strcmp(line, "origin") == 0)
        r->origin = value;
}

/* "math@1.2.0"; "" where the bundle is damaged or gone, which is no reason to stop. */
static int plugin_of(struct store *store, const char *bundle, char plugin[STORE_PLUGIN_SIZE])
{
    char name[STORE_NAME_SIZE], version[STORE_NAME_SIZE];
    struct ml_error why = ML_ERROR_INIT;
    *plugin = '\0';
    if (*bundle == '\0')
        return 0;
    if (store_bundle_name(store, bundle, name, version, &why) == 0)
        snprintf(plugin, STORE_PLUGIN_SIZE, "%s@%s", name, version);
    errno = ENOMEM;
    return why.status == ML_LIMIT ? -1 : 0;
}

/* `name_now` takes the last name that was given and still leads to the entry. */
static int record_add(struct store *store, const char *uuid, unsigned long number, char *text,
                      char name_now[STORE_NAME_SIZE], struct buf *out)
{
    char plugin[STORE_PLUGIN_SIZE] = "";
    struct store_record r = {.uuid = uuid,
                             .generation = number,
                             .time = "1970-01-01T00:00:00Z",
                             .bundle = "",
                             .name = "",
                             .plugin = plugin,
                             .origin = ""};
    for (char *line = text, *next; line != NULL && *line != '\0'; line = next) {
        next = strchr(line, '\n');
        if (next != NULL)
            *next++ = '\0';
        record_word(&r, line);
    }
    r.op = *r.bundle != '\0' ? STORE_REGISTER : STORE_UNREGISTER;
    int leads = name_leads_to(store, r.name, uuid, NULL);
    if (leads < 0 || plugin_of(store, r.bundle, plugin) < 0)
        return -1;
    if (leads > 0)
        strcpy(name_now, r.name);
    store_record_write(out, &r);
    return 0;
}

/* ---- one entry ---- */

static int number_compare(const void *a, const void *b)
{
    unsigned long x = *(const unsigned long *)a, y = *(const unsigned long *)b;
    return (x > y) - (x < y);
}

/* Digits as printf(3) writes them, and fewer than the 18 that a line of history may have. */
static bool number_valid(const char *name)
{
    size_t n = strlen(name);
    return n > 0 && n < 18 && *name != '0' && strspn(name, "0123456789") == n;
}

/* The numbers of an entry's records, in order. -1: memory. */
static int numbers_read(const struct names *names, unsigned long **ret, size_t *n)
{
    *n = 0;
    *ret = calloc(names->n + 1, sizeof **ret);
    if (*ret == NULL)
        return -1;
    for (size_t i = 0; i < names->n; i++) {
        if (number_valid(names->item[i]))
            (*ret)[(*n)++] = strtoul(names->item[i], NULL, 10);
    }
    qsort(*ret, *n, sizeof **ret, number_compare);
    return 0;
}

/* What `current` leads to; "" for an entry that was taken out. */
static int entry_current(struct store *store, const char *dir, char bundle[STORE_BUNDLE_SIZE])
{
    char path[PATH_SIZE], target[LINK_SIZE];
    snprintf(path, sizeof path, "%s/current", dir);
    const char *id = link_leaf(store, path, target);
    snprintf(bundle, STORE_BUNDLE_SIZE, "%s", id != NULL && store_bundle_valid(id) ? id : "");
    return id == NULL && !is_no_link(errno) ? -1 : 0;
}

/* What a change that was cut short had in mind, or a name that has gone to somebody else: then a
 * line that says what is follows the records. */
static int entry_settle(struct store *store, const char *uuid, unsigned long number,
                        const char *bundle, char name[STORE_NAME_SIZE], struct buf *out)
{
    char text[STORE_BUNDLE_SIZE + STORE_NAME_SIZE + 16] = "", ignored[STORE_NAME_SIZE];
    if (*bundle != '\0')
        snprintf(text, sizeof text, "bundle %s\n%s%s", bundle, *name ? "name " : "", name);
    return record_add(store, uuid, number, text, ignored, out);
}

/* Whether the last line that was written says what is: 1, 0; -1: memory. */
static int is_settled(const struct buf *out, size_t start, const char *bundle, const char *name)
{
    struct store_record r;
    size_t last = start;
    if (out->len == start)
        return 0;
    for (size_t i = start; i + 1 < out->len; i++)
        if (out->data[i] == '\n')
            last = i + 1;
    AUTO_FREE char *line = strndup(out->data + last, out->len - 1 - last);
    if (line == NULL)
        return -1;
    return store_record_parse(line, strlen(line), &r) && strcmp(r.bundle, bundle) == 0 &&
           strcmp(r.name, *bundle ? name : "") == 0;
}

/* Format 1 took an entry's earlier names away with its next change; here it is now or never. */
static int drop_names(struct store *store, const char *uuid, const char *keep,
                      const struct buf *out, size_t start)
{
    AUTO_FREE char *lines = strndup(out->len > start ? out->data + start : "", out->len - start);
    if (lines == NULL)
        return -1;
    for (char *line = lines, *next; *line != '\0'; line = next) {
        struct store_record r;
        char path[PATH_SIZE];
        size_t n = strcspn(line, "\n");
        next = line + n + (line[n] == '\n');
        if (!store_record_parse(line, n, &r) || strcmp(r.name, keep) == 0)
            continue;
        int leads = name_leads_to(store, r.name, uuid, NULL);
        if (leads < 0)
            return -1;
        if (leads == 0)
            continue;
        name_path(r.name, path);
        if (unlinkat(store->fd, path, 0) < 0 && errno != ENOENT)
            return -1;
    }
    return 0;
}

/* The records of an entry, each a line. */
static int entry_records(struct store *store, const char *uuid, const char *dir,
                         const unsigned long *numbers, size_t n, char name[STORE_NAME_SIZE],
                         struct buf *out)
{
    char path[PATH_SIZE + 24];
    for (size_t i = 0; i < n; i++) {
        BUF_AUTO text = BUF_INIT;
        snprintf(path, sizeof path, "%s/%lu", dir, numbers[i]);
        if ((fs_read_file(store->fd, path, &text, RECORD_MAX) < 0 && errno != EFBIG) ||
            record_add(store, uuid, numbers[i], text.data, name, out) < 0)
            return -1;
    }
    return 0;
}

static int entry_history(struct store *store, const char *uuid, const char *dir, struct buf *out)
{
    struct names names;
    AUTO_FREE unsigned long *numbers = NULL;
    char bundle[STORE_BUNDLE_SIZE], name[STORE_NAME_SIZE] = "";
    size_t n, start = out->len;
    if (names_read(store->fd, dir, &names) < 0)
        return -1;
    int status = numbers_read(&names, &numbers, &n);
    names_free(&names);
    if (status < 0 || entry_records(store, uuid, dir, numbers, n, name, out) < 0 ||
        entry_current(store, dir, bundle) < 0)
        return -1;
    int settled = n > 0 || *bundle != '\0' ? is_settled(out, start, bundle, name) : 1;
    if (settled == 0)
        settled = entry_settle(store, uuid, n > 0 ? numbers[n - 1] + 1 : 1, bundle, name, out);
    return settled < 0 ? -1 : drop_names(store, uuid, *bundle ? name : "", out, start);
}

/* The directory changes places with a link, or goes, in one step; what was in it is removed when
 * that is on the disk. */
static int entry_convert(struct store *store, const char *uuid, const char *dir, const char *trash)
{
    char bundle[STORE_BUNDLE_SIZE], temp[PATH_SIZE], target[LINK_SIZE];
    snprintf(temp, sizeof temp, "%s/%s", trash, uuid);
    if (entry_current(store, dir, bundle) < 0)
        return -1;
    if (*bundle == '\0')
        return renameat(store->fd, dir, store->fd, temp);
    snprintf(target, sizeof target, "../../bundles/%s", bundle);
    if (symlinkat(target, store->fd, temp) < 0)
        return -1;
    return sys_renameat2(store->fd, temp, store->fd, dir, RENAME_EXCHANGE);
}

/* ---- a shard, and all of them ---- */

/* Whether it is an entry as format 1 has it: 1, 0; -1: that cannot be told. */
static int is_entry_dir(struct store *store, const char *uuid, char path[PATH_SIZE])
{
    struct stat st;
    if (!store_uuid_valid(uuid))
        return 0;
    entry_path(uuid, path);
    if (fstatat(store->fd, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? 0 : -1;
    return S_ISDIR(st.st_mode);
}

static int shard_history(struct store *store, unsigned shard, const struct names *names)
{
    char path[PATH_SIZE];
    BUF_AUTO text = BUF_INIT;
    shard_path("history", shard, path);
    if (faccessat(store->fd, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
        return 0;
    if (errno != ENOENT)
        return -1; /* it may be there, and say more than what is left of the entries */
    for (size_t i = 0; i < names->n; i++) {
        char dir[PATH_SIZE];
        int is = is_entry_dir(store, names->item[i], dir);
        if (is < 0 || (is > 0 && entry_history(store, names->item[i], dir, &text) < 0))
            return -1;
    }
    if (text.failed) {
        errno = ENOMEM;
        return -1;
    }
    return fs_replace_file(store->fd, "tmp", path, buf_text(&text), text.len, 0600);
}

static int entries_convert(struct store *store, const struct names *names, const char *trash)
{
    for (size_t i = 0; i < names->n; i++) {
        char dir[PATH_SIZE];
        int is = is_entry_dir(store, names->item[i], dir);
        if (is < 0 || (is > 0 && entry_convert(store, names->item[i], dir, trash) < 0))
            return -1;
    }
    return 0;
}

/* What the entries were is kept until the links are on the disk, and swept should we die: in tmp/,
 * under a lock. */
static int shard_convert(struct store *store, unsigned shard, const struct names *names)
{
    char path[PATH_SIZE], trash[32];
    struct store_stage stage;
    shard_path("entries", shard, path);
    if (shard_history(store, shard, names) < 0 || store_stage_open(store, &stage, NULL) < 0)
        return -1;
    snprintf(trash, sizeof trash, "tmp/%s", stage.name);
    int status = entries_convert(store, names, trash);
    if (status == 0)
        status = fs_sync_dir(store->fd, path);
    int saved = errno;
    store_stage_drop(&stage);
    errno = saved;
    return status;
}

static int shard_upgrade(struct store *store, unsigned shard)
{
    char path[PATH_SIZE];
    struct names names;
    shard_path("entries", shard, path);
    if (names_read(store->fd, path, &names) < 0)
        return errno == ENOENT ? 0 : -1;
    int status = shard_convert(store, shard, &names);
    int saved = errno;
    names_free(&names);
    errno = saved;
    return status;
}

int upgrade_1_to_2(struct store *store, struct ml_error *err)
{
    for (unsigned shard = 0; shard < N_SHARDS; shard++) {
        char path[PATH_SIZE];
        shard_path("entries", shard, path);
        if (shard_upgrade(store, shard) < 0)
            return upgrade_errno(store, path, err);
    }
    if (fs_sync_dir(store->fd, "names") < 0 || fs_sync_dir(store->fd, "history") < 0 ||
        fs_sync_dir(store->fd, "entries") < 0)
        return upgrade_errno(store, "history", err);
    return 0;
}

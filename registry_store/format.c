/* Which format a registry has: by what its FORMAT says, and, where that is lost, by what is in it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fs.h"
#include "registry_store/internal.h"

/* An older program must not write into a newer layout, nor guess what it reads: it stops with the
 * number. */
int format_read(struct store *store, struct ml_error *err)
{
    BUF_AUTO text = BUF_INIT;
    bool read = fs_read_file(store->fd, "FORMAT", &text, 256) == 0;
    if (!read && errno == ENOENT)
        return 0;
    bool other = !read && (errno == EINVAL || errno == ELOOP || errno == EFBIG);
    if (!read && !other)
        return ml_error_errno(err, 0, errno, "cannot read '%s/FORMAT'", store->home);
    /* Of a newer one the number is all that is known. */
    int version = -1, end = -1;
    sscanf(buf_text(&text), "modload registry %6d%n", &version, &end);
    if (version < 1 || (version <= FORMAT_NOW && strcmp(text.data + end, "\n") != 0)) {
        ml_error_set(err, ML_CONFIG, "bad_format", "'%s/FORMAT' is not of a modload registry",
                     store->home);
        return ml_error_hint(err, "if it is one: modload verify --repair; else use another "
                                  "MODLOAD_HOME");
    }
    if (version <= FORMAT_NOW)
        return version;
    ml_error_set(err, ML_CONFIG, "newer_format",
                 "registry '%s' has format %d; this modload knows formats up to %d", store->home,
                 version, FORMAT_NOW);
    return ml_error_hint(err, "use the modload that made it, or another MODLOAD_HOME");
}

int format_write(struct store *store, struct ml_error *err)
{
    char text[32];
    int n = snprintf(text, sizeof text, "modload registry %d\n", FORMAT_NOW);
    if (fs_replace_file(store->fd, "tmp", "FORMAT", text, (size_t)n, 0600) < 0)
        return ml_error_errno(err, ML_CANT_CREATE, errno, "cannot write '%s/FORMAT'", store->home);
    return 0;
}

/* ---- without it ---- */

/* In these lies what was registered; what lies in the others comes and goes. */
int home_used(int home)
{
    static const char *const dirs[] = {"entries", "history", "bundles", "names", "journal"};
    for (size_t d = 0; d < sizeof dirs / sizeof *dirs; d++) {
        struct names names = {.n = 0};
        if (names_read(home, dirs[d], &names) < 0 && errno != ENOENT)
            return -1;
        bool used = names.n > 0;
        names_free(&names);
        if (used)
            return 1;
    }
    return 0;
}

/* Something that the format of now does not have, among the names of a directory: 1, and its path;
 * 0; -1 and errno. */
static int find_other(struct store *store, const char *dir,
                      bool (*is_other)(struct store *store, const char *path, const char *name),
                      char other[PATH_SIZE])
{
    struct names names;
    int found = 0;
    if (names_read(store->fd, dir, &names) < 0)
        return -1;
    for (size_t i = 0; i < names.n && found == 0; i++) {
        bool top = strcmp(dir, ".") == 0;
        snprintf(other, PATH_SIZE, "%.16s%s%.64s", top ? "" : dir, top ? "" : "/", names.item[i]);
        found = is_other(store, other, names.item[i]);
    }
    names_free(&names);
    return found;
}

static bool is_other_part(struct store *store, const char *path, const char *name)
{
    return strcmp(name, "FORMAT") != 0 && !home_dir_known(name);
}

/* Format 1 had a directory for each entry. */
static bool is_directory(struct store *store, const char *path, const char *name)
{
    struct stat st;
    return store_uuid_valid(name) && fstatat(store->fd, path, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
           S_ISDIR(st.st_mode);
}

/* A line that is damaged cannot be told from one of another format. */
static int find_other_line(struct store *store, unsigned shard, char other[PATH_SIZE])
{
    LOG_AUTO log = {.n = 0};
    shard_path("history", shard, other);
    return log_read(store, shard, NULL, &log) < 0 ? -1 : log.damaged > 0;
}

/* Format 1 had no histories, either. */
static int find_any_other(struct store *store, char other[PATH_SIZE])
{
    int found = find_other(store, ".", is_other_part, other);
    if (found == 0 && faccessat(store->fd, "history", F_OK, AT_SYMLINK_NOFOLLOW) < 0) {
        strcpy(other, "entries");
        found = errno == ENOENT ? 1 : -1;
    }
    for (unsigned shard = 0; shard < N_SHARDS && found == 0; shard++) {
        char path[PATH_SIZE];
        shard_path("entries", shard, path);
        found = find_other(store, path, is_directory, other);
        if (found < 0 && errno == ENOENT)
            found = 0;
        if (found == 0)
            found = find_other_line(store, shard, other);
    }
    return found;
}

int format_check(struct store *store, struct ml_error *err)
{
    char other[PATH_SIZE] = "";
    int found = find_any_other(store, other);
    if (found < 0)
        return store_errno(err, "cannot look into registry '%s'", store->home);
    if (found == 0)
        return 0;
    ml_error_set(err, ML_CONFIG, "bad_format",
                 "'%s/FORMAT' cannot be made anew: '%s' is not of format %d", store->home, other,
                 FORMAT_NOW);
    return ml_error_hint(err, "bring it back: it holds 'modload registry N', N the format; or use "
                              "another MODLOAD_HOME");
}

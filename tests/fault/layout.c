/* What the harnesses know of the disk. */
#include "layout.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/scope.h"
#include "report.h"
#include "rig.h"
#include "tree.h"

enum { OBJECT_MAX = 1 << 24 };

int layout_format(const char *home)
{
    char path[PATH_ROOM];
    BUF_AUTO text = BUF_INIT;
    int format = 0;
    path_make(path, "%s/FORMAT", home);
    if (fs_read_file(AT_FDCWD, path, &text, 4096) == 0)
        sscanf(buf_text(&text), "modload registry %d", &format);
    return format;
}

bool layout_is_solid(int format)
{
    return format != 1;
}

/* Calls `each` for the names in a directory of the home; none when it is missing. */
static void names_of(const char *home, const char *dir, void (*each)(const char *name, void *arg),
                     void *arg)
{
    char path[PATH_ROOM];
    path_make(path, "%s/%s", home, dir);
    AUTO_CLOSEDIR DIR *d = opendir(path);
    if (d == NULL && errno != ENOENT)
        give_up("cannot read '%s': %s", path, strerror(errno));
    for (struct dirent *e; d != NULL && (e = readdir(d)) != NULL;)
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            each(e->d_name, arg);
}

struct litter {
    struct buf *ret;
    const char *dir;
};

static void add_litter(const char *name, void *arg)
{
    const struct litter *litter = arg;
    buf_fmt(litter->ret, "%s/%s\n", litter->dir, name);
}

void layout_litter(const char *home, struct buf *ret)
{
    static const char *const dirs[] = {"tmp", "journal"};
    for (size_t i = 0; i < sizeof dirs / sizeof *dirs; i++)
        names_of(home, dirs[i], add_litter, &(struct litter){ret, dirs[i]});
}

bool layout_is_litter(const char *path)
{
    return strncmp(path, "tmp/", 4) == 0;
}

bool layout_is_pending(const char *home)
{
    char path[PATH_ROOM];
    path_make(path, "%s/journal/apply", home);
    return access(path, F_OK) == 0;
}

/* ---- bundles ---- */

void layout_bundles(const char *home, void (*each)(const char *id, void *arg), void *arg)
{
    names_of(home, "bundles", each, arg);
}

static void digest(const struct buf *data, char hex[65])
{
    unsigned char sum[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    if (EVP_Digest(buf_text(data), data->len, sum, &n, EVP_sha256(), NULL) != 1)
        give_up("cannot make a SHA-256");
    for (unsigned i = 0; i < n; i++)
        snprintf(hex + 2 * i, 3, "%02x", sum[i]);
}

static void count_file(const char *path, unsigned mode, const char *target, void *arg)
{
    *(int *)arg += !S_ISDIR(mode);
}

/* One line of SHA256SUMS; false and why when it does not hold. */
static bool sum_holds(const char *dir, char *line, char text[160])
{
    char path[PATH_ROOM], hex[65];
    BUF_AUTO data = BUF_INIT;
    char *name = strstr(line, "  ");
    if (name == NULL) {
        snprintf(text, 160, "a line of SHA256SUMS is no sum: %.60s", line);
        return false;
    }
    *name = '\0';
    path_make(path, "%s/%s", dir, name + 2);
    if (fs_read_file(AT_FDCWD, path, &data, OBJECT_MAX) < 0) {
        snprintf(text, 160, "cannot read %.60s: %s", name + 2, strerror(errno));
        return false;
    }
    digest(&data, hex);
    snprintf(text, 160, "%.60s is not what its sum says (%zu bytes)", name + 2, data.len);
    return strcmp(hex, line) == 0;
}

void layout_bundle_state(const char *home, const char *id, char text[160])
{
    char dir[PATH_ROOM], path[PATH_ROOM];
    int files = 0, lines = 1; /* SHA256SUMS itself */
    BUF_AUTO sums = BUF_INIT;
    path_make(dir, "%s/bundles/%s", home, id);
    path_make(path, "%s/SHA256SUMS", dir);
    if (fs_read_file(AT_FDCWD, path, &sums, OBJECT_MAX) < 0 || sums.len == 0) {
        snprintf(text, 160, "no SHA256SUMS");
        return;
    }
    for (char *line = strtok(sums.data, "\n"); line != NULL; line = strtok(NULL, "\n"), lines++)
        if (!sum_holds(dir, line, text))
            return;
    tree_walk(dir, count_file, &files);
    snprintf(text, 160, files == lines ? "whole" : "%d files, %d sums", files, lines - 1);
}

/* ---- an old one, and damaged ones ---- */

static void put_text(const char *home, const char *path, const char *text)
{
    char full[PATH_ROOM];
    path_make(full, "%s/%s", home, path);
    if (fs_write_new(AT_FDCWD, full, text, strlen(text), 0600) < 0)
        give_up("cannot write '%s': %s", full, strerror(errno));
}

static void put_dir(const char *home, const char *path)
{
    char full[PATH_ROOM];
    path_make(full, "%s/%s", home, path);
    if (mkdir(full, 0700) < 0 && errno != EEXIST)
        give_up("cannot make '%s': %s", full, strerror(errno));
}

static void put_link(const char *home, const char *path, const char *target)
{
    char full[PATH_ROOM];
    path_make(full, "%s/%s", home, path);
    if (symlink(target, full) < 0)
        give_up("cannot make the link '%s': %s", full, strerror(errno));
}

/* entries/10/<uuid>/ with a record for each bundle, `current`, and the name. */
static void put_entry_1(const char *home, char *line)
{
    char path[PATH_ROOM], text[256];
    const char *uuid = strtok(line, " "), *name = strtok(NULL, " "), *bundle = "-";
    int number = 0;
    path_make(path, "entries/%.2s", uuid);
    put_dir(home, path);
    path_make(path, "entries/%.2s/%s", uuid, uuid);
    put_dir(home, path);
    for (const char *next; (next = strtok(NULL, " ")) != NULL; bundle = next) {
        bool out = strcmp(next, "-") == 0;
        path_make(path, "entries/%.2s/%s/%d", uuid, uuid, ++number);
        snprintf(text, sizeof text, "time 2026-01-02T03:04:%02dZ\n", number);
        if (!out)
            snprintf(text, sizeof text,
                     "time 2026-01-02T03:04:%02dZ\nbundle %s\nname %s\norigin /a%%25b\n", number,
                     next, name);
        put_text(home, path, text);
    }
    if (strcmp(bundle, "-") == 0)
        return;
    path_make(path, "entries/%.2s/%s/current", uuid, uuid);
    snprintf(text, sizeof text, "../../../bundles/%s", bundle);
    put_link(home, path, text);
    path_make(path, "names/%s", name);
    snprintf(text, sizeof text, "../entries/%.2s/%s", uuid, uuid);
    put_link(home, path, text);
}

void layout_make_format_1(const char *seed, const char *home, const char *lines)
{
    static const char *const dirs[] = {"", "entries", "names", "locks", "tmp"};
    char from[PATH_ROOM], to[PATH_ROOM], line[512];
    for (size_t i = 0; i < sizeof dirs / sizeof *dirs; i++)
        put_dir(home, dirs[i]);
    path_make(from, "%s/bundles", seed);
    path_make(to, "%s/bundles", home);
    tree_copy(from, to);
    put_text(home, "FORMAT", "modload registry 1\n");
    for (const char *p = lines; *p != '\0';) {
        size_t n = strcspn(p, "\n");
        snprintf(line, sizeof line, "%.*s", (int)n, p);
        put_entry_1(home, line);
        p += n + (p[n] == '\n');
    }
}

static bool damage_link(const char *home, const char *uuid)
{
    char path[PATH_ROOM];
    path_make(path, "%s/entries/%.2s/%s", home, uuid, uuid);
    return unlink(path) == 0 && symlink("nowhere", path) == 0;
}

static bool damage_history(const char *home, const char *uuid)
{
    char path[PATH_ROOM], byte;
    path_make(path, "%s/history/%.2s", home, uuid);
    AUTO_CLOSE int fd = open(path, O_RDWR | O_CLOEXEC);
    off_t at = lseek(fd, -5, SEEK_END);
    if (fd < 0 || at < 0 || pread(fd, &byte, 1, at) != 1)
        return false;
    byte ^= 1;
    return pwrite(fd, &byte, 1, at) == 1;
}

bool layout_damage(const char *home, const char *what, const char *which)
{
    char path[PATH_ROOM];
    if (strcmp(what, "link") == 0)
        return damage_link(home, which);
    if (strcmp(what, "history") == 0)
        return damage_history(home, which);
    if (strcmp(what, "name") == 0) {
        path_make(path, "%s/names/%s", home, which);
        return unlink(path) == 0;
    }
    path_make(path, "%s/bundles/%s/plugin.so", home, which);
    return chmod(path, 0600) == 0 && truncate(path, 100) == 0 && chmod(path, 0400) == 0;
}

/* Whether what an entry has is retired, without a library and without a network: by a file that is
 * made when indexes are updated (lib/index/copy.h: copy_retired_lines()). Its lines are sorted, so
 * that a few of them are looked at, however many there are. */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/scope.h"
#include "base/xdg.h"
#include "modload/index.h"

enum { ORIGIN_MAX = 16384 };

struct ml_retired_list {
    const char *text;
    size_t n;
};

/* ---- the file ---- */

static int map(int fd, const char *path, struct ml_retired_list **ret, struct ml_error *err)
{
    struct stat st;
    if (fstat(fd, &st) < 0)
        return ml_error_errno(err, 0, errno, "cannot look at '%s'", path);
    if (!S_ISREG(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & 022) != 0) {
        ml_error_set(err, ML_REFUSED, "refused_cache", "'%s' is not yours alone", path);
        return ml_error_hint(err, "remove it; modload index update makes it anew");
    }
    if (st.st_size == 0)
        return 0;
    struct ml_retired_list *list = malloc(sizeof *list);
    if (list == NULL)
        return ml_error_memory(err);
    list->n = (size_t)st.st_size;
    void *text = mmap(NULL, list->n, PROT_READ, MAP_PRIVATE, fd, 0);
    if (text == MAP_FAILED) {
        free(list);
        return ml_error_errno(err, ML_LIMIT, errno, "cannot map '%s'", path);
    }
    list->text = text;
    *ret = list;
    return 0;
}

int ml_retired_open(struct ml_retired_list **ret, struct ml_error *err)
{
    AUTO_FREE char *path = xdg_path(XDG_CACHE, "index/retired");
    *ret = NULL;
    if (path == NULL) /* no place, no indexes */
        return errno == ENOMEM ? ml_error_memory(err) : 0;
    AUTO_CLOSE int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 && (errno == ENOENT || errno == ENOTDIR || errno == EACCES))
        return 0;
    if (fd < 0)
        return ml_error_errno(err, 0, errno, "cannot open '%s'", path);
    return map(fd, path, ret, err);
}

void ml_retired_close(struct ml_retired_list *list)
{
    if (list == NULL)
        return;
    munmap((void *)(uintptr_t)list->text, list->n);
    free(list);
}

/* ---- a line ---- */

struct part {
    const char *at;
    size_t n;
};

static struct part cut(const char **at, const char *end)
{
    const char *tab = memchr(*at, '\t', (size_t)(end - *at));
    struct part part = {*at, (size_t)((tab ? tab : end) - *at)};
    *at = tab ? tab + 1 : end;
    return part;
}

/* As origins are written (lib/install/origin.c). */
static bool is_escaped(unsigned char c)
{
    return c <= ' ' || c >= 0x7f || strchr("%?&#", c) != NULL;
}

static bool url_is(const char *origin, struct part git)
{
    static const char digits[] = "0123456789ABCDEF";
    for (size_t i = 0; i < git.n; i++) {
        unsigned char c = (unsigned char)git.at[i];
        if (!is_escaped(c)) {
            if (*origin++ != (char)c)
                return false;
            continue;
        }
        const char hex[3] = {'%', digits[c >> 4], digits[c & 15]};
        if (strncmp(origin, hex, 3) != 0)
            return false;
        origin += 3;
    }
    return *origin == '?' || *origin == '#';
}

/* A repository may have moved since, or be another's copy, and has more than one URL: its commits
 * are the same everywhere. */
static bool commit_is(const char *origin, struct part commit)
{
    const char *at = strrchr(origin, '#');
    return at != NULL && commit.n > 0 && strlen(at + 1) == commit.n &&
           memcmp(at + 1, commit.at, commit.n) == 0;
}

static bool origin_is(const char *origin, struct part git, struct part commit)
{
    if (strncmp(origin, "pack+", 5) == 0) /* it says so, and is warned of as what it says */
        origin += 5;
    if (strncmp(origin, "git+", 4) != 0)
        return false;
    return url_is(origin + 4, git) || commit_is(origin, commit);
}

static void text_take(char *to, size_t size, struct part part)
{
    size_t n = part.n < size ? part.n : size - 1;
    memcpy(to, part.at, n);
    to[n] = '\0';
}

static bool is_word(struct part part)
{
    for (size_t i = 0; i < part.n; i++)
        if (part.at[i] < 'a' || part.at[i] > 'z')
            return false;
    return part.n > 0;
}

/* NAME@VERSION, REASON, GIT, COMMIT, MESSAGE */
static bool line_take(const char *line, const char *end, const char *origin, struct ml_retired *ret)
{
    cut(&line, end);
    struct part reason = cut(&line, end), git = cut(&line, end);
    struct part commit = cut(&line, end), message = cut(&line, end);
    if (!is_word(reason) || !origin_is(origin, git, commit))
        return false;
    text_take(ret->reason, sizeof ret->reason, reason);
    text_take(ret->message, sizeof ret->message, message);
    return true;
}

/* ---- all of them ---- */

/* Which of the two comes first: a line, or what lines about this version begin with. */
static int line_compare(const char *line, const char *end, const char *want, size_t n)
{
    size_t length = (size_t)(end - line), least = length < n ? length : n;
    int order = memcmp(line, want, least);
    return order != 0 ? order : length < n ? -1 : 0;
}

static const char *line_end(const struct ml_retired_list *list, const char *line)
{
    const char *stop = list->text + list->n, *end = memchr(line, '\n', (size_t)(stop - line));
    return end != NULL ? end : stop;
}

/* The first line that does not come before `want`, or the end. */
static const char *lower_bound(const struct ml_retired_list *list, const char *want, size_t n)
{
    const char *from = list->text, *to = list->text + list->n;
    while (from < to) {
        const char *middle = from + (to - from) / 2;
        const char *newline = memrchr(from, '\n', (size_t)(middle - from));
        const char *line = newline != NULL ? newline + 1 : from, *end = line_end(list, line);
        if (line_compare(line, end, want, n) < 0)
            from = end < to ? end + 1 : to;
        else
            to = line;
    }
    return from;
}

/* More than one index may say so of the same version, or of another plugin of its name. */
static int find(const struct ml_retired_list *list, const char *want, size_t n, const char *origin,
                struct ml_retired *ret)
{
    const char *stop = list->text + list->n, *end;
    for (const char *line = lower_bound(list, want, n); line < stop; line = end + 1) {
        end = line_end(list, line);
        if (line_compare(line, end, want, n) != 0)
            break;
        if (origin == NULL || line_take(line, end, origin, ret))
            return 1;
    }
    return 0;
}

static size_t want_make(char *want, size_t size, const char *plugin, const char *version)
{
    int n = snprintf(want, size, "%s@%s\t", plugin, version);
    return n > 0 && (size_t)n < size ? (size_t)n : 0;
}

int ml_retired_find(const struct ml_retired_list *list, const char *plugin, const char *version,
                    const char *origin, struct ml_retired *ret)
{
    char want[ML_NAME_SIZE + ML_VERSION_SIZE + 2];
    size_t n = list != NULL ? want_make(want, sizeof want, plugin, version) : 0;
    return n > 0 ? find(list, want, n, origin, ret) : 0;
}

/* Where it came from is read only for who has the name and version of one that is retired. */
int ml_retired_entry(const struct ml_retired_list *list, struct ml_ctx *ctx,
                     const struct ml_entry *entry, struct ml_retired *ret, struct ml_error *err)
{
    if (ml_retired_find(list, entry->plugin, entry->version, NULL, ret) == 0)
        return 0;
    AUTO_FREE char *origin = malloc(ORIGIN_MAX);
    if (origin == NULL)
        return ml_error_memory(err);
    if (ml_entry_origin(ctx, &entry->key, origin, ORIGIN_MAX, err) < 0)
        return -1;
    return ml_retired_find(list, entry->plugin, entry->version, origin, ret);
}

#include "index/copy.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/scope.h"

void copy_close(struct copy *copy)
{
    if (copy->map != NULL)
        munmap(copy->map, copy->size);
    *copy = (struct copy){.map = NULL};
}

int copy_damaged(struct ml_error *err)
{
    ml_error_set(err, ML_DATA, "bad_copy", "the local copy of the index is damaged");
    return ml_error_hint(err, "make it anew: modload index update");
}

/* ---- opening ---- */

static bool ends(const char *text, size_t size)
{
    return memchr(text, '\0', size) != NULL;
}

/* All that is not looked at each time it is used. */
static bool head_good(const struct copy_head *h, size_t size)
{
    uint64_t left = size - sizeof *h;
    return memcmp(h->magic, COPY_MAGIC, sizeof COPY_MAGIC) == 0 && h->form == COPY_FORM &&
           ends(h->commit, sizeof h->commit) && ends(h->name, sizeof h->name) &&
           ends(h->url, sizeof h->url) && h->lines <= left && h->texts <= left - h->lines &&
           h->retired == left - h->lines - h->texts;
}

static int check_ours(const struct stat *st, const char *file, struct ml_error *err)
{
    if (S_ISREG(st->st_mode) && st->st_uid == geteuid() && (st->st_mode & 022) == 0)
        return 0;
    ml_error_set(err, ML_REFUSED, "refused_cache", "'%s', a copy of an index, is not yours alone",
                 file);
    return ml_error_hint(err, "remove it, and make it anew: modload index update");
}

int copy_open(int dirfd, const char *file, struct copy *ret, struct ml_error *err)
{
    struct stat st;
    COPY_AUTO copy = {.map = NULL};
    AUTO_CLOSE int fd = openat(dirfd, file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return 0;
    if (fd < 0 || fstat(fd, &st) < 0)
        return ml_error_errno(err, 0, errno, "cannot open '%s'", file);
    if (check_ours(&st, file, err) < 0)
        return -1;
    if ((uint64_t)st.st_size < sizeof *copy.head)
        return copy_damaged(err);
    void *map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (map == MAP_FAILED)
        return ml_error_errno(err, ML_LIMIT, errno, "cannot map '%s'", file);
    copy.map = map;
    copy.size = (size_t)st.st_size;
    copy.head = map;
    if (!head_good(copy.head, copy.size))
        return copy_damaged(err);
    copy.lines = (const char *)(copy.head + 1);
    copy.texts = copy.lines + copy.head->lines;
    copy.retired = copy.texts + copy.head->texts;
    *ret = copy;
    copy.map = NULL;
    return 1;
}

/* ---- lines ---- */

/* The part up to a tab or the line's end, and `*at` moved behind that. */
static bool cut(const char **at, const char *end, char mark, struct copy_text *ret)
{
    const char *found = memchr(*at, mark, (size_t)(end - *at));
    if (found == NULL)
        return false;
    *ret = (struct copy_text){*at, (size_t)(found - *at)};
    *at = found + 1;
    return true;
}

static bool number(struct copy_text text, uint64_t *ret)
{
    uint64_t value = 0;
    if (text.n == 0 || text.n > 18)
        return false;
    for (size_t i = 0; i < text.n; i++) {
        if (text.at[i] < '0' || text.at[i] > '9')
            return false;
        value = value * 10 + (uint64_t)(text.at[i] - '0');
    }
    *ret = value;
    return true;
}

/* KEY <tab> DESCRIPTION <tab> NAME <tab> VERSION <tab> OFFSET <tab> SIZE <tab> r or - */
static bool line_cut(const struct copy *copy, const char **at, struct copy_line *ret)
{
    const char *end = copy->texts, *p = *at;
    struct copy_text offset, size, flag;
    uint64_t from, n;
    if (!cut(&p, end, '\t', &ret->key) || !cut(&p, end, '\t', &ret->description) ||
        !cut(&p, end, '\t', &ret->name) || !cut(&p, end, '\t', &ret->version) ||
        !cut(&p, end, '\t', &offset) || !cut(&p, end, '\t', &size) || !cut(&p, end, '\n', &flag))
        return false;
    if (!number(offset, &from) || !number(size, &n) || from > copy->head->texts ||
        n >= copy->head->texts - from || n > INDEX_FILE_MAX || copy->texts[from + n] != '\0')
        return false;
    ret->file = (struct copy_text){copy->texts + from, n};
    ret->has_retired = flag.n == 1 && *flag.at == 'r';
    *at = p;
    return ret->key.n > 0 && ret->key.n < INDEX_NAME_SIZE;
}

int copy_line_next(const struct copy *copy, const char **at, struct copy_line *ret)
{
    if (*at >= copy->texts)
        return 0;
    return line_cut(copy, at, ret) ? 1 : -1;
}

static int key_compare(const char *key, struct copy_text text)
{
    size_t n = strlen(key), least = n < text.n ? n : text.n;
    int order = memcmp(key, text.at, least);
    return order != 0 ? order : n < text.n ? -1 : n > text.n;
}

/* `from` is always where a line begins, and so is `to`. */
int copy_find(const struct copy *copy, const char *key, struct copy_line *ret)
{
    const char *from = copy->lines, *to = copy->texts;
    while (from < to) {
        const char *middle = from + (to - from) / 2;
        const char *newline = memrchr(from, '\n', (size_t)(middle - from));
        const char *begin = newline != NULL ? newline + 1 : from, *next = begin;
        if (!line_cut(copy, &next, ret))
            return -1;
        int order = key_compare(key, ret->key);
        if (order == 0)
            return 1;
        if (order < 0)
            to = begin;
        else
            from = next;
    }
    return 0;
}

int copy_plugin(struct arena *a, const struct copy_line *line, struct index_plugin *ret,
                struct ml_error *err)
{
    const char *label = arena_fmt(a, "%.*s.json", (int)line->key.n, line->key.at);
    return index_plugin_read(a, label, line->file.at, line->file.n, ret, err);
}

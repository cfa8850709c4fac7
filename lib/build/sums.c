/* The list is what a bundle is checked against, so reading it is strict: a line that could be taken
 * for something else makes the whole list worthless. */
#include "build/sums.h"

#include <stdlib.h>
#include <string.h>

enum { HEX = DIGEST_HEX_SIZE - 1 };

static int file_compare(const void *a, const void *b)
{
    return strcmp(((const struct bundle_file *)a)->path, ((const struct bundle_file *)b)->path);
}

static void sort(struct bundle_file *files, size_t n)
{
    if (n > 1)
        qsort(files, n, sizeof *files, file_compare);
}

/* As sha256sum(1) writes it: a line whose name holds a newline or backslash is marked by a
 * backslash. */
static void line_write(struct buf *out, const struct bundle_file *file)
{
    bool escape = strpbrk(file->path, "\\\n\r") != NULL;
    buf_fmt(out, "%s%s  ", escape ? "\\" : "", file->sha256);
    for (const char *p = file->path; *p != '\0'; p++) {
        if (*p == '\n')
            buf_str(out, "\\n");
        else if (*p == '\r')
            buf_str(out, "\\r");
        else if (*p == '\\')
            buf_str(out, "\\\\");
        else
            buf_char(out, *p);
    }
    buf_char(out, '\n');
}

void sums_write(struct buf *out, struct bundle_file *files, size_t n)
{
    sort(files, n);
    for (size_t i = 0; i < n; i++)
        line_write(out, &files[i]);
}

bool sums_path_valid(const char *path)
{
    if (*path == '\0')
        return false;
    for (;; path++) {
        size_t n = strcspn(path, "/");
        if (n == 0 || (n == 1 && *path == '.') || (n == 2 && strncmp(path, "..", 2) == 0))
            return false;
        path += n;
        if (*path == '\0')
            return true;
    }
}

bool sums_digest_valid(const char *hex)
{
    return strnlen(hex, HEX + 1) == HEX && strspn(hex, "0123456789abcdef") == HEX;
}

/* Undoes what line_write() did. Null for an escape that it does not write. */
static const char *name_decode(struct arena *a, const char *text, size_t n)
{
    BUF_AUTO name = BUF_INIT;
    for (size_t i = 0; i < n; i++) {
        const char *kinds = "n\nr\r\\\\", *kind = NULL;
        for (const char *k = kinds; text[i] == '\\' && i + 1 < n && *k != '\0'; k += 2)
            if (*k == text[i + 1])
                kind = k;
        if (text[i] == '\\' && kind == NULL)
            return NULL;
        buf_char(&name, kind ? kind[1] : text[i]);
        i += kind != NULL;
    }
    a->failed = a->failed || name.failed;
    return arena_mem(a, buf_text(&name), name.len);
}

static bool line_parse(struct arena *a, const char *line, size_t n, struct bundle_file *ret)
{
    bool escaped = *line == '\\';
    line += escaped;
    n -= escaped;
    if (n <= HEX + 2 || strncmp(line + HEX, "  ", 2) != 0)
        return false;
    memcpy(ret->sha256, line, HEX);
    ret->sha256[HEX] = '\0';
    line += HEX + 2;
    n -= HEX + 2;
    ret->path = escaped ? name_decode(a, line, n) : arena_mem(a, line, n);
    return ret->path != NULL && sums_path_valid(ret->path) && sums_digest_valid(ret->sha256) &&
           strcmp(ret->path, "SHA256SUMS") != 0;
}

/* The last line must have its end, too: a list that was cut off may end in the middle of a name. */
int sums_parse(struct arena *a, const char *text, struct bundle_file **ret, size_t *n)
{
    *ret = NULL;
    *n = 0;
    while (*text != '\0') {
        size_t length = strcspn(text, "\n");
        struct bundle_file *files = arena_grow(a, *ret, *n, sizeof *files);
        if (files == NULL || text[length] == '\0' || !line_parse(a, text, length, &files[*n]))
            return -1;
        *ret = files;
        ++*n;
        text += length + 1;
    }
    sort(*ret, *n);
    for (size_t i = 1; i < *n; i++)
        if (strcmp((*ret)[i - 1].path, (*ret)[i].path) == 0)
            return -1;
    return a->failed ? -1 : 0;
}

const struct bundle_file *sums_find(const struct bundle_file *files, size_t n, const char *path)
{
    const struct bundle_file key = {.path = path};
    return n > 0 ? bsearch(&key, files, n, sizeof *files, file_compare) : NULL;
}

/* Directories and links as they are read here: names at once and sorted, targets by their last
 * part; and sets of bundles. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/fs.h"
#include "base/scope.h"
#include "registry_store/internal.h"

static int name_compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* -1 with errno ENOMEM, and what was there before is kept. */
static int names_add(struct names *names, size_t *cap, const char *name)
{
    if (names->n == *cap) {
        size_t more = *cap ? *cap * 2 : 32;
        char **item = realloc(names->item, more * sizeof *item);
        if (item == NULL)
            return -1;
        names->item = item;
        *cap = more;
    }
    char *copy = strdup(name);
    if (copy == NULL)
        return -1;
    names->item[names->n++] = copy;
    return 0;
}

/* All names at once and sorted, so that lists have an order, and what is removed meanwhile does not
 * disturb a readdir that is under way. errno tells readdir's end from its failure (readdir(3)). */
int names_read(int dirfd, const char *path, struct names *ret)
{
    struct names names = {0};
    size_t cap = 0;
    int fd = openat(dirfd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    AUTO_CLOSEDIR DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (dir == NULL) {
        if (fd >= 0)
            close(fd);
        return -1;
    }
    struct dirent *e;
    while (errno = 0, (e = readdir(dir)) != NULL)
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0 &&
            names_add(&names, &cap, e->d_name) < 0)
            break;
    if (errno != 0) {
        int saved = errno;
        names_free(&names);
        errno = saved;
        return -1;
    }
    if (names.n > 0)
        qsort(names.item, names.n, sizeof *names.item, name_compare);
    *ret = names;
    return 0;
}

void names_free(struct names *names)
{
    for (size_t i = 0; i < names->n; i++)
        free(names->item[i]);
    free(names->item);
    *names = (struct names){0};
}

/* A registry that is missing is ENOENT, as a missing link is. What lies before the last slash is
 * not looked at: it only matters to people who follow the link with ls. */
const char *link_leaf(struct store *store, const char *path, char target[LINK_SIZE])
{
    if (store->fd < 0) {
        errno = ENOENT;
        return NULL;
    }
    if (fs_read_link(store->fd, path, target, LINK_SIZE) < 0)
        return NULL;
    const char *slash = strrchr(target, '/');
    return slash ? slash + 1 : target;
}

bool is_damage(int errnum)
{
    return errnum == ENOENT || errnum == ENOTDIR || errnum == EISDIR || errnum == ELOOP ||
           errnum == EINVAL || errnum == EFBIG;
}

bool is_no_link(int errnum)
{
    return errnum == ENOENT || errnum == EINVAL || errnum == ENAMETOOLONG;
}

/* What is ours and is not there, or is something else, is damage: no key or file of the user's. */
int store_errno(struct ml_error *err, const char *fmt, ...)
{
    char text[ML_ERROR_MESSAGE_MAX];
    int errnum = errno;
    bool damaged = is_damage(errnum);
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    ml_error_errno(err, damaged ? ML_REFUSED : 0, errnum, "%s", text);
    if (damaged)
        ml_error_hint(err, "run: modload verify --repair");
    errno = errnum;
    return -1;
}

/* ---- sets of bundles ---- */

static int id_compare(const void *a, const void *b)
{
    return memcmp(a, b, STORE_BUNDLE_SIZE);
}

static void ids_sort(struct ids *ids)
{
    size_t n = 0;
    if (ids->n > 0)
        qsort(ids->item, ids->n, sizeof *ids->item, id_compare);
    for (size_t i = 0; i < ids->n; i++)
        if (i == 0 || id_compare(ids->item[i], ids->item[n - 1]) != 0)
            memmove(ids->item[n++], ids->item[i], sizeof *ids->item);
    ids->n = n;
    ids->sorted = true;
}

/* A million entries may well be of one bundle: what is full is sorted, which drops what is there
 * twice, and grows only if that did not make it half empty. */
static int ids_make_room(struct ids *ids)
{
    ids_sort(ids);
    if (ids->n * 2 < ids->cap)
        return 0;
    size_t cap = ids->cap ? ids->cap * 2 : 64;
    void *item = realloc(ids->item, cap * sizeof *ids->item);
    if (item == NULL)
        return -1;
    ids->item = item;
    ids->cap = cap;
    return 0;
}

int ids_add(struct ids *ids, const char *id)
{
    if (ids->n > 0 && strcmp(ids->item[ids->n - 1], id) == 0)
        return 0;
    if (ids->n == ids->cap && ids_make_room(ids) < 0)
        return -1;
    memset(ids->item[ids->n], 0, sizeof *ids->item);
    strcpy(ids->item[ids->n++], id);
    ids->sorted = false;
    return 0;
}

bool ids_have(struct ids *ids, const char *id)
{
    char key[STORE_BUNDLE_SIZE] = "";
    if (!ids->sorted)
        ids_sort(ids);
    strcpy(key, id);
    return ids->n > 0 && bsearch(key, ids->item, ids->n, sizeof *ids->item, id_compare) != NULL;
}

void ids_free(struct ids *ids)
{
    free(ids->item);
    *ids = (struct ids){.n = 0};
}

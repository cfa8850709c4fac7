/* What is no portable name is refused for what it could become elsewhere: on a file system that
 * knows no case, in a shell, on a terminal, in a git working tree. What leads out is refused of any
 * names; the kernel keeps paths beneath the directory on its own account (beneath.c). */
#include "archive/paths.h"

#include <errno.h>
#include <search.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/error.h"
#include "base/json.h"
#include "base/scope.h"
#include "base/unseen.h"

enum { SHOWN_MAX = 200 };

int path_hostile(struct ml_error *err, const char *path, const char *why, ...)
{
    char text[512];
    va_list ap;
    va_start(ap, why);
    vsnprintf(text, sizeof text, why, ap);
    va_end(ap);
    return ml_error_set(err, ML_REFUSED, "hostile_archive", "'%.*s%s' %s", SHOWN_MAX, path,
                        strlen(path) > SHOWN_MAX ? "..." : "", text);
}

/* Names are told apart here by more than most file systems do; one that still finds two the same
 * has its own rules, and they count. */
int path_write_failed(const char *path, struct ml_error *err)
{
    if (errno == EEXIST || errno == ENOTDIR || errno == ELOOP || errno == EXDEV)
        return path_hostile(err, path, "is there already, says the file system");
    return ml_error_errno(
        err, errno == ENOSPC || errno == EDQUOT || errno == EIO ? ML_IO : ML_CANT_CREATE, errno,
        "cannot write '%.200s'", path);
}

/* ---- what a name may be ---- */

static bool has_unseen(const char *path)
{
    for (; *path != '\0'; path++)
        if (unseen_at(path) > 0)
            return true;
    return false;
}

/* As the file systems of Windows see it, too: they drop dots and blanks at the end, a colon begins
 * the name of a stream of the file before it (CVE-2019-1352), and git~1 is the short form of .git
 * (CVE-2014-9390). */
static bool is_git(const char *name, size_t n)
{
    const char *colon = memchr(name, ':', n);
    if (colon != NULL)
        n = (size_t)(colon - name);
    while (n > 1 && (name[n - 1] == '.' || name[n - 1] == ' '))
        n--;
    return (n == 4 && strncasecmp(name, ".git", 4) == 0) ||
           (n == 5 && strncasecmp(name, "git~1", 5) == 0);
}

/* One component. Null when it is fine. */
static const char *name_fault(const char *name, size_t n, bool portable)
{
    if (n == 0)
        return "has an empty component";
    if (n == 1 && name[0] == '.')
        return "has '.' for a component";
    if (n == 2 && name[0] == '.' && name[1] == '.')
        return "climbs out by '..'";
    if (n > ARCHIVE_NAME_MAX)
        return "has a component of more than 255 bytes";
    if (portable && is_git(name, n))
        return "is git's own: '.git' is not taken";
    return NULL;
}

/* What its bytes may be, if it is to be portable. */
static const char *text_fault(const char *path)
{
    if (strlen(path) > ARCHIVE_PATH_MAX)
        return "is longer than 1024 bytes";
    if (!json_is_utf8(path, strlen(path)))
        return "is not UTF-8";
    if (has_unseen(path))
        return "has control characters or invisible ones";
    if (strchr(path, '\\') != NULL)
        return "has a backslash, which is a slash for some";
    return NULL;
}

/* What is wrong with all of it, before what is wrong with a part. */
static const char *path_fault(const char *path, bool portable)
{
    if (*path == '\0')
        return "is no name";
    if (*path == '/')
        return "is an absolute path";
    if (strlen(path) > ARCHIVE_ANY_PATH_MAX)
        return "is longer than any path of a file";
    const char *fault = portable ? text_fault(path) : NULL;
    for (int depth = 0; fault == NULL; depth++, path++) {
        size_t n = strcspn(path, "/");
        fault = name_fault(path, n, portable);
        if (fault == NULL && portable && depth == ARCHIVE_DEPTH_MAX)
            fault = "is deeper than 32 directories";
        path += n;
        if (*path == '\0')
            break;
    }
    return fault;
}

/* ---- what is there ---- */

struct name {
    char *folded; /* what names are compared by */
    char *path;   /* as it was spelled */
    bool directory;
    bool named; /* by an entry of its own */
};

static int name_compare(const void *a, const void *b)
{
    return strcmp(((const struct name *)a)->folded, ((const struct name *)b)->folded);
}

static void name_free(void *p)
{
    struct name *name = p;
    free(name->folded);
    free(name->path);
    free(name);
}

void paths_free(struct paths *paths)
{
    if (paths->tree != NULL)
        tdestroy(paths->tree, name_free);
    free(paths->last);
    paths->tree = paths->last = NULL;
}

/* Full case folding and composition (Unicode, D145 with NFC): what any file system may take for the
 * same is the same here. A slash neither folds nor composes, so that the components stay what they
 * are. Null when memory is out. */
static char *path_fold(const struct lib *lib, const char *path)
{
    size_t n = strlen(path), size = 0;
    uint8_t *folded = lib->u8_casefold((const uint8_t *)path, n + 1, NULL, lib->nfc, NULL,
                                       &size); /* the NUL too */
    return (char *)folded;
}

/* The name at a path of `n` bytes whose folded form is `folded`, taken in if it is new. */
static struct name *name_at(struct paths *paths, const char *folded, const char *path, size_t n,
                            bool directory)
{
    struct name *name = calloc(1, sizeof *name);
    if (name == NULL)
        return NULL;
    *name = (struct name){strdup(folded), strndup(path, n), directory, false};
    struct name **found =
        name->folded && name->path ? tsearch(name, &paths->tree, name_compare) : NULL;
    if (found == NULL || *found != name)
        name_free(name);
    if (found == NULL)
        return NULL;
    paths->n += *found == name;
    return *found;
}

/* Takes in one path: the entry's own, or that of a directory on its way. */
static int path_take(struct paths *paths, const char *folded, const char *path, size_t n,
                     bool directory, bool own, struct ml_error *err)
{
    struct name *name = name_at(paths, folded, path, n, directory);
    if (name == NULL)
        return ml_error_memory(err);
    if (strlen(name->path) != n || memcmp(name->path, path, n) != 0)
        return path_hostile(err, path, "and '%.*s' differ in case or in Unicode form alone",
                            SHOWN_MAX, name->path);
    if (name->directory != directory)
        return path_hostile(err, name->path, "is a file and a directory");
    if (own && name->named)
        return path_hostile(err, path, "is there twice");
    name->named = name->named || own;
    return 0;
}

/* The folded path is cut at each slash for a moment: its parts are those of the path. */
static int path_add(struct paths *paths, const char *path, bool directory, struct ml_error *err)
{
    AUTO_FREE char *folded = path_fold(paths->lib, path);
    if (folded == NULL)
        return ml_error_memory(err);
    char *cut = folded;
    for (const char *slash = path; (slash = strchr(slash, '/')) != NULL; slash++) {
        cut = strchr(cut, '/');
        *cut = '\0';
        if (path_take(paths, folded, path, (size_t)(slash - path), true, false, err) < 0)
            return -1;
        *cut++ = '/';
    }
    return path_take(paths, folded, path, strlen(path), directory, true, err);
}

/* Nothing is kept of them: an export may have millions. New are the path itself, and as many of the
 * directories on its way as the path before did not have. */
static int path_count(struct paths *paths, const char *path, struct ml_error *err)
{
    char *copy = strdup(path);
    if (copy == NULL)
        return ml_error_memory(err);
    const char *last = paths->last ? paths->last : "";
    while (*path != '\0' && *path == *last)
        path++, last++;
    if (*path == '/' && *last == '\0')
        path++; /* it was named before what is in it */
    for (paths->n++; (path = strchr(path, '/')) != NULL; path++)
        paths->n++;
    free(paths->last);
    paths->last = copy;
    return 0;
}

int paths_add(struct paths *paths, const char *path, bool directory, struct ml_error *err)
{
    bool portable = paths->names == ARCHIVE_NAMES_PORTABLE;
    const char *fault = path_fault(path, portable);
    if (fault != NULL)
        return path_hostile(err, path, "%s", fault);
    return portable ? path_add(paths, path, directory, err) : path_count(paths, path, err);
}

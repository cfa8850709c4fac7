/* All of this is done on texts, as the compiler does it: the path of a header in its list is that
 * of the directory in which it was found, and what the source wrote. Links are not looked through;
 * a place that they make ambiguous leads to a bundle that cannot be built again, never to a wrong
 * one: its id would be another. */
#include "build/place.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/scope.h"
#include "build/sums.h"
#include "build/word.h"

/* An -I directory further away than this is no neighbour: the names on the way to it would tell
 * where the sources lay. */
enum { NEIGHBOUR_UP = 2 };

/* ---- paths as lists of names ---- */

static void parts_split(struct arena *a, const char *path, struct strv *ret)
{
    for (path += strspn(path, "/"); *path != '\0'; path += strspn(path, "/")) {
        size_t n = strcspn(path, "/");
        if (n != 1 || *path != '.')
            strv_add(a, ret, arena_mem(a, path, n));
        path += n;
    }
}

/* Takes ".." and the name before it away, as long as there is one. */
static void parts_fold(struct strv *parts)
{
    size_t n = 0;
    for (size_t i = 0; i < parts->n; i++)
        if (strcmp(parts->items[i], "..") == 0 && n > 0 && strcmp(parts->items[n - 1], "..") != 0)
            n--;
        else
            parts->items[n++] = parts->items[i];
    parts->n = n;
}

static const char *parts_join(struct arena *a, const struct strv *parts, size_t from)
{
    const char *path = "";
    for (size_t i = from; i < parts->n; i++)
        path = arena_fmt(a, "%s%s%s", path, *path ? "/" : "", parts->items[i]);
    return path;
}

/* The path without what means nothing; compilers drop some of it from their lists. */
static const char *clean(struct arena *a, const char *path)
{
    struct strv parts = {0};
    parts_split(a, path, &parts);
    return arena_fmt(a, "%s%s", *path == '/' ? "/" : "", parts_join(a, &parts, 0));
}

/* What follows directory `dir` in `path`, both clean; null when it is not beneath it. A relative
 * path is beneath "". */
static const char *beneath(const char *path, const char *dir)
{
    size_t n = strlen(dir);
    if (n == 0)
        return *path == '/' ? NULL : path;
    if (strncmp(path, dir, n) != 0 || (path[n] != '/' && dir[n - 1] != '/'))
        return NULL;
    return path + n + strspn(path + n, "/");
}

/* How many directories up a folded path begins. */
static int climbs(const char *path)
{
    int up = 0;
    for (; strncmp(path, "..", 2) == 0 && (path[2] == '/' || path[2] == '\0'); up++)
        path += path[2] == '/' ? 3 : 2;
    return up;
}

/* ---- directories that paths begin with ---- */

/* A path from the source's own root, as a path from the directory that all have in common. */
static const char *from_root(const struct build *b, const struct unit *s, const char *rest)
{
    struct strv parts = {0};
    const char *slash = b->kind == BUILD_FILES ? strrchr(s->rel, '/') : NULL;
    if (slash != NULL)
        parts_split(b->a, arena_mem(b->a, s->rel, (size_t)(slash - s->rel)), &parts);
    parts_split(b->a, rest, &parts);
    parts_fold(&parts);
    return parts_join(b->a, &parts, 0);
}

/* An absolute path, in names. */
static bool absolute(const struct build *b, const char *path, struct strv *ret)
{
    AUTO_FREE char *cwd = b->cwd_path || *path == '/' ? NULL : getcwd(NULL, 0);
    if (*path != '/' && cwd == NULL && b->cwd_path == NULL)
        return false;
    if (*path != '/')
        parts_split(b->a, cwd ? cwd : b->cwd_path, ret);
    parts_split(b->a, path, ret);
    parts_fold(ret);
    while (ret->n > 0 && strcmp(ret->items[0], "..") == 0) { /* above / there is / */
        ret->items++;
        ret->n--;
    }
    return true;
}

const char *place_include(const struct build *b, size_t i)
{
    struct strv root = {0}, dir = {0}, way = {0};
    size_t same = 0;
    if (b->n_sources == 0 || !absolute(b, b->sources[0].root, &root) ||
        !absolute(b, word_path(b->a, b->request->includes[i]), &dir))
        return NULL;
    while (same < root.n && same < dir.n && strcmp(root.items[same], dir.items[same]) == 0)
        same++;
    for (size_t k = same; k < root.n; k++)
        strv_add(b->a, &way, "..");
    for (size_t k = same; k < dir.n; k++)
        strv_add(b->a, &way, dir.items[k]);
    const char *seen = from_root(b, &b->sources[0], parts_join(b->a, &way, 0));
    return climbs(seen) > NEIGHBOUR_UP ? NULL : seen;
}

/* The same directory twice is one; the first has precedence. */
static void dir_add(struct build *b, struct place_dir dir)
{
    for (size_t i = 0; i < b->n_places; i++)
        if (strcmp(b->places[i].dir, dir.dir) == 0)
            return;
    struct place_dir *dirs = arena_grow(b->a, b->places, b->n_places, sizeof *dirs);
    if (dirs == NULL)
        return;
    b->places = dirs;
    b->places[b->n_places++] = dir;
}

int place_begin(struct build *b, struct ml_error *err)
{
    for (size_t i = 0; i < b->n_sources; i++)
        dir_add(b, (struct place_dir){.dir = clean(b->a, b->sources[i].root),
                                      .seen = from_root(b, &b->sources[i], "")});
    for (size_t i = 0; i < b->request->n_includes; i++)
        dir_add(b, (struct place_dir){.dir = clean(b->a, b->request->includes[i]),
                                      .seen = place_include(b, i),
                                      .include = i});
    return b->a->failed ? ml_error_memory(err) : 0;
}

/* ---- places ---- */

static const char *outside(struct arena *a, const struct place_dir *dir, const struct strv *parts)
{
    size_t up = 0;
    while (up < parts->n && strcmp(parts->items[up], "..") == 0)
        up++;
    if (up == parts->n || up > (dir->seen ? PLACE_UP_MAX : 0))
        return NULL;
    const char *rest = parts_join(a, parts, up);
    return dir->seen ? arena_fmt(a, PLACE_DIR "%zu/%s", up, rest)
                     : arena_fmt(a, PLACE_DIR "include-%zu/%s", dir->include, rest);
}

/* The longest directory that the path begins with is the one that it was found in. */
const char *place_of(const struct build *b, const char *path)
{
    const struct place_dir *best = NULL;
    struct strv parts = {0};
    path = clean(b->a, path);
    for (size_t i = 0; i < b->n_places; i++)
        if (beneath(path, b->places[i].dir) != NULL &&
            (best == NULL || strlen(b->places[i].dir) > strlen(best->dir)))
            best = &b->places[i];
    if (best == NULL)
        return NULL;
    parts_split(b->a, best->seen ? best->seen : "", &parts);
    parts_split(b->a, beneath(path, best->dir), &parts);
    parts_fold(&parts);
    return outside(b->a, best, &parts);
}

bool place_neighbour_valid(const char *dir)
{
    int up = climbs(dir);
    size_t n = strlen(dir);
    if (up > NEIGHBOUR_UP)
        return false;
    size_t begin = 3 * (size_t)up;
    return begin >= n || sums_path_valid(dir + begin);
}

const char *place_parse(const char *place, int *up, size_t *include)
{
    char *end;
    size_t n = strlen(PLACE_DIR);
    if (strncmp(place, PLACE_DIR, n) != 0)
        return NULL;
    place += n;
    bool numbered = strncmp(place, "include-", 8) == 0;
    place += numbered ? 8 : 0;
    if (*place < '0' || *place > '9')
        return NULL;
    unsigned long number = strtoul(place, &end, 10);
    if (*end != '/' || end[1] == '\0' || number > (numbered ? 4096 : PLACE_UP_MAX))
        return NULL;
    *up = numbered ? -1 : (int)number;
    *include = numbered ? number : 0;
    return end + 1;
}

/* ---- whose it is ---- */

bool place_is_system(const struct build *b, const char *path)
{
    static const char *const dirs[] = {"/usr/include", "/usr/lib", "/usr/local/include",
                                       "/usr/local/lib", "/lib"};
    AUTO_FREE char *real = realpath(plan_absolute(b, path), NULL);
    AUTO_FREE char *ours = realpath(b->host.include, NULL);
    if (real == NULL || (ours != NULL && beneath(real, ours) != NULL))
        return true;
    for (size_t i = 0; i < sizeof dirs / sizeof *dirs; i++)
        if (beneath(real, dirs[i]) != NULL)
            return true;
    return false;
}

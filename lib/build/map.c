/* Paths in objects: the same source gives the same bytes wherever it lies. */
#include <string.h>
#include <unistd.h>

#include "build/plan.h"
#include "build/word.h"

/* An option cannot hold a path with its own separator in it: such a path stays as it is. */
static bool mappable(const char *prefix)
{
    return *prefix != '\0' && strchr(prefix, '=') == NULL;
}

/* The directory of an -I option as the compiler is given it, with one slash at its end; "" for
 * where it stands. */
static const char *include_dir(const struct build *b, size_t i)
{
    const char *dir = word_path(b->a, b->request->includes[i]);
    size_t n = strlen(dir);
    while (n > 1 && dir[n - 1] == '/')
        n--;
    if (n == 1 && (*dir == '.' || *dir == '/'))
        return *dir == '.' ? "" : "/";
    return arena_fmt(b->a, "%.*s/", (int)n, dir);
}

/* One prefix and what takes its place. */
struct map {
    const char *from, *to;
};

/* In order of length: of those that fit, GCC takes the last, and the longest has to win. What a
 * header is called then depends on which directory it lies in, not on how that was written. */
static void map_add(struct map *maps, size_t *n, const char *from, const char *to)
{
    size_t at = *n;
    if (!mappable(from))
        return;
    for (; at > 0 && strlen(maps[at - 1].from) > strlen(from); at--)
        maps[at] = maps[at - 1];
    maps[at] = (struct map){from, to};
    ++*n;
}

/* The directory in which the compiler stands is the same one for everybody: PWD names it as
 * /proc/self/cwd. */
void plan_map_options(const struct build *b, const struct unit *s, struct strv *ret)
{
    size_t n = 0;
    struct map *maps = arena_alloc(b->a, b->request->n_includes + 2, sizeof *maps);
    if (maps == NULL)
        return;
    for (size_t i = 0; i < b->request->n_includes; i++)
        map_add(maps, &n, include_dir(b, i), arena_fmt(b->a, "include-%zu/", i));
    map_add(maps, &n, arena_fmt(b->a, "%s/", b->host.include), ""); /* "modload/plugin.h" */
    map_add(maps, &n, s->root, "");
    strv_add(b->a, ret, "-ffile-prefix-map=/proc/self/cwd=.");
    for (size_t i = 0; i < n; i++)
        strv_fmt(b->a, ret, "-ffile-prefix-map=%s=%s", maps[i].from, maps[i].to);
}

const char *plan_unmap(const struct build *b, const struct unit *s, const char *file)
{
    static const char here[] = "/proc/self/cwd/";
    if (strncmp(file, here, sizeof here - 1) == 0)
        file += sizeof here - 1;
    while (strncmp(file, "./", 2) == 0)
        file += 2;
    if (*file == '/')
        return file;
    const char *path = mappable(s->root) ? arena_fmt(b->a, "%s%s", s->root, file) : file;
    for (size_t i = 0; i < b->request->n_includes && faccessat(b->cwd_fd, path, F_OK, 0) < 0; i++) {
        const char *dir = include_dir(b, i);
        const char *prefix = arena_fmt(b->a, "include-%zu/", i);
        if (mappable(dir) && strncmp(file, prefix, strlen(prefix)) == 0)
            return arena_fmt(b->a, "%s%s", dir, file + strlen(prefix));
    }
    return path;
}

/* Paths in objects: the same source gives the same bytes wherever it lies. */
#include <string.h>
#include <unistd.h>

#include "build/plan.h"

/* An option cannot hold a path with its own separator in it: such a path stays as it is. */
static bool mappable(const char *prefix)
{
    return *prefix != '\0' && strchr(prefix, '=') == NULL;
}

/* The directory of an -I option that the user gave, without slashes at its end; `n` is its length.
 */
static const char *include_dir(const char *dir, size_t *n)
{
    *n = strlen(dir);
    while (*n > 1 && dir[*n - 1] == '/')
        --*n;
    return *n == 1 && *dir == '.' ? "" : dir;
}

/* GCC takes the last option that fits, so the source's own directory has precedence. The directory
 * in which the compiler stands is the same one for everybody: PWD names it as /proc/self/cwd. */
void plan_map_options(const struct build *b, const struct source *s, struct strv *ret)
{
    strv_add(b->a, ret, "-ffile-prefix-map=/proc/self/cwd=.");
    for (size_t i = 0; i < b->request->n_includes; i++) {
        size_t n;
        const char *dir = include_dir(b->request->includes[i], &n);
        if (mappable(dir))
            strv_fmt(b->a, ret, "-ffile-prefix-map=%.*s/=include-%zu/", (int)n, dir, i);
    }
    if (mappable(s->root))
        strv_fmt(b->a, ret, "-ffile-prefix-map=%s=", s->root);
}

const char *plan_unmap(const struct build *b, const struct source *s, const char *file)
{
    static const char here[] = "/proc/self/cwd/";
    if (strncmp(file, here, sizeof here - 1) == 0)
        file += sizeof here - 1;
    while (strncmp(file, "./", 2) == 0)
        file += 2;
    if (*file == '/')
        return file;
    const char *path = mappable(s->root) ? arena_fmt(b->a, "%s%s", s->root, file) : file;
    for (size_t i = 0; i < b->request->n_includes && access(path, F_OK) < 0; i++) {
        size_t n;
        const char *dir = include_dir(b->request->includes[i], &n);
        const char *prefix = arena_fmt(b->a, "include-%zu/", i);
        if (mappable(dir) && strncmp(file, prefix, strlen(prefix)) == 0)
            return arena_fmt(b->a, "%.*s/%s", (int)n, dir, file + strlen(prefix));
    }
    return path;
}

/* What changed between two packages: both lists of files are in order. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "install/package.h"

/* Negative, zero, positive: which of the two lists has the next path. */
static int order(const struct ml_package *a, size_t i, const struct ml_package *b, size_t k)
{
    if (i == a->n_files)
        return 1;
    return k == b->n_files ? -1 : strcmp(a->files[i].path, b->files[k].path);
}

int ml_package_compare(const struct ml_package *earlier, const struct ml_package *later,
                       struct ml_package_change **ret, size_t *n, struct ml_error *err)
{
    struct ml_package_change *list = calloc(earlier->n_files + later->n_files + 1, sizeof *list);
    size_t i = 0, k = 0, found = 0;
    if (list == NULL)
        return ml_error_memory(err);
    while (i < earlier->n_files || k < later->n_files) {
        int which = order(earlier, i, later, k);
        const struct package_file *file = which < 0 ? &earlier->files[i] : &later->files[k];
        if (which != 0 || strcmp(earlier->files[i].sha256, file->sha256) != 0)
            list[found++] = (struct ml_package_change){which < 0   ? '-'
                                                       : which > 0 ? '+'
                                                                   : '~',
                                                       file->path};
        i += which <= 0;
        k += which >= 0;
    }
    *ret = list;
    *n = found;
    return 0;
}

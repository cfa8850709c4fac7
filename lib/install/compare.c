/* What changed between two packages, whose lists of files are in order; and in one, since it was
 * looked at. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/scope.h"
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

int ml_package_unchanged(const struct ml_package *package, struct ml_error *err)
{
    if (package->stage.store != NULL)
        return 0;
    struct ml_package now = {.label = package->label, .stage.fd = -1};
    AUTO_CLOSE int dirfd = open(package->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dirfd < 0)
        return ml_error_errno(err, 0, errno, "cannot read '%s'", package->dir);
    int status = package_look(&now, dirfd, package->label, err);
    if (status == 0 && strcmp(now.info.digest, package->info.digest) != 0) {
        status = ml_error_set(err, ML_BUSY, "source_changed", "'%s' was changed after it was shown",
                              package->dir);
        ml_error_hint(err, "nothing was built: have it shown again");
    }
    arena_free(&now.a);
    return status;
}

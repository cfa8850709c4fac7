/* What the forms have in common: a bundle is checked before it leaves and before it is filed. */
#include "transfer/bundle.h"

#include <sys/stat.h>
#include <sys/statvfs.h>

#include "base/error.h"
#include "base/scope.h"
#include "build/sound.h"

/* Modes and owners stay behind, so they are no reason: a registry that can only be read may have
 * others. */
static const struct check_problem *find_damage(const struct check *check)
{
    for (size_t i = 0; i < check->n_problems; i++)
        if (check->problems[i].kind == CHECK_CONTENT || check->problems[i].kind == CHECK_FOREIGN)
            return &check->problems[i];
    return NULL;
}

int transfer_open(struct store *store, const char *id, struct arena *a, struct check *ret,
                  struct ml_error *err)
{
    AUTO_CLOSE int dir = store_bundle_open(store, id, err);
    if (dir < 0 || check_bundle(a, dir, id, ret, err) < 0)
        return -1;
    const struct check_problem *damage = find_damage(ret);
    if (damage == NULL)
        return steal_fd(&dir);
    ml_error_set(err, ML_REFUSED, "damaged", "bundle '%s' is damaged: %s %s", id, damage->path,
                 damage->what);
    return ml_error_hint(err, "run: modload verify --repair");
}

bool transfer_is_damaged(struct store *store, const char *id)
{
    struct stat st;
    return store_bundle_stat(store, id, &st, NULL) == 0 && !bundle_is_sound(store, id);
}

/* What is removed with the stage has to be open to its owner. */
int transfer_file(struct store_stage *stage, const char *path, const char *id, bool damaged,
                  int *hold, struct ml_error *err)
{
    if (damaged && transfer_is_damaged(stage->store, id)) {
        store_bundle_open_up(stage->store, id);
        return store_stage_file_over(stage, path, id, hold, err) < 0 ? -1 : TRANSFER_REPLACED;
    }
    int filed = store_stage_file(stage, path, id, hold, err);
    return filed < 0 ? -1 : filed > 0 ? TRANSFER_FILED : TRANSFER_THERE;
}

/* A sixteenth of what is left on the disk stays, so that who works there meanwhile does not run out
 * of it: a file that is a bomb is told by that alone. Where there is no saying what is left, the
 * form's own limits have to do. */
void transfer_limit(int fd, struct archive_limits *limits)
{
    struct statvfs disk;
    if (fstatvfs(fd, &disk) < 0)
        return;
    uint64_t bytes = (uint64_t)disk.f_bavail * disk.f_frsize, files = disk.f_favail;
    bytes -= bytes / 16;
    files -= files / 16;
    if (disk.f_blocks > 0 && bytes < limits->total_bytes)
        limits->total_bytes = bytes;
    if (disk.f_files > 0 && files < limits->entries)
        limits->entries = (uint32_t)files;
}

/* A build that finds its bundle filed already must not hand out a damaged one: what is built anew
 * would be the same, so the way to mend a bundle is to build it again. */
#include "build/sound.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/scope.h"
#include "client/context.h"
#include "modload/build.h"

bool sound_is_current(struct store *store, const char *id, int dir)
{
    struct stat opened, now;
    AUTO_CLOSE int place = store_bundle_open(store, id, NULL);
    return place >= 0 && fstat(place, &now) == 0 && fstat(dir, &opened) == 0 &&
           now.st_dev == opened.st_dev && now.st_ino == opened.st_ino;
}

/* A bundle that may not even be read has one problem. */
static int closed(struct store *store, const char *id, struct check *ret, struct ml_error *err)
{
    struct stat st;
    if (store_bundle_stat(store, id, &st, err) < 0)
        return -1;
    check_tell(ret, CHECK_CONTENT, ".", "cannot be read: it has mode %04o and belongs to uid %u",
               st.st_mode & 07777, st.st_uid);
    return ret->a->failed ? ml_error_memory(err) : 0;
}

/* Once more where somebody has mended it meanwhile: each turn takes another who does. */
static int look(struct arena *a, struct store *store, const char *id, struct check *ret,
                struct ml_error *err)
{
    for (;;) {
        struct ml_error why = ML_ERROR_INIT;
        AUTO_CLOSE int dir = store_bundle_open(store, id, &why);
        *ret = (struct check){.a = a, .id = id};
        if (dir < 0 && why.status == ML_REFUSED)
            return closed(store, id, ret, err);
        if (dir < 0) {
            if (err != NULL)
                *err = why;
            return -1;
        }
        if (check_bundle(a, dir, id, ret, err) < 0)
            return -1;
        if (ret->n_problems == 0 || sound_is_current(store, id, dir))
            return 0;
    }
}

bool bundle_is_sound(struct store *store, const char *id)
{
    ARENA_AUTO a = ARENA_INIT;
    struct check check;
    return look(&a, store, id, &check, NULL) == 0 && check.n_problems == 0;
}

bool bundle_is_ours(struct store *store, const char *id)
{
    ARENA_AUTO a = ARENA_INIT;
    struct check check;
    return look(&a, store, id, &check, NULL) == 0 && check.n_problems == 0 &&
           !check.record.build.packed;
}

int ml_bundle_check(struct ml_ctx *ctx, const char *bundle,
                    int (*problem)(const char *path, const char *what, void *arg), void *arg,
                    struct ml_error *err)
{
    ARENA_AUTO a = ARENA_INIT;
    struct check check;
    struct store *store;
    if (!store_bundle_valid(bundle))
        return ml_error_set(err, ML_NO_INPUT, NULL, "'%s' is not the id of a bundle", bundle);
    if (ctx_store(ctx, false, &store, err) < 0 || look(&a, store, bundle, &check, err) < 0)
        return -1;
    bool read_only = store_read_only(store);
    int found = 0;
    for (size_t i = 0; i < check.n_problems && found < INT_MAX; i++) {
        const struct check_problem *p = &check.problems[i];
        if (read_only && p->kind == CHECK_READ_ONLY)
            continue;
        found++;
        if (problem != NULL && problem(p->path, p->what, arg) != 0)
            problem = NULL;
    }
    return found;
}

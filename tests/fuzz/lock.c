/* modload.lock: what is taken has one form; written in it, it reads back as the same bytes, and
 * whoever changes a block changes nothing else. */
#include "project/lock.h"

#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

/* Its own words, as a project that asks for just that. */
static void check_answer(const struct lock_plugin *p)
{
    struct project_plugin asked = {p->name, p->git,  p->version,   p->ref,
                                   p->path, p->uuid, p->submodules};
    CHECK(lock_repeats(p, &asked));
    CHECK(p->version != NULL || lock_answers(p, &asked));
}

static void check_changes(struct arena *a, struct lock *lock, const char *written)
{
    BUF_AUTO out = BUF_INIT;
    struct lock_plugin first = lock->plugins[0];
    size_t n = lock->n;
    CHECK(lock_remove(lock, first.name) && lock->n == n - 1);
    CHECK(lock_find(lock, first.name) == NULL && !lock_remove(lock, first.name));
    lock_put(a, lock, &first);
    lock_put(a, lock, &first);
    lock_write(&out, lock);
    CHECK(strcmp(buf_text(&out), written) == 0);
}

static void check_lock(struct arena *a, struct lock *lock)
{
    BUF_AUTO out = BUF_INIT;
    BUF_AUTO second = BUF_INIT;
    struct lock again;
    lock_write(&out, lock);
    CHECK(lock_parse(a, "again", buf_text(&out), out.len, &again, NULL) == 0);
    lock_write(&second, &again);
    CHECK(strcmp(buf_text(&out), buf_text(&second)) == 0);
    for (size_t i = 0; i < lock->n; i++) {
        CHECK(lock_find(lock, lock->plugins[i].name) == &lock->plugins[i]);
        check_answer(&lock->plugins[i]);
    }
    if (lock->n > 0)
        check_changes(a, lock, buf_text(&out));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ARENA_AUTO a = ARENA_INIT;
    struct lock lock;
    struct ml_error err = ML_ERROR_INIT;
    char *text = fuzz_bytes(data, size);
    if (lock_parse(&a, "modload.lock", text, size, &lock, &err) < 0) {
        fuzz_refused(&err);
        CHECK(err.status == ML_CONFIG);
    } else {
        check_lock(&a, &lock);
    }
    free(text);
    return 0;
}

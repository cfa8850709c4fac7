/* A journal that somebody left: one that is sealed is applied, or the registry stays as it was, and
 * the next writer says why. The input is a journal without its hashes, which are put behind its
 * lines of history and its end, since none would be read without; one that has an "end" is taken as
 * it is. Whatever is applied, the registry can be checked and mended afterwards. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/scope.h"
#include "home.h"
#include "registry_store/internal.h"

const unsigned fuzz_runs = 50;

/* A history of many megabytes, all of it a hole, would take a run too long. */
static bool is_long(const char *line)
{
    return strncmp(line, "shard ", 6) == 0 && strlen(line) > 14;
}

/* False for what is passed over. */
static bool journal_seal(const uint8_t *data, size_t size, struct buf *out)
{
    bool taken = true;
    for (char *line; (line = fuzz_line(&data, &size)) != NULL; free(line)) {
        taken = taken && !is_long(line);
        if (*line == '+' && line[1] != '\0') {
            buf_char(out, '+');
            line_seal(out, line + 1);
        } else {
            buf_fmt(out, "%s\n", line);
        }
    }
    uint64_t hash = hash_fnv1a(HASH_FNV1A_INIT, buf_text(out), out->len);
    buf_fmt(out, "end %016" PRIx64 "\n", hash);
    CHECK(!out->failed);
    return taken;
}

static struct store *reopen(bool create)
{
    struct store *store;
    struct store_options options = {.create = create, .cancel_fd = -1, .command = "fuzz"};
    CHECK(store_open(home_path(), &options, &store, NULL) == 0);
    return store;
}

/* A writer: it finishes what is there, or is refused, and then it has done nothing. */
static void check_writer(struct store *store, bool damaged)
{
    BUF_AUTO before = BUF_INIT, after = BUF_INIT;
    struct ml_error err = ML_ERROR_INIT;
    home_show(&before);
    AUTO_CLOSE int lock = store_write_lock(store, &err);
    home_show(&after);
    if (lock < 0) {
        fuzz_refused(&err);
        CHECK(damaged && (err.status != ML_REFUSED || strcmp(before.data, after.data) == 0));
    } else {
        CHECK(!damaged && !journal_pending(store));
    }
}

/* Whether it can be looked at; if so, and whatever it had, it is in order once it was mended. */
static void check_mended(struct store *store)
{
    size_t problems;
    struct ml_error err = ML_ERROR_INIT;
    if (home_check(store, false, &problems, &err) < 0) {
        fuzz_refused(&err);
        return;
    }
    CHECK(home_check(store, true, &problems, NULL) == 0 && !journal_pending(store));
}

static void check_journal(const void *data, size_t size)
{
    BUF_AUTO before = BUF_INIT, after = BUF_INIT;
    struct store *store = home_make();
    fuzz_replace(store->fd, "journal/apply", data, size);
    store_close(store);
    home_show(&before);
    store = reopen(false);
    bool damaged = journal_pending(store);
    home_show(&after);
    if (damaged) /* not begun */
        CHECK(before.len == after.len && memcmp(before.data, after.data, after.len) == 0);
    store_close(store);
    store = reopen(true);
    check_writer(store, damaged);
    check_mended(store);
    store_close(store);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    BUF_AUTO sealed = BUF_INIT;
    if (size > 0 && memmem(data, size, "\nend ", 5) != NULL)
        check_journal(data, size);
    else if (journal_seal(data, size, &sealed))
        check_journal(sealed.data, sealed.len);
    return 0;
}

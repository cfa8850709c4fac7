/* Records of format 1: the input is the files of one entry, each behind a line that is its number.
 * Whatever they say, the registry comes up to date, the entry leads where it led, the name that
 * leads to it still does or is gone, and no line of its history is damaged. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/scope.h"
#include "home.h"
#include "registry_store/internal.h"

const unsigned fuzz_runs = 200;

static void entry_make(int home, const char *uuid, const char *bundle)
{
    char path[PATH_SIZE], current[PATH_SIZE + 8], target[LINK_SIZE];
    snprintf(path, sizeof path, "entries/%.2s/%s", uuid, uuid);
    snprintf(current, sizeof current, "%s/current", path);
    snprintf(target, sizeof target, "../../../bundles/%s", bundle);
    CHECK(mkdirat(home, path, 0700) == 0 && symlinkat(target, home, current) == 0);
}

static void home_old(int home)
{
    static const char *const dirs[] = {"bundles", "entries", "entries/8c", "names", "locks", "tmp"};
    static const char format[] = "modload registry 1\n";
    for (size_t i = 0; i < sizeof dirs / sizeof *dirs; i++)
        CHECK(mkdirat(home, dirs[i], 0700) == 0);
    fuzz_replace(home, "FORMAT", (const uint8_t *)format, sizeof format - 1);
    home_bundle(FUZZ_BUNDLE, "math@1.0.0\n");
    home_bundle(FUZZ_BUNDLE2, "cafe@2.1.0-rc.1\n");
    entry_make(home, FUZZ_UUID, FUZZ_BUNDLE);
    entry_make(home, FUZZ_UUID2, FUZZ_BUNDLE2);
    CHECK(symlinkat("../entries/8c/" FUZZ_UUID, home, "names/math") == 0);
}

/* ---- the records ---- */

static bool is_number(const char *line)
{
    size_t n = strlen(line);
    return n > 0 && n < 32 && strspn(line, "0123456789") == n;
}

static void record_put(int home, const char *number, const struct buf *text)
{
    char path[PATH_SIZE + 40];
    snprintf(path, sizeof path, "entries/8c/" FUZZ_UUID "/%s", number);
    fuzz_replace(home, path, (const uint8_t *)text->data, text->len);
}

static void records_put(int home, const uint8_t *data, size_t size)
{
    char number[32] = "1";
    BUF_AUTO text = BUF_INIT;
    for (char *line; (line = fuzz_line(&data, &size)) != NULL; free(line)) {
        if (!is_number(line)) {
            buf_fmt(&text, "%s\n", line);
            continue;
        }
        if (text.len > 0)
            record_put(home, number, &text);
        text.len = 0;
        snprintf(number, sizeof number, "%s", line);
    }
    CHECK(!text.failed);
    if (text.len > 0)
        record_put(home, number, &text);
}

/* ---- afterwards ---- */

/* Generations go up, and the last is what is. */
static int see_record(const struct store_record *record, void *arg)
{
    struct store_record *last = arg;
    CHECK(record->generation > last->generation);
    last->generation = record->generation;
    last->of = strcmp(record->bundle, FUZZ_BUNDLE) == 0;
    return 0;
}

static void check_entry(struct store *store)
{
    char bundle[STORE_BUNDLE_SIZE], uuid[STORE_UUID_SIZE];
    struct store_record last = {.generation = 0};
    CHECK(store_lookup(store, FUZZ_UUID, bundle, NULL) == 0 && strcmp(bundle, FUZZ_BUNDLE) == 0);
    CHECK(store_lookup(store, FUZZ_UUID2, bundle, NULL) == 0 && strcmp(bundle, FUZZ_BUNDLE2) == 0);
    CHECK(store_history(store, FUZZ_UUID, see_record, &last, NULL) == 0 && last.of);
    if (store_name_lookup(store, "math", uuid, NULL) == 0)
        CHECK(strcmp(uuid, FUZZ_UUID) == 0);
}

/* A name that no record has any more is one that a check tells of, and so is a bundle that only a
 * record of the past has. Nothing else may be wrong. */
static int see_problem(const char *path, const char *what, bool mended, void *arg)
{
    CHECK(strcmp(path, "names/math") == 0 || (strncmp(path, "bundles/", 8) == 0 &&
                                              strstr(what, "is missing, and generation ") == what));
    return 0;
}

static void check_sound(struct store *store)
{
    struct store_check policy = {.problem = see_problem};
    struct store_check_result result;
    CHECK(store_check(store, &policy, &result, NULL) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct store *store;
    struct store_options options = {.create = true, .cancel_fd = -1, .command = "fuzz"};
    AUTO_CLOSE int home = home_clear();
    home_old(home);
    records_put(home, data, size);
    CHECK(store_open(home_path(), &options, &store, NULL) == 0);
    CHECK(format_read(store, NULL) == FORMAT_NOW);
    check_entry(store);
    check_sound(store);
    store_close(store);
    return 0;
}

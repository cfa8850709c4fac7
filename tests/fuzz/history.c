/* Lines of history. The input is lines without their hash, which is put behind each, since none
 * would be read without; and the input as it is is a shard's file. What is taken is valid, and is
 * written again as the same bytes. */
#include <stdlib.h>
#include <string.h>

#include "base/scope.h"
#include "home.h"
#include "registry_store/internal.h"

const unsigned fuzz_runs = 1000;

static void check_record(const struct store_record *r)
{
    CHECK(store_uuid_valid(r->uuid) && r->generation > 0);
    CHECK(strlen(r->time) == STORE_TIME_SIZE - 1);
    CHECK(*r->bundle == '\0' || store_bundle_valid(r->bundle));
    CHECK(*r->name == '\0' || store_name_valid(r->name));
    CHECK(strlen(r->plugin) < STORE_PLUGIN_SIZE && r->origin != NULL);
    CHECK(*store_op_word(r->op) != '\0');
}

/* ---- one line ---- */

static void check_line(const char *text, size_t n)
{
    BUF_AUTO again = BUF_INIT;
    struct store_record record;
    AUTO_FREE char *line = fuzz_bytes((const uint8_t *)text, n);
    if (!store_record_parse(line, n, &record))
        return;
    check_record(&record);
    store_record_write(&again, &record);
    CHECK(!again.failed && again.len == n + 1 && again.data[n] == '\n');
    CHECK(memcmp(again.data, text, n) == 0);
}

/* ---- a shard's file ---- */

static struct store *store_here(void)
{
    static struct store *store;
    if (store == NULL)
        store = home_open();
    return store;
}

static int count_record(const struct store_record *record, void *arg)
{
    CHECK(strcmp(record->uuid, FUZZ_UUID) == 0);
    (*(size_t *)arg)++;
    return 0;
}

/* Each record of the file once, those of one key where only they are asked for. */
static void check_file(const void *data, size_t size)
{
    struct store *store = store_here();
    size_t n_newest, n_ours = 0, n_told = 0;
    LOG_AUTO log = {0}, ours = {0};
    fuzz_replace(store->fd, "history/8c", data, size);
    CHECK(log_read(store, 0x8c, NULL, &log) == 0 && log_read(store, 0x8c, FUZZ_UUID, &ours) == 0);
    CHECK(log.size == size && ours.n <= log.n);
    for (size_t i = 0; i < log.n; i++) {
        check_record(&log.records[i]);
        n_ours += strcmp(log.records[i].uuid, FUZZ_UUID) == 0;
    }
    AUTO_FREE const struct store_record **newest = newest_records(&log, &n_newest);
    CHECK(newest != NULL && n_newest <= log.n && n_ours == ours.n);
    for (size_t i = 1; i < n_newest; i++)
        CHECK(strcmp(newest[i - 1]->uuid, newest[i]->uuid) < 0);
    CHECK(store_history(store, FUZZ_UUID, count_record, &n_told, NULL) == 0 && n_told == n_ours);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    BUF_AUTO sealed = BUF_INIT;
    const uint8_t *rest = data;
    size_t left = size;
    for (char *line; (line = fuzz_line(&rest, &left)) != NULL; free(line)) {
        size_t start = sealed.len;
        check_line(line, strlen(line));
        line_seal(&sealed, line);
        CHECK(!sealed.failed);
        check_line(sealed.data + start, sealed.len - start - 1);
    }
    check_file(data, size);
    check_file(buf_text(&sealed), sealed.len);
    return 0;
}

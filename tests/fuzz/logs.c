/* A worker's log: a plugin may have written there. Whatever it holds, every byte of it is told
 * once, in records that look like some; and what we write ourselves comes back as it was. */
#include "client/logs.c"

#include <sys/mman.h>

#include "fuzz.h"

struct told {
    size_t records, bytes;
    const uint8_t *text; /* null: any will do */
    size_t size;
};

static int check_record(const struct ml_log_record *record, void *arg)
{
    struct told *told = arg;
    size_t kind = strlen(record->kind);
    CHECK(kind <= KIND_MAX && record->size <= LOG_LINE_MAX);
    CHECK(strlen(record->time) == (kind > 0 ? TIME_LENGTH : 0));
    if (told->text != NULL)
        CHECK(record->size == told->size && memcmp(record->text, told->text, told->size) == 0);
    told->records++;
    told->bytes += record->size;
    return 0;
}

static void check_any(const uint8_t *data, size_t size)
{
    struct told told = {0};
    struct reader r = {.each = check_record, .arg = &told};
    size_t lines = 0;
    for (size_t i = 0; i < size; i++)
        lines += data[i] == '\n';
    CHECK(take(&r, (const char *)data, size / 2) == 0);
    CHECK(take(&r, (const char *)data + size / 2, size - size / 2) == 0);
    CHECK(told.records >= lines && told.records <= lines + size / LOG_LINE_MAX);
    CHECK(told.bytes <= size);
}

static void check_ours(const uint8_t *data, size_t size)
{
    char line[LOG_LINE_MAX + 1];
    const struct log log = {memfd_create("log", MFD_CLOEXEC), memfd_create("old", MFD_CLOEXEC)};
    struct told told = {.text = data, .size = size < LOG_TEXT_MAX ? size : LOG_TEXT_MAX};
    struct reader r = {.each = check_record, .arg = &told};
    CHECK(log.fd >= 0 && log.old_fd >= 0);
    log_put(&log, "out", (const char *)data, size);
    ssize_t n = pread(log.fd, line, sizeof line, 0);
    CHECK(n > 0 && n <= LOG_LINE_MAX && line[n - 1] == '\n');
    CHECK(take(&r, line, (size_t)n) == 0 && told.records == 1);
    close(log.fd);
    close(log.old_fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check_any(data, size);
    check_ours(data, size);
    return 0;
}

#include "archive/budget.h"

#include <stdio.h>

#include "base/error.h"

/* What a file or a directory costs on top of its content: a block of a tar, an inode of a disk. And
 * what it takes in a tar at most: two headers, between them an extended one with the longest path,
 * and what fills the last block up. Behind all of them there may be zeros. */
enum { ENTRY_BYTES = 512, ENTRY_STREAM_BYTES = 8192, END_BYTES = 1 << 20 };

static int too_large(struct ml_error *err, const char *what, uint64_t limit, const char *unit)
{
    return ml_error_set(err, ML_LIMIT, "archive_too_large", "%s than %llu %s", what,
                        (unsigned long long)limit, unit);
}

/* Sizes may be anything: they come from the archive. */
static uint64_t sum(uint64_t a, uint64_t b)
{
    return a + b < a ? UINT64_MAX : a + b;
}

/* Divided, not multiplied, for the same reason. */
static int proportion(const struct budget *b, uint64_t bytes, struct ml_error *err)
{
    const struct archive_limits *l = &b->limits;
    if (l->ratio == 0 || bytes <= l->free_bytes || (bytes - l->free_bytes) / l->ratio < b->size + 1)
        return 0;
    return ml_error_set(err, ML_REFUSED, "hostile_archive",
                        "it unpacks to more than %u times its own size, as bombs do", l->ratio);
}

/* Proportion comes first: a bomb is a bomb, however large the limits are. */
int budget_file(const struct budget *b, const char *path, uint64_t size, struct ml_error *err)
{
    char what[256];
    const struct archive_limits *l = &b->limits;
    uint64_t total = sum(b->bytes, size);
    if (proportion(b, total, err) < 0)
        return -1;
    if (total > l->total_bytes)
        return too_large(err, "its files have more", l->total_bytes, "bytes together");
    if (size <= l->file_bytes)
        return 0;
    snprintf(what, sizeof what, "'%.200s' has more", path);
    return too_large(err, what, l->file_bytes, "bytes");
}

int budget_bytes(struct budget *b, const char *path, uint64_t so_far, uint64_t n,
                 struct ml_error *err)
{
    struct budget before = *b;
    before.bytes -= so_far; /* the file as a whole */
    if (budget_file(&before, path, sum(so_far, n), err) < 0)
        return -1;
    b->bytes += n;
    return 0;
}

int budget_entries(const struct budget *b, uint64_t n, struct ml_error *err)
{
    if (proportion(b, n * ENTRY_BYTES, err) < 0)
        return -1;
    if (n > b->limits.entries)
        return too_large(err, "it has more", b->limits.entries, "files and directories");
    return 0;
}

int budget_stream(const struct budget *b, uint64_t n, struct ml_error *err)
{
    uint64_t most =
        sum(b->limits.total_bytes, (uint64_t)b->limits.entries * ENTRY_STREAM_BYTES + END_BYTES);
    if (proportion(b, n, err) < 0)
        return -1;
    return n > most ? too_large(err, "it unpacks to more", most, "bytes") : 0;
}

#include "fetch/records.h"

#include <string.h>

/* Nothing in it is aligned. */
static bool take(struct fetch_records *r, void *ret, size_t n)
{
    if ((size_t)(r->end - r->at) < n)
        return false;
    memcpy(ret, r->at, n);
    r->at += n;
    return true;
}

static bool skip(struct fetch_records *r, size_t n, const char **ret)
{
    if ((size_t)(r->end - r->at) < n)
        return false;
    *ret = r->at;
    r->at += n;
    return true;
}

bool fetch_records_begin(const void *data, size_t n, struct fetch_records *ret)
{
    struct fetch_records_head head;
    struct fetch_records r = {.at = data, .end = (const char *)data + n};
    if (!take(&r, &head, sizeof head) || head.mark != FETCH_RECORDS_MARK || head.whole > 1)
        return false;
    r.whole = head.whole;
    *ret = r;
    return true;
}

int fetch_records_next(struct fetch_records *records, struct fetch_record *ret)
{
    struct fetch_record_head head;
    struct fetch_record record;
    if (records->at == records->end)
        return 0;
    if (!take(records, &head, sizeof head) ||
        (head.kind != FETCH_RECORD_FILE && head.kind != FETCH_RECORD_REMOVED) || head.path == 0 ||
        head.path > FETCH_RECORD_PATH_MAX || (head.kind == FETCH_RECORD_REMOVED && head.size > 0) ||
        !skip(records, head.path, &record.path) || !skip(records, head.size, &record.data))
        return -1;
    record.removed = head.kind == FETCH_RECORD_REMOVED;
    record.path_n = head.path;
    record.n = head.size;
    *ret = record;
    return 1;
}

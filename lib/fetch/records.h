/* What fetch_changes() writes: a head, and a record for each file that differs. Structures and
 * bytes as they are in memory: the two programs are of one build, as with messages
 * (fetch/message.h). Who wrote it has read what a stranger sent, so that all of it is looked at. */
#ifndef FETCH_RECORDS_H
#define FETCH_RECORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FETCH_RECORDS_FILE "records"
#define FETCH_RECORDS_TOP  "index.json" /* the one file of interest at the top */
enum { FETCH_RECORDS_MARK = 0x6d6c7231, FETCH_RECORD_PATH_MAX = 255 };

enum fetch_record_kind { FETCH_RECORD_FILE = 1, FETCH_RECORD_REMOVED };

struct fetch_records_head {
    uint32_t mark;
    uint32_t whole; /* 1: every file is there, so that nothing is told as removed */
};

/* Behind it: the path, and the bytes of the file. */
struct fetch_record_head {
    uint32_t kind;
    uint32_t path; /* bytes, of 1 to FETCH_RECORD_PATH_MAX */
    uint32_t size; /* bytes; 0 of one that was removed */
};

struct fetch_records {
    const char *at, *end;
    bool whole;
};

/* One record, which points into what is read. */
struct fetch_record {
    bool removed;
    const char *path, *data;
    size_t path_n, n;
};

/* Begins to read; the bytes must stay as long as `ret` is used. False when they are no such file.
 */
bool fetch_records_begin(const void *data, size_t n, struct fetch_records *ret);

/* The next one. 1; 0 at the end; -1 when the file is damaged. */
int fetch_records_next(struct fetch_records *records, struct fetch_record *ret);

#endif

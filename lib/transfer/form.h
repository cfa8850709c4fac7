/* What an export is inside. */
#ifndef TRANSFER_FORM_H
#define TRANSFER_FORM_H

#include "archive/unpack.h"

#define FORM_HEAD    "modload-export"
#define FORM_HISTORY "history"
#define FORM_BUNDLES "bundles"
#define FORM_TEXT    "modload export 1\n"

/* What one may be, so that all that is written can be read. Many times as much as anybody has: a
 * million entries have 150 MB of history, and their bundles some tens of GB.
 *
 * No ratio: a table of zeros in a plugin packs to a thousandth of its size, so that what an export
 * packs to says nothing. A file that is small and becomes large is kept from doing harm by what is
 * left on the disk (bundle.c). Names are those of files that were in a bundle: whatever the disk
 * knows. Nothing is believed for it, since every file is looked up in its bundle's digests. */
enum { FORM_HISTORY_MAX = 1 << 30, FORM_TIME_MAX_MS = 3600 * 1000 };
#define FORM_LIMITS_INIT                                                                           \
    {                                                                                              \
        .names = ARCHIVE_NAMES_ANY, .total_bytes = UINT64_C(64) << 30,                             \
        .file_bytes = UINT64_C(4) << 30, .entries = 16000000, .ratio = 0,                          \
        .memory_bytes = 512 << 20, .cpu_s = FORM_TIME_MAX_MS / 1000, .time_ms = FORM_TIME_MAX_MS   \
    }

#endif

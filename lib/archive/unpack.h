/* Archives that somebody else made: told by their first bytes, and unpacked into a directory that
 * ends up with all of it or with nothing. Tar as it is or compressed by gzip, xz or zstd, once; and
 * zip. libarchive reads them, in a process of its own that can do nothing but fill that directory;
 * what comes out of it is checked here, and files are made here. */
#ifndef ARCHIVE_UNPACK_H
#define ARCHIVE_UNPACK_H

#include <stdbool.h>
#include <stdint.h>

#include "modload/error.h"

/* Which names are taken. */
enum archive_names {
    /* What means one thing only, wherever the files go later: see ARCHIVE_NAME_MAX. */
    ARCHIVE_NAMES_PORTABLE,
    /* Every path of files on Linux, any bytes but NUL and slash in its names: for archives of what
     * was on a disk before, and goes back to one. Still relative, without "." and "..", and no two
     * entries for one file. */
    ARCHIVE_NAMES_ANY,
};

/* What an archive may hold, and cost. All limits are inclusive. */
struct archive_limits {
    enum archive_names names;
    uint64_t total_bytes;  /* of all files together */
    uint64_t file_bytes;   /* of one file */
    uint32_t entries;      /* files and directories, those that only paths name among them */
    uint32_t ratio;        /* how many times its own size it may become (0: any), ... */
    uint64_t free_bytes;   /* ... beyond this, which is free */
    uint64_t memory_bytes; /* of address space for the process that reads it */
    uint32_t cpu_s;        /* seconds of processor time that it has */
    int64_t time_ms;       /* and milliseconds by the clock */
};

/* Chosen to be far above what the sources of a plugin take (a few MiB in some hundred files) and
 * far below what a disk misses. Source code packs to a fifth or a tenth; deflate cannot do better
 * than 1:1032 (RFC 1951), zstd and xz can: 200 is out of reach for what is worth reading. A small
 * archive of equal files may come near it, so the first MiB is free. To unpack, xz -9 wants 65 MiB
 * of memory (xz(1)) and zstd --ultra -22 128 (RFC 8878, its window). All that the limits allow
 * takes 2 s here. */
#define ARCHIVE_LIMITS_INIT                                                                        \
    {                                                                                              \
        .total_bytes = 256 << 20, .file_bytes = 64 << 20, .entries = 20000, .ratio = 200,          \
        .free_bytes = 1 << 20, .memory_bytes = 512 << 20, .cpu_s = 30, .time_ms = 60000            \
    }

/* Portable names mean one thing only: RFC 3629 UTF-8 without control characters; NAME_MAX of Linux
 * for one name; a path that leaves room for the directory it is put into (PATH_MAX is 4096); and no
 * nesting that only a program would make. Any others have NAME_MAX as well, and the longest path
 * that a file can be opened by, with room for a place in front of it. */
enum {
    ARCHIVE_NAME_MAX = 255,
    ARCHIVE_PATH_MAX = 1024,
    ARCHIVE_DEPTH_MAX = 32,
    ARCHIVE_ANY_PATH_MAX = 4095 + 64,
};

/* Whether a regular file begins as one of the archives above do. Its name does not count, its
 * offset neither counts nor moves. False as well for what cannot be read. */
bool archive_is(int fd);

/* Whether it is a tar, as it is or compressed, whose first entry is a plain file called `path`.
 * That one is read and no more, in a process as that of archive_unpack(), so that it costs some
 * milliseconds. The offset of `fd` is moved, `label` is what messages call it. Any thread. 1; 0, as
 * well for what is damaged up to there, which is for who unpacks it to say; -1 and ML_LIMIT,
 * ML_NO_INPUT ("no_libarchive"), ML_IO, as of archive_unpack(). */
int archive_begins_with(int fd, const char *label, const char *path, struct ml_error *err);

/* Unpacks the archive in `fd` into the empty directory `dirfd`. Files become 0600 and directories
 * 0700, whatever the archive says; times, owners and the like are not taken. Nothing is synced to
 * the disk. A name that the archive marks as Unicode comes out composed (NFC), any other one as it
 * is.
 *
 * `fd` is a regular file or a memfd, open for reading; its offset is moved. `label` is what
 * messages call it. A null `limits` means ARCHIVE_LIMITS_INIT. Given up when `deadline_ms` (of
 * clock_ms(); negative: none) is here, and when `cancel_fd` (-1: none) becomes readable. Any
 * thread; the work is done in a child process, which dies with this one.
 *
 * Returns 0; or -1 when the directory is empty again, and
 *     ML_DATA      "not_an_archive"; "bad_archive": cut short, damaged, or of a kind that is not
 *                  read (zip64, a zip method other than stored and deflated); reading it crashed
 *     ML_REFUSED   "hostile_archive": anything but plain files and directories; a name that leads
 *                  out, is not one of `names`, or stands for a file that is there already; a set-id
 *                  or sticky bit; an encrypted, sparse or twice compressed file; bytes that belong
 *                  to no entry, such as a second archive behind the first; `ratio` exceeded
 *     ML_LIMIT     "archive_too_large": within `ratio`, and over another limit; or memory is out
 *     ML_TIMEOUT   neither the deadline nor `time_ms` was enough
 *     ML_SIGNAL + SIGINT  "cancelled"
 *     ML_NO_INPUT  "no_libarchive": the library is not installed
 *     ML_CANT_CREATE  `dirfd` is not empty (and left as it is), or a file cannot be made in it
 *     ML_IO        reading or writing failed */
int archive_unpack(int fd, const char *label, int dirfd, const struct archive_limits *limits,
                   int64_t deadline_ms, int cancel_fd, struct ml_error *err);

#endif

/* modload/transfer.h - a registry, or part of it, in one file. Volatile: may change with any
 * release before 1.0.
 *
 * The file is a tar archive (POSIX.1-2001 ustar or pax) in zstd (RFC 8878): `modload-export`, one
 * line with the version of this form; `history`, the lines of the entries; `bundles/<id>/`, every
 * bundle that a generation of them points at and that is there, its files called as they are. The
 * same content gives the same bytes. It has up to 64 GiB in 16 million files and directories, and
 * up to 1 GiB of history; how well it packs does not matter.
 *
 * Errors, ownership, threads and fork are as in modload/modload.h. */
#ifndef MODLOAD_TRANSFER_H
#define MODLOAD_TRANSFER_H

#include <stddef.h>

#include "modload/error.h"
#include "modload/modload.h"

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/* A name that an entry had where it came from, and another one has here. */
struct ml_name_taken {
    struct ml_key key;
    char name[ML_NAME_SIZE];
};

struct ml_transfer_result {
    /* Entries that were written, or read, those that were taken out among them. */
    size_t entries;
    /* Import: how many of them are not as they were here before. */
    size_t changed;
    /* Bundles that were written, or filed because they were not here yet. */
    size_t bundles;
    /* Import: bundles that were here, but damaged, and are whole now. */
    size_t replaced;
    /* Import: names that were left out. */
    struct ml_name_taken *names_taken;
    size_t n_names_taken;
};

/* Frees what a result holds, not the result. Harmless on one that is all zeros, and twice. */
void ml_transfer_result_done(struct ml_transfer_result *result);

/* Writes entries with their history and their bundles to `fd`, from its offset on; it stays the
 * caller's, and is not synced. `n` 0: all entries, those that were taken out among them. `label` is
 * the file's name for messages; `result` may be null, and is the caller's to release. Every bundle
 * is checked before it is written: what is damaged is not passed on. Of an earlier generation it
 * may be gone, as gc leaves it. Returns 0; or -1 and ML_NO_INPUT (no such entry), ML_REFUSED (a
 * bundle is damaged, or one that is current is missing), ML_LIMIT (more than one file may hold),
 * ML_BUSY (a gc removed a bundle meanwhile; the lock), ML_IO. */
int ml_export(struct ml_ctx *ctx, const struct ml_key *keys, size_t n, int fd, const char *label,
              struct ml_transfer_result *result, struct ml_error *err);

/* Takes over what ml_export() wrote, in one change that is there whole or not at all. Every bundle
 * is checked against its digests and its id before anything is filed. An entry that is here already
 * keeps its history and gets what is current in the file as a new generation; one that is not comes
 * with its history. A name that another entry has here is left out, and told of in the result. A
 * bundle that is here and damaged is replaced by the one that came along; processes that have
 * mapped it keep what they have.
 *
 * `fd` is open for reading and seekable. Given up when `cancel_fd` (-1: none) becomes readable.
 * Returns 0; or -1, the registry as it was, and ML_DATA (no such file, cut short), ML_REFUSED
 * (hostile: a path that leads out, anything but plain files and directories, two entries for one
 * file; a digest that does not hold), ML_CONFIG (written by a newer modload),
 * ML_LIMIT (more than an export may hold, or than 15/16 of what is free on the disk), ML_BUSY,
 * ML_IO, ML_CANT_CREATE. */
int ml_import(struct ml_ctx *ctx, int fd, const char *label, int cancel_fd,
              struct ml_transfer_result *result, struct ml_error *err);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif

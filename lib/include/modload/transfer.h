/* modload/transfer.h - a registry, or part of it, in one file; a plugin in one file. Volatile: may
 * change with any release before 1.0.
 *
 * An export is a tar archive (POSIX.1-2001 ustar or pax) in zstd (RFC 8878): `modload-export`, one
 * line with the version of this form; `history`, the lines of the entries; `bundles/<id>/`, every
 * bundle that a generation of them points at and that is there, its files called as they are. The
 * same content gives the same bytes. It has up to 64 GiB in 16 million files and directories, and
 * up to 1 GiB of history; how well it packs does not matter.
 *
 * Errors, ownership, threads and fork are as in modload/modload.h. */
#ifndef MODLOAD_TRANSFER_H
#define MODLOAD_TRANSFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "modload/build.h"
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
 * mapped it keep what they have. What was built elsewhere is filed as that ("object":"packed" in
 * its build.json, the one thing that is not as it was): no build takes it for its own.
 *
 * `fd` is open for reading and seekable. Given up when `cancel_fd` (-1: none) becomes readable.
 * Returns 0; or -1, the registry as it was, and ML_DATA (no such file, cut short), ML_REFUSED
 * (hostile: a path that leads out, anything but plain files and directories, two entries for one
 * file; a digest that does not hold), ML_CONFIG (written by a newer modload),
 * ML_LIMIT (more than an export may hold, or than 15/16 of what is free on the disk), ML_BUSY,
 * ML_IO, ML_CANT_CREATE. */
int ml_import(struct ml_ctx *ctx, int fd, const char *label, int cancel_fd,
              struct ml_transfer_result *result, struct ml_error *err);

/* ==== packs ====
 *
 * A pack is one plugin to be taken elsewhere: a tar in zstd as well, of `modload-pack` (one line
 * with the version of its form, the first entry), `pack.json` (bundle, name, version, and where the
 * entry came from, if that is a place that others can reach), and the bundle that the entry points
 * at. The sources in it, with the headers that are not the system's, and how it was built, are
 * enough to build it; a binary one also has what was built. The same bundle and origin give the
 * same bytes on any machine and day.
 *
 * What came out of a pack is as good as whoever packed it. Digests tell accidents and changes on
 * the way; that a binary pack's object came out of its sources, only a build can tell
 * (ml_bundle_repair() with `rebuild`). */

/* What was packed. */
struct ml_packed {
    char bundle[ML_BUNDLE_ID_SIZE];
    char name[ML_NAME_SIZE], version[ML_VERSION_SIZE];
};

/* Writes a pack of what an entry points at to `fd`, from its offset on; it stays the caller's, and
 * is not synced. With `binary`, what was built goes in. An object that was not built here is a
 * source: it always does. `label` is the file's name for messages; `ret` may be null. Returns 0; or
 * -1 and ML_NO_INPUT (no such entry), ML_REFUSED ("damaged": the bundle is, or is missing;
 * "no_record": an earlier modload did not write down how it was built, and it is not binary),
 * ML_LIMIT (more than a pack may hold: 2 GiB, 200 000 files), ML_IO. */
int ml_pack(struct ml_ctx *ctx, const struct ml_key *key, bool binary, int fd, const char *label,
            struct ml_packed *ret, struct ml_error *err);

/* Whether a file is a pack. Its beginning is read, in a process of its own. The offset of `fd` is
 * moved. Returns 1; 0, also for what cannot be read: whether it is a whole one is told by
 * ml_pack_open(); or -1 and ML_LIMIT, ML_IO, ML_NO_INPUT (there is no libarchive). */
int ml_pack_is(int fd, const char *label, struct ml_error *err);

/* What is in a pack, as it says; all of its digests and its id have been checked. Texts are the
 * pack's, and never null. */
struct ml_pack_info {
    const char *bundle, *name, *version;
    const char *origin; /* "" for none; nobody has checked it */
    size_t files;
    uint64_t bytes;
    bool binary;         /* what was built is in it */
    bool prebuilt;       /* its object was not built by modload: there are no sources */
    bool fits;           /* it is binary, and for this platform: no compiler is needed */
    bool here;           /* this very bundle is here, and whole: nothing will be filed or built */
    const char *machine; /* "x86-64"; "" where it has no object */
    unsigned abi;        /* of plugins, of the modload that built it */
    const struct ml_bundle_info *says; /* its manifest.json: what comes out of a build may differ */
};

/* A pack that was opened: checked, and not filed. */
struct ml_pack;

/* Unpacks a pack into the registry's tmp/, and checks all of it. `fd` is open for reading and
 * seekable, and not needed any more when this returns; its offset is moved. Given up when
 * `cancel_fd` (-1: none) becomes readable. The context has to outlive the pack. Returns 0 and
 * `*ret`, which the caller gives to ml_pack_close(); or -1, `*ret` as it was, and ML_DATA (no pack,
 * cut short), ML_REFUSED (hostile: as of ml_import()), ML_CONFIG (written by a newer modload),
 * ML_LIMIT, ML_IO, ML_CANT_CREATE. */
int ml_pack_open(struct ml_ctx *ctx, int fd, const char *label, int cancel_fd, struct ml_pack **ret,
                 struct ml_error *err);

const struct ml_pack_info *ml_pack_info(const struct ml_pack *pack);

/* For a build that it takes: as in struct ml_build_request. */
struct ml_pack_build {
    int64_t timeout_ms;
    int diagnostics_fd;
    int cancel_fd;
};

/* Files what is in it, once. One that fits is filed as it is, under its own id. Any other is built
 * from its sources by the compiler that is here, as ml_build() does, with the options that were
 * recorded; it has its own id again where compiler and headers are the same, and else another one,
 * which is in the result. A bundle that is here already is not built again. It is kept from gc for
 * as long as the context lives.
 *
 * Returns 0 and `*ret`, as ml_build(); or -1, nothing filed, and ML_DATA ("other_platform": it is
 * binary, for another one, and there is no compiler, or it has no sources), ML_REFUSED
 * ("no_record"), and the errors of ml_build(). */
int ml_pack_file(struct ml_pack *pack, const struct ml_pack_build *how, struct ml_bundle_info **ret,
                 struct ml_error *err);

/* Drops what was unpacked, and the pack; null is fine. */
void ml_pack_close(struct ml_pack *pack);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif

/* modload/build.h - from sources to a bundle. Volatile: may change with any release before 1.0.
 *
 * Building runs the host compiler as a child process. None of these functions is async-signal-safe;
 * different threads may build at the same time.
 *
 * Errors, ownership, threads and fork are as in modload/modload.h: the context is for one thread at
 * a time, what is passed in stays the caller's, and what comes back is his to free. A build that is
 * abandoned by a signal, or by the death of the caller, leaves only litter in the registry's tmp/,
 * which the next writer sweeps. */
#ifndef MODLOAD_BUILD_H
#define MODLOAD_BUILD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "modload/error.h"
#include "modload/modload.h"

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/* What to build, and how. All pointers stay the caller's. Zeroed is a good start, but for the two
 * descriptors, where 0 would be standard input. Give `sources` or `text`, not both. */
struct ml_build_request {
    /* One or more .c or .h files, or one .so, or one directory, with its modload.json where it has
     * one, or one archive, which is built like the directory in it: a tar, as it is or in gzip, xz
     * or zstd, or a zip, told by its first bytes. Where one directory holds all of it, that one is
     * the root. At most 256 MiB in 20000 files and directories, no file above 64 MiB: far above
     * what the sources of a plugin take. Relative paths count from the working directory. */
    const char *const *sources;
    size_t n_sources;
    /* What messages call a directory that is the only source, where its own path says nothing to
     * the user: it was fetched to a place that is gone when he reads them. Null: its path. */
    const char *label;
    /* Instead of sources: `text_size` bytes of C or, with `text_is_object`, of a shared object. The
     * bytes need no NUL behind them. */
    const char *text;
    size_t text_size;
    bool text_is_object;
    /* Instead of the name that the plugin or its file gives. Null: that one. The name is part of
     * the bundle's identity. */
    const char *name;
    /* `n_defines` texts, NAME or NAME=VALUE, as after -D. */
    const char *const *defines;
    size_t n_defines;
    /* `n_includes` directories, as after -I, searched before the system's. */
    const char *const *includes;
    size_t n_includes;
    /* `n_libraries` names, as after -l: letters, digits and + . _ - only, so that none of them can
     * be an option of the linker's. */
    const char *const *libraries;
    size_t n_libraries;
    /* As after -std=; null: the compiler's own. */
    const char *standard;
    /* For the whole build, in milliseconds; 0: no limit. The command line's default is 60 s. */
    int64_t timeout_ms;
    /* Where the compiler's own words go, as they come; -1: /dev/null. It stays open and is not
     * read. */
    int diagnostics_fd;

    /* When it becomes readable, the build is given up, and nothing of it is left; -1: none. */
    int cancel_fd;
};

/* A function that can be called. The texts are owned by the ml_bundle_info, and are never null. */
struct ml_built_function {
    /* As `exec U NAME` is given it. */
    char *name;
    /* "add(a: double, b: double) -> double" */
    char *signature;
    /* The comment above it, without its marks, in lines; "" if there is none. */
    char *doc;
};

/* A function that is there and cannot be called. Owned as above. */
struct ml_skipped_function {
    /* Its name in the source. */
    char *name;
    /* For people: "parameter 'p' is a pointer to struct point, which cannot be carried". */
    char *reason;
};

/* What a bundle says about itself. It is a copy, made when it was read: nothing in it changes with
 * the registry, and it outlives its context. Read-only for callers; different threads may read
 * one. */
struct ml_bundle_info {
    /* Its id. */
    char bundle[ML_BUNDLE_ID_SIZE];
    /* The plugin's own, never null; description and license are "" where the manifest has none. */
    char *name, *version, *description, *license;
    /* `n_functions` of them, sorted by name. */
    struct ml_built_function *functions;
    size_t n_functions;
    /* `n_skipped` of them, sorted by name. */
    struct ml_skipped_function *skipped;
    size_t n_skipped;
    /* What its manifest says that a call may use: the time that passes, in milliseconds, and the
     * rest. 0: nothing is said. */
    uint64_t timeout_ms;
    struct ml_limits limits;
    /* `n_capabilities` texts that it asks for, as ml_capability_check() takes them: sorted, and
     * without those that another one covers. */
    char **capabilities;
    size_t n_capabilities;
};

/* Builds a bundle and files it in the registry of `ctx`, which is made where it is missing; or
 * finds that the same one is there already: its id is a digest of everything that goes in, so
 * equal input gives an equal id, and costs neither a link nor a second copy. Any thread; other
 * processes may build and register meanwhile.
 *
 * The compiler, $CC or else cc of the caller's PATH, runs as a child in a process group of its own,
 * which is killed when the time is up and when the caller dies. Of the environment it sees search
 * paths, language and colours, from a fixed list: other variables would change what it runs. It is
 * confined, with all that it starts: no network; writes into a directory of the build's own; reads
 * the sources (of files the directories that they lie in, of a text the working directory), the
 * includes, the system's headers and libraries and the compiler's own; 4 GiB of addresses, 256 MiB
 * a file. Of a directory that holds the home directory, only the plain files in it are read, and
 * none that begins with a dot. MODLOAD_BUILD_DIRS in the environment names directories, with : in
 * between, that it may read and write as well. On kernels without Landlock files are not confined.
 *
 * Returns 0 and `*ret`, which is the caller's, who gives it to ml_bundle_info_free(); or -1,
 * `*ret` as it was, and
 *     ML_DATA         the compiler or the linker failed; not C; not an object for this machine; no
 *                     callable function; a name that cannot be one; a damaged archive
 *     ML_NO_INPUT     no such file; no compiler; modload's own headers are not installed; an
 *                     archive, and no libarchive
 *     ML_CONFIG       a bad modload.json, or an ML_PLUGIN that contradicts it; no registry of this
 *                     format
 *     ML_TIMEOUT      `timeout_ms` have passed
 *     ML_SIGNAL + SIGINT   `cancel_fd` became readable
 *     ML_BUSY         a source changed while it was compiled: what was built could not be told
 *     ML_LIMIT        a source, an object or an archive is too large, the compiler said more than
 *                     1 MiB and did not end ("too_much_output"), or memory is out
 *     ML_REFUSED      "hostile_archive": there is more in it than plain files and directories with
 *                     sound names, or it becomes more than 200 times its size.
 *                     "outside_source": a source reads a file that it may not, which the message
 *                     names
 *     ML_IO, ML_CANT_CREATE, ML_REFUSED   a file could not be read, made, or may not be
 * Nothing is left behind in any of these cases. */
int ml_build(struct ml_ctx *ctx, const struct ml_build_request *request,
             struct ml_bundle_info **ret, struct ml_error *err);

/* Reads what a filed bundle says about itself. Takes no lock and builds nothing. Only its manifest
 * is looked at: whether the object is still what was filed is checked when it is loaded.
 *
 * Returns 0 and `*ret`, which is the caller's, who gives it to ml_bundle_info_free(); or -1, `*ret`
 * as it was, and ML_NO_INPUT (no id, no such bundle), ML_REFUSED (damaged), ML_CONFIG (no registry
 * of this format), ML_IO, ML_LIMIT. */
int ml_bundle_info_read(struct ml_ctx *ctx, const char *bundle, struct ml_bundle_info **ret,
                        struct ml_error *err);

/* Frees it and everything in it; null is fine. Any thread. */
void ml_bundle_info_free(struct ml_bundle_info *info);

/* Looks at all of a filed bundle, and tells `problem` of everything that is not as it was filed:
 * `path` is a file or directory in the bundle ("plugin.so", "source/a.c"; "." for the bundle
 * itself), `what` says in words what is wrong with it ("is missing", "has mode 0644, not 0400").
 * Both are good until `problem` returns; they may hold bytes of file names. It returns 0 to go on.
 * Problems come in the order of their paths; one path may have several. Null: they are only
 * counted.
 *
 * Checked are the digests of SHA256SUMS, that nothing else is there and nothing is missing, types,
 * modes (files 0400, directories 0700) and owner (the effective uid); that manifest.json,
 * build.json and `name` can be read and agree; and that the bundle's id is that of what build.json
 * says went in, so that a bundle that was replaced together with its list is found out. Of an
 * object that was built here the id knows only what it was built from: whether it came out of that,
 * only a new build can tell (ml_bundle_repair() with `rebuild`). Needs no compiler, writes nothing,
 * waits for no lock. Where the registry is only to be read (its owner has no right to write to its
 * directory), it is no problem that he has none in the bundle.
 *
 * Returns the number of problems, 0 for a whole bundle; or -1 and ML_NO_INPUT (no id, no such
 * bundle), ML_BUSY (it is just being removed), ML_CONFIG (no registry of this format), ML_REFUSED,
 * ML_IO, ML_LIMIT. What cannot be read inside of the bundle is a problem, not an error. */
int ml_bundle_check(struct ml_ctx *ctx, const char *bundle,
                    int (*problem)(const char *path, const char *what, void *arg), void *arg,
                    struct ml_error *err);

/* How to mend a bundle. Zeroed is a good start, but for the two descriptors. */
struct ml_repair_request {
    /* Build it again even where nothing seems to be wrong, and compare: the only way to learn that
     * an object did not come out of its sources. */
    bool rebuild;
    /* For a build that this takes, in milliseconds; 0: no limit. */
    int64_t timeout_ms;
    /* Where the compiler's own words go; -1: /dev/null. */
    int diagnostics_fd;
    /* When it becomes readable, the build is given up, and nothing was changed; -1: none. */
    int cancel_fd;
};

/* What was done. */
struct ml_repair_result {
    /* How many ml_bundle_check() would have told of before. */
    size_t problems;
    /* It was built again. False: modes were set and foreign files removed, or files copied. */
    bool rebuilt;
    /* The bundle is byte for byte what it was when it was filed, as far as its SHA256SUMS could
     * still be read. Where false, another linker or a header of another place made the difference:
     * it is made of the same input and has the same id. */
    bool identical;
};

/* Mends a filed bundle. Wrong modes are set right where they lie, and foreign files removed, where
 * that is all. If more is wrong, another bundle is made and changes places with the damaged one in
 * one step: of what is whole by its digest, if that is all that is needed; else by building again
 * from the bundle's own source/ and build.json, with $CC or cc as ml_build() has it. That must come
 * out with the same id. Processes that have mapped the damaged one keep what they have. Of a
 * prebuilt object only entry.so and what describes it can be built again.
 *
 * `ret` may be null. Returns 1 when something was mended, 0 when nothing was wrong; or -1, `*ret`
 * as it was, the bundle as it was but for modes, and
 *     ML_REFUSED  "sources_damaged": what it would be built from is damaged, too
 *                 "no_record": an earlier modload did not write down how it was built
 *                 "compiler_changed", "input_changed": a header, a library, a package is gone, or
 *                 is another one. The hint says where the bundle's sources are
 *     ML_DATA     it does not compile any more
 * and the errors of ml_bundle_check() and ml_build(). */
int ml_bundle_repair(struct ml_ctx *ctx, const char *bundle,
                     const struct ml_repair_request *request, struct ml_repair_result *ret,
                     struct ml_error *err);

/* ==== capabilities ==== */

/* Checks a capability, as "capabilities" of a manifest has them:
 *     net               connections to any address; no port to listen on
 *     net=tcp:PORT, net=listen:PORT    TCP connections to that port; a TCP port to listen on
 *     fs:read=PATH, fs:write=PATH      a file, or a directory with all that is in it; who may write
 *                                      may read
 *     exec=PATH         a program to be started
 *     env=NAME          a variable of the caller's environment
 * A port is 1 to 65535, a path absolute and without ".", "..", "//" or "/" at its end; there are
 * places and names that are never granted. One thing has one spelling. The machine is not looked
 * at. Returns 0; or -1 and ML_DATA, "bad_capability". Any thread. */
int ml_capability_check(const char *text, struct ml_error *err);

/* Which of `n_want` capabilities are not covered by one of the `n_have`: by what they mean, so that
 * "net" covers "net=tcp:443". What is no capability covers nothing. Returns how many; they are in
 * `ret`, which has room for all of them, in their order and not copied. Any thread. */
size_t ml_capabilities_beyond(const char *const *have, size_t n_have, const char *const *want,
                              size_t n_want, const char **ret);

/* ==== crashes ==== */

/* One function of a backtrace, innermost first. Texts are "" where they are not known, and `line`
 * is 0. They come out of the plugin's files, and may hold any bytes. */
struct ml_frame {
    /* As the debug information calls it, else the symbol table. */
    const char *function;
    /* As the compiler was given it, relative to where the plugin's sources lay. */
    const char *file;
    unsigned line;
    /* The file that its code is in, and the address in it: as in struct ml_crash. */
    const char *object;
    uint64_t offset;
    /* Its code is part of the next frame's: the compiler has copied it there. */
    bool inlined;
};

/* What called what when a call crashed. */
struct ml_backtrace {
    struct ml_frame *frames;
    size_t n;
    /* There are more, which could not be found, or are beyond the limit of 64. */
    bool cut;
    /* Private. */
    void *memory;
};

/* Makes a backtrace of what ml_exec() told of a crash: unwinds the stack by the tables of the files
 * that were mapped, which are looked up in the registry and by their paths, and stops where modload
 * itself begins. A file that is gone, or is another one by now, costs its functions their names;
 * the first frame is always there. Files that debug information refers to are not searched for.
 *
 * The record, and the files that it names, are not to be trusted; they are read by elfutils.
 * Whoever has a doubt runs this in a process with limits, as the command line does.
 *
 * Returns 0 and fills `*ret`, which the caller gives to ml_backtrace_done(); or -1, `*ret` as it
 * was, and ML_DATA (the record is none, or of another machine), ML_LIMIT. */
int ml_backtrace(struct ml_ctx *ctx, const void *record, size_t size, struct ml_backtrace *ret,
                 struct ml_error *err);

/* Frees what it owns, and empties it. An empty one is fine. Any thread, for different ones. */
void ml_backtrace_done(struct ml_backtrace *trace);

/* ==== several at once ==== */

/* One line of a list for ml_register_all(), as people and programs write it. */
struct ml_list_item {
    /* Where it begins: 1, 2, 3 ... */
    unsigned line;
    struct ml_key key;
    /* A bundle's id or a source, one of the two; the other is null. A name, "", or null. */
    const char *bundle, *path, *name;
};

/* A list that was read; owns all texts of its items. */
struct ml_list {
    struct ml_list_item *items;
    size_t n;
    /* Private. */
    void *memory;
};

/* Reads `n` bytes of JSON Lines (one object per line; empty lines are fine) or one JSON array of
 * objects (RFC 8259), each {"key", "bundle" or "path", "name"?}: "key" is a UUID or 32 hex digits.
 * `text` has a NUL behind it and is changed. `label` is the file's name for messages.
 *
 * Every item is looked at: `bad`, which may be null, is told of each that is wrong, in a message
 * that begins with "label:line". Returns 0 and fills `*ret`, which the caller gives to
 * ml_list_free(); or -1, nothing in `*ret`, and `err` the last that was wrong: ML_DATA, ML_LIMIT.
 * Any thread. */
int ml_list_read(char *text, size_t n, const char *label,
                 void (*bad)(const struct ml_error *err, void *arg), void *arg, struct ml_list *ret,
                 struct ml_error *err);

/* Frees a list and empties it; an empty one is fine. */
void ml_list_free(struct ml_list *list);

/* A build among several: what ml_build() takes and gives. */
struct ml_build_job {
    struct ml_build_request request;
    /* Null when it failed; else the caller's, for ml_bundle_info_free(). Null before: a job that
     * has one already is passed over. */
    struct ml_bundle_info *info;
    struct ml_error err;
};

/* Runs builds, `at_once` at a time (0: as many as there are processors), in threads of its own.
 * Each is tried, whatever became of the others. Bundles that were built stay until `ctx` is freed,
 * whoever runs a gc meanwhile. Returns the number of builds that failed; -1 when none could be
 * begun: ML_LIMIT, or what keeps the registry from being written to. */
int ml_build_all(struct ml_ctx *ctx, struct ml_build_job *jobs, size_t n, unsigned at_once,
                 struct ml_error *err);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif

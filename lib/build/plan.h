/* What one build works on, and which files it starts from. */
#ifndef BUILD_PLAN_H
#define BUILD_PLAN_H

#include <sys/stat.h>
#include <time.h>

#include "base/cc-box.h"
#include "build/arena.h"
#include "build/digest.h"
#include "build/function.h"
#include "build/manifest.h"
#include "modload/build.h"
#include "registry_store/store.h"

enum { SOURCE_SIZE_MAX = 16 << 20, SOURCES_MAX = 4096 };

/* One translation unit. */
struct unit {
    const char *path; /* for the compiler, as the user would write it; "-" is the request's text */
    const char *rel;  /* relative to what all sources have in common: its name in the bundle */
    const char *root; /* the part of `path` that says where it lies, ends in a slash, or "" */
    const char *stem; /* of its files in the work directory */
    bool header;      /* a .h: the compiler must be told that it is C */
    struct stat st;   /* before it was compiled */
};

/* A file that went into the build. */
struct input {
    const char *path;
    const char *rel; /* null: not the author's own */
    const char
        *kept; /* where the bundle has it, if it is neither the author's own nor the system's */
    struct strv at; /* other places at which it was found (build/place.h) */
    char sha256[DIGEST_HEX_SIZE];
};

/* A directory that paths of headers begin with (build/place.h). */
struct place_dir {
    const char *dir;  /* as the compiler writes it */
    const char *seen; /* from the directory that all sources have in common; null: not from there */
    size_t include;   /* which -I it is then */
};

/* A file of the bundle. */
struct bundle_file {
    const char *path;
    char sha256[DIGEST_HEX_SIZE];
};

/* The host compiler. */
struct host {
    struct strv cc;       /* the words of $CC */
    struct strv env;      /* what children see */
    const char *include;  /* where <modload/plugin.h> lies */
    const char *compiler; /* the first line of its --version */
    const char *target;
    bool is_clang;
};

/* What a build starts from. */
enum build_kind { BUILD_FILES, BUILD_DIRECTORY, BUILD_TEXT, BUILD_OBJECT };

struct build {
    struct arena *a;
    const struct ml_build_request *request;
    enum build_kind kind;
    unsigned abi;         /* ML_ABI_VERSION, of this modload or of the one that built it */
    int cwd_fd;           /* where the compiler stands, and relative paths count from; AT_FDCWD */
    const char *cwd_path; /* the same, absolute; null: where the user stands */
    int64_t deadline_ms;  /* of clock_ms(); negative: none */
    struct timespec started; /* CLOCK_REALTIME: what changed after it changed during the build */

    const char
        *root; /* of a directory: as the user wrote it, with a slash; "" is where he stands */
    const char *root_real; /* null: there is none (text) */
    struct strv own_dirs;  /* real paths: headers beneath them are the author's own */
    struct unit *sources;
    size_t n_sources;
    const char *object; /* instead of sources: a shared object, as the user would write it */
    struct stat object_st;
    const char *archive; /* instead of both: to be unpacked before there are any */
    const char
        *unpacked;     /* a place that nobody knows, with a slash: where that was done; or null */
    const char *label; /* what messages call it */
    const char *stem;  /* a name for the plugin where nothing else gives one */
    bool has_manifest;
    struct manifest manifest;

    struct host host;
    struct cc_box box; /* what programs run in */
    struct store_stage *stage;
    int work;              /* the directory "work" in the stage */
    const char *work_path; /* absolute */
    struct strv flags;     /* part of the bundle's identity, as libraries are */
    struct strv libraries;
    struct strv paths; /* -I and the like: what they lead to is part of it, not where that lies */
    struct strv link_paths;

    struct place_dir *places;
    size_t n_places;
    struct input *inputs; /* the author's own first, sorted by name; the others by digest */
    size_t n_inputs;
    bool linked; /* plugin.so is there already */
    bool packed; /* it came built, from elsewhere: nobody knows that it was out of these sources */
    struct bundle_file *files; /* what is in the stage so far */
    size_t n_files;
    const char *name, *version;
    struct fn_list functions;
};

/* Finds the sources or the object of the request, and reads the manifest. 0; -1 and ML_NO_INPUT,
 * ML_DATA, ML_CONFIG, ML_LIMIT, ML_IO. */
int plan_make(struct build *b, struct ml_error *err);

/* The same for the request's text. */
int plan_text(struct build *b, struct ml_error *err);

/* A path of the compiler's as one that this process can use as well. */
const char *plan_absolute(const struct build *b, const char *path);

/* Adds one source: `rel` is its name in the bundle, `root` the part of `path` that says where it
 * lies. Errors as above. */
int plan_source(struct build *b, const char *path, const char *rel, const char *root,
                struct ml_error *err);

/* The same for a directory. */
int plan_directory(struct build *b, const char *path, struct ml_error *err);

/* The sources of a directory whose manifest names none, relative to it. 0, or -1 with errno (EXDEV
 * for a link that leads out). */
int plan_guess(struct arena *a, int dirfd, struct strv *ret);

/* What the directory in an archive would be called, if its name told it all. */
const char *plan_archive_stem(struct arena *a, const char *path);

/* The -ffile-prefix-map options that make an object independent of where its source lies. */
void plan_map_options(const struct build *b, const struct unit *s, struct strv *ret);

/* Back from what debug information calls a file to a path that can be opened. */
const char *plan_unmap(const struct build *b, const struct unit *s, const char *file);

/* Adds the files beneath `dirfd` that a pattern matches, in order. `*`, `?` and `[...]` match
 * within one component, and no leading dot. Links that lead out of the directory are not followed.
 * 0, or -1 with errno (EXDEV for such a link). */
int pattern_match(struct arena *a, int dirfd, const char *pattern, struct strv *ret);

#endif

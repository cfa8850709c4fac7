/* What compile, register and run of a source share: from words on the command line to a bundle. */
#ifndef CMD_BUILD_H
#define CMD_BUILD_H

#include "cmd/command.h"
#include "modload/build.h"

/* Builds from the sources `words` with the options of the command; or takes what a pack holds.
 * `name` is a name for the plugin; null: its own. `origin` may be null; else it gets what a pack
 * says that it comes from, for the caller to free, and is left alone where there is none. 0 and
 * `*ret`, or the exit status. */
int build_from(struct invocation *in, char *const *words, size_t n, const char *name, char **origin,
               struct ml_bundle_info **ret);

/* The same for one path that may be a pack, with the times and descriptors of `like`: 0 and `*ret`,
 * or the exit status; -1 when it is none. */
int build_pack(struct invocation *in, const char *path, const struct ml_build_request *like,
               char **origin, struct ml_bundle_info **ret);

/* What the options of the command ask of a build; the arrays hold their values. 0, or the exit
 * status. */
struct build_options {
    const char *defines[OPTIONS_MAX], *includes[OPTIONS_MAX], *libraries[OPTIONS_MAX];
    struct ml_build_request request;
};
int build_options(struct invocation *in, struct build_options *ret);

/* Registers what the file says, or standard input for "-". The exit status. */
int register_many(struct invocation *in, const char *file, const struct ml_build_request *like);

/* One function as JSON; and the lists "functions" and "skipped" of a bundle, which compile and info
 * have in common: a script reads them in one way. */
void put_function(struct json *j, const struct ml_built_function *f);
void put_functions(struct json *j, const struct ml_bundle_info *info);

/* Says on stderr which functions cannot be called, and why. */
void note_skipped(const struct ml_bundle_info *info);

/* Says only how many these are, and where more can be read: who takes in a plugin of somebody
 * else's has no use for all of them. */
void note_skipped_of(const struct ml_bundle_info *info, const struct ml_key *entry);

/* The absolute path of a source, for the entry's origin. 0 and `*ret`, which the caller frees: null
 * for standard input, and when the file has gone since it was built, since an entry without an
 * origin is better than none; -1. */
int source_origin(const char *word, char **ret, struct ml_error *err);

#define BUILD_OPTIONS                                                                              \
    {'e', "text", "TEXT", "the C source itself, instead of a file"},                               \
        {'D', "define", "NAME[=V]", "define a macro for the compiler"},                            \
        {'I', "include", "DIR", "look for headers there"},                                         \
        {'l', "link", "LIB", "link with a library"},                                               \
        {0, "std", "STD", "the language: c11, gnu17, ... (default: the compiler's)"},              \
    {                                                                                              \
        0, "build-timeout", "DUR", "how long the build may take (default 60s)"                     \
    }

#endif

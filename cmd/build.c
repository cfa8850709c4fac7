/* From words on the command line to a bundle: what compile, register and run share. What is a
 * source and what a directory is for the library to tell; here only -, -e and files are told
 * apart. */
#include "cmd/build.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fs.h"
#include "base/scope.h"
#include "modload/install.h"
#include "modload/transfer.h"

/* A minute is long for a plugin and short for a person who waits. What comes through a pipe is held
 * in memory whole, so it needs a limit; the library has a lower one for C. */
enum { BUILD_TIMEOUT_MS = 60000, STDIN_MAX = 256 << 20 };

void put_function(struct json *j, const struct ml_built_function *f)
{
    json_open(j, '{');
    json_pair(j, "name", f->name);
    json_pair(j, "signature", f->signature);
    json_pair(j, "doc", f->doc);
    json_close(j, '}');
}

void put_functions(struct json *j, const struct ml_bundle_info *info)
{
    json_key(j, "functions");
    json_open(j, '[');
    for (size_t i = 0; i < info->n_functions; i++)
        put_function(j, &info->functions[i]);
    json_close(j, ']');
    json_key(j, "skipped");
    json_open(j, '[');
    for (size_t i = 0; i < info->n_skipped; i++) {
        json_open(j, '{');
        json_pair(j, "name", info->skipped[i].name);
        json_pair(j, "reason", info->skipped[i].reason);
        json_close(j, '}');
    }
    json_close(j, ']');
}

/* On stderr and no failure: a source that also has functions for others is the usual case. */
void note_skipped(const struct ml_bundle_info *info)
{
    for (size_t i = 0; i < info->n_skipped; i++)
        note("not callable: %s: %s", info->skipped[i].name, info->skipped[i].reason);
}

void note_skipped_of(const struct ml_bundle_info *info, const struct ml_key *entry)
{
    char uuid[ML_UUID_SIZE];
    ml_key_to_uuid(entry, uuid);
    if (info->n_skipped > 0)
        note("%s: %zu of its functions cannot be called; which, and why: modload info %s",
             info->name, info->n_skipped, uuid);
}

/* Absolute, since the entry outlives the working directory. */
int source_origin(const char *word, char **ret, struct ml_error *err)
{
    *ret = strcmp(word, "-") == 0 ? NULL : realpath(word, NULL);
    if (*ret != NULL || strcmp(word, "-") == 0 || errno == ENOENT)
        return 0;
    return ml_error_errno(err, 0, errno, "cannot tell where '%s' is", word);
}

/* What is built: a text given with -e, standard input for "-", or files. 0 or the exit status.
 * `input` holds what came through a pipe, and has to outlive the request. */
static int choose_source(struct invocation *in, char *const *words, size_t n, struct buf *input,
                         struct ml_build_request *request)
{
    const char *text = option_value(in, "text", NULL);
    bool dash = n == 1 && strcmp(words[0], "-") == 0;
    if (text != NULL && n > 0)
        return usage_error(in, "%s: give sources or -e TEXT, not both", in->command->name);
    if (text == NULL && n == 0)
        return usage_error(in, "%s: no source", in->command->name);
    if (text != NULL) {
        request->text = text;
        request->text_size = strlen(text);
        return 0;
    }
    if (!dash) {
        request->sources = (const char *const *)words;
        request->n_sources = n;
        return 0;
    }
    if (fs_read_all(STDIN_FILENO, input, STDIN_MAX) < 0) {
        ml_error_errno(&in->err, ML_IO, errno, "cannot read standard input");
        return failed(in);
    }
    request->text = buf_text(input);
    request->text_size = input->len;
    return 0;
}

/* The arrays are as long as the options that a command can be given, so none is ever cut. What the
 * compiler says goes to our stderr as it comes, colours and all. Whoever builds may want to stop,
 * also while it waits for a lock afterwards. */
int build_options(struct invocation *in, struct build_options *o)
{
    o->request = (struct ml_build_request){
        .defines = o->defines,
        .n_defines = option_values(in, "define", o->defines),
        .includes = o->includes,
        .n_includes = option_values(in, "include", o->includes),
        .libraries = o->libraries,
        .n_libraries = option_values(in, "link", o->libraries),
        .standard = option_value(in, "std", NULL),
        .diagnostics_fd = STDERR_FILENO,
        .cancel_fd = watch_signals(in),
    };
    ml_ctx_cancel_on(in->ctx, o->request.cancel_fd);
    return option_duration(in, "build-timeout", BUILD_TIMEOUT_MS, &o->request.timeout_ms) < 0
               ? ML_USAGE
               : 0;
}

/* ---- packs ---- */

/* It says itself what it was built with. */
static int pack_options(struct invocation *in, const struct ml_build_request *r)
{
    if (r->name == NULL && r->n_defines + r->n_includes + r->n_libraries == 0 &&
        r->standard == NULL)
        return 0;
    return usage_error(in, "%s: a pack is built as it was: without -D, -I, -l, --std%s",
                       in->command->name, r->name ? " and --name" : "");
}

/* What a build of it comes to is another bundle where the compiler or the system's headers are
 * others. */
static void pack_tell(const struct ml_pack_info *pack, const struct ml_bundle_info *info)
{
    if (strcmp(pack->bundle, info->bundle) == 0)
        return;
    if (pack->binary)
        note("it is for %s with plugin ABI %u: built from its sources", pack->machine, pack->abi);
    note("built here it is %s; where it comes from it was %s", info->bundle, pack->bundle);
}

static int pack_file(struct invocation *in, struct ml_pack *pack,
                     const struct ml_build_request *like, char **origin,
                     struct ml_bundle_info **ret)
{
    const struct ml_pack_build how = {like->timeout_ms, like->diagnostics_fd, like->cancel_fd};
    const struct ml_pack_info *is = ml_pack_info(pack);
    if (ml_pack_file(pack, &how, ret, &in->err) < 0)
        return -1;
    pack_tell(is, *ret);
    if (origin == NULL || *is->origin == '\0')
        return 0;
    free(*origin);
    *origin = ml_origin_claimed(is->origin);
    return *origin ? 0 : ml_error_memory(&in->err);
}

int build_pack(struct invocation *in, const char *path, const struct ml_build_request *like,
               char **origin, struct ml_bundle_info **ret)
{
    struct ml_pack *pack;
    AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    int is = fd < 0 ? 0 : ml_pack_is(fd, path, &in->err);
    if (is <= 0) /* what cannot be opened, the build has its own words for */
        return is < 0 ? failed(in) : -1;
    int status = pack_options(in, like);
    if (status != 0)
        return status;
    if (ml_pack_open(in->ctx, fd, path, like->cancel_fd, &pack, &in->err) < 0)
        return failed_or_signalled(in);
    status = pack_file(in, pack, like, origin, ret);
    ml_pack_close(pack);
    return status < 0 ? failed_or_signalled(in) : 0;
}

/* ---- all of them ---- */

int build_from(struct invocation *in, char *const *words, size_t n, const char *name, char **origin,
               struct ml_bundle_info **ret)
{
    BUF_AUTO input = BUF_INIT;
    struct build_options o;
    int status = build_options(in, &o);
    if (status != 0)
        return status;
    o.request.name = name;
    o.request.text_is_object = option_given(in, "object");
    status = choose_source(in, words, n, &input, &o.request);
    if (status != 0)
        return status;
    status = o.request.n_sources == 1 ? build_pack(in, words[0], &o.request, origin, ret) : -1;
    if (status >= 0)
        return status;
    return ml_build(in->ctx, &o.request, ret, &in->err) < 0 ? failed_or_signalled(in) : 0;
}

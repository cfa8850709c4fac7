/* modload install: a plugin from where it is published, in steps that can be seen. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/scope.h"
#include "cmd/incoming.h"
#include "modload/index.h"

enum { REF_SIZE = 256 }; /* a ref, or a range, as fetches take them */

/* The entry that is meant: one that there is, by any of its words, or a new one, by its key. */
int key_given(struct invocation *in, const char *word, struct ml_key *ret)
{
    int status = resolve_arg(in, word, ret);
    if (status == ML_NO_INPUT) {
        ml_error_set(&in->err, ML_DATA, "bad_key", "'%s' is neither a key nor a registered name",
                     word);
        ml_error_hint(&in->err, "make a new key: modload uuid; --name gives it a name");
        return failed(in);
    }
    return status;
}

/* Where nobody names one, it is that of the place where the plugin comes from: known when that is
 * fetched, since only then its one spelling is. */
static int key_choose(struct invocation *in, struct incoming *one)
{
    const char *as = option_value(in, "as", NULL);
    if (as != NULL)
        return key_given(in, as, &one->key);
    return ml_origin_key(ml_package_info(one->job.package)->origin, &one->key, &in->err) < 0
               ? failed(in)
               : 0;
}

static int install(struct invocation *in, struct incoming *one)
{
    const char *as = option_value(in, "as", NULL);
    int status = as ? key_given(in, as, &one->key) : 0; /* a typing error costs no fetch */
    if (status == 0)
        status = incoming_fetch(in, one, 1, 1);
    if (status == 0)
        status = key_choose(in, one);
    if (status == 0)
        status = incoming_finish(in, one, 1);
    return status;
}

/* ---- by name ---- */

/* NAME or NAME@RANGE, where there is nothing here that is called so. No range has a colon, and
 * user@host:path has one. */
static bool is_index_name(const char *word, char name[ML_NAME_SIZE])
{
    size_t n = strcspn(word, "@");
    if (n >= ML_NAME_SIZE || strchr(word, ':') != NULL)
        return false;
    memcpy(name, word, n);
    name[n] = '\0';
    return ml_name_valid(name) && strchr(name, '.') == NULL && access(word, F_OK) < 0 &&
           access(name, F_OK) < 0;
}

/* "1.2.3" alone is the name of a tag for a fetch, and a range here. */
static void range_ref(const char *range, char ref[REF_SIZE])
{
    range += strspn(range, " ,");
    snprintf(ref, REF_SIZE, "%s%s", *range >= '0' && *range <= '9' ? "=" : "", range);
}

/* What the index says that it must be is made sure of as what a lock says. What was asked for is
 * kept as the range, so that an update stays in it. */
static int find_by_name(struct invocation *in, const char *name, char ref[REF_SIZE],
                        struct ml_package_request *request, struct ml_index_found **ret)
{
    const char *range = strchr(in->args[0], '@');
    const struct ml_index_query query = {.name = name,
                                         .range = range ? range + 1 : NULL,
                                         .index = option_value(in, "index", NULL),
                                         .allow_retired = true}; /* see incoming_retired() */
    if (request->path != NULL)
        return usage_error(in, "install: where '%s' is in its repository is for the index to say",
                           name);
    if (ml_index_find(&query, ret, &in->err) < 0) {
        if (in->err.status == ML_NO_INPUT && strcmp(in->err.code, "no_such_version") != 0)
            ml_error_wrap(&in->err, "there is no '%s' here, and", name);
        return failed(in);
    }
    const struct ml_index_found *found = *ret;
    note("%s %s, by the index %s: %s", found->name, found->version, found->index, found->git);
    request->source = found->git;
    range_ref(range ? range + 1 : "*", ref);
    request->ref = ref;
    request->path = found->path;
    request->commit = found->commit;
    request->tag = found->tag;
    request->tree = found->tree;
    request->digest = found->source;
    request->index = found->index;
    request->name = found->name;
    request->version = found->version;
    return 0;
}

static int run(struct invocation *in)
{
    char name[ML_NAME_SIZE], ref[REF_SIZE];
    struct ml_index_found *found = NULL;
    struct incoming one = {.name = option_value(in, "name", NULL)};
    int status = incoming_options(in, &one.job.request);
    if (status != 0)
        return status;
    if (one.name != NULL && !ml_name_valid(one.name))
        return usage_error(in, "install: '%s' cannot be a name", one.name);
    status = install_pack(in, in->args[0]);
    if (status >= 0)
        return status;
    one.job.request.source = in->args[0];
    one.job.request.path = option_value(in, "path", NULL);
    bool by_name = is_index_name(in->args[0], name);
    if (!by_name && option_given(in, "index"))
        return usage_error(in, "install: --index goes with the name of a plugin");
    status = by_name ? find_by_name(in, name, ref, &one.job.request, &found) : 0;
    if (status == 0)
        status = install(in, &one);
    incoming_free(&one, 1);
    ml_index_found_free(found);
    return status;
}

static const struct command_option options[] = {
    {0, "path", "DIR", "the directory of the repository or archive that has the plugin"},
    {'n', "name", "NAME", "the entry's name (default: the plugin's, if no other entry has it)"},
    {0, "as", "U", "the entry: a new key, or one that there is (default: one of the source's own)"},
    {0, "index", "N", "of NAME: look it up in this index alone"},
    OPTION_SUBMODULES,
    INCOMING_OPTIONS,
    OPTION_WAIT,
    {0},
};

const struct command command_install = {
    .name = "install",
    .args = "SOURCE[@REF]|NAME[@RANGE]|PACK",
    .summary = "fetch, show, build, test and register a plugin",
    .help =
        "SOURCE is a git repository (https://, ssh://, git:// or file:// URL, user@host:path, or a "
        "directory with one),\n"
        "any other directory, an archive, or a pack ('modload pack'). REF is a branch, a tag, a "
        "commit, "
        "or a range over\n"
        "tags: @^1.2.\n"
        "NAME is a plugin's in an index that is followed ('modload index'): its newest version in "
        "RANGE that is not\n"
        "retired, which must be what the index says to the byte. './NAME' is a directory.\n"
        "What was fetched is shown before anything of it is built or run: version, commit, "
        "license, capabilities,\n"
        "files, and what changed since what the entry has. Then somebody has to agree, on the "
        "terminal or by --yes;\n"
        "else it is exit 77. What asks for more capabilities than what the entry has needs "
        "--accept for each, beside\n"
        "--yes.\n"
        "Prints the entry's UUID. The same source again is the same entry, with a new generation. "
        "Private repositories:\n"
        "ssh-agent, ~/.netrc, a file that MODLOAD_TOKEN_FILE names, or a helper of git's: "
        "MODLOAD_CREDENTIAL_HELPER.",
    .example = "modload install https://example.org/math.git@^1.2",
    .options = options,
    .min_args = 1,
    .max_args = 1,
    .run = run,
};

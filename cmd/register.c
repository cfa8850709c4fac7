/* modload register: points a key at a bundle, which is built first where a source is given. The key
 * comes first and may be new; what is behind it is a bundle's id, or whatever compile takes. */
#include <signal.h>
#include <string.h>

#include "base/error.h"
#include "base/scope.h"
#include "cmd/build.h"
#include "cmd/command.h"

/* as in the store: "b-" and 4 characters */
enum { BUNDLE_PREFIX_MIN = 6 };

/* A bundle's id, or a prefix of one, is never taken for a file: a file of that name is ./b-... So
 * "b-" and four such letters alone never start a build by mistake. */
static bool is_bundle(const char *word)
{
    return strncmp(word, "b-", 2) == 0 && strlen(word) >= BUNDLE_PREFIX_MIN &&
           strspn(word + 2, "abcdefghijklmnopqrstuvwxyz234567") == strlen(word + 2);
}

/* Finds or builds the bundle. 0 and its id, or the exit status; `origin` as for build_from(). */
static int choose_bundle(struct invocation *in, char *const *words, size_t n,
                         char bundle[ML_BUNDLE_ID_SIZE], char **origin)
{
    struct ml_bundle_info *info = NULL;
    if (n == 1 && is_bundle(words[0]))
        return ml_bundle_resolve(in->ctx, words[0], bundle, &in->err) < 0 ? failed(in) : 0;
    int status = build_from(in, words, n, NULL, origin, &info);
    if (status != 0)
        return status;
    note_skipped(info);
    strcpy(bundle, info->bundle);
    ml_bundle_info_free(info);
    return 0;
}

/* A key is resolved before anything is built, so that a word that is mistyped does not cost a
 * minute. A new one has to be spelled out: a name that nobody has cannot be made into a key. */
static int run_one(struct invocation *in)
{
    struct ml_key key;
    struct ml_register_result result;
    char bundle[ML_BUNDLE_ID_SIZE], uuid[ML_UUID_SIZE];
    int status = resolve_arg(in, in->args[0], &key);
    if (status == ML_NO_INPUT) {
        ml_error_set(&in->err, ML_DATA, "bad_key", "'%s' is neither a key nor a registered name",
                     in->args[0]);
        ml_error_hint(&in->err, "make a new key: modload uuid");
    }
    if (status != 0)
        return failed(in);
    AUTO_FREE char *origin = NULL;
    status = choose_bundle(in, in->args + 1, (size_t)in->n_args - 1, bundle, &origin);
    if (status != 0)
        return status;
    if (origin == NULL && in->n_args > 1 && !is_bundle(in->args[1]) &&
        source_origin(in->args[1], &origin, &in->err) < 0)
        return failed(in);
    if (ml_register(in->ctx, &key, bundle, option_value(in, "name", NULL), origin, &result,
                    &in->err) < 0)
        return failed_or_signalled(in);
    ml_key_to_uuid(&key, uuid);
    if (!result.changed)
        note("%s is registered as %s already", uuid, bundle);
    if (result.name_taken)
        note("the name '%s' belongs to another entry: %s has none", result.plugin, uuid);
    json_open(&in->data, '{');
    json_pair(&in->data, "uuid", uuid);
    json_pair(&in->data, "bundle", bundle);
    json_pair(&in->data, "name", result.name);
    json_pair(&in->data, "version", result.version);
    json_key(&in->data, "generation");
    json_uint(&in->data, result.generation);
    json_key(&in->data, "name_taken");
    json_bool(&in->data, result.name_taken);
    json_key(&in->data, "changed");
    json_bool(&in->data, result.changed);
    json_close(&in->data, '}');
    return 0;
}

static int run_many(struct invocation *in, const char *file)
{
    struct build_options o;
    if (in->n_args > 0 || option_given(in, "text") || option_given(in, "name"))
        return usage_error(in, "register: --many takes keys, names and sources from its file");
    int status = build_options(in, &o);
    if (status == 0)
        status = register_many(in, file, &o.request);
    return status == ML_SIGNAL + SIGINT ? failed_or_signalled(in) : status;
}

static int run(struct invocation *in)
{
    const char *file = option_value(in, "many", NULL);
    if (file != NULL)
        return run_many(in, file);
    if (in->n_args == 0)
        return usage_error(in, "register: no key");
    return run_one(in);
}

static const struct command_option options[] = {
    {0, "many", "FILE", "register what FILE, or - for standard input, lists: all of it or nothing"},
    {'j', "jobs", "N", "with --many: how many builds at once (default: one per processor)"},
    BUILD_OPTIONS,
    {'n', "name", "NAME", "the entry's name (default: the plugin's, if no other entry has it)"},
    OPTION_WAIT,
    {0},
};

const struct command command_register = {
    .name = "register",
    .args = "U BUNDLE|SOURCE...|DIR|ARCHIVE|PACK|FILE.so|-|-e TEXT, or --many FILE",
    .summary = "point an entry at a bundle, building it first where needed",
    .help = "U may be new: then it has to be a UUID or 32 hex digits. What is registered already "
            "stays as it is,\n"
            "and a change is there at once, whole. Nothing is loaded.\n"
            "--many takes JSON, a line each or one array: {\"key\": K, \"bundle\": B or \"path\": "
            "SOURCE,\n"
            "\"name\": N}. Paths count from the working directory. Of a key that is there twice "
            "the last counts.",
    .example = "modload register $id math.c",
    .options = options,
    .min_args = 0,
    .max_args = -1,
    .run = run,
};

/* modload verify: whether everything in the registry is what it was when it was put there.
 * Structure first, so that what is mended there is looked at as it is then; then every bundle
 * against its digests. */
#include <string.h>

#include "base/error.h"
#include "base/scope.h"
#include "cmd/build.h"
#include "cmd/command.h"

enum { REBUILD_TIMEOUT_MS = 60000 };

struct verify {
    struct invocation *in;
    bool repair;
    size_t bundles, problems, mended;
    const char *bundle; /* that is being looked at */
    size_t told;        /* of its problems */
};

static void put_problem(struct verify *v, const char *path, const char *what, bool mended)
{
    struct invocation *in = v->in;
    json_open(&in->data, '{');
    json_pair(&in->data, "path", path);
    json_pair(&in->data, "problem", what);
    json_key(&in->data, "mended");
    json_bool(&in->data, mended);
    json_close(&in->data, '}');
    note("%s %s%s", path, what, mended ? ": mended" : "");
    v->problems++;
    v->mended += mended;
}

static int structure_problem(const char *path, const char *what, bool mended, void *arg)
{
    put_problem(arg, path, what, mended);
    return 0;
}

/* ---- bundles ---- */

/* Whether a problem of a bundle is mended is known only when all of them were told: then they are
 * told by number. */
static int bundle_problem(const char *path, const char *what, void *arg)
{
    struct verify *v = arg;
    AUTO_FREE char *place = ml_bundle_place(v->bundle, path);
    put_problem(v, place ? place : path, what, false);
    v->told++;
    return 0;
}

/* Whether the next bundle would fare no better: it is this process that can do no more. */
static bool is_general(const struct ml_error *err)
{
    return err->status > ML_SIGNAL || err->status == ML_LIMIT || err->status == ML_CANT_CREATE;
}

static int repair_bundle(struct verify *v)
{
    const struct ml_repair_request request = {
        .timeout_ms = REBUILD_TIMEOUT_MS,
        .diagnostics_fd = 2,
        .cancel_fd = watch_signals(v->in),
    };
    struct ml_repair_result result;
    if (ml_bundle_repair(v->in->ctx, v->bundle, &request, &result, &v->in->err) < 0) {
        if (is_general(&v->in->err))
            return -1;
        note("%s", v->in->err.message);
        if (v->in->err.hint[0] != '\0')
            note("  %s", v->in->err.hint);
        v->in->err = (struct ml_error)ML_ERROR_INIT; /* the others are looked at all the same */
        return 0;
    }
    v->mended += v->told;
    note("bundle %s is mended%s%s", v->bundle, result.rebuilt ? ": built again" : "",
         result.identical ? ", byte for byte what it was" : "");
    return 0;
}

/* A bundle that gc takes away while it is looked at is none. */
static int verify_bundle(const char *bundle, void *arg)
{
    struct verify *v = arg;
    struct ml_error why = ML_ERROR_INIT;
    v->bundle = bundle;
    v->told = 0;
    int found = ml_bundle_check(v->in->ctx, bundle, bundle_problem, v, &why);
    if (found < 0 && (why.status == ML_NO_INPUT || why.status == ML_BUSY))
        return 0;
    v->bundles++;
    if (found < 0 && why.status == ML_REFUSED) {
        bundle_problem(".", why.message, v);
        found = 1;
    }
    if (found < 0) {
        v->in->err = why;
        return -1;
    }
    return found > 0 && v->repair ? repair_bundle(v) : 0;
}

/* What is not there was told of with the structure. */
static int verify_generation(const struct ml_generation *g, void *arg)
{
    return g->present ? verify_bundle(g->bundle, arg) : 0;
}

/* ---- all of it ---- */

static int verify_all(struct verify *v, const struct ml_key *key)
{
    struct invocation *in = v->in;
    struct ml_check_result found;
    if (ml_check(in->ctx, key, v->repair, structure_problem, v, &found, &in->err) < 0)
        return -1;
    if (key == NULL)
        return ml_bundles(in->ctx, verify_bundle, v, &in->err);
    return ml_history(in->ctx, key, verify_generation, v, &in->err);
}

static int verdict(struct verify *v)
{
    struct invocation *in = v->in;
    size_t left = v->problems - v->mended;
    buf_fmt(&in->text, "%zu bundle%s looked at, %zu problem%s", v->bundles,
            v->bundles == 1 ? "" : "s", v->problems, v->problems == 1 ? "" : "s");
    if (v->problems > 0 && v->repair)
        buf_fmt(&in->text, ", %zu mended", v->mended);
    buf_char(&in->text, '\n');
    if (left == 0)
        return 0;
    ml_error_set(&in->err, ML_REFUSED, "damaged", "the registry has %zu problem%s", left,
                 left == 1 ? "" : "s");
    if (v->repair)
        ml_error_hint(&in->err,
                      "what is left: go back (modload rollback U), register anew, or restore "
                      "a backup; give up generations that are lost: modload gc --keep-last N");
    else
        ml_error_hint(&in->err, "mend what can be mended: modload verify --repair");
    return ML_REFUSED;
}

static int run(struct invocation *in)
{
    struct verify v = {.in = in, .repair = option_given(in, "repair")};
    struct ml_key key;
    if (in->n_args > 0 && ml_resolve_removed(in->ctx, in->args[0], &key, &in->err) < 0)
        return failed(in);
    json_open(&in->data, '{');
    json_key(&in->data, "problems");
    json_open(&in->data, '[');
    int status = verify_all(&v, in->n_args > 0 ? &key : NULL);
    json_close(&in->data, ']');
    json_key(&in->data, "bundles");
    json_uint(&in->data, v.bundles);
    json_key(&in->data, "mended");
    json_uint(&in->data, v.mended);
    json_close(&in->data, '}');
    if (status < 0 && v.problems == 0 && v.bundles == 0)
        json_free(&in->data); /* nothing was looked at */
    return status < 0 ? failed_or_signalled(in) : verdict(&v);
}

static const struct command_option options[] = {
    {0, "repair", NULL, "mend what can be: links, histories, modes; bundles from their sources"},
    OPTION_WAIT,
    {0},
};

const struct command command_verify = {
    .name = "verify",
    .args = "[U]",
    .summary = "check the registry, or an entry, against digests and structure",
    .help = "Looks at every file: a flipped bit, a missing or foreign file, a link that leads "
            "nowhere, a wrong\n"
            "mode. Says each on stderr; exits 77 if one is left. --repair rebuilds damaged bundles "
            "from the\n"
            "sources in them, and moves what does not belong there to lost+found in the registry's "
            "directory.",
    .example = "modload verify --repair",
    .options = options,
    .max_args = 1,
    .run = run,
};

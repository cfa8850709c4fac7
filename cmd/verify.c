/* modload verify: whether everything in the registry is what it was when it was put there.
 * Structure first, so that what is mended there is looked at as it is then; then every bundle
 * against its digests. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/scope.h"
#include "cmd/build.h"
#include "cmd/command.h"

enum { REBUILD_TIMEOUT_MS = 60000 };

/* A problem of the bundle at hand. */
struct told {
    char *path, *what;
    bool mended;
};

struct verify {
    struct invocation *in;
    bool repair;
    size_t bundles, problems, mended;
    const char *bundle; /* that is being looked at */
    struct told *told;  /* its problems: by path, as ml_bundle_check() tells them */
    size_t n_told, seen;
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
    v->problems++;
    v->mended += mended;
}

static int structure_problem(const char *path, const char *what, bool mended, void *arg)
{
    note("%s %s%s", path, what, mended ? ": mended" : "");
    put_problem(arg, path, what, mended);
    return 0;
}

/* ---- bundles ---- */

/* Whether it is mended is known only when all of them were told. */
static int bundle_problem(const char *path, const char *what, void *arg)
{
    struct verify *v = arg;
    AUTO_FREE char *place = ml_bundle_place(v->bundle, path);
    struct told *told = realloc(v->told, (v->n_told + 1) * sizeof *told);
    note("%s %s", place ? place : path, what);
    if (told == NULL)
        return ml_error_memory(&v->in->err);
    v->told = told;
    told[v->n_told] = (struct told){strdup(path), strdup(what), false};
    bool failed = told[v->n_told].path == NULL || told[v->n_told].what == NULL;
    v->n_told++;
    return failed ? ml_error_memory(&v->in->err) : 0;
}

static void told_put(struct verify *v)
{
    for (size_t i = 0; i < v->n_told; i++) {
        struct told *t = &v->told[i];
        AUTO_FREE char *place = t->path ? ml_bundle_place(v->bundle, t->path) : NULL;
        if (place != NULL && t->what != NULL)
            put_problem(v, place, t->what, t->mended);
        free(t->path);
        free(t->what);
    }
    v->n_told = 0;
}

static void told_set(struct verify *v, bool mended)
{
    for (size_t i = 0; i < v->n_told; i++)
        v->told[i].mended = mended;
}

/* Both are told in the same order. */
static int still_there(const char *path, const char *what, void *arg)
{
    struct verify *v = arg;
    for (; v->seen < v->n_told; v->seen++) {
        struct told *t = &v->told[v->seen];
        int order = strcmp(t->path, path);
        order = order != 0 ? order : strcmp(t->what, what);
        if (order == 0)
            t->mended = false;
        if (order >= 0)
            break;
    }
    return 0;
}

/* What could not be mended as a whole may have been in part: modes come first. */
static void told_part(struct verify *v)
{
    told_set(v, true);
    v->seen = 0;
    if (ml_bundle_check(v->in->ctx, v->bundle, still_there, v, NULL) < 0)
        told_set(v, false);
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
        told_part(v);
        return 0;
    }
    told_set(v, true);
    note("bundle %s is mended%s%s", v->bundle, result.rebuilt ? ": built again" : "",
         result.identical ? ", byte for byte what it was" : "");
    return 0;
}

static int look_at(struct verify *v)
{
    struct ml_error why = ML_ERROR_INIT;
    int found = ml_bundle_check(v->in->ctx, v->bundle, bundle_problem, v, &why);
    if (found < 0 && (why.status == ML_NO_INPUT || why.status == ML_BUSY))
        return 0; /* gc has taken it away meanwhile */
    v->bundles++;
    if (found < 0 && why.status == ML_REFUSED) {
        bundle_problem(".", why.message, v);
        found = 1;
    }
    if (found < 0)
        v->in->err = why;
    if (v->in->err.status != 0)
        return -1;
    return found > 0 && v->repair ? repair_bundle(v) : 0;
}

static int verify_bundle(const char *bundle, void *arg)
{
    struct verify *v = arg;
    v->bundle = bundle;
    int status = look_at(v);
    told_put(v);
    return status;
}

/* ---- those of an entry ---- */

struct ids {
    char (*item)[ML_BUNDLE_ID_SIZE];
    size_t n;
    struct ml_error *err;
};

/* What is not there was told of with the structure. */
static int take_generation(const struct ml_generation *g, void *arg)
{
    struct ids *ids = arg;
    if (!g->present)
        return 0;
    void *item = (ids->n & (ids->n - 1)) == 0 /* it is full */
                     ? realloc(ids->item, (ids->n * 2 + 1) * sizeof *ids->item)
                     : ids->item;
    if (item == NULL)
        return ml_error_memory(ids->err);
    ids->item = item;
    strcpy(ids->item[ids->n++], g->bundle);
    return 0;
}

static int id_compare(const void *a, const void *b)
{
    return strcmp(a, b);
}

/* Several generations may be of one bundle. */
static int verify_entry(struct verify *v, const struct ml_key *key)
{
    struct ids ids = {.err = &v->in->err};
    int status = ml_history(v->in->ctx, key, take_generation, &ids, &v->in->err);
    if (ids.n > 0)
        qsort(ids.item, ids.n, sizeof *ids.item, id_compare);
    for (size_t i = 0; i < ids.n && status == 0; i++)
        if (i == 0 || strcmp(ids.item[i - 1], ids.item[i]) != 0)
            status = verify_bundle(ids.item[i], v);
    free(ids.item);
    return status;
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
    return verify_entry(v, key);
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
    free(v.told);
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

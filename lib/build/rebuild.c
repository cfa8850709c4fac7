/* The way of every build, but planned from a record, and with an id that is known before. Where
 * another one comes out, what has changed is found by comparing what was recorded with what was
 * read: whoever wants his bundle back has to know what to bring back. */
#include "build/rebuild.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/child.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/scope.h"
#include "build/build.h"
#include "build/bundle.h"
#include "build/host.h"
#include "build/inputs.h"
#include "build/layout.h"
#include "modload/abi.h"

struct rebuild {
    struct check *c;
    const struct record *record;
    struct build *b;
    struct ml_build_request request;
    const char *where;
    struct ml_error *err;
};

/* ---- why not ---- */

/* Sources that are whole can be given to a new build as they lie there. */
static int register_anew(struct rebuild *r)
{
    if (r->record->build.object != NULL)
        return ml_error_hint(r->err, "register the object anew: it is '%s/plugin.so'", r->where);
    return ml_error_hint(r->err, "register the sources anew: they are in '%s/source'", r->where);
}

static int refuse(struct rebuild *r, const char *code, const char *why)
{
    ml_error_set(r->err, ML_REFUSED, code, "bundle '%s' cannot be built again: %s", r->c->id, why);
    return register_anew(r);
}

static const char *quoted(struct arena *a, const struct strv *words)
{
    const char *text = "";
    for (size_t i = 0; i < words->n; i++)
        text = arena_fmt(a, "%s%s%s", text, i ? " " : "", words->items[i]);
    return arena_fmt(a, "'%s'", text);
}

static bool same_words(const struct strv *x, const struct strv *y)
{
    for (size_t i = 0; i < x->n && i < y->n; i++)
        if (strcmp(x->items[i], y->items[i]) != 0)
            return false;
    return x->n == y->n;
}

/* Each name once. */
static void name_add(struct arena *a, struct strv *names, const char *name)
{
    for (size_t i = 0; i < names->n; i++)
        if (strcmp(names->items[i], name) == 0)
            return;
    strv_add(a, names, name);
}

/* At most five of them, since a message has an end. */
static const char *names_text(struct arena *a, const struct strv *names)
{
    const char *text = "";
    for (size_t i = 0; i < names->n && i < 5; i++)
        text = arena_fmt(a, "%s%s'%s'", text, i ? ", " : "", names->items[i]);
    return names->n > 5 ? arena_fmt(a, "%s and %zu more", text, names->n - 5) : text;
}

/* ---- before: what is damaged, and who compiles ---- */

static void damaged_add(struct rebuild *r, const char *path, const char *recorded,
                        struct strv *names)
{
    const struct check_file *file = check_find(r->c, path);
    if (file == NULL || strcmp(file->actual, recorded) != 0)
        name_add(r->c->a, names, path);
}

/* Told before a compiler is even looked for: nothing else would help then. */
static int sources_check(struct rebuild *r)
{
    const struct build *b = &r->record->build;
    struct strv names = {0};
    if (b->object != NULL)
        damaged_add(r, "plugin.so", b->files[0].sha256, &names);
    if (b->has_manifest)
        damaged_add(r, "source/modload.json", r->record->manifest_sha256, &names);
    for (size_t i = 0; i < b->n_inputs; i++)
        if (b->inputs[i].rel != NULL)
            damaged_add(r, arena_fmt(r->c->a, "source/%s", b->inputs[i].rel), b->inputs[i].sha256,
                        &names);
        else if (b->inputs[i].kept != NULL)
            damaged_add(r, b->inputs[i].kept, b->inputs[i].sha256, &names);
    if (names.n == 0)
        return 0;
    ml_error_set(r->err, ML_REFUSED, "sources_damaged",
                 b->object ? "bundle '%s' cannot be mended: its object was not built here, so that "
                             "nothing but entry.so can be, and damaged is %s"
                           : "bundle '%s' cannot be built again: of what it was built from, "
                             "damaged is %s",
                 r->c->id, names_text(r->c->a, &names));
    return ml_error_hint(r->err,
                         "go back to another bundle (modload rollback), or register the %s "
                         "anew",
                         b->object ? "object" : "sources");
}

/* Which fields there are, record_read() has seen to; whether they mean the same as here is told
 * now, before anything is compiled. */
static int compiler_check(struct rebuild *r)
{
    struct arena *a = r->c->a;
    const struct host *was = &r->record->build.host, *is = &r->b->host;
    const struct strv before = {was->cc.items + 1, was->cc.n - 1};
    const struct strv now = {is->cc.items + 1, is->cc.n - 1};
    if (r->record->build.abi != r->b->abi)
        return refuse(r, "compiler_changed",
                      arena_fmt(a, "it is for plugin ABI %u, and this modload has %u",
                                r->record->build.abi, r->b->abi));
    if (strcmp(was->compiler, is->compiler) != 0)
        return refuse(
            r, "compiler_changed",
            arena_fmt(a, "the compiler was '%s', and is '%s' now", was->compiler, is->compiler));
    if (strcmp(was->target, is->target) != 0)
        return refuse(r, "compiler_changed",
                      arena_fmt(a, "the compiler's target was '%s', and is '%s' now", was->target,
                                is->target));
    if (same_words(&before, &now))
        return 0;
    refuse(
        r, "compiler_changed",
        arena_fmt(a, "CC had the options %s, and has %s now", quoted(a, &before), quoted(a, &now)));
    return ml_error_hint(r->err,
                         "set CC to the compiler with these options, or register the "
                         "sources anew: they are in '%s/source'",
                         r->where);
}

/* ---- after: what came out otherwise ---- */

/* Asks the compiler for the headers of one source, those that it cannot find included. */
static int headers_ask(struct build *b, const struct unit *s, struct strv *ret)
{
    struct strv argv = {0};
    struct child_end end;
    BUF_AUTO list = BUF_INIT;
    struct child_spec spec;
    AUTO_CLOSE int text =
        strcmp(s->path, "-") == 0 ? openat(b->work, "stdin.c", O_RDONLY | O_CLOEXEC) : -1;
    strv_add_all(b->a, &argv, &b->host.cc);
    strv_add_all(b->a, &argv, &b->flags);
    strv_add_all(b->a, &argv, &b->paths);
    strv_fmt(b->a, &argv, "-I%s", b->host.include);
    static const char *const flags[] = {"-M", "-MG", "-MT", "x", "-x", "c"};
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
        strv_add(b->a, &argv, flags[i]);
    strv_add(b->a, &argv, s->path);
    host_spec(b, &argv, &spec);
    spec.cwd_fd = b->cwd_fd;
    spec.stdio[0] = text;
    if (b->a->failed || child_capture(&spec, b->deadline_ms, &list, 16 << 20, &end, NULL) < 0)
        return -1;
    inputs_parse(b->a, buf_text(&list), ret);
    return 0;
}

/* A failure of the build's own, as one of ours. */
static int not_built(struct rebuild *r)
{
    ml_error_wrap(r->err, "bundle '%s' cannot be built again", r->c->id);
    return r->err != NULL && r->err->hint[0] != '\0' ? -1 : register_anew(r);
}

/* The compiler has failed: mostly because a header that the bundle does not hold is gone. */
static int not_compiled(struct rebuild *r)
{
    struct build *b = r->b;
    struct strv gone = {0};
    for (size_t i = 0; i < b->n_sources; i++) {
        struct strv headers = {0};
        if (headers_ask(b, &b->sources[i], &headers) < 0)
            continue;
        for (size_t k = 0; k < headers.n; k++)
            if (strcmp(headers.items[k], "-") != 0 &&
                faccessat(b->cwd_fd, headers.items[k], F_OK, 0) < 0)
                name_add(b->a, &gone, headers.items[k]);
    }
    if (gone.n > 0)
        return refuse(r, "input_changed", arena_fmt(b->a, "gone is %s", names_text(b->a, &gone)));
    return not_built(r);
}

static bool has_digest(const struct build *b, const struct input *input)
{
    for (size_t i = 0; i < b->n_inputs; i++)
        if (strcmp(b->inputs[i].sha256, input->sha256) == 0)
            return true;
    return false;
}

/* What one of two builds has read and the other has not. */
static const char *inputs_differ(struct arena *a, const struct build *x, const struct build *y)
{
    struct strv names = {0};
    for (size_t i = 0; i < x->n_inputs; i++) {
        const char *slash = strrchr(x->inputs[i].path, '/');
        if (!has_digest(y, &x->inputs[i]))
            name_add(a, &names, slash ? slash + 1 : x->inputs[i].path);
    }
    return names.n ? names_text(a, &names) : NULL;
}

/* The compiler is the same, or it would not have come to this. Flags differ only by what packages
 * ask for, inputs by what lies outside of the bundle. */
static int other_id(struct rebuild *r)
{
    struct arena *a = r->c->a;
    const struct build *was = &r->record->build, *is = r->b;
    const char *names;
    if (!same_words(&was->flags, &is->flags) || !same_words(&was->libraries, &is->libraries))
        return refuse(r, "input_changed",
                      arena_fmt(a, "its packages asked for %s %s, and ask for %s %s now",
                                quoted(a, &was->flags), quoted(a, &was->libraries),
                                quoted(a, &is->flags), quoted(a, &is->libraries)));
    if ((names = inputs_differ(a, was, is)) != NULL)
        return refuse(r, "input_changed", arena_fmt(a, "changed or gone is %s", names));
    if ((names = inputs_differ(a, is, was)) != NULL)
        return refuse(r, "input_changed", arena_fmt(a, "the compiler now also reads %s", names));
    return refuse(r, "input_changed", "what is built from it now has another id");
}

/* ---- the build ---- */

static int run(struct rebuild *r)
{
    char id[ML_BUNDLE_ID_SIZE];
    struct ml_error why = ML_ERROR_INIT;
    struct build *b = r->b;
    if (build_begin(b, r->err) < 0)
        return not_built(r);
    if (compiler_check(r) < 0 || layout_make(r->c, b, &r->request, r->err) < 0)
        return -1;
    if (build_identify(b, id, &why) < 0) {
        if (r->err != NULL)
            *r->err = why;
        return strcmp(why.code, "build_failed") == 0 ? not_compiled(r) : not_built(r);
    }
    return strcmp(id, r->c->id) == 0 ? build_finish(b, r->err) : other_id(r);
}

/* What the record does not say is as for every build. */
static void prepare(struct rebuild *r, struct store_stage *stage,
                    const struct ml_repair_request *how)
{
    r->request.name = r->record->build.name;
    r->request.timeout_ms = how->timeout_ms;
    r->request.diagnostics_fd = how->diagnostics_fd;
    r->request.cancel_fd = how->cancel_fd;
    *r->b = (struct build){.a = r->c->a, .request = &r->request, .stage = stage, .work = -1};
    r->b->cwd_fd = AT_FDCWD;
    r->b->box = (struct cc_box)CC_BOX_INIT;
    r->b->abi = ML_ABI_VERSION;
    r->b->deadline_ms = how->timeout_ms > 0 ? clock_ms() + how->timeout_ms : -1;
}

static void finish(struct rebuild *r)
{
    scope_close(&r->b->cwd_fd); /* AT_FDCWD is negative */
    build_end(r->b);
    r->b->request = NULL;
}

int rebuild_bundle(struct check *c, struct store_stage *stage, const char *where,
                   const struct ml_repair_request *how, struct build *ret, struct ml_error *err)
{
    struct rebuild r = {c, &c->record, ret, c->record.request, where, err};
    prepare(&r, stage, how);
    if (sources_check(&r) < 0)
        return -1;
    if (c->record.given && !c->id_is_true)
        return refuse(&r, "sources_damaged", "what it holds is another bundle's");
    int status = run(&r);
    finish(&r);
    return status;
}

/* ---- on another machine ---- */

int rebuild_here(struct check *c, struct store_stage *stage, const struct ml_repair_request *how,
                 char *id, int *hold, struct ml_error *err)
{
    struct build b;
    struct rebuild r = {c, &c->record, &b, c->record.request, NULL, err};
    prepare(&r, stage, how);
    int status = build_begin(&b, err);
    if (status == 0)
        status = layout_make(c, &b, &r.request, err);
    if (status == 0)
        status = build_identify(&b, id, err);
    if (status == 0)
        status = build_file(&b, id, hold, err);
    finish(&r);
    return status;
}

/* Where three sources meet: the objects tell what there is, the manifest what of it is wanted, and
 * the comments what it is for. The manifest cannot change a type that the compiler has told, only
 * fill in a missing one. */
#include "build/functions.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/scope.h"
#include "build/compile.h"
#include "build/docs.h"
#include "build/dwarf.h"

/* ---- from the objects ---- */

static int object_read(struct build *b, int dirfd, const char *name, struct fn_list *list,
                       struct ml_error *err)
{
    AUTO_CLOSE int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return ml_error_errno(err, ML_IO, errno, "cannot read the object '%s'", name);
    return dwarf_read(fd, name, list, err);
}

static int objects_read(struct build *b, struct ml_error *err)
{
    if (b->object != NULL)
        return object_read(b, b->stage->fd, "plugin.so", &b->functions, err);
    for (size_t i = 0; i < b->n_sources; i++) {
        size_t before = b->functions.n;
        const char *name = arena_fmt(b->a, "%s.o", b->sources[i].stem);
        if (object_read(b, b->work, name, &b->functions, err) < 0)
            return -1;
        for (size_t k = before; k < b->functions.n; k++)
            b->functions.items[k].unit = i;
    }
    return 0;
}

/* Weak functions may be in several objects; the linker takes one, and their types are the same. */
static void list_unique(struct fn_list *list)
{
    size_t n = 0;
    for (size_t i = 0; i < list->n; i++)
        if (n == 0 || strcmp(list->items[n - 1].name, list->items[i].name) != 0)
            list->items[n++] = list->items[i];
    list->n = n;
}

/* ---- prototypes ---- */

/* The identifier before the first parenthesis. */
static const char *prototype_name(struct arena *a, const char *prototype)
{
    const char *end = strchr(prototype, '(');
    while (end > prototype && end[-1] == ' ')
        end--;
    const char *begin = end;
    while (begin > prototype && (isalnum((unsigned char)begin[-1]) || begin[-1] == '_'))
        begin--;
    return arena_mem(a, begin, (size_t)(end - begin));
}

/* Gives a function of unknown types those of its prototype. */
static int types_take(struct build *b, struct fn_list *prototypes, struct fn *fn,
                      struct ml_error *err)
{
    if (prototypes->arena == NULL) {
        prototypes->arena = b->a;
        if (compile_prototypes(b, err) < 0 ||
            object_read(b, b->work, PROTOTYPES_OBJECT, prototypes, err) < 0)
            return -1;
        fn_list_sort(prototypes);
    }
    const struct fn *known = fn_list_find(prototypes, fn->name);
    if (known == NULL)
        return ml_error_set(err, ML_CONFIG, NULL,
                            "%s: key 'functions': '%s' is no function's prototype",
                            b->manifest.label, fn->name);
    fn->reason = known->reason;
    fn->result = known->result;
    fn->params = known->params;
    fn->n_params = known->n_params;
    return 0;
}

/* Leaves only the functions that the manifest names. */
static int list_narrow(struct build *b, struct ml_error *err)
{
    struct fn_list kept = {.arena = b->a}, prototypes = {0};
    const struct strv *wanted = &b->manifest.functions;
    for (size_t i = 0; i < wanted->n; i++) {
        const char *name = prototype_name(b->a, wanted->items[i]);
        struct fn *fn = fn_list_find(&b->functions, name);
        if (fn == NULL)
            return ml_error_set(err, ML_CONFIG, NULL,
                                "%s: key 'functions': '%s' names no function of the plugin",
                                b->manifest.label, wanted->items[i]);
        if (fn->unknown && types_take(b, &prototypes, fn, err) < 0)
            return -1;
        fn->unknown = false;
        struct fn *copy = fn_list_add(&kept);
        if (copy == NULL)
            return ml_error_memory(err);
        *copy = *fn;
    }
    if (wanted->n > 0)
        b->functions = kept;
    return 0;
}

/* ---- doc comments ---- */

struct doc_file {
    const char *path;
    struct docs docs;
};

struct doc_files {
    struct build *b;
    struct doc_file *items;
    size_t n;
};

static bool is_same_file(const struct build *b, const char *path, const char *other)
{
    AUTO_FREE char *real = realpath(plan_absolute(b, path), NULL);
    AUTO_FREE char *other_real = real ? realpath(plan_absolute(b, other), NULL) : NULL;
    return other_real != NULL && strcmp(real, other_real) == 0;
}

/* Debug information says what #line told it: comments are read out of files that the compiler has
 * read, and of no others. They were copied by then, and are told to whoever asks. */
static bool is_input(const struct build *b, const char *path)
{
    if (strcmp(path, "<stdin>") == 0)
        return true;
    for (size_t i = 0; i < b->n_inputs; i++)
        if (strcmp(b->inputs[i].path, path) == 0)
            return true;
    for (size_t i = 0; i < b->n_inputs; i++)
        if (is_same_file(b, path, b->inputs[i].path))
            return true;
    return false;
}

/* A file that cannot be read has no comments: that is no reason to fail. */
static void doc_file_scan(struct build *b, const char *path, struct docs *ret)
{
    BUF_AUTO content = BUF_INIT;
    if (strcmp(path, "<stdin>") == 0 && b->request->text != NULL)
        buf_add(&content, b->request->text, b->request->text_size);
    else if (is_input(b, path) && fs_read_file(b->cwd_fd, path, &content, SOURCE_SIZE_MAX) < 0 &&
             errno == ENOMEM)
        b->a->failed = true;
    docs_scan(b->a, arena_mem(b->a, buf_text(&content), content.len), content.len, ret);
}

/* Each file is scanned once. The last one is looked at first: functions come in the order of their
 * units. */
static const struct docs *doc_file_get(struct doc_files *files, const char *path)
{
    for (size_t i = files->n; i-- > 0;)
        if (strcmp(files->items[i].path, path) == 0)
            return &files->items[i].docs;
    struct doc_file *items = arena_grow(files->b->a, files->items, files->n, sizeof *items);
    if (items == NULL)
        return NULL;
    files->items = items;
    items[files->n].path = path;
    doc_file_scan(files->b, path, &items[files->n].docs);
    return &items[files->n++].docs;
}

static void docs_find(struct build *b)
{
    struct doc_files files = {.b = b};
    for (size_t i = 0; i < b->functions.n; i++) {
        struct fn *fn = &b->functions.items[i];
        if (fn->file == NULL || fn->reason != NULL || fn->unit >= b->n_sources)
            continue;
        const char *path = plan_unmap(b, &b->sources[fn->unit], fn->file);
        const struct docs *docs = doc_file_get(&files, path);
        if (docs != NULL)
            fn->doc = docs_above(b->a, docs, fn->line);
    }
}

/* ---- all of it ---- */

/* Says why nothing can be called, as far as the message has room. */
static int no_function(const struct build *b, struct ml_error *err)
{
    enum { SHOWN = 5 };
    BUF_AUTO reasons = BUF_INIT;
    bool unknown = false;
    for (size_t i = 0; i < b->functions.n; i++) {
        const struct fn *fn = &b->functions.items[i];
        unknown = unknown || fn->unknown;
        if (i < SHOWN)
            buf_fmt(&reasons, "%s%s: %s", i ? "; " : "", fn->name, fn->reason);
    }
    if (b->functions.n > SHOWN)
        buf_fmt(&reasons, "; and %zu more", b->functions.n - SHOWN);
    if (b->functions.n == 0)
        buf_str(&reasons, "it has no global function");
    ml_error_set(err, ML_DATA, "no_function", "'%s' has no function that can be called: %s",
                 b->name, buf_text(&reasons));
    if (unknown)
        return ml_error_hint(err, "compile it with -g, or give C prototypes as \"functions\" in a "
                                  "modload.json beside it");
    return ml_error_hint(err, "functions must be non-static and have types that can be carried");
}

/* Sorted twice, since narrowing brings the manifest's order; a prototype that is there twice counts
 * once. */
int functions_find(struct build *b, struct ml_error *err)
{
    b->functions.arena = b->a;
    if (objects_read(b, err) < 0)
        return -1;
    fn_list_sort(&b->functions);
    list_unique(&b->functions);
    if (list_narrow(b, err) < 0)
        return -1;
    fn_list_sort(&b->functions);
    list_unique(&b->functions);
    if (fn_list_callable(&b->functions) == 0)
        return no_function(b, err);
    docs_find(b);
    for (size_t i = 0; i < b->functions.n; i++)
        if (b->functions.items[i].reason == NULL)
            b->functions.items[i].signature = fn_signature(b->a, &b->functions.items[i]);
    return b->a->failed ? ml_error_memory(err) : 0;
}

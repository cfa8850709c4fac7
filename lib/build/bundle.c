/* Nothing that is written here may tell where or when the build took place: two builds of the same
 * input must agree in every byte. So no absolute path, no time and no order but a sorted one gets
 * into a file. */
#include "build/bundle.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/scope.h"
#include "build/record.h"
#include "build/sums.h"

/* ---- files ---- */

static struct bundle_file *file_add(struct build *b, const char *path)
{
    struct bundle_file *files = arena_grow(b->a, b->files, b->n_files, sizeof *files);
    if (files == NULL)
        return NULL;
    b->files = files;
    files[b->n_files] = (struct bundle_file){.path = path};
    return &files[b->n_files++];
}

/* The directories on the way to a file of the bundle. Names in `source/` come from inside the root,
 * so none of them climbs. */
static int parents_make(struct build *b, const char *path)
{
    for (const char *slash = path; (slash = strchr(slash, '/')) != NULL; slash++) {
        const char *dir = arena_mem(b->a, path, (size_t)(slash - path));
        if (mkdirat(b->stage->fd, dir, 0700) < 0 && errno != EEXIST)
            return -1;
    }
    return 0;
}

/* Nothing is synced here: filing the stage syncs all of it. */
static int file_write(struct build *b, const char *path, const void *data, size_t n)
{
    if (parents_make(b, path) < 0)
        return -1;
    AUTO_CLOSE int fd =
        openat(b->stage->fd, path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    return fd < 0 ? -1 : fs_write_all(fd, data, n);
}

static int write_failed(const char *path, struct ml_error *err)
{
    return ml_error_errno(err, 0, errno, "cannot write the bundle's '%s'", path);
}

int bundle_write(struct build *b, const char *path, const void *data, size_t n,
                 struct ml_error *err)
{
    if (file_write(b, path, data, n) < 0)
        return write_failed(path, err);
    struct bundle_file *file = file_add(b, path);
    if (file == NULL || digest_data(data, n, file->sha256) < 0)
        return ml_error_memory(err);
    return 0;
}

/* Two headers can claim one place, where links made detours of the paths to them. The first has
 * it. */
int bundle_keep(struct build *b, const char *path, const void *data, size_t n, struct ml_error *err)
{
    char sha256[DIGEST_HEX_SIZE];
    if (digest_data(data, n, sha256) < 0)
        return ml_error_memory(err);
    for (size_t i = 0; i < b->n_files; i++)
        if (strcmp(b->files[i].path, path) == 0)
            return strcmp(b->files[i].sha256, sha256) == 0;
    if (file_write(b, path, data, n) < 0)
        return errno == EEXIST || errno == ENOTDIR ? 0 : write_failed(path, err);
    struct bundle_file *file = file_add(b, path);
    if (file == NULL)
        return ml_error_memory(err);
    strcpy(file->sha256, sha256);
    return 1;
}

int bundle_note(struct build *b, const char *path, struct ml_error *err)
{
    struct bundle_file *file = file_add(b, path);
    AUTO_CLOSE int fd = openat(b->stage->fd, path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (file == NULL)
        return ml_error_memory(err);
    if (fd < 0 || digest_fd(fd, file->sha256) < 0)
        return ml_error_errno(err, 0, errno, "cannot read the bundle's '%s'", path);
    return 0;
}

static int write_text(struct build *b, const char *path, const struct buf *text,
                      struct ml_error *err)
{
    if (text->failed || b->a->failed)
        return ml_error_memory(err);
    return bundle_write(b, path, buf_text(text), text->len, err);
}

/* ---- the id ---- */

/* Every value has its kind before it: that a flag and a library are the same text does not make
 * them one. */
static void field(struct digest *d, const char *tag, const char *value)
{
    digest_text(d, tag);
    digest_text(d, value);
}

static void fields(struct digest *d, const char *tag, const struct strv *values)
{
    for (size_t i = 0; i < values->n; i++)
        field(d, tag, values->items[i]);
}

static void inputs_digest(struct digest *d, const struct build *b)
{
    for (size_t i = 0; i < b->n_inputs; i++) {
        const struct input *input = &b->inputs[i];
        /* The same header by two paths is one. */
        if (input->rel == NULL && i > 0 && strcmp(input->sha256, input[-1].sha256) == 0)
            continue;
        field(d, input->rel ? "source" : "dependency", input->rel ? input->rel : "");
        digest_text(d, input->sha256);
    }
}

const char *bundle_object_digest(const struct build *b)
{
    for (size_t i = 0; i < b->n_files; i++)
        if (strcmp(b->files[i].path, "plugin.so") == 0)
            return b->files[i].sha256;
    return "";
}

static bool has_suffix(const char *path, const char *suffix)
{
    size_t n = strlen(path), m = strlen(suffix);
    return n > m && strcmp(path + n - m, suffix) == 0;
}

static bool is_unit(const struct build *b, const char *rel)
{
    for (size_t i = 0; i < b->n_sources; i++)
        if (strcmp(b->sources[i].rel, rel) == 0)
            return true;
    return false;
}

/* Whether what was compiled is what one would think who sees the files: all that end in .c or,
 * where none does, in .h. */
static bool units_are_plain(const struct build *b)
{
    const char *suffix = ".h";
    for (size_t i = 0; i < b->n_inputs; i++)
        if (b->inputs[i].rel != NULL && has_suffix(b->inputs[i].rel, ".c"))
            suffix = ".c";
    for (size_t i = 0; i < b->n_inputs; i++)
        if (b->inputs[i].rel != NULL &&
            is_unit(b, b->inputs[i].rel) != has_suffix(b->inputs[i].rel, suffix))
            return false;
    return true;
}

/* A file that is compiled and one that is only included give different plugins. */
static void units_digest(struct digest *d, const struct build *b)
{
    if (units_are_plain(b))
        return;
    for (size_t i = 0; i < b->n_sources; i++)
        field(d, "unit", b->sources[i].rel);
}

/* The manifest's text is part of it as it was written, so a comma more is another bundle: cheaper
 * to explain than a canonical form would be. Where things lie (-I, -L) is not part of it; what was
 * found there is. */
int bundle_identify(const struct build *b, char *id, struct ml_error *err)
{
    DIGEST_AUTO d;
    uint8_t out[DIGEST_SIZE];
    struct strv cc = {.items = b->host.cc.items + 1, .n = b->host.cc.n - 1};
    digest_begin(&d);
    field(&d, "modload bundle", "1"); /* also when what is generated from the same input changes */
    digest_text(&d, arena_fmt(b->a, "%u", b->abi));
    field(&d, "compiler", b->host.compiler);
    field(&d, "target", b->host.target);
    fields(&d, "compiler word", &cc);
    fields(&d, "flag", &b->flags);
    fields(&d, "library", &b->libraries);
    field(&d, "name", b->name);
    field(&d, "version", b->version);
    if (b->has_manifest)
        field(&d, "manifest", b->manifest.text);
    if (b->object != NULL)
        field(&d, "object", bundle_object_digest(b));
    units_digest(&d, b);
    inputs_digest(&d, b);
    if (digest_end(&d, out) < 0 || b->a->failed)
        return ml_error_memory(err);
    digest_to_bundle_id(out, id);
    return 0;
}

/* ---- manifest.json ---- */

/* A value as the author wrote it: numbers keep all their digits. */
static void raw_pair(struct json *j, const char *key, const char *json)
{
    json_key(j, key);
    buf_str(&j->out, json);
    j->comma = true;
}

static void type_write(struct json *j, struct arena *a, const struct fn_type *type)
{
    json_pair(j, "type", fn_type_word(a, type));
    if (type->enumeration == NULL)
        return;
    json_key(j, "values");
    json_open(j, '{');
    for (size_t i = 0; i < type->enumeration->n; i++) {
        json_key(j, type->enumeration->members[i].name);
        json_int(j, type->enumeration->members[i].value);
    }
    json_close(j, '}');
}

static void function_write(struct json *j, struct arena *a, const struct fn *fn)
{
    json_open(j, '{');
    json_pair(j, "name", fn->name);
    json_pair(j, "signature", fn->signature);
    json_pair(j, "doc", fn->doc);
    json_key(j, "params");
    json_open(j, '[');
    for (size_t i = 0; i < fn->n_params; i++) {
        json_open(j, '{');
        json_pair(j, "name", fn->params[i].name);
        type_write(j, a, &fn->params[i].type);
        json_close(j, '}');
    }
    json_close(j, ']');
    json_key(j, "result");
    json_open(j, '{');
    type_write(j, a, &fn->result);
    json_close(j, '}');
    json_close(j, '}');
}

/* One function per line, so that a person can read the file and compare two of them. */
static void functions_write(struct json *j, struct build *b)
{
    json_key(j, "functions");
    json_open(j, '[');
    for (size_t i = 0; i < b->functions.n; i++)
        if (b->functions.items[i].reason == NULL) {
            buf_char(&j->out, '\n');
            function_write(j, b->a, &b->functions.items[i]);
        }
    json_close(j, ']');
    json_key(j, "skipped");
    json_open(j, '[');
    for (size_t i = 0; i < b->functions.n; i++)
        if (b->functions.items[i].reason != NULL) {
            json_open(j, '{');
            json_pair(j, "name", b->functions.items[i].name);
            json_pair(j, "reason", b->functions.items[i].reason);
            json_close(j, '}');
        }
    json_close(j, ']');
}

static int manifest_write(struct build *b, struct ml_error *err)
{
    JSON_AUTO j = {0};
    const struct manifest *m = &b->manifest;
    json_open(&j, '{');
    json_key(&j, "format");
    json_int(&j, BUNDLE_FORMAT);
    json_pair(&j, "name", b->name);
    json_pair(&j, "version", b->version);
    json_pair(&j, "description", m->description ? m->description : "");
    json_pair(&j, "license", m->license ? m->license : "");
    functions_write(&j, b);
    for (size_t i = 0; i < m->n_parts; i++)
        raw_pair(&j, m->parts[i].key, m->parts[i].json);
    json_close(&j, '}');
    buf_char(&j.out, '\n');
    return write_text(b, "manifest.json", &j.out, err);
}

/* ---- all of it ---- */

/* A source may have read the manifest as a header of its own: then it is there already. */
static int manifest_keep(struct build *b, struct ml_error *err)
{
    static const char path[] = "source/modload.json";
    char sha256[DIGEST_HEX_SIZE];
    size_t n = strlen(b->manifest.text);
    if (digest_data(b->manifest.text, n, sha256) < 0)
        return ml_error_memory(err);
    for (size_t i = 0; i < b->n_files; i++)
        if (strcmp(b->files[i].path, path) == 0 && strcmp(b->files[i].sha256, sha256) == 0)
            return 0;
    return bundle_write(b, path, b->manifest.text, n, err);
}

static int record_file(struct build *b, struct ml_error *err)
{
    JSON_AUTO j = {0};
    record_write(&j, b);
    return write_text(b, "build.json", &j.out, err);
}

/* The sums come last and name every file but their own. Whoever maps the object checks it against
 * its line. */
static int sums_file(struct build *b, struct ml_error *err)
{
    BUF_AUTO sums = BUF_INIT;
    sums_write(&sums, b->files, b->n_files);
    if (sums.failed)
        return ml_error_memory(err);
    if (file_write(b, "SHA256SUMS", sums.data, sums.len) < 0)
        return ml_error_errno(err, 0, errno, "cannot write the bundle's 'SHA256SUMS'");
    return 0;
}

int bundle_finish(struct build *b, struct ml_error *err)
{
    const char *name = arena_fmt(b->a, "%s@%s\n", b->name, b->version);
    if ((b->has_manifest && manifest_keep(b, err) < 0) || manifest_write(b, err) < 0 ||
        record_file(b, err) < 0 || bundle_write(b, "name", name, strlen(name), err) < 0)
        return -1;
    return sums_file(b, err);
}

/* What is written here is in every bundle, so it must be the same wherever and whenever the bundle
 * was built: names are those that everybody sees, and where things lay is left out. */
#include "build/record.h"

#include <string.h>

#include "build/bundle.h"
#include "build/place.h"

const char *record_kind(enum build_kind kind)
{
    static const char *const names[] = {
        [BUILD_FILES] = "files",
        [BUILD_DIRECTORY] = "directory",
        [BUILD_TEXT] = "text",
        [BUILD_OBJECT] = "object",
    };
    return names[kind];
}

/* File names and macros are bytes, UTF-8 or not, and all of them count. */
static void text_write(struct json *j, const char *key, const char *text)
{
    json_key(j, key);
    json_text(j, text, strlen(text));
}

static void list_write(struct json *j, const char *key, const char *const *items, size_t n)
{
    json_key(j, key);
    json_open(j, '[');
    for (size_t i = 0; i < n; i++)
        json_text(j, items[i], strlen(items[i]));
    json_close(j, ']');
}

static void includes_write(struct json *j, const struct build *b)
{
    json_key(j, "includes");
    json_open(j, '[');
    for (size_t i = 0; i < b->request->n_includes; i++) {
        const char *place = place_include(b, i);
        if (place != NULL)
            json_text(j, place, strlen(place));
        else
            json_null(j);
    }
    json_close(j, ']');
}

static void manifest_write(struct json *j, const struct build *b)
{
    char sha256[DIGEST_HEX_SIZE];
    json_key(j, "manifest");
    if (!b->has_manifest)
        json_null(j);
    else if (digest_data(b->manifest.text, strlen(b->manifest.text), sha256) == 0)
        json_string(j, sha256);
    else
        j->out.failed = true;
}

/* What a build needs that the digests of its inputs do not tell. The order of the units is that in
 * which they were linked. */
static void given_write(struct json *j, const struct build *b)
{
    const struct ml_build_request *r = b->request;
    json_key(j, "given");
    json_open(j, '{');
    json_pair(j, "kind", record_kind(b->kind));
    json_key(j, "units");
    json_open(j, '[');
    for (size_t i = 0; i < b->n_sources; i++)
        json_text(j, b->sources[i].rel, strlen(b->sources[i].rel));
    json_close(j, ']');
    manifest_write(j, b);
    list_write(j, "defines", r->defines, r->n_defines);
    json_key(j, "standard");
    if (r->standard != NULL)
        json_string(j, r->standard);
    else
        json_null(j);
    list_write(j, "libraries", r->libraries, r->n_libraries);
    includes_write(j, b);
    json_close(j, '}');
}

static void input_write(struct json *j, const struct input *input)
{
    const char *slash = strrchr(input->path, '/');
    json_open(j, '{');
    if (input->rel != NULL) {
        text_write(j, "path", input->rel);
    } else {
        const char *name = slash ? slash + 1 : input->path;
        text_write(j, "name", name);
    }
    json_pair(j, "sha256", input->sha256);
    if (input->kept != NULL)
        text_write(j, "kept", input->kept);
    if (input->at.n > 0)
        list_write(j, "at", input->at.items, input->at.n);
    json_close(j, '}');
}

static void inputs_write(struct json *j, const struct build *b, const char *key, bool own)
{
    json_key(j, key);
    json_open(j, '[');
    for (size_t i = 0; i < b->n_inputs; i++)
        if ((b->inputs[i].rel != NULL) == own)
            input_write(j, &b->inputs[i]);
    json_close(j, ']');
}

void record_write(struct json *j, const struct build *b)
{
    json_open(j, '{');
    json_key(j, "format");
    json_int(j, BUNDLE_FORMAT);
    json_key(j, "abi");
    json_int(j, b->abi);
    json_pair(j, "modload", ML_VERSION);
    json_pair(j, "name", b->name);
    json_pair(j, "version", b->version);
    text_write(j, "compiler", b->host.compiler);
    list_write(j, "compiler_words", b->host.cc.items + 1, b->host.cc.n - 1);
    text_write(j, "target", b->host.target);
    list_write(j, "flags", b->flags.items, b->flags.n);
    list_write(j, "libraries", b->libraries.items, b->libraries.n);
    json_pair(j, "object", b->object ? "prebuilt" : "built");
    json_pair(j, "object_sha256", bundle_object_digest(b));
    given_write(j, b);
    inputs_write(j, b, "sources", true);
    inputs_write(j, b, "dependencies", false);
    json_close(j, '}');
    buf_char(&j->out, '\n');
}

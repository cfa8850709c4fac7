/* Three things have to agree: what lies there, SHA256SUMS, and build.json, which the bundle's id is
 * a digest of. The list alone tells accidents; that the id comes out of the record, and the
 * record's digests out of the files, tells a bundle that was replaced together with its list. What
 * no file can tell is whether the object came out of the sources: for that it has to be built
 * again. */
#include "build/agree.h"

#include <errno.h>
#include <string.h>

#include "base/buf.h"
#include "build/bundle.h"
#include "build/info.h"

/* ---- against the record ---- */

/* What is damaged by the list has been told of, and is not compared again. */
static void digest_compare(struct check *c, const char *path, const char *recorded)
{
    if (check_is_readable(c, path) && strcmp(check_find(c, path)->actual, recorded) != 0)
        check_tell(c, CHECK_CONTENT, path, "is not what build.json says went into the bundle");
}

static void record_compare(struct check *c)
{
    const struct build *b = &c->record.build;
    digest_compare(c, "plugin.so", b->files[0].sha256);
    if (c->record.given && b->has_manifest)
        digest_compare(c, "source/modload.json", c->record.manifest_sha256);
    for (size_t i = 0; i < b->n_inputs; i++)
        if (b->inputs[i].rel != NULL)
            digest_compare(c, arena_fmt(c->a, "source/%s", b->inputs[i].rel), b->inputs[i].sha256);
        else if (b->inputs[i].kept != NULL)
            digest_compare(c, b->inputs[i].kept, b->inputs[i].sha256);
}

/* The name and version that the plugin has by file `name`, as "name@version"; null when it says
 * nothing. */
static const char *name_load(struct check *c)
{
    BUF_AUTO text = BUF_INIT;
    if (!check_is_readable(c, "name"))
        return NULL;
    int status = check_load(c, "name", 256, &text);
    if (status < 0 && errno == EIO)
        return NULL;
    if (status < 0 || text.len < 2 || text.data[text.len - 1] != '\n' ||
        strlen(text.data) != text.len || strchr(text.data, '@') == NULL) {
        check_tell(c, CHECK_CONTENT, "name", "holds no name and version");
        return NULL;
    }
    return arena_mem(c->a, text.data, text.len - 1);
}

static void name_compare_to(struct check *c, const char *path, const char *said, const char *name)
{
    if (name != NULL && strcmp(said, name) != 0)
        check_tell(c, CHECK_CONTENT, path, "says that the plugin is %s, and 'name' says %s", said,
                   name);
}

/* What it says of itself, which the caller frees; null: that cannot be read. */
static struct ml_bundle_info *manifest_check(struct check *c, const char *name)
{
    BUF_AUTO text = BUF_INIT;
    struct ml_bundle_info *info = NULL;
    struct ml_error why = ML_ERROR_INIT;
    if (!check_is_readable(c, "manifest.json"))
        return NULL;
    int status = check_load(c, "manifest.json", INFO_SIZE_MAX, &text);
    if (status < 0 && errno == EIO)
        return NULL;
    if (status < 0 || info_parse(c->id, &text, &info, &why) < 0) {
        if (why.status == ML_LIMIT)
            c->lacks = ENOMEM;
        check_tell(c, CHECK_CONTENT, "manifest.json", "is no manifest");
        return NULL;
    }
    name_compare_to(c, "manifest.json", arena_fmt(c->a, "%s@%s", info->name, info->version), name);
    return info;
}

/* People agree to what manifest.json says, and a repair makes it anew out of the author's own file:
 * both have to ask for the same. What this version cannot read it does not build. */
static void capabilities_compare(struct check *c, const struct ml_bundle_info *info)
{
    struct manifest m = {.name = NULL};
    BUF_AUTO text = BUF_INIT;
    const struct build *b = &c->record.build;
    if (b->has_manifest) {
        if (!check_is_readable(c, "source/modload.json") ||
            check_load(c, "source/modload.json", MANIFEST_SIZE_MAX, &text) < 0 ||
            manifest_parse(c->a, "modload.json", buf_text(&text), text.len, &m, NULL) < 0)
            return;
    }
    bool same = m.capabilities.n == info->n_capabilities;
    for (size_t i = 0; same && i < m.capabilities.n; i++)
        same = strcmp(m.capabilities.items[i], info->capabilities[i]) == 0;
    if (!same)
        check_tell(c, CHECK_CONTENT, "manifest.json",
                   "does not have the capabilities that its source asks for");
}

/* ---- the id ---- */

/* Records of before do not say what the plugin is called, nor that it had a manifest. */
static void record_complete(struct check *c, const char *name)
{
    struct build *b = &c->record.build;
    if (b->name == NULL && name != NULL) {
        size_t n = strcspn(name, "@");
        b->name = arena_mem(c->a, name, n);
        b->version = arena_str(c->a, name + n + 1);
    }
    const struct check_file *manifest = check_find(c, "source/modload.json");
    if (c->record.given || manifest == NULL)
        return;
    b->has_manifest = true;
    strcpy(c->record.manifest_sha256, manifest->actual);
}

static bool id_compute(struct check *c, char *id)
{
    struct build *b = &c->record.build;
    BUF_AUTO manifest = BUF_INIT;
    if (b->name == NULL ||
        (b->has_manifest && check_load(c, "source/modload.json", MANIFEST_SIZE_MAX, &manifest) < 0))
        return false;
    b->manifest.text = arena_mem(c->a, buf_text(&manifest), manifest.len);
    return bundle_identify(b, id, NULL) == 0;
}

/* Where a file is known to be damaged the id cannot come out, and that is no news. */
static void id_check(struct check *c, const char *name)
{
    char id[ML_BUNDLE_ID_SIZE];
    record_complete(c, name);
    if (!id_compute(c, id))
        return;
    c->id_is_true = strcmp(id, c->id) == 0;
    bool innocent = check_is_readable(c, "build.json") &&
                    (!c->record.build.has_manifest || check_is_readable(c, "source/modload.json"));
    if (c->id_is_true || !innocent)
        return;
    if (c->record.given)
        check_tell(c, CHECK_CONTENT, ".", "its content is that of bundle %s", id);
    else
        check_tell(
            c, CHECK_CONTENT, ".",
            "its id cannot be confirmed: an earlier modload has built it, with options in $CC "
            "that it did not write down, or it was replaced");
}

void agree_check(struct check *c)
{
    const struct build *b = &c->record.build;
    const char *name = name_load(c);
    struct ml_bundle_info *info = manifest_check(c, name);
    if (c->has_record) {
        id_check(c, name);
        record_compare(c);
        if (b->name != NULL && check_is_readable(c, "build.json"))
            name_compare_to(c, "build.json", arena_fmt(c->a, "%s@%s", b->name, b->version), name);
        if (info != NULL)
            capabilities_compare(c, info);
    }
    ml_bundle_info_free(info);
}

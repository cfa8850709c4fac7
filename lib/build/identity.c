/* ML_PLUGIN leaves its text in a section of its own, so that it can be read without running
 * anything. */
#include "build/identity.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/scope.h"
#include "build/object.h"
#include "build/word.h"

static int object_texts(int dirfd, const char *name, struct arena *a, struct strv *ret,
                        struct ml_error *err)
{
    AUTO_CLOSE int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return ml_error_set(err, ML_IO, NULL, "cannot read the object '%s'", name);
    return object_identities(fd, a, ret, err);
}

static int texts_collect(struct build *b, struct strv *ret, struct ml_error *err)
{
    if (b->object != NULL)
        return object_texts(b->stage->fd, "plugin.so", b->a, ret, err);
    for (size_t i = 0; i < b->n_sources; i++)
        if (object_texts(b->work, arena_fmt(b->a, "%s.o", b->sources[i].stem), b->a, ret, err) < 0)
            return -1;
    return 0;
}

/* Splits what ML_PLUGIN left: "name@version". */
static int text_take(struct build *b, const char *text, struct ml_error *err)
{
    const char *at = strchr(text, '@');
    const char *name = arena_mem(b->a, text, at ? (size_t)(at - text) : strlen(text));
    const char *shown = fn_text(b->a, text);
    if (at == NULL || !ml_name_valid(name))
        return ml_error_set(err, ML_CONFIG, "bad_name",
                            "ML_PLUGIN: '%s': a name is 1 to 64 of A-Z a-z 0-9 . _ -, a letter or "
                            "digit first",
                            shown);
    if (!word_version(at + 1))
        return ml_error_set(err, ML_CONFIG, "bad_version",
                            "ML_PLUGIN: '%s': not a version such as 1.2.0 (SemVer 2.0.0)", shown);
    b->name = name;
    b->version = at + 1;
    return 0;
}

static int disagree(const struct build *b, const char *key, const char *theirs, const char *ours,
                    struct ml_error *err)
{
    return ml_error_set(err, ML_CONFIG, NULL, "%s: key '%s' is '%s', and ML_PLUGIN says '%s'",
                        b->manifest.label, key, theirs, ours);
}

/* Two places that say different things: whichever won, somebody would be surprised. */
static int manifest_agrees(const struct build *b, struct ml_error *err)
{
    const struct manifest *m = &b->manifest;
    if (b->name != NULL && m->name != NULL && strcmp(b->name, m->name) != 0)
        return disagree(b, "name", m->name, b->name, err);
    if (b->version != NULL && m->version != NULL && strcmp(b->version, m->version) != 0)
        return disagree(b, "version", m->version, b->version, err);
    return 0;
}

/* The request has the last word on the name: the same source may be filed under two names. */
int identity_find(struct build *b, struct ml_error *err)
{
    struct strv texts = {0};
    if (texts_collect(b, &texts, err) < 0)
        return -1;
    for (size_t i = 1; i < texts.n; i++)
        if (strcmp(texts.items[0], texts.items[i]) != 0)
            return ml_error_set(err, ML_CONFIG, "bad_name",
                                "the plugin has two identities: ML_PLUGIN says '%s' and '%s'",
                                fn_text(b->a, texts.items[0]), fn_text(b->a, texts.items[i]));
    if (texts.n > 0 && text_take(b, texts.items[0], err) < 0)
        return -1;
    if (manifest_agrees(b, err) < 0)
        return -1;
    if (b->request->name != NULL)
        b->name = b->request->name;
    else if (b->name == NULL)
        b->name = b->manifest.name ? b->manifest.name : b->stem;
    if (b->version == NULL)
        b->version = b->manifest.version ? b->manifest.version : "0.0.0";
    return b->a->failed ? ml_error_memory(err) : 0;
}

#include "project/field.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/semver.h"
#include "base/words.h"
#include "modload/modload.h"

/* ---- keys and texts ---- */

int field_bad(const struct field *f, const char *must)
{
    return ml_error_set(f->err, ML_CONFIG, NULL, "%s: plugin '%s': key '%s' must %s", f->label,
                        f->plugin, f->key, must);
}

int field_find(const struct field *f, const struct field_row *rows, size_t n)
{
    struct words_nearest best = {0};
    for (size_t i = 0; i < n; i++) {
        if (strcmp(rows[i].key, f->key) == 0)
            return (int)i;
        words_consider(&best, f->key, rows[i].key);
    }
    ml_error_set(f->err, ML_CONFIG, NULL, "%s: plugin '%s': unknown key '%s'", f->label, f->plugin,
                 f->key);
    if (best.word != NULL)
        ml_error_hint(f->err, "did you mean '%s'?", best.word);
    return -1;
}

int field_take(struct arena *a, const struct field *f, const struct field_row *row,
               const cJSON *value, void *object)
{
    if (!cJSON_IsString(value) || strlen(value->valuestring) > FIELD_TEXT_MAX)
        return field_bad(f, "be a text of at most 4095 bytes");
    if (row->check(f, value->valuestring) < 0)
        return -1;
    *(const char **)((char *)object + row->at) = arena_str(a, value->valuestring);
    return 0;
}

int field_bool(const struct field *f, const cJSON *value, bool *ret)
{
    if (!cJSON_IsBool(value))
        return field_bad(f, "be true or false");
    *ret = cJSON_IsTrue(value);
    return 0;
}

/* ---- forms ---- */

/* Whatever another part says of a value, in a file it is configuration. */
static int told_of(const struct field *f)
{
    if (f->err != NULL && f->err->status != ML_LIMIT)
        f->err->status = ML_CONFIG;
    return ml_error_wrap(f->err, "%s: plugin '%s': key '%s'", f->label, f->plugin, f->key);
}

int field_git(const struct field *f, const char *text)
{
    struct source source;
    if (source_parse(text, &source, f->err) < 0)
        return told_of(f);
    if (source.kind == SOURCE_PATH) {
        field_bad(f, "be a URL (https, ssh, git, file) or user@host:path");
        return ml_error_hint(f->err, "a repository on this machine is file:///its/path");
    }
    if (source.ref_kind == SOURCE_REF_NONE)
        return 0;
    field_bad(f, "be a URL without what follows its @");
    return ml_error_hint(f->err,
                         "give that as \"ref\" or \"version\"; where the path itself has an @, "
                         "put one more at its end");
}

/* One byte less than a range may have: "=" may have to go before it on its way to a fetch. */
int field_version(const struct field *f, const char *text)
{
    struct semver_range range;
    if (strlen(text) <= FIELD_VERSION_MAX && semver_range_parse(text, &range))
        return 0;
    field_bad(f, "be a range of versions such as \"^1.2\"");
    return ml_error_hint(f->err, "a branch, a tag or a commit is given as \"ref\"");
}

int field_ref(const struct field *f, const char *text)
{
    struct source source;
    if (source_ref_parse(text, &source, f->err) < 0)
        return told_of(f);
    if (source.ref_kind == SOURCE_REF_NAME)
        return 0;
    field_bad(f, "be a branch, a tag or a commit");
    return ml_error_hint(f->err, "a range of versions is given as \"version\"");
}

int field_path(const struct field *f, const char *text)
{
    return source_subdir_check(text, f->err) < 0 ? told_of(f) : 0;
}

int field_uuid(const struct field *f, const char *text)
{
    struct ml_key key;
    if (ml_key_from_uuid(text, &key, NULL) == 0)
        return 0;
    field_bad(f, "be a UUID");
    return ml_error_hint(f->err, "make a new one: modload uuid; or leave the key out");
}

int field_name_check(const char *label, const char *name, struct ml_error *err)
{
    if (ml_name_valid(name))
        return 0;
    return ml_error_set(err, ML_CONFIG, NULL,
                        "%s: plugin '%s': its name must be 1 to 64 of A-Z a-z 0-9 . _ -, a letter "
                        "or digit first, and no UUID",
                        label, name);
}

/* ---- of several ---- */

static int uuid_compare(const void *a, const void *b)
{
    const struct field_uuid *one = a, *other = b;
    if (one->uuid == NULL || other->uuid == NULL)
        return (one->uuid != NULL) - (other->uuid != NULL);
    int order = strcmp(one->uuid, other->uuid);
    return order != 0 ? order : strcmp(one->plugin, other->plugin);
}

int field_uuids_check(const char *label, struct field_uuid *list, size_t n, struct ml_error *err)
{
    if (n > 1)
        qsort(list, n, sizeof *list, uuid_compare);
    for (size_t i = 1; i < n; i++)
        if (list[i - 1].uuid != NULL && strcmp(list[i - 1].uuid, list[i].uuid) == 0) {
            ml_error_set(err, ML_CONFIG, NULL, "%s: plugins '%s' and '%s' have the same key 'uuid'",
                         label, list[i - 1].plugin, list[i].plugin);
            return ml_error_hint(err, "make a new one for one of them: modload uuid");
        }
    return 0;
}

bool field_git_same(const char *a, const char *b)
{
    struct source one, other;
    if (strcmp(a, b) == 0)
        return true;
    return source_parse(a, &one, NULL) == 0 && source_parse(b, &other, NULL) == 0 &&
           one.kind == other.kind && strcmp(one.url, other.url) == 0;
}

/* The marks of git-merge(1): seven of a kind at the beginning of a line, which no JSON has. */
int field_conflict_check(const char *label, const char *text, const char *hint,
                         struct ml_error *err)
{
    static const char *const marks[] = {"<<<<<<<", "=======", ">>>>>>>", "|||||||"};
    int line = 1;
    for (const char *at = text; at != NULL; at = strchr(at, '\n'), line++) {
        at += *at == '\n' && line > 1;
        for (size_t i = 0; i < sizeof marks / sizeof *marks; i++)
            if (strncmp(at, marks[i], 7) == 0) {
                ml_error_set(err, ML_CONFIG, "merge_conflict",
                             "%s:%d: two versions of the file were merged, and differ here", label,
                             line);
                return ml_error_hint(err, "%s", hint);
            }
    }
    return 0;
}

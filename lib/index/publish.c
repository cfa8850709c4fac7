/* Adding a version to a plugin in a clone of an index. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/scope.h"
#include "base/semver.h"
#include "build/manifest.h"
#include "fetch/source.h"
#include "index/clone.h"

/* ---- where it is published from ---- */

void ml_publish_source_done(struct ml_publish_source *source)
{
    free(source->source);
    free(source->ref);
    free(source->path);
    *source = (struct ml_publish_source){.source = NULL};
}

static int no_version(const char *dir, const char *what, struct ml_error *err)
{
    ml_error_set(err, ML_CONFIG, "no_version", "'%s' %s", dir, what);
    return ml_error_hint(err, "a plugin that is published has \"name\", \"version\", "
                              "\"description\" and \"license\" in its modload.json");
}

/* The repository that a directory is in is found as git does, by going up. `root` is cut to it. */
static bool root_find(char *root)
{
    for (;;) {
        AUTO_CLOSE int fd = open(*root ? root : "/", O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (fd >= 0 && faccessat(fd, ".git", F_OK, 0) == 0)
            return true;
        char *slash = strrchr(root, '/');
        if (slash == NULL)
            return false;
        *slash = '\0';
    }
}

static int directory_take(const char *dir, struct ml_publish_source *ret, struct ml_error *err)
{
    ARENA_AUTO a = ARENA_INIT;
    struct manifest m = {.name = NULL};
    char real[PATH_MAX], root[PATH_MAX];
    if (realpath(dir, real) == NULL)
        return ml_error_errno(err, errno == ENOENT ? ML_NO_INPUT : 0, errno, "cannot look at '%s'",
                              dir);
    AUTO_CLOSE int fd = open(real, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return ml_error_errno(err, 0, errno, "cannot open '%s'", dir);
    int there = manifest_load(&a, fd, arena_fmt(&a, "%s/modload.json", dir), &m, err);
    if (there < 0)
        return -1;
    if (there == 0 || m.version == NULL)
        return no_version(dir, there == 0 ? "has no modload.json" : "has no version", err);
    strcpy(root, real);
    if (!root_find(root)) {
        ml_error_set(err, ML_NO_INPUT, "no_repository", "'%s' is in no git repository", dir);
        return ml_error_hint(err, "what is published is a tag of one: git init, commit, tag");
    }
    const char *rest = real + strlen(root);
    ret->source = strdup(*root ? root : "/");
    ret->path = strdup(*rest == '/' ? rest + 1 : rest);
    ret->ref = strdup(m.version);
    return ret->source && ret->path && ret->ref ? 0 : ml_error_memory(err);
}

int ml_publish_source(const char *text, struct ml_publish_source *ret, struct ml_error *err)
{
    struct source source;
    *ret = (struct ml_publish_source){.source = NULL};
    if (source_parse(text, &source, err) < 0)
        return -1;
    bool is_path = source.kind == SOURCE_PATH;
    if (is_path && source.ref_kind == SOURCE_REF_NONE) {
        int status = directory_take(text, ret, err);
        if (status < 0)
            ml_publish_source_done(ret);
        return status;
    }
    if (source.ref_kind != SOURCE_REF_NAME) {
        ml_error_set(err, ML_DATA, "bad_ref", "what is published is one tag, and '%s' names none",
                     text);
        return ml_error_hint(err, "give the URL and its tag: %s@v1.0.0", source.url);
    }
    ret->source = strdup(text);
    ret->is_url = !is_path;
    return ret->source ? 0 : ml_error_memory(err);
}

/* ---- what is checked ---- */

static int missing(const char *key, struct ml_error *err)
{
    ml_error_set(err, ML_CONFIG, "incomplete", "the plugin's modload.json has no '%s'", key);
    return ml_error_hint(err, "who looks for a plugin has to know it; commit it, and move or make "
                              "the tag");
}

static int no_line(const char *key, int max, struct ml_error *err)
{
    ml_error_set(err, ML_CONFIG, "bad_text",
                 "the plugin's modload.json: '%s' is no line of 1 to %d bytes without control "
                 "characters",
                 key, max);
    return ml_error_hint(err, "commit another, and move or make the tag");
}

static int release_check(const struct ml_release *r, struct ml_error *err)
{
    struct semver version;
    if (*r->name == '\0' || *r->version == '\0' || *r->description == '\0' || *r->license == '\0')
        return missing(*r->name == '\0'          ? "name"
                       : *r->version == '\0'     ? "version"
                       : *r->description == '\0' ? "description"
                                                 : "license",
                       err);
    if (!index_text_good(r->description, INDEX_DESCRIPTION_MAX))
        return no_line("description", INDEX_DESCRIPTION_MAX, err);
    if (!index_text_good(r->license, INDEX_LICENSE_MAX))
        return no_line("license", INDEX_LICENSE_MAX, err);
    if (!semver_parse(r->version, &version))
        return ml_error_set(err, ML_CONFIG, "bad_version", "'%.64s' is no version (SemVer 2.0.0)",
                            r->version);
    return 0;
}

static int name_taken(const struct ml_release *r, const struct index_plugin *p,
                      struct ml_error *err)
{
    ml_error_set(err, ML_REFUSED, "name_taken",
                 "'%s' is the name of '%s', as far as people can see", r->name, p->name);
    return ml_error_hint(err, "capitals, - and _ make no other name; give the plugin another one");
}

static int already(const struct index_plugin *p, const struct index_version *v,
                   struct ml_error *err)
{
    ml_error_set(err, ML_REFUSED, "published",
                 "%s@%s was published on %.10s, and cannot be changed", p->name, v->version,
                 v->published);
    return ml_error_hint(err, "publish a new version; one that is bad can be retired: modload "
                              "retire");
}

/* Where a version goes: behind all that come before it. -1: it is there. */
static ptrdiff_t place_find(const struct index_plugin *p, const char *text, struct ml_error *err)
{
    struct semver version, other;
    ptrdiff_t at = 0;
    if (!semver_parse(text, &version))
        return ml_error_set(err, ML_CONFIG, "bad_version", "'%.64s' is no version", text);
    for (size_t i = 0; i < p->n; i++) {
        int order =
            semver_parse(p->versions[i].version, &other) ? semver_compare(&other, &version) : 0;
        if (order == 0)
            return already(p, &p->versions[i], err);
        at += order < 0;
    }
    return at;
}

/* Of a plugin's versions all are in one repository, and in one directory of it. */
static int other_path(const struct ml_release *r, const struct index_plugin *p,
                      struct ml_error *err)
{
    ml_error_set(err, ML_REFUSED, "other_path",
                 "'%s' is in '%s' of its repository, and this version is in '%s'", p->name,
                 *p->path ? p->path : ".", *r->path ? r->path : ".");
    return ml_error_hint(err, "who installs another version would look for it there: publish from "
                              "where it was, or under a new name");
}

/* It is only moved when that is said: all that were published are looked for there, too. */
static int git_choose(const struct ml_release *r, struct index_plugin *p,
                      struct ml_index_change *ret, struct ml_error *err)
{
    const char *before = p->git;
    if (r->git != NULL)
        p->git = r->git;
    else if (p->git == NULL)
        p->git = r->from;
    bool moved = before != NULL && strcmp(before, p->git) != 0;
    free(ret->git);
    free(ret->git_before);
    ret->git = p->git ? strdup(p->git) : NULL;
    ret->git_before = moved ? strdup(before) : NULL;
    if ((p->git != NULL && ret->git == NULL) || (moved && ret->git_before == NULL))
        return ml_error_memory(err);
    if (p->git != NULL && !index_git_good(p->git)) {
        ml_error_set(err, ML_DATA, "bad_url", "'%s' cannot be got by others from such a place",
                     r->name); /* there may be a password in it */
        return ml_error_hint(err, "--url takes a URL of https, ssh, git or file, without a ref and "
                                  "without a password");
    }
    if (p->git != NULL)
        return 0;
    ml_error_set(err, ML_USAGE, "no_url", "'%s' is new: where others can get it is not known",
                 r->name);
    return ml_error_hint(err, "give the URL of its repository: --url https://...");
}

/* ---- adding ---- */

static int version_add(struct arena *a, const struct ml_release *r, struct index_plugin *p,
                       struct ml_error *err)
{
    char date[INDEX_DATE_SIZE];
    ptrdiff_t at = place_find(p, r->version, err);
    if (at < 0)
        return -1;
    struct index_version *versions = arena_alloc(a, p->n + 1, sizeof *versions);
    if (versions == NULL)
        return ml_error_memory(err);
    clone_date(date);
    if (p->n > 0) {
        memcpy(versions, p->versions, (size_t)at * sizeof *versions);
        memcpy(versions + at + 1, p->versions + at, (p->n - (size_t)at) * sizeof *versions);
    }
    versions[at] = (struct index_version){.version = r->version,
                                          .tag = r->tag,
                                          .commit = r->commit,
                                          .tree = r->tree,
                                          .source = r->source,
                                          .published = arena_str(a, date),
                                          .message = "",
                                          .date = ""};
    p->versions = versions;
    p->n++;
    return 0;
}

/* What is said of the plugin is what its newest version says. */
static bool is_newest(const struct index_plugin *p, const struct ml_release *r)
{
    return strcmp(p->versions[p->n - 1].version, r->version) == 0;
}

int ml_index_publish(const struct ml_release *release, const struct ml_index_commit *how,
                     struct ml_index_change *ret, struct ml_error *err)
{
    ARENA_AUTO a = ARENA_INIT;
    CLONE_AUTO clone = CLONE_INIT;
    struct index_plugin p = {.name = NULL};
    if (release_check(release, err) < 0)
        return -1;
    int there = clone_open(&a, how, release->name, &clone, &p, err);
    if (there < 0)
        return -1;
    if (there > 0 && strcmp(p.name, release->name) != 0)
        return name_taken(release, &p, err);
    if (p.n > 0 && strcmp(p.path, release->path) != 0)
        return other_path(release, &p, err);
    p.name = release->name;
    p.path = release->path;
    if (git_choose(release, &p, ret, err) < 0 || version_add(&a, release, &p, err) < 0)
        return -1;
    if (is_newest(&p, release)) {
        p.description = release->description;
        p.license = release->license;
    }
    const char *message = arena_fmt(&a, "%s %s", p.name, release->version);
    return a.failed ? ml_error_memory(err) : clone_commit(&clone, &p, message, ret, err);
}

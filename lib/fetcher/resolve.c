/* From what a person has written to one commit. What could mean two is not guessed: a tag and a
 * branch of one name, or two tags for one version, are told, with what to write instead. */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/semver.h"
#include "base/words.h"
#include "fetcher/fetcher.h"

#define HEADS "refs/heads/"
#define TAGS  "refs/tags/"

enum { PREFIX_MIN = 7 }; /* digits of a commit's id: fewer stand for too many */

static bool is_tag(const char *name)
{
    return strncmp(name, TAGS, strlen(TAGS)) == 0;
}

/* The version that a tag stands for: 1.2.3, or v1.2.3. Null when it is none. */
static const char *tag_version(const char *name, struct semver *ret)
{
    const char *text = name + strlen(TAGS);
    text += *text == 'v' || *text == 'V';
    return is_tag(name) && semver_parse(text, ret) ? text : NULL;
}

/* ---- commits ---- */

static int bad_commit(struct ml_error *err, const char *name)
{
    ml_error_set(err, ML_DATA, "bad_repository", "'%s' is no commit", name);
    return ml_error_hint(err, "name another tag or branch, or a commit, behind an @");
}

/* gitformat-signature(5). Git calls whatever it does not know OpenPGP's. */
static uint32_t signature_kind(const char *text)
{
    static const struct {
        const char *begin;
        enum fetch_signature kind;
    } kinds[] = {
        {"-----BEGIN SSH SIGNATURE-----", FETCH_SIGNED_SSH},
        {"-----BEGIN SIGNED MESSAGE-----", FETCH_SIGNED_X509},
    };
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strncmp(text, kinds[i].begin, strlen(kinds[i].begin)) == 0)
            return kinds[i].kind;
    return FETCH_SIGNED_OPENPGP;
}

/* Whoever makes a commit writes its time: one that no calendar has is none too old or too young. */
static int64_t time_within(int64_t time)
{
    return time < 0 ? 0 : time > FETCH_TIME_MAX ? FETCH_TIME_MAX : time;
}

static int commit_take(const git_commit *commit, struct fetch_result *ret)
{
    git_buf signature = GIT_BUF_INIT;
    if (git_commit_header_field(&signature, commit, "gpgsig") == 0)
        ret->signature = signature_kind(signature.ptr);
    git_buf_dispose(&signature);
    git_oid_tostr(ret->commit, sizeof ret->commit, git_commit_id(commit));
    git_oid_tostr(ret->tree, sizeof ret->tree, git_commit_tree_id(commit));
    ret->time = time_within(git_commit_time(commit));
    return 0;
}

/* What a reference leads to in the end, over tags that have an object of their own. */
static int reference_take(git_repository *repo, const char *name, struct fetch_result *ret,
                          struct ml_error *err)
{
    git_reference *reference;
    git_object *commit;
    struct semver version;
    if (git_reference_lookup(&reference, repo, name) < 0)
        return git_failed(err, -1, "cannot read '%s'", name);
    int status = git_reference_peel(&commit, reference, GIT_OBJECT_COMMIT);
    snprintf(ret->ref, sizeof ret->ref, "%s", git_reference_name(reference));
    git_reference_free(reference);
    if (status == GIT_EPEEL || status == GIT_EINVALIDSPEC)
        return bad_commit(err, name);
    if (status < 0)
        return ml_error_set(err, ML_DATA, "bad_cache", "cannot read '%s'", name);
    commit_take((git_commit *)commit, ret);
    git_object_free(commit);
    const char *text = tag_version(ret->ref, &version);
    snprintf(ret->version, sizeof ret->version, "%s", text ? text : "");
    return 0;
}

/* ---- what there is ---- */

static bool exists(git_repository *repo, const char *name)
{
    git_oid id;
    return git_reference_name_to_id(&id, repo, name) == 0;
}

/* The newest version among the tags, or "": what to write when what was written is not there. */
static void newest(git_repository *repo, char text[FETCH_VERSION_SIZE])
{
    git_reference_iterator *all;
    const char *name;
    *text = '\0';
    if (git_reference_iterator_glob_new(&all, repo, TAGS "*") < 0)
        return;
    while (git_reference_next_name(&name, all) == 0) {
        struct semver now, best;
        const char *version = tag_version(name, &now);
        if (version != NULL && now.pre.n == 0 &&
            (*text == '\0' || (semver_parse(text, &best) && semver_compare(&now, &best) > 0)))
            snprintf(text, FETCH_VERSION_SIZE, "%s", version);
    }
    git_reference_iterator_free(all);
}

/* The nearest name of a branch or a tag, or "". */
static void nearest(git_repository *repo, const char *wanted, char text[FETCH_NAME_SIZE])
{
    git_reference_iterator *all;
    const char *name;
    int distance = 0;
    *text = '\0';
    if (git_reference_iterator_new(&all, repo) < 0)
        return;
    while (git_reference_next_name(&name, all) == 0) {
        struct words_nearest best = {*text ? text : NULL, distance};
        const char *leaf = strncmp(name, HEADS, strlen(HEADS)) == 0 ? name + strlen(HEADS)
                           : is_tag(name)                           ? name + strlen(TAGS)
                                                                    : name;
        words_consider(&best, wanted, leaf);
        if (best.word == leaf)
            snprintf(text, FETCH_NAME_SIZE, "%s", leaf);
        distance = best.distance;
    }
    git_reference_iterator_free(all);
}

static int no_such_ref(git_repository *repo, const char *ref, struct ml_error *err)
{
    char near[FETCH_NAME_SIZE], version[FETCH_VERSION_SIZE];
    ml_error_set(err, ML_NO_INPUT, "no_such_ref", "there is no branch, tag or commit '%s'", ref);
    nearest(repo, ref, near);
    newest(repo, version);
    if (*near != '\0')
        return ml_error_hint(err, "did you mean '%s'?", near);
    if (*version != '\0')
        return ml_error_hint(err, "its newest version is %s", version);
    return ml_error_hint(err,
                         "it has no tag that is a version; leave the @ out for its own branch");
}

/* ---- a range ---- */

static int two_tags(struct ml_error *err, const char *one, const char *other)
{
    ml_error_set(err, ML_DATA, "ambiguous_ref",
                 "the tags '%s' and '%s' are one version, and lead to two commits",
                 one + strlen(TAGS), other + strlen(TAGS));
    return ml_error_hint(err, "write which of the two: @%s", one);
}

/* The best so far, and a second one for the same version. */
struct choice {
    char best[FETCH_NAME_SIZE], same[FETCH_NAME_SIZE];
};

static void choice_consider(struct choice *c, const struct semver_range *range, const char *name)
{
    struct semver now, best;
    if (tag_version(name, &now) == NULL || !semver_range_has(range, &now) ||
        strlen(name) >= sizeof c->best)
        return;
    int order = *c->best == '\0' ? 1 : (tag_version(c->best, &best), semver_compare(&now, &best));
    if (order > 0) {
        strcpy(c->best, name);
        *c->same = '\0';
    } else if (order == 0) {
        strcpy(c->same, name);
    }
}

static int range_choose(git_repository *repo, const char *text, struct choice *ret,
                        struct ml_error *err)
{
    struct semver_range range;
    git_reference_iterator *all;
    const char *name;
    if (!semver_range_parse(text, &range))
        return ml_error_set(err, ML_BUG, NULL, "'%s' is no range", text);
    if (git_reference_iterator_glob_new(&all, repo, TAGS "*") < 0)
        return git_failed(err, -1, "cannot read the tags");
    while (git_reference_next_name(&name, all) == 0)
        choice_consider(ret, &range, name);
    git_reference_iterator_free(all);
    return 0;
}

/* One of the two for a version counts where both lead to one commit. */
static int choice_take(git_repository *repo, const struct choice *c, struct fetch_result *ret,
                       struct ml_error *err)
{
    struct fetch_result other = {0};
    if (reference_take(repo, c->best, ret, err) < 0 ||
        (*c->same != '\0' && reference_take(repo, c->same, &other, err) < 0))
        return -1;
    if (*c->same != '\0' && strcmp(other.commit, ret->commit) != 0)
        return two_tags(err, c->best, c->same);
    return 0;
}

static int range_take(git_repository *repo, const char *text, struct fetch_result *ret,
                      struct ml_error *err)
{
    char version[FETCH_VERSION_SIZE];
    struct choice choice = {0};
    if (range_choose(repo, text, &choice, err) < 0)
        return -1;
    if (*choice.best != '\0')
        return choice_take(repo, &choice, ret, err);
    ml_error_set(err, ML_NO_INPUT, "no_such_ref", "no tag is a version in '%s'", text);
    newest(repo, version);
    if (*version == '\0')
        return ml_error_hint(err, "it has no tag that is a version; name a branch or a commit");
    return ml_error_hint(err, "its newest version is %s", version);
}

/* ---- a name ---- */

/* By the first digits of its id, or all of them. 1 when it is there, 0 when not, -1. */
static int id_take(git_repository *repo, const char *digits, struct fetch_result *ret,
                   struct ml_error *err)
{
    git_oid id;
    git_object *commit;
    size_t n = strlen(digits);
    if (n < PREFIX_MIN || n > GIT_OID_HEXSZ || strspn(digits, "0123456789abcdefABCDEF") != n ||
        git_oid_fromstrn(&id, digits, n) < 0)
        return 0;
    int status = git_object_lookup_prefix(&commit, repo, &id, n, GIT_OBJECT_COMMIT);
    if (status == GIT_EAMBIGUOUS)
        return ml_error_set(err, ML_DATA, "ambiguous_ref", "more than one object begins with '%s'",
                            digits);
    if (status < 0)
        return 0;
    commit_take((git_commit *)commit, ret);
    git_object_free(commit);
    return 1;
}

/* "1.2.3" for "v1.2.3", and the other way round. */
static int version_take(git_repository *repo, const char *ref, struct fetch_result *ret,
                        struct ml_error *err)
{
    struct semver version;
    char name[FETCH_NAME_SIZE];
    bool with = *ref == 'v' || *ref == 'V';
    snprintf(name, sizeof name, TAGS "%s%s", with ? "" : "v", ref + with);
    if (!semver_parse(ref + with, &version) || !exists(repo, name))
        return 0;
    return reference_take(repo, name, ret, err) < 0 ? -1 : 1;
}

static int both(struct ml_error *err, const char *ref)
{
    ml_error_set(err, ML_DATA, "ambiguous_ref",
                 "'%s' is a tag and a branch, which lead to two commits", ref);
    return ml_error_hint(err, "write which of the two: @" TAGS "%s or @" HEADS "%s", ref, ref);
}

/* A tag goes before a branch of the same commit: it says more. 1, 0 or -1 as above. */
static int named_take(git_repository *repo, const char *ref, struct fetch_result *ret,
                      struct ml_error *err)
{
    char tag[FETCH_NAME_SIZE], head[FETCH_NAME_SIZE];
    struct fetch_result branch = {0};
    bool whole = strncmp(ref, HEADS, strlen(HEADS)) == 0 || is_tag(ref);
    if (whole)
        return !exists(repo, ref) ? 0 : reference_take(repo, ref, ret, err) < 0 ? -1 : 1;
    snprintf(tag, sizeof tag, TAGS "%s", ref);
    snprintf(head, sizeof head, HEADS "%s", ref);
    bool has_tag = exists(repo, tag), has_head = exists(repo, head);
    if ((has_head && reference_take(repo, head, &branch, err) < 0) ||
        (has_tag && reference_take(repo, tag, ret, err) < 0))
        return -1;
    if (has_tag && has_head && strcmp(ret->commit, branch.commit) != 0)
        return both(err, ref);
    if (has_head && !has_tag)
        *ret = branch;
    return has_tag || has_head;
}

/* All digits of an id are that commit, whatever somebody has called a branch. */
static int name_take(git_repository *repo, const char *ref, struct fetch_result *ret,
                     struct ml_error *err)
{
    bool id =
        strlen(ref) == GIT_OID_HEXSZ && strspn(ref, "0123456789abcdefABCDEF") == GIT_OID_HEXSZ;
    int found = id ? 0 : named_take(repo, ref, ret, err);
    if (found == 0 && !id)
        found = version_take(repo, ref, ret, err);
    if (found == 0)
        found = id_take(repo, ref, ret, err);
    if (found == 0)
        return no_such_ref(repo, ref, err);
    return found < 0 ? -1 : 0;
}

static int head_take(git_repository *repo, struct fetch_result *ret, struct ml_error *err)
{
    git_reference *head;
    int status = git_repository_head(&head, repo);
    if (status < 0 && status != GIT_EUNBORNBRANCH && status != GIT_ENOTFOUND)
        return object_unreadable(err, "HEAD");
    if (status < 0) {
        ml_error_set(err, ML_NO_INPUT, "no_such_ref",
                     "it is empty, or names no branch of its own (HEAD)");
        return ml_error_hint(err, "name a branch, a tag or a commit behind an @");
    }
    char name[FETCH_NAME_SIZE];
    bool fits = snprintf(name, sizeof name, "%s", git_reference_name(head)) < (int)sizeof name;
    git_reference_free(head);
    return fits ? reference_take(repo, name, ret, err) : bad_commit(err, name);
}

int fetcher_resolve(git_repository *repo, const struct source *source, struct fetch_result *ret,
                    struct ml_error *err)
{
    struct fetch_result result = {0};
    int status = source->ref_kind == SOURCE_REF_NONE ? head_take(repo, &result, err)
                 : source->ref_kind == SOURCE_REF_RANGE
                     ? range_take(repo, source->ref, &result, err)
                     : name_take(repo, source->ref, &result, err);
    if (status == 0)
        *ret = result;
    return status;
}

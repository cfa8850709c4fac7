/* modload publish: a tag of a repository as a version in an index. What is published is what was
 * fetched from the tag, built and tested: what lies in a directory beside it does not count. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "cmd/build.h"
#include "cmd/incoming.h"
#include "cmd/index.h"
#include "modload/install.h"

struct publishing {
    struct invocation *in;
    struct ml_publish_source source;
    struct ml_package *package;
    struct ml_release release;
    struct ml_index_commit how;
    struct ml_index_change change;
    size_t tests;
};

/* ---- what it is ---- */

static int no_tag(struct invocation *in, const struct ml_package_info *info)
{
    ml_error_set(&in->err, ML_NO_INPUT, "no_tag", "'%s' is no tag of the repository", info->ref);
    return ml_error_hint(&in->err, "make one for what is committed: git tag v%s", info->version);
}

static int other_version(struct invocation *in, const struct ml_package_info *info)
{
    ml_error_set(&in->err, ML_DATA, "other_version",
                 "the tag '%s' has version '%s' in its modload.json", info->tag, info->version);
    return ml_error_hint(&in->err, "the two must say the same: commit the version, then tag it");
}

static int package_take(struct publishing *p)
{
    struct invocation *in = p->in;
    bool offline;
    const char *path = option_value(in, "path", p->source.path);
    if (offline_wanted(in, &offline) != 0)
        return -1;
    const struct ml_package_request request = {.source = p->source.source,
                                               .ref = p->source.ref,
                                               .path = path,
                                               .offline = offline,
                                               .cancel_fd = watch_signals(in)};
    if (ml_package_fetch(in->ctx, &request, &p->package, &in->err) < 0) {
        if (strcmp(in->err.code, "no_such_ref") == 0 && p->source.ref != NULL)
            ml_error_hint(&in->err, "what is published is a tag: git tag v%s", p->source.ref);
        if (strcmp(in->err.code, "has_submodule") == 0)
            ml_error_hint(&in->err, "an index has one commit of one repository for a version, and "
                                    "no submodules: put their files into the repository itself");
        return -1;
    }
    const struct ml_package_info *info = ml_package_info(p->package);
    if (*info->tag == '\0')
        return no_tag(in, info);
    if (strcmp(info->release, info->version) != 0)
        return other_version(in, info);
    p->release = (struct ml_release){
        .name = info->name,
        .version = info->version,
        .description = info->description,
        .license = info->license,
        .git = option_value(in, "url", NULL),
        .from = p->source.is_url ? info->source : NULL,
        .path = info->path,
        .tag = info->tag,
        .commit = info->commit,
        .tree = info->tree,
        .source = info->digest,
    };
    return 0;
}

/* ---- whether it works ---- */

static int show_test(const struct ml_test_result *result, void *arg)
{
    struct publishing *p = arg;
    p->tests = result->count;
    if (!result->passed)
        note("test %zu: %s: %s", result->number, result->call, result->why);
    return 0;
}

static int test(struct publishing *p, const struct ml_bundle_info *built)
{
    struct invocation *in = p->in;
    int bad = ml_bundle_test(in->ctx, built->bundle, DEFAULT_TIMEOUT_MS, watch_signals(in),
                             show_test, p, &in->err);
    if (bad > 0) {
        ml_error_set(&in->err, ML_DATA, "tests_failed", "%d of its %zu tests failed", bad,
                     p->tests);
        ml_error_hint(&in->err, "mend it, and tag a new version");
    }
    if (bad == 0 && p->tests == 0)
        note("it has no tests; \"tests\" in modload.json are run before it is published");
    return bad == 0 ? 0 : failed_or_signalled(in);
}

static int build(struct publishing *p)
{
    struct build_options o;
    struct invocation *in = p->in;
    struct ml_bundle_info *built;
    int status = build_options(in, &o);
    if (status != 0)
        return status;
    ml_package_build(p->package, &o.request);
    if (ml_build(in->ctx, &o.request, &built, &in->err) < 0)
        return failed_or_signalled(in);
    status = test(p, built);
    ml_bundle_info_free(built);
    return status;
}

/* ---- the whole ---- */

static void note_place(const struct publishing *p)
{
    const char *git = p->change.git, *from = p->release.from;
    if (p->change.git_before != NULL)
        note("all versions of %s are at %s from now on, where they were at %s", p->release.name,
             git, p->change.git_before);
    else if (p->release.git == NULL && from != NULL && strcmp(from, git) != 0)
        note("others get %s from %s as before; to change that: --url %s", p->release.name, git,
             from);
    if (strncmp(git, "file:", 5) != 0)
        note("the tag has to be there for others, too: git push REMOTE %s", p->release.tag);
}

static void answer(struct publishing *p)
{
    struct json *data = &p->in->data;
    note_place(p);
    json_open(data, '{');
    json_pair(data, "name", p->release.name);
    json_pair(data, "version", p->release.version);
    json_pair(data, "tag", p->release.tag);
    json_pair(data, "source_commit", p->release.commit);
    json_pair(data, "source", p->release.source);
    json_key(data, "tests");
    json_uint(data, p->tests);
    put_change(p->in, &p->change, &p->how);
    json_close(data, '}');
}

/* What can be told at once is told before anything is built. */
static int publish(struct publishing *p)
{
    struct invocation *in = p->in;
    struct ml_index_commit look = p->how;
    look.dry_run = true;
    if (ml_publish_source(in->args[0], &p->source, &in->err) < 0)
        return failed(in);
    if (package_take(p) < 0)
        return failed_or_signalled(in);
    if (ml_index_publish(&p->release, &look, &p->change, &in->err) < 0)
        return failed(in);
    int status = build(p);
    if (status != 0)
        return status;
    if (ml_index_publish(&p->release, &p->how, &p->change, &in->err) < 0)
        return failed(in);
    answer(p);
    return 0;
}

static int run(struct invocation *in)
{
    struct publishing p = {.in = in};
    int status = commit_options(in, &p.how);
    if (status != 0)
        return status;
    status = publish(&p);
    ml_index_change_done(&p.change);
    ml_package_free(p.package);
    ml_publish_source_done(&p.source);
    return status;
}

static const struct command_option options[] = {
    OPTIONS_COMMIT,
    {0, "url", "URL", "where others get the repository, for a plugin that is new; or has moved"},
    {0, "path", "DIR", "of URL@TAG: the directory that has the plugin"},
    {0, "build-timeout", "DUR", "how long the build may take (default 60s)"},
    OPTION_WAIT,
    {0},
};

const struct command command_publish = {
    .name = "publish",
    .args = "DIR|URL@TAG --index CLONE",
    .summary = "add a version of a plugin to an index",
    .help =
        "DIR is a plugin's directory in a git repository: the tag of the version in its "
        "modload.json "
        "(v1.2.0 or\n"
        "1.2.0) is published, not what lies there. It must have a name, a version, a description "
        "and "
        "a license, it\n"
        "is built, and its tests are run. Then its file in CLONE, a clone of the index, is written "
        "and committed, for\n"
        "you to push; no hook is run. A version that is published is never changed: see 'modload "
        "retire'. Prints the\n"
        "commit.",
    .example = "modload publish plugins/math --index plugins-index --url https://example.org/math",
    .options = options,
    .min_args = 1,
    .max_args = 1,
    .run = run,
};

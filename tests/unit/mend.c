#include "mend.h"

#include <fcntl.h>

static struct ml_ctx *context(const struct place *place)
{
    struct ml_ctx_options options = {.home = place_path(place, "home"),
                                     .runtime_dir = place_path(place, "run")};
    struct ml_ctx *ctx;
    assert_int_equal(ml_ctx_new(&options, &ctx, NULL), 0);
    return ctx;
}

const char *mend_build_request(const struct place *place, struct ml_build_request *request)
{
    static char ids[4][ML_BUNDLE_ID_SIZE];
    static unsigned turn;
    BUILT_AUTO built;
    char *id = ids[turn++ % 4];
    built_run(place, request, &built);
    if (built.status != 0)
        fail_msg("cannot build: %s\n%s", built.err.message, built.words);
    strcpy(id, built.info->bundle);
    return id;
}

const char *mend_build(const struct place *place, const char *path)
{
    struct ml_build_request request = built_request();
    const char *source = place_path(place, path);
    request.sources = &source;
    request.n_sources = 1;
    return mend_build_request(place, &request);
}

static void shell(const struct place *place, const char *id, const char *before,
                  const char *command, const char *after)
{
    char line[4096];
    int n = snprintf(line, sizeof line,
                     "set -e; cd '%s/home/bundles/%s'; sums() { find . -type f ! -name SHA256SUMS "
                     "-printf '%%P\\n' | LC_ALL=C sort | tr '\\n' '\\0' | xargs -0 sha256sum "
                     ">SHA256SUMS; }; %s%s%s",
                     place->path, id, before, command, after);
    assert_true(n < (int)sizeof line);
    assert_int_equal(system(line), 0);
}

void mend_damage(const struct place *place, const char *id, const char *command)
{
    shell(place, id, "find . -type f -exec chmod 600 {} +; ", command,
          "; find . -type f -exec chmod 400 {} +; find . -type d -exec chmod 700 {} +");
}

void mend_damage_modes(const struct place *place, const char *id, const char *command)
{
    shell(place, id, "", command, "");
}

static char said[65536];

static int say(const char *path, const char *what, void *arg)
{
    size_t n = strlen(said);
    assert_true(strlen(path) + strlen(what) + 4 < sizeof said - n);
    sprintf(said + n, "%s: %s\n", path, what);
    return 0;
}

const char *mend_check(const struct place *place, const char *id)
{
    struct ml_ctx *ctx = context(place);
    struct ml_error err = ML_ERROR_INIT;
    said[0] = '\0';
    int n = ml_bundle_check(ctx, id, say, NULL, &err), lines = 0;
    if (n < 0)
        fail_msg("cannot check: %s", err.message);
    for (const char *p = said; *p != '\0'; p++)
        lines += *p == '\n';
    assert_int_equal(n, lines);
    ml_ctx_free(ctx);
    return said;
}

const char *mend_snapshot(const struct place *place, const char *id)
{
    char command[1024];
    snprintf(command, sizeof command,
             "cd '%s/home/bundles/%s' && { find . -printf '%%P %%y %%m\\n' | LC_ALL=C sort; "
             "find . -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum; } >'%s'",
             place->path, id, place_path(place, "snapshot"));
    assert_int_equal(system(command), 0);
    return built_read(place_path(place, "snapshot"));
}

int mend_repair(const struct place *place, const char *id, bool rebuild,
                struct ml_repair_result *result, struct ml_error *err)
{
    struct ml_ctx *ctx = context(place);
    struct ml_repair_request request = {
        .rebuild = rebuild, .timeout_ms = 30000, .diagnostics_fd = -1, .cancel_fd = -1};
    *result = (struct ml_repair_result){0};
    *err = (struct ml_error)ML_ERROR_INIT;
    int status = ml_bundle_repair(ctx, id, &request, result, err);
    ml_ctx_free(ctx);
    return status;
}

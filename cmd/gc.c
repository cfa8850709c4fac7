/* modload gc: removes what nothing points at. */
#include "base/size.h"
#include "cmd/command.h"

/* How long the log of a worker that has gone is kept: long enough to ask why, after a weekend. */
enum { LOGS_KEPT_MS = 7 * 24 * 3600 * 1000 };

static int show_freed(const char *bundle, uint64_t bytes, void *arg)
{
    struct invocation *in = arg;
    if (in->want_json) {
        json_open(&in->data, '{');
        json_pair(&in->data, "bundle", bundle);
        json_key(&in->data, "bytes");
        json_uint(&in->data, bytes);
        json_close(&in->data, '}');
    } else {
        char size[SIZE_TEXT];
        buf_fmt(&in->text, "%s  %s\n", bundle, size_round(bytes, size));
    }
    return answer_stream(in);
}

static void put_result(struct invocation *in, const struct ml_gc_result *r, bool dry_run)
{
    char size[SIZE_TEXT];
    note("%s %zu bundle%s (%s) and %zu generation%s", dry_run ? "would remove" : "removed",
         r->bundles, r->bundles == 1 ? "" : "s", size_round(r->bytes, size), r->generations,
         r->generations == 1 ? "" : "s");
    if (r->in_use > 0)
        note("%zu more: in use by a worker or another command", r->in_use);
    json_key(&in->data, "bundles");
    json_uint(&in->data, r->bundles);
    json_key(&in->data, "generations");
    json_uint(&in->data, r->generations);
    json_key(&in->data, "bytes");
    json_uint(&in->data, r->bytes);
    json_key(&in->data, "in_use");
    json_uint(&in->data, r->in_use);
    json_key(&in->data, "dry_run");
    json_bool(&in->data, dry_run);
}

/* What was fetched is no part of the registry: it goes only where that is asked for. */
static int cache_collect(struct invocation *in, int64_t unused_ms, bool dry_run)
{
    char size[SIZE_TEXT];
    struct ml_cache_result r = {.repositories = 0};
    if (!option_given(in, "cache"))
        return 0;
    int status = ml_cache_gc(unused_ms, dry_run, &r, &in->err);
    note("%s %zu %s from the cache (%s)", dry_run ? "would remove" : "removed", r.repositories,
         r.repositories == 1 ? "repository" : "repositories", size_round(r.bytes, size));
    if (r.in_use > 0)
        note("%zu more: somebody is fetching", r.in_use);
    json_key(&in->data, "cache");
    json_open(&in->data, '{');
    json_key(&in->data, "repositories");
    json_uint(&in->data, r.repositories);
    json_key(&in->data, "bytes");
    json_uint(&in->data, r.bytes);
    json_close(&in->data, '}');
    return status;
}

static int run(struct invocation *in)
{
    int64_t unused_ms;
    struct ml_gc_result result = {.bundles = 0};
    struct ml_gc_policy policy = {
        .by_age = option_given(in, "older-than"),
        .dry_run = option_given(in, "dry-run"),
        .freed = show_freed,
        .arg = in,
    };
    if (option_count(in, "keep-last", 0, &policy.keep_last) < 0 ||
        option_duration(in, "older-than", 0, &policy.older_than_ms) < 0 ||
        option_duration(in, "cache", 0, &unused_ms) < 0)
        return ML_USAGE;
    json_open(&in->data, '{');
    json_key(&in->data, "freed");
    json_open(&in->data, '[');
    int status = ml_gc(in->ctx, &policy, &result, &in->err);
    if (status == 0 && !policy.dry_run)
        status = ml_sweep(in->ctx, LOGS_KEPT_MS, &in->err);
    json_close(&in->data, ']');
    if (status == 0)
        put_result(in, &result, policy.dry_run);
    if (status == 0)
        status = cache_collect(in, unused_ms, policy.dry_run);
    json_close(&in->data, '}');
    if (status < 0 && result.bundles == 0)
        json_free(&in->data);
    return status < 0 ? failed(in) : 0;
}

static const struct command_option options[] = {
    {0, "keep-last", "N", "of each entry, forget all but the newest N generations"},
    {0, "older-than", "DUR",
     "forget only what was replaced, taken out or filed that long ago: 30d"},
    {0, "cache", "DUR",
     "also remove fetched repositories that nobody has used for so long; 0s: all"},
    {0, "dry-run", NULL, "change nothing; say what would go"},
    OPTION_WAIT,
    {0},
};

const struct command command_gc = {
    .name = "gc",
    .args = "",
    .summary = "remove bundles that nothing points at, and what was taken out",
    .help =
        "Without options all generations of registered entries stay; entries that were taken "
        "out are\n"
        "forgotten, and bundles that nothing points at are removed. Pinned and current "
        "generations, and\n"
        "what a worker or another command uses, always stay. What the lock of a project names and "
        "no entry has goes\n"
        "too: sync brings it back. Prints a line for each bundle that went. What workers that died "
        "have left goes as\n"
        "well, their logs after a week.",
    .example = "modload gc --keep-last 3 --older-than 30d",
    .options = options,
    .max_args = 0,
    .run = run,
};

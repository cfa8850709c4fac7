/* modload index: which indexes of plugins are followed, and their local copies. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "cmd/incoming.h"
#include "modload/index.h"

/* ---- what is told ---- */

static void put_index(struct json *j, const struct ml_index *index, bool updated)
{
    json_open(j, '{');
    json_pair(j, "name", index->name);
    json_pair(j, "url", index->url);
    json_pair(j, "commit", index->commit);
    json_key(j, "plugins");
    json_uint(j, index->plugins);
    if (updated) {
        json_key(j, "added");
        json_uint(j, index->added);
        json_key(j, "changed");
        json_uint(j, index->changed);
    }
    json_close(j, '}');
}

static int show_index(const struct ml_index *index, void *arg)
{
    struct invocation *in = arg;
    put_index(&in->data, index, false);
    buf_fmt(&in->text, "%s  %s  %llu  %s\n", index->name, index->url,
            (unsigned long long)index->plugins, *index->commit ? index->commit : "-");
    return 0;
}

static void note_update(const struct ml_index *index)
{
    note("%s: %llu plugin%s, %llu new, %llu changed", index->name,
         (unsigned long long)index->plugins, index->plugins == 1 ? "" : "s",
         (unsigned long long)index->added, (unsigned long long)index->changed);
    if (index->was_damaged)
        note("%s: its copy was damaged, and was made anew: whether the index was rewritten since "
             "cannot be told",
             index->name);
}

/* ---- progress, on a terminal, when it takes long ---- */

enum { QUIET_MS = 500 };

struct progress {
    int64_t begin_ms;
    bool shown;
};

static void show_progress(uint64_t done, uint64_t total, uint64_t bytes, void *arg)
{
    struct progress *p = arg;
    char line[96];
    if (clock_ms() - p->begin_ms < QUIET_MS || !isatty(STDERR_FILENO))
        return;
    int n = total > 0 ? snprintf(line, sizeof line, "\r%llu of %llu objects, %llu KiB\033[K",
                                 (unsigned long long)done, (unsigned long long)total,
                                 (unsigned long long)bytes >> 10)
                      : snprintf(line, sizeof line, "\r%llu files\033[K", (unsigned long long)done);
    p->shown = write(STDERR_FILENO, line, (size_t)n) > 0;
}

static void end_progress(const struct progress *p)
{
    if (p->shown)
        (void)!write(STDERR_FILENO, "\r\033[K", 4); /* a terminal that is gone needs no clearing */
}

static int fetch_options(struct invocation *in, struct progress *progress,
                         struct ml_index_fetch *ret)
{
    *progress = (struct progress){.begin_ms = clock_ms()};
    *ret = (struct ml_index_fetch){
        .cancel_fd = watch_signals(in), .progress = show_progress, .arg = progress};
    return option_duration(in, "wait", DEFAULT_WAIT_MS, &ret->wait_ms);
}

/* ---- the verbs ---- */

static int add(struct invocation *in)
{
    struct ml_index index;
    struct progress progress;
    struct ml_index_fetch how;
    if (in->n_args != 2)
        return usage_error(in, "index add: give one URL");
    if (fetch_options(in, &progress, &how) < 0)
        return ML_USAGE;
    int status = ml_index_add(in->args[1], option_value(in, "name", NULL), &how, &index, &in->err);
    end_progress(&progress);
    if (status < 0)
        return failed_or_signalled(in);
    note_update(&index);
    buf_fmt(&in->text, "%s\n", index.name);
    put_index(&in->data, &index, true);
    return 0;
}

static int list(struct invocation *in)
{
    if (in->n_args > 1)
        return usage_error(in, "index list: it takes no argument");
    json_open(&in->data, '{');
    json_key(&in->data, "indexes");
    json_open(&in->data, '[');
    int status = ml_indexes(show_index, in, &in->err);
    json_close(&in->data, ']');
    json_close(&in->data, '}');
    if (status == 0)
        return 0;
    json_free(&in->data);
    return failed(in);
}

static int take_out(struct invocation *in)
{
    if (in->n_args != 2)
        return usage_error(in, "index remove: give the name of one index");
    if (ml_index_remove(in->args[1], &in->err) < 0)
        return failed(in);
    json_open(&in->data, '{');
    json_pair(&in->data, "name", in->args[1]);
    json_close(&in->data, '}');
    return 0;
}

struct names {
    struct invocation *in;
    char (*name)[ML_NAME_SIZE];
    size_t n;
};

static int name_take(const struct ml_index *index, void *arg)
{
    struct names *names = arg;
    void *more = realloc(names->name, (names->n + 1) * sizeof *names->name);
    if (more == NULL)
        return ml_error_memory(&names->in->err);
    names->name = more;
    strcpy(names->name[names->n++], index->name);
    return 0;
}

static int update_one(struct invocation *in, const char *name)
{
    struct ml_index index;
    struct progress progress;
    struct ml_index_fetch how;
    if (fetch_options(in, &progress, &how) < 0)
        return -1;
    int status = ml_index_update(name, &how, &index, &in->err);
    end_progress(&progress);
    if (status < 0)
        return -1;
    note_update(&index);
    put_index(&in->data, &index, true);
    return 0;
}

/* Whether to go on with the next. */
static bool update_counted(struct invocation *in, const char *name, struct failures *failures)
{
    int status = update_one(in, name);
    bool cancelled = in->err.status == ML_SIGNAL + SIGINT;
    failures->done += status == 0;
    if (status < 0)
        failures_add(failures, in);
    return !cancelled;
}

/* One that cannot be reached keeps none of the others from what is new. */
static int update(struct invocation *in)
{
    struct names all = {.in = in};
    struct failures failures = {0};
    if (in->n_args == 1 && ml_indexes(name_take, &all, &in->err) < 0) {
        free(all.name);
        return failed(in);
    }
    if (in->n_args == 1 && all.n == 0)
        note("no index is followed: modload index add URL");
    json_open(&in->data, '{');
    json_key(&in->data, "indexes");
    json_open(&in->data, '[');
    bool on = true;
    for (int i = 1; i < in->n_args && on; i++)
        on = update_counted(in, in->args[i], &failures);
    for (size_t i = 0; i < all.n && on; i++)
        on = update_counted(in, all.name[i], &failures);
    free(all.name);
    json_close(&in->data, ']');
    json_close(&in->data, '}');
    int status = failures_end(&failures, in);
    return status == 0 ? 0 : failed_or_signalled(in);
}

static int run(struct invocation *in)
{
    static const struct {
        const char *name;
        int (*run)(struct invocation *);
        bool network;
    } verbs[] = {{"add", add, true},
                 {"list", list, false},
                 {"remove", take_out, false},
                 {"update", update, true}};
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
        if (strcmp(verbs[i].name, in->args[0]) == 0) {
            int status = verbs[i].network ? network_wanted(in) : 0;
            return status != 0 ? status : verbs[i].run(in);
        }
    return usage_error(in, "index: no verb '%s': add, list, remove, update", in->args[0]);
}

static const struct command_option options[] = {
    {0, "name", "N", "add: what to call it here (default: what it calls itself)"},
    OPTION_WAIT,
    {0},
};

const struct command command_index = {
    .name = "index",
    .args = "add URL|list|remove N|update [N...]",
    .summary = "follow indexes, in which plugins are found by name",
    .help =
        "An index is a git repository with a file for each plugin. A copy of it is kept here, "
        "which "
        "'search' and\n"
        "'install NAME' use without a network; 'update' fetches what is new in it, of all indexes "
        "or of those\n"
        "named. 'add' fetches it, and prints its name; 'list' prints a line for each: name, URL, "
        "number of plugins,\n"
        "commit. What is published in an index may be retired, and not otherwise changed: an "
        "update "
        "that finds it\n"
        "changed or gone is refused (77), and the copy stays as it was.",
    .example = "modload index add https://example.org/plugins-index",
    .options = options,
    .min_args = 1,
    .max_args = -1,
    .bare = true,
    .run = run,
};

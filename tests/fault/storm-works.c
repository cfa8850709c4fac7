/* What the processes of a storm do, and what must be true of each answer while everybody else is at
 * it:
 *
 * - A command does what it is for, or says that the registry is busy (75), or that a key is not
 *   registered or a generation gone (66), which cannot be said of a key that is never taken out.
 * - What is listed has a whole bundle: its name and version are known.
 * - info shows a bundle and its functions. Where it fails, the entry has changed since it was
 * looked up a moment before: its history is another one, or without a history its bundle.
 * - A key that one process alone changes is what that process made it; after a change that was
 * killed, what it was or what it was to be. */
#include <cjson/cJSON.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "draw.h"
#include "layout.h"
#include "storm.h"

enum { BUSY = 75, GONE = 66, TAKEN = 65 };

/* One command in so many is killed, within so many microseconds. */
enum { KILL_ONE_IN = 7, KILL_WITHIN_US = 9000, KILL_BUILD_WITHIN_US = 90000 };

unsigned client_draw(struct client *c, unsigned n)
{
    return draw(&c->random, n);
}

const char *storm_key(int number)
{
    static char keys[4][UUID_SIZE];
    static unsigned turn;
    char *key = keys[turn++ % 4];
    snprintf(key, UUID_SIZE, "%02x000000-0000-4000-8000-%012d", number * 37 % 256, number % 1000);
    return key;
}

/* ---- running ---- */

/* Kills a process some time from now, unless it has ended by then. */
static bool kill_later(pid_t pid, unsigned us)
{
    struct pollfd ended = {.fd = (int)syscall(SYS_pidfd_open, pid, 0), .events = POLLIN};
    const struct timespec when = {0, us * 1000L};
    if (ended.fd < 0)
        give_up("cannot watch a process");
    bool alive = ppoll(&ended, 1, &when, NULL) == 0;
    if (alive)
        kill(pid, SIGKILL);
    close(ended.fd);
    return alive;
}

static void run_killed(struct client *c, const char *const *argv, unsigned within_us)
{
    int status;
    const struct run_how plain = RUN_PLAIN;
    pid_t pid = run_start(argv, &plain);
    kill_later(pid, client_draw(c, within_us));
    if (!run_wait(pid, &status, run_deadline()))
        give_up("a process does not die of SIGKILL");
    run_collect(status, &c->ended);
}

/* Runs a command; true when it did what it is for. `may` are exit codes that are no failure here.
 * Killed is killed: nothing is known then. */
static bool work(struct client *c, struct result *result, const char *const *argv, int may,
                 unsigned kill_within_us)
{
    char text[64];
    if (kill_within_us > 0 && client_draw(c, KILL_ONE_IN) == 0)
        run_killed(c, argv, kill_within_us);
    else
        run(argv, &c->ended);
    if (run_settle() > 0)
        result_violation(result, "'%s' left a process\n", argv[1]);
    const struct ended *e = &c->ended;
    bool taken = e->code == TAKEN && !layout_is_solid(c->rig->format);
    if (e->code == 0)
        result_count(result, STORM_DONE);
    else if (e->signal == SIGKILL && !e->hung)
        result_count(result, STORM_KILLED);
    else if (e->code == BUSY)
        result_count(result, STORM_BUSY);
    else if (taken) /* format 1 chooses a name before it has the lock */
        result_count(result, STORM_TAKEN);
    else if (e->code == may)
        result_count(result, STORM_GONE);
    else
        result_violation(result, "'%s %s %s' %s: %s", argv[1], argv[2] ? argv[2] : "",
                         argv[2] && argv[3] ? argv[3] : "", ended_text(e, text), buf_text(&e->err));
    return e->code == 0;
}

/* A key of all, and what may be said of it. */
static int draw_key(struct client *c, int *may)
{
    int key = (int)client_draw(c, STORM_KEYS);
    *may = key < STORM_STEADY ? 0 : GONE;
    return key;
}

/* ---- reading ---- */

static void do_lookup(struct client *c, struct result *result)
{
    int may;
    const char *argv[] = {c->rig->modload, "lookup", storm_key(draw_key(c, &may)), NULL};
    if (work(c, result, argv, may, KILL_WITHIN_US) &&
        strncmp(buf_text(&c->ended.out), "b-", 2) != 0)
        result_violation(result, "lookup says '%s'\n", buf_text(&c->ended.out));
}

static void ask_marker(struct client *c, const char *key, struct buf *ret)
{
    const char *command = rig_has(c->rig, "history") ? "history" : "lookup";
    const char *argv[] = {c->rig->modload, command, key, "--json", NULL};
    run(argv, &c->ended);
    buf_add(ret, buf_text(&c->ended.out), c->ended.out.len);
}

static void check_info(const struct client *c, struct result *result)
{
    cJSON *whole = cJSON_Parse(buf_text(&c->ended.out));
    const cJSON *data = cJSON_GetObjectItem(whole, "data");
    const char *bundle = cJSON_GetStringValue(cJSON_GetObjectItem(data, "bundle"));
    if (bundle == NULL || strncmp(bundle, "b-", 2) != 0 ||
        cJSON_GetArraySize(cJSON_GetObjectItem(data, "functions")) != 1)
        result_violation(result, "info says: %s\n", buf_text(&c->ended.out));
    cJSON_Delete(whole);
}

static void do_info(struct client *c, struct result *result)
{
    int may;
    char text[64];
    BUF_AUTO before = BUF_INIT;
    BUF_AUTO after = BUF_INIT;
    BUF_AUTO said = BUF_INIT;
    const char *key = storm_key(draw_key(c, &may));
    const char *argv[] = {c->rig->modload, "info", key, "--json", NULL};
    ask_marker(c, key, &before);
    run(argv, &c->ended);
    run_settle();
    if (c->ended.code == 0) {
        check_info(c, result);
        result_count(result, STORM_DONE);
        return;
    }
    buf_fmt(&said, "%s: %s", ended_text(&c->ended, text), buf_text(&c->ended.err));
    bool gone = c->ended.code == GONE;
    ask_marker(c, key, &after);
    bool changed = strcmp(buf_text(&before), buf_text(&after)) != 0;
    result_count(result, STORM_GONE);
    if (!gone || (may != GONE && !changed))
        result_violation(result, "info %s %s", key, buf_text(&said));
}

static const char *text_of(const cJSON *object, const char *name)
{
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItem(object, name));
    return text ? text : "";
}

/* Which bundle has which name is known of the four; the others were built from the storm's sources.
 */
static void check_entry(const struct rig *rig, const cJSON *entry, struct buf *why)
{
    static const char *const names[] = {"alpha", "beta", "gamma", "delta", "storm"};
    int b = 0;
    while (b < N_BUNDLES && strcmp(text_of(entry, "bundle"), rig->bundle[b]) != 0)
        b++;
    const char *plugin = text_of(entry, "plugin");
    if (strncmp(plugin, names[b], strlen(names[b])) != 0 ||
        strcmp(text_of(entry, "version"), "0.0.0") != 0)
        buf_fmt(why, "list has %s with %s as %s@%s\n", text_of(entry, "uuid"),
                text_of(entry, "bundle"), plugin, text_of(entry, "version"));
}

void storm_check_list(const struct rig *rig, const char *json, struct buf *why)
{
    unsigned steady = 0;
    cJSON *whole = cJSON_Parse(json);
    const cJSON *entries = cJSON_GetObjectItem(cJSON_GetObjectItem(whole, "data"), "entries");
    const cJSON *entry;
    cJSON_ArrayForEach (entry, entries) {
        check_entry(rig, entry, why);
        for (int key = 0; key < STORM_STEADY; key++)
            steady += strcmp(text_of(entry, "uuid"), storm_key(key)) == 0;
    }
    if (steady != STORM_STEADY)
        buf_fmt(why, "list has %u of %d entries that are never taken out\n", steady, STORM_STEADY);
    cJSON_Delete(whole);
}

static void do_list(struct client *c, struct result *result)
{
    const char *argv[] = {c->rig->modload, "list", "--json", NULL};
    BUF_AUTO why = BUF_INIT;
    if (!work(c, result, argv, 0, 0))
        return;
    storm_check_list(c->rig, buf_text(&c->ended.out), &why);
    if (why.len > 0)
        result_violation(result, "%s", buf_text(&why));
}

static void do_history(struct client *c, struct result *result)
{
    int may;
    const char *argv[] = {c->rig->modload, "history", storm_key(draw_key(c, &may)), NULL};
    if (work(c, result, argv, may, KILL_WITHIN_US) && c->ended.out.len == 0)
        result_violation(result, "history has nothing to say\n");
}

static void do_verify(struct client *c, struct result *result)
{
    const char *argv[] = {c->rig->modload, "verify", NULL};
    work(c, result, argv, 0, KILL_WITHIN_US);
}

/* ---- changing ---- */

static const char *draw_bundle(struct client *c)
{
    return c->rig->bundle[client_draw(c, N_BUNDLES)];
}

static void do_register(struct client *c, struct result *result)
{
    int may, key = draw_key(c, &may);
    char name[24];
    snprintf(name, sizeof name, "--name=n%d", key);
    bool named = client_draw(c, 2) == 0;
    const char *argv[] = {c->rig->modload, "register",          storm_key(key),
                          draw_bundle(c),  named ? name : NULL, NULL};
    work(c, result, argv, 0, KILL_WITHIN_US);
}

/* What is built here is nobody's when the key is given another bundle: gc has something to do. */
static void do_build(struct client *c, struct result *result)
{
    int may;
    char source[24];
    snprintf(source, sizeof source, "storm%u.c", client_draw(c, STORM_SOURCES));
    const char *argv[] = {c->rig->modload, "register", storm_key(draw_key(c, &may)), source, NULL};
    work(c, result, argv, 0, KILL_BUILD_WITHIN_US);
}

static void do_many(struct client *c, struct result *result)
{
    char file[32];
    BUF_AUTO text = BUF_INIT;
    snprintf(file, sizeof file, "storm%d.json", c->number);
    for (int i = 0; i < 5; i++)
        buf_fmt(&text, "{\"key\":\"%s\",\"bundle\":\"%s\"}\n",
                storm_key((int)client_draw(c, STORM_KEYS)), draw_bundle(c));
    rig_file(c->rig, file, buf_text(&text));
    const char *argv[] = {c->rig->modload, "register", "--many", file, NULL};
    work(c, result, argv, 0, KILL_WITHIN_US);
}

static void do_unregister(struct client *c, struct result *result)
{
    int key = STORM_STEADY + (int)client_draw(c, STORM_KEYS - STORM_STEADY);
    const char *argv[] = {c->rig->modload, "unregister", storm_key(key), NULL};
    work(c, result, argv, 0, KILL_WITHIN_US);
}

/* Of a steady key too, all earlier generations may have been used up. */
static void do_rollback(struct client *c, struct result *result)
{
    int may;
    const char *argv[] = {c->rig->modload, "rollback", storm_key(draw_key(c, &may)), NULL};
    work(c, result, argv, GONE, KILL_WITHIN_US);
}

static void do_pin(struct client *c, struct result *result)
{
    int may;
    const char *argv[] = {c->rig->modload, client_draw(c, 2) ? "pin" : "unpin",
                          storm_key(draw_key(c, &may)), NULL};
    work(c, result, argv, may, KILL_WITHIN_US);
}

static void do_gc(struct client *c, struct result *result)
{
    bool keep = client_draw(c, 2) == 0;
    const char *argv[] = {c->rig->modload, "gc", keep ? "--keep-last" : NULL, "3", NULL};
    work(c, result, argv, 0, KILL_WITHIN_US);
}

/* ---- a key of one's own ---- */

/* The bit of what a key has. */
static unsigned own_bit(const struct client *c, const char *bundle)
{
    unsigned i = 0;
    while (i < N_BUNDLES && strcmp(bundle, c->rig->bundle[i]) != 0)
        i++;
    return *bundle && i == N_BUNDLES ? 0 : 1u << i;
}

static void check_own(struct client *c, struct result *result)
{
    const char *argv[] = {c->rig->modload, "lookup", storm_key(STORM_KEYS + c->number), NULL};
    char text[64], bundle[BUNDLE_SIZE] = "";
    run(argv, &c->ended);
    sscanf(buf_text(&c->ended.out), "%63s", bundle);
    if (c->ended.code != 0 && c->ended.code != GONE)
        result_violation(result, "lookup %s: %s", ended_text(&c->ended, text),
                         buf_text(&c->ended.err));
    else if ((c->own & own_bit(c, bundle)) == 0)
        result_violation(result, "a key that nobody else changes has '%s', of bits %#x\n", bundle,
                         c->own);
}

static void do_own(struct client *c, struct result *result)
{
    unsigned wish = client_draw(c, N_BUNDLES + 1);
    bool take_out = wish == N_BUNDLES;
    const char *key = storm_key(STORM_KEYS + c->number);
    const char *put[] = {c->rig->modload, "register", key, take_out ? "" : c->rig->bundle[wish],
                         "--name=",       NULL};
    const char *take[] = {c->rig->modload, "unregister", key, NULL};
    if (work(c, result, take_out ? take : put, 0, KILL_WITHIN_US))
        c->own = 1u << wish;
    else if (c->ended.signal != 0)
        c->own |= 1u << wish;
    check_own(c, result);
}

const struct storm_work storm_works[] = {
    {"lookup", "lookup", 16, do_lookup},
    {"info", "info", 8, do_info},
    {"list", "list", 8, do_list},
    {"history", "history", 4, do_history},
    {"register", "register", 20, do_register},
    {"register, from a source", "register", 1, do_build},
    {"register --many", "register --many", 6, do_many},
    {"unregister", "unregister", 8, do_unregister},
    {"rollback", "rollback", 6, do_rollback},
    {"pin and unpin", "pin", 2, do_pin},
    {"gc", "gc", 3, do_gc},
    {"verify", "verify", 2, do_verify},
    {"a key of one's own", "register", 12, do_own},
};
const int n_storm_works = sizeof storm_works / sizeof *storm_works;

/* Reading and comparing states. An answer that is an error is an answer too: its exit code. */
#include "state.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "layout.h"
#include "report.h"
#include "run.h"

void state_free(struct state *s)
{
    for (size_t i = 0; i < s->n; i++) {
        free(s->item[i].what);
        free(s->item[i].answer);
    }
    s->n = 0;
}

__attribute__((format(printf, 3, 4))) static void add(struct state *s, const char *answer,
                                                      const char *fmt, ...)
{
    va_list ap;
    struct item *item = &s->item[s->n];
    if (s->n == MAX_ITEMS)
        give_up("a state of more than %d items", MAX_ITEMS);
    va_start(ap, fmt);
    if (vasprintf(&item->what, fmt, ap) < 0 || (item->answer = strdup(answer)) == NULL)
        give_up("out of memory");
    va_end(ap);
    s->n++;
}

static const char *answer_to(const struct state *s, const char *what)
{
    for (size_t i = 0; i < s->n; i++)
        if (strcmp(s->item[i].what, what) == 0)
            return s->item[i].answer;
    return "-";
}

/* ---- asking ---- */

/* What was said, the same in whichever world it was said. */
static void add_without_home(struct buf *out, const char *text)
{
    const char *home = getenv("MODLOAD_HOME");
    for (const char *at; home != NULL && (at = strstr(text, home)) != NULL;
         text = at + strlen(home)) {
        buf_add(out, text, (size_t)(at - text));
        buf_str(out, "HOME");
    }
    buf_str(out, text);
}

/* Runs a command with --json; its data, or null and the way it ended as an answer. The caller frees
 * the whole. */
static cJSON *ask(const struct rig *rig, const char *command, const char *arg, char answer[256])
{
    const char *argv[] = {rig->modload, command, "--json", arg, NULL};
    ENDED_AUTO ended = ENDED_INIT;
    BUF_AUTO said = BUF_INIT;
    char text[64];
    run(argv, &ended);
    snprintf(answer, 256, "%s", ended_text(&ended, text));
    add_without_home(&said, buf_text(&ended.err));
    if (ended.code != 0 && ended.code != 66)
        snprintf(answer, 256, "%s: %.150s", text, buf_text(&said));
    if (ended.code != 0)
        return NULL;
    cJSON *whole = cJSON_Parse(buf_text(&ended.out));
    if (whole == NULL)
        snprintf(answer, 256, "no JSON: %.150s", buf_text(&ended.out));
    return whole;
}

static const char *text_of(const cJSON *object, const char *name)
{
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItem(object, name));
    return text ? text : "?";
}

static void ask_list(const struct rig *rig, struct state *s)
{
    char answer[256], plugin[200];
    cJSON *whole = ask(rig, "list", NULL, answer);
    add(s, answer, "list");
    const cJSON *entries = cJSON_GetObjectItem(cJSON_GetObjectItem(whole, "data"), "entries");
    const cJSON *entry;
    cJSON_ArrayForEach (entry, entries) {
        const char *uuid = text_of(entry, "uuid");
        snprintf(plugin, sizeof plugin, "%.90s@%.90s", text_of(entry, "plugin"),
                 text_of(entry, "version"));
        add(s, text_of(entry, "bundle"), "bundle of %s", uuid);
        add(s, text_of(entry, "name"), "name of %s", uuid);
        add(s, plugin, "plugin of %s", uuid);
    }
    cJSON_Delete(whole);
}

static void ask_lookup(const struct rig *rig, const char *word, const char *field, struct state *s)
{
    char answer[256];
    cJSON *whole = ask(rig, "lookup", word, answer);
    const cJSON *data = cJSON_GetObjectItem(whole, "data");
    add(s, whole ? text_of(data, field) : answer, "lookup %s", word);
    cJSON_Delete(whole);
}

/* What differs between two runs of the same is not part of the state. */
static void drop_times(cJSON *json)
{
    cJSON *next;
    for (cJSON *item = json ? json->child : NULL; item != NULL; item = next) {
        next = item->next;
        if (item->string != NULL && strcmp(item->string, "time") == 0)
            cJSON_Delete(cJSON_DetachItemViaPointer(json, item));
        else
            drop_times(item);
    }
}

static void ask_history(const struct rig *rig, const char *key, struct state *s)
{
    char answer[256];
    cJSON *whole = ask(rig, "history", key, answer);
    cJSON *data = cJSON_GetObjectItem(whole, "data");
    drop_times(data);
    char *text = data ? cJSON_PrintUnformatted(data) : NULL;
    add(s, text ? text : answer, "history %s", key);
    free(text);
    cJSON_Delete(whole);
}

struct bundle_walk {
    const char *home;
    struct state *s;
};

static void add_bundle(const char *id, void *arg)
{
    const struct bundle_walk *walk = arg;
    char text[160];
    layout_bundle_state(walk->home, id, text);
    add(walk->s, text, "filed %s", id);
}

static int item_compare(const void *a, const void *b)
{
    const struct item *x = a, *y = b;
    return strcmp(x->what, y->what);
}

uint64_t state_begin(const struct rig *rig, struct state *ret)
{
    uint64_t said = FNV_INIT;
    state_free(ret);
    ask_list(rig, ret);
    for (size_t i = 0; i < ret->n; i++) {
        said = fnv(said, ret->item[i].what, strlen(ret->item[i].what) + 1);
        said = fnv(said, ret->item[i].answer, strlen(ret->item[i].answer) + 1);
    }
    return said;
}

void state_go_on(const struct rig *rig, const struct questions *q, const char *home,
                 struct state *ret)
{
    for (int key = 1; key <= N_KEYS; key++) {
        if (q->key[key])
            ask_lookup(rig, rig_key(key), "bundle", ret);
        if (q->key[key] && rig_has(rig, "history"))
            ask_history(rig, rig_key(key), ret);
    }
    for (size_t i = 0; i < q->n_names; i++)
        ask_lookup(rig, q->name[i], "uuid", ret);
    layout_bundles(home, add_bundle, &(struct bundle_walk){home, ret});
    qsort(ret->item, ret->n, sizeof *ret->item, item_compare);
}

void state_read(const struct rig *rig, const struct questions *q, const char *home,
                struct state *ret)
{
    state_begin(rig, ret);
    state_go_on(rig, q, home, ret);
}

static bool is_asked(const struct questions *q, const char *name)
{
    for (size_t i = 0; i < q->n_names; i++)
        if (strcmp(q->name[i], name) == 0)
            return true;
    return false;
}

void questions_add_names(struct questions *q, const struct state *s)
{
    for (size_t i = 0; i < s->n && q->n_names < MAX_NAMES; i++)
        if (strncmp(s->item[i].what, "name of ", 8) == 0 && s->item[i].answer[0] != '\0' &&
            !is_asked(q, s->item[i].answer))
            snprintf(q->name[q->n_names++], sizeof *q->name, "%s", s->item[i].answer);
}

/* ---- comparing ---- */

/* One answer, wherever the question comes from: that nobody has one is an answer, too. */
static unsigned compare_one(const struct state *s, const struct state *old, const struct state *new,
                            const char *what, struct buf *why)
{
    const char *now = answer_to(s, what);
    const char *before = answer_to(old, what), *after = answer_to(new, what);
    unsigned is =
        (strcmp(now, before) == 0 ? STATE_OLD : 0) | (strcmp(now, after) == 0 ? STATE_NEW : 0);
    if (is == STATE_OLD || is == STATE_NEW || is == 0)
        buf_fmt(why, "%s: %s%s\n", what, now,
                is == STATE_OLD   ? " (old)"
                : is == STATE_NEW ? " (new)"
                                  : ", neither old nor new");
    if (is == 0)
        buf_fmt(why, "  old: %s\n  new: %s\n", before, after);
    return is;
}

unsigned state_compare(const struct state *s, const struct state *old, const struct state *new,
                       struct buf *why)
{
    unsigned all = STATE_OLD | STATE_NEW;
    bool known = true;
    const struct state *states[] = {s, old, new};
    for (int k = 0; k < 3; k++)
        for (size_t i = 0; i < states[k]->n; i++) {
            const char *what = states[k]->item[i].what;
            bool seen = false;
            for (int before = 0; before < k; before++)
                seen = seen || strcmp(answer_to(states[before], what), "-") != 0;
            if (seen)
                continue;
            unsigned is = compare_one(s, old, new, what, why);
            all &= is;
            known = known && is != 0;
        }
    if (!known)
        return 0;
    return all ? all : STATE_MIXED;
}

/* ---- what the table says ---- */

static bool entry_is(const struct rig *rig, const struct state *s, const char *spec,
                     struct buf *why)
{
    char what[80], name[80] = "";
    int key = 0;
    char bundle = '\0';
    if (sscanf(spec, "%d:%c:%79[^ ]", &key, &bundle, name) != 3)
        give_up("the table of cases has '%s'", spec);
    if (strcmp(name, "-") == 0)
        name[0] = '\0';
    snprintf(what, sizeof what, "bundle of %s", rig_key(key));
    const char *has = answer_to(s, what);
    snprintf(what, sizeof what, "name of %s", rig_key(key));
    const char *named = answer_to(s, what);
    if (strcmp(has, rig->bundle[bundle - 'A']) == 0 && strcmp(named, name) == 0)
        return true;
    buf_fmt(why, "key %d has %s and is named '%s', not %s (%c) and '%s'\n", key, has, named,
            rig->bundle[bundle - 'A'], bundle, name);
    return false;
}

bool state_is(const struct rig *rig, const struct state *s, const char *spec, struct buf *why)
{
    size_t wanted = 0, found = 0;
    bool is = true;
    for (const char *p = spec; *p != '\0'; p += strspn(p, " ")) {
        is = entry_is(rig, s, p, why) && is;
        p += strcspn(p, " ");
        wanted++;
    }
    for (size_t i = 0; i < s->n; i++)
        found += strncmp(s->item[i].what, "bundle of ", 10) == 0;
    if (wanted != found)
        buf_fmt(why, "%zu entries, not %zu\n", found, wanted);
    return is && wanted == found;
}

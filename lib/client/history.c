/* The history of an entry, newest first, with what can only be said when all of it was seen: which
 * generation is current, and which are pinned. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/scope.h"
#include "client/context.h"

/* A generation whose texts are in memory of its own. */
struct kept {
    struct ml_generation g;
    char *text; /* time, bundle, name and origin, each with its NUL */
};

struct history {
    struct store *store;
    struct kept *item;
    size_t n, cap;
    struct ml_error *err;
};

static void history_free(struct history *h)
{
    for (size_t i = 0; i < h->n; i++)
        free(h->item[i].text);
    free(h->item);
}

static int history_grow(struct history *h)
{
    if (h->n < h->cap)
        return 0;
    size_t cap = h->cap ? h->cap * 2 : 16;
    struct kept *item = realloc(h->item, cap * sizeof *item);
    if (item == NULL)
        return ml_error_memory(h->err);
    h->item = item;
    h->cap = cap;
    return 0;
}

/* Where the text at `at` begins, and `*at` moved behind it. */
static const char *put_text(char **at, const char *text)
{
    char *start = *at;
    *at = stpcpy(start, text) + 1;
    return start;
}

static int history_add(struct history *h, const struct store_record *r)
{
    if (history_grow(h) < 0)
        return -1;
    char *text =
        malloc(strlen(r->time) + strlen(r->bundle) + strlen(r->name) + strlen(r->origin) + 4);
    if (text == NULL)
        return ml_error_memory(h->err);
    struct kept *kept = &h->item[h->n++];
    *kept = (struct kept){.text = text};
    kept->g = (struct ml_generation){
        .number = r->generation,
        .time = put_text(&text, r->time),
        .change = store_op_word(r->op),
        .of = r->of,
        .bundle = put_text(&text, r->bundle),
        .name = put_text(&text, r->name),
        .origin = put_text(&text, r->origin),
    };
    plugin_tell(h->store, r->bundle, r->plugin, kept->g.plugin, kept->g.version);
    return 0;
}

static int history_take(const struct store_record *r, void *arg)
{
    struct history *h = arg;
    if (r->op != STORE_PIN && r->op != STORE_UNPIN)
        return history_add(h, r);
    for (size_t i = 0; i < h->n; i++)
        if (h->item[i].g.number == r->generation)
            h->item[i].g.pinned = r->op == STORE_PIN;
    return 0;
}

int ml_history(struct ml_ctx *ctx, const struct ml_key *key,
               int (*each)(const struct ml_generation *generation, void *arg), void *arg,
               struct ml_error *err)
{
    struct store *store;
    char uuid[ML_UUID_SIZE];
    __attribute__((cleanup(history_free))) struct history h = {.err = err};
    ml_key_to_uuid(key, uuid);
    if (ctx_store(ctx, false, &store, err) < 0)
        return -1;
    h.store = store;
    if (store_history(store, uuid, history_take, &h, err) < 0)
        return -1;
    if (h.n == 0) {
        ml_error_set(err, ML_NO_INPUT, "not_registered", "key %s has no history", uuid);
        return ml_error_hint(err, "see what is registered: modload list");
    }
    int status = 0;
    for (size_t i = h.n; i-- > 0 && status == 0;) {
        struct ml_generation *g = &h.item[i].g;
        g->current = i + 1 == h.n && *g->bundle != '\0';
        int there = *g->bundle == '\0' ? 0 : store_bundle_filed(store, g->bundle, err);
        g->present = there > 0;
        status = there < 0 ? -1 : each(g, arg);
    }
    return status;
}

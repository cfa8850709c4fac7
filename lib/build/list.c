/* Lists for register --many: JSON Lines, or one array. The text is cut into items first, with the
 * line that each begins in, so that a mistake is told by its line in either form, and one item at a
 * time is a tree in memory. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/words.h"
#include "build/arena.h"
#include "build/strict-json.h"
#include "modload/build.h"

struct reader {
    const char *label;
    void (*bad)(const struct ml_error *err, void *arg);
    void *arg;
    struct arena *a;
    struct ml_list_item *item;
    size_t n, cap, n_bad;
    struct ml_error *err;
};

/* ---- one item ---- */

static int wrong(const struct reader *r, unsigned line, const char *what, const char *value)
{
    if (value == NULL)
        return ml_error_set(r->err, ML_DATA, "bad_list", "%s:%u: %s", r->label, line, what);
    return ml_error_set(r->err, ML_DATA, "bad_list", "%s:%u: %s: '%s'", r->label, line, what,
                        value);
}

static int member_take(struct reader *r, const cJSON *member, struct ml_list_item *item)
{
    static const char *const keys[] = {"key", "bundle", "path", "name"};
    const char **const texts[] = {NULL, &item->bundle, &item->path, &item->name};
    struct words_nearest nearest = {0};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        words_consider(&nearest, member->string, keys[i]);
        if (strcmp(member->string, keys[i]) != 0)
            continue;
        if (!cJSON_IsString(member))
            return wrong(r, item->line, "not a text", keys[i]);
        if (texts[i] != NULL)
            *texts[i] = arena_str(r->a, member->valuestring);
        else if (ml_key_parse(member->valuestring, &item->key, NULL) < 0)
            return wrong(r, item->line, "neither a UUID nor 32 hex digits", member->valuestring);
        return 0;
    }
    wrong(r, item->line, "unknown key", member->string);
    if (nearest.word != NULL)
        ml_error_hint(r->err, "did you mean '%s'?", nearest.word);
    return -1;
}

static int item_check(struct reader *r, const cJSON *tree, const struct ml_list_item *item)
{
    if (!cJSON_HasObjectItem(tree, "key"))
        return wrong(r, item->line, "there is no \"key\"", NULL);
    if ((item->bundle == NULL) == (item->path == NULL))
        return wrong(r, item->line, "there must be a \"bundle\" or a \"path\", and not both", NULL);
    if (item->path != NULL && *item->path == '\0')
        return wrong(r, item->line, "an empty path", NULL);
    if (item->name != NULL && *item->name != '\0' && !ml_name_valid(item->name))
        return wrong(r, item->line, "this cannot be a name", item->name);
    return 0;
}

/* `text` has a NUL in place of what follows. */
static int item_parse(struct reader *r, const char *text, size_t n, struct ml_list_item *item)
{
    const cJSON *member;
    CJSON_AUTO *tree = strict_parse_part(text, n, r->label, (int)item->line, r->err);
    if (tree == NULL) {
        if (r->err->status == ML_CONFIG) { /* this is input, not configuration */
            r->err->status = ML_DATA;
            strcpy(r->err->code, "bad_list");
        }
        return -1;
    }
    if (!cJSON_IsObject(tree))
        return wrong(r, item->line, "not an object: {\"key\": ..., \"bundle\": ...}", NULL);
    cJSON_ArrayForEach (member, tree)
        if (member_take(r, member, item) < 0)
            return -1;
    return item_check(r, tree, item);
}

static int item_add(struct reader *r, char *text, size_t n, unsigned line)
{
    if (r->n == r->cap) {
        size_t cap = r->cap ? r->cap * 2 : 64;
        struct ml_list_item *item = realloc(r->item, cap * sizeof *item);
        if (item == NULL)
            return ml_error_memory(r->err);
        r->item = item;
        r->cap = cap;
    }
    char behind = text[n];
    struct ml_list_item *item = &r->item[r->n];
    *item = (struct ml_list_item){.line = line};
    text[n] = '\0';
    int status = item_parse(r, text, n, item);
    text[n] = behind;
    if (status == 0) {
        r->n++;
        return 0;
    }
    r->n_bad++;
    if (r->err->status == ML_LIMIT)
        return -1;
    if (r->bad != NULL)
        r->bad(r->err, r->arg);
    return 0;
}

/* ---- where items begin and end ---- */

static size_t blanks(const char *text, unsigned *line)
{
    size_t n = strspn(text, " \t\r\n");
    for (size_t i = 0; i < n; i++)
        *line += text[i] == '\n';
    return n;
}

/* The end of a value of an array: where its own brackets are closed and a comma or bracket follows.
 */
static char *value_end(char *p, const char *end, unsigned *line)
{
    bool text = false;
    for (int depth = 0; p < end; p++) {
        *line += *p == '\n';
        if (text && *p == '\\' && p + 1 < end) {
            p++;
            continue;
        }
        if (text) {
            text = *p != '"';
            continue;
        }
        if (depth == 0 && (*p == ',' || *p == ']'))
            break;
        text = *p == '"';
        depth += (*p == '{' || *p == '[') - (*p == '}' || *p == ']');
    }
    return p;
}

static int array_read(struct reader *r, char *p, const char *end, unsigned line)
{
    p += blanks(p, &line);
    if (*p == ']')
        return p + 1 + blanks(p + 1, &line) == end
                   ? 0
                   : wrong(r, line, "something behind the array", NULL);
    for (;; p++) {
        p += blanks(p, &line);
        unsigned start = line;
        char *stop = value_end(p, end, &line);
        if (stop == end)
            return wrong(r, line, "the array does not end", NULL);
        if (item_add(r, p, (size_t)(stop - p), start) < 0)
            return -1;
        p = stop;
        if (*p == ']')
            break;
    }
    p++;
    return p + blanks(p, &line) == end ? 0 : wrong(r, line, "something behind the array", NULL);
}

static int lines_read(struct reader *r, char *p, const char *end)
{
    unsigned line = 1;
    for (char *stop; p < end; p = stop + 1, line++) {
        stop = memchr(p, '\n', (size_t)(end - p));
        stop = stop ? stop : p + (end - p);
        size_t n = (size_t)(stop - p);
        if (strspn(p, " \t\r") < n && item_add(r, p, n, line) < 0)
            return -1;
    }
    return 0;
}

int ml_list_read(char *text, size_t n, const char *label,
                 void (*bad)(const struct ml_error *err, void *arg), void *arg, struct ml_list *ret,
                 struct ml_error *err)
{
    struct ml_error own = ML_ERROR_INIT;
    struct reader r = {.label = label, .bad = bad, .arg = arg, .err = err ? err : &own};
    unsigned line = 1;
    if (n >= 3 &&
        memcmp(text, "\xef\xbb\xbf", 3) == 0) { /* editors of other systems put it there */
        text += 3;
        n -= 3;
    }
    char *start = text + blanks(text, &line);
    r.a = calloc(1, sizeof *r.a);
    if (r.a == NULL)
        return ml_error_memory(err);
    int status =
        *start == '[' ? array_read(&r, start + 1, text + n, line) : lines_read(&r, text, text + n);
    if (status == 0 && r.a->failed)
        status = ml_error_memory(err);
    if (status < 0 && r.bad != NULL)
        r.bad(r.err, r.arg); /* what ends the list is told like what is wrong in it */
    struct ml_list list = {.items = r.item, .n = r.n, .memory = r.a};
    if (status == 0 && r.n_bad == 0) {
        *ret = list;
        return 0;
    }
    ml_list_free(&list);
    return -1;
}

void ml_list_free(struct ml_list *list)
{
    if (list->memory != NULL)
        arena_free(list->memory);
    free(list->memory);
    free(list->items);
    *list = (struct ml_list){.n = 0};
}

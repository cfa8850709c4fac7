#include "lists.h"

#include "base/fs.h"

static void item_read(char *item, struct list *list)
{
    static const char *const words[] = {[STORE_UNREGISTER] = "out",
                                        [STORE_ROLLBACK] = "back",
                                        [STORE_PIN] = "pin",
                                        [STORE_UNPIN] = "unpin"};
    char *save, *key = strtok_r(item, " ", &save), *what = strtok_r(NULL, " ", &save);
    char *name = strtok_r(NULL, " ", &save);
    struct store_change *c = &list->change[list->n];
    assert_true(list->n < LIST_MAX);
    strcpy(list->uuid[list->n], registry_uuid((unsigned)atoi(key)));
    *c = (struct store_change){.uuid = list->uuid[list->n++],
                               .op = STORE_REGISTER,
                               .bundle = registry_id(*what),
                               .plugin = "x@1.0.0"};
    for (unsigned op = STORE_UNREGISTER; op < sizeof words / sizeof *words; op++)
        if (strcmp(what, words[op]) == 0)
            c->op = (enum store_op)op;
    if (name != NULL && c->op != STORE_REGISTER)
        c->generation = strtoul(name, NULL, 10);
    else if (name != NULL && *name == '?')
        c->own_name = name + 1;
    else if (name != NULL)
        c->name = *name == '!' ? "" : name;
}

void list_read(const char *text, struct list *list)
{
    char *save;
    *list = (struct list){.n = 0};
    snprintf(list->text, sizeof list->text, "%s", text);
    for (char *item = strtok_r(list->text, ";", &save); item; item = strtok_r(NULL, ";", &save))
        item_read(item, list);
}

void list_order(struct list *list, unsigned k)
{
    for (size_t i = list->n; i > 1; k /= (unsigned)i, i--) {
        struct store_change c = list->change[i - 1];
        list->change[i - 1] = list->change[k % i];
        list->change[k % i] = c;
    }
}

unsigned list_orders(size_t n)
{
    return n > 1 ? (unsigned)n * list_orders(n - 1) : 1;
}

struct store *list_begin(const struct place *place, const char *text)
{
    struct list list;
    fs_remove_tree(place->fd, "home");
    struct store *store = registry_open(place);
    for (const char *c = "abc"; *c != '\0'; c++)
        registry_bundle(store, registry_id(*c), "x@1.0.0");
    list_read(text, &list);
    for (size_t i = 0; i < list.n; i++)
        case_true(text, registry_apply(store, &list.change[i]) >= 0);
    return store;
}

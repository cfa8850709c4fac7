#include "index/list.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/scope.h"
#include "base/xdg.h"
#include "build/strict-json.h"
#include "fetch/cache.h"

#define LIST_FILE "indexes.json"

enum { LIST_MAX = 1 << 20, LOCK_MS = 10000 };

/* ---- places ---- */

static int no_place(const char *variable, struct ml_error *err)
{
    if (errno != ENOENT)
        return ml_error_memory(err);
    ml_error_set(err, ML_CONFIG, "no_cache", "cannot tell where indexes are kept: HOME is not set");
    return ml_error_hint(err, "set %s to a directory of yours", variable);
}

static int place_open(char *path, const char *variable, bool make, struct ml_error *err)
{
    AUTO_FREE char *mine = path;
    if (mine == NULL)
        return no_place(variable, err);
    if (make && fs_mkdir_parents(mine, 0700) < 0)
        return ml_error_errno(err, ML_CANT_CREATE, errno, "cannot make '%s'", mine);
    AUTO_CLOSE int fd = open(mine, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return ml_error_errno(err, 0, errno, "cannot open '%s'", mine);
    return cache_owner_check(fd, mine, "indexes", err) < 0 ? -1 : steal_fd(&fd);
}

int index_cache_open(struct ml_error *err)
{
    return place_open(xdg_path(XDG_CACHE, "index"), "XDG_CACHE_HOME", true, err);
}

/* ---- reading ---- */

static int bad_list(const char *why, struct ml_error *err)
{
    ml_error_set(err, ML_CONFIG, "bad_list", LIST_FILE ": %s", why);
    return ml_error_hint(err, "mend or remove it; it is in $XDG_CONFIG_HOME/modload, else in "
                              "~/.config/modload");
}

static const char *text_of(struct arena *a, const cJSON *object, const char *key)
{
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(object, key);
    return cJSON_IsString(value) ? arena_str(a, value->valuestring) : NULL;
}

static int items_take(struct arena *a, const cJSON *tree, struct index_list *list,
                      struct ml_error *err)
{
    const cJSON *array = cJSON_GetObjectItemCaseSensitive(tree, "indexes"), *item;
    if (!cJSON_IsObject(tree) || !cJSON_IsArray(array))
        return bad_list("it must be an object with the array 'indexes'", err);
    cJSON_ArrayForEach (item, array) {
        const char *name = text_of(a, item, "name"), *url = text_of(a, item, "url");
        if (name == NULL || url == NULL || !index_name_good(name) ||
            !index_text_good(url, SOURCE_URL_MAX - 1))
            return bad_list("each index must have a 'name' and a 'url'", err);
        list->items = arena_grow(a, list->items, list->n, sizeof *list->items);
        if (list->items == NULL)
            return ml_error_memory(err);
        list->items[list->n++] = (struct index_item){name, url};
    }
    return a->failed ? ml_error_memory(err) : 0;
}

static int list_read_at(struct arena *a, int dirfd, struct index_list *ret, struct ml_error *err)
{
    BUF_AUTO text = BUF_INIT;
    struct index_list list = {0};
    if (fs_read_file(dirfd, LIST_FILE, &text, LIST_MAX) < 0) {
        if (errno != ENOENT)
            return ml_error_errno(err, 0, errno, "cannot read " LIST_FILE);
        *ret = list;
        return 0;
    }
    CJSON_AUTO *tree = strict_parse(buf_text(&text), text.len, LIST_FILE, err);
    if (tree == NULL || items_take(a, tree, &list, err) < 0)
        return -1;
    *ret = list;
    return 0;
}

int index_list_read(struct arena *a, struct index_list *ret, struct ml_error *err)
{
    AUTO_FREE char *path = xdg_path(XDG_CONFIG, "");
    if (path == NULL)
        return no_place("XDG_CONFIG_HOME", err);
    AUTO_CLOSE int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 && errno != ENOENT)
        return ml_error_errno(err, 0, errno, "cannot open '%s'", path);
    if (fd >= 0)
        return list_read_at(a, fd, ret, err);
    *ret = (struct index_list){0};
    return 0;
}

static const struct index_item *item_named(const struct index_list *list, const char *name)
{
    char key[INDEX_NAME_SIZE], other[INDEX_NAME_SIZE];
    index_name_key(name, key);
    for (size_t i = 0; i < list->n; i++) {
        index_name_key(list->items[i].name, other);
        if (strcmp(key, other) == 0)
            return &list->items[i];
    }
    return NULL;
}

const struct index_item *index_list_find(const struct index_list *list, const char *name,
                                         struct ml_error *err)
{
    BUF_AUTO names = BUF_INIT;
    const struct index_item *item = item_named(list, name);
    if (item != NULL)
        return item;
    for (size_t i = 0; i < list->n; i++)
        buf_fmt(&names, "%s%s", i > 0 ? ", " : "", list->items[i].name);
    ml_error_set(err, ML_NO_INPUT, "no_such_index", "no index is called '%.64s'", name);
    if (list->n > 0)
        ml_error_hint(err, "there are: %s", buf_text(&names));
    else
        ml_error_hint(err, "there is none: modload index add URL");
    return NULL;
}

/* ---- changing ---- */

static int list_write(int dirfd, const struct index_list *list, struct ml_error *err)
{
    BUF_AUTO text = BUF_INIT;
    buf_str(&text, "{\"indexes\":[\n");
    for (size_t i = 0; i < list->n; i++) {
        JSON_AUTO line = {0};
        json_open(&line, '{');
        json_pair(&line, "name", list->items[i].name);
        json_pair(&line, "url", list->items[i].url);
        json_close(&line, '}');
        buf_add(&text, line.out.data, line.out.len);
        buf_str(&text, i + 1 < list->n ? ",\n" : "\n");
        text.failed = text.failed || line.out.failed;
    }
    buf_str(&text, "]}\n");
    if (text.failed)
        return ml_error_memory(err);
    if (fs_replace_file(dirfd, ".", LIST_FILE, text.data, text.len, 0600) < 0)
        return ml_error_errno(err, 0, errno, "cannot write " LIST_FILE);
    return 0;
}

static int name_is_free_in(const struct index_list *list, const char *name, struct ml_error *err)
{
    const struct index_item *other = item_named(list, name);
    if (other == NULL)
        return 0;
    ml_error_set(err, ML_REFUSED, "name_taken", "an index is called '%s' already: %s", other->name,
                 other->url);
    return ml_error_hint(err, "give this one another name: --name N");
}

int index_name_free(const char *name, struct ml_error *err)
{
    ARENA_AUTO a = ARENA_INIT;
    struct index_list list;
    return index_list_read(&a, &list, err) < 0 ? -1 : name_is_free_in(&list, name, err);
}

static int item_add(struct arena *a, struct index_list *list, const char *name, const char *url,
                    struct ml_error *err)
{
    if (name_is_free_in(list, name, err) < 0)
        return -1;
    list->items = arena_grow(a, list->items, list->n, sizeof *list->items);
    if (list->items == NULL)
        return ml_error_memory(err);
    list->items[list->n++] = (struct index_item){name, url};
    return 0;
}

static int item_remove(struct index_list *list, const char *name, struct ml_error *err)
{
    const struct index_item *item = index_list_find(list, name, err);
    if (item == NULL)
        return -1;
    size_t i = (size_t)(item - list->items);
    memmove(&list->items[i], &list->items[i + 1], (--list->n - i) * sizeof *list->items);
    return 0;
}

int index_list_change(const char *name, const char *url, struct ml_error *err)
{
    ARENA_AUTO a = ARENA_INIT;
    struct index_list list;
    AUTO_CLOSE int dirfd = place_open(xdg_path(XDG_CONFIG, ""), "XDG_CONFIG_HOME", true, err);
    if (dirfd < 0)
        return -1;
    if (fs_lock(dirfd, LOCK_MS, -1) < 0)
        return ml_error_errno(err, errno == EWOULDBLOCK ? ML_BUSY : 0, errno,
                              "cannot lock " LIST_FILE);
    if (list_read_at(&a, dirfd, &list, err) < 0 ||
        (url != NULL ? item_add(&a, &list, name, url, err) : item_remove(&list, name, err)) < 0)
        return -1;
    return list_write(dirfd, &list, err);
}

/* ---- copies ---- */

void index_copy_name(const char *name, char ret[INDEX_COPY_NAME_SIZE])
{
    char key[INDEX_NAME_SIZE];
    index_name_key(name, key);
    snprintf(ret, INDEX_COPY_NAME_SIZE, "%s.copy", key);
}

int index_item_open(int dirfd, const struct index_item *item, struct copy *ret,
                    struct ml_error *err)
{
    COPY_AUTO copy = {.map = NULL};
    char name[INDEX_COPY_NAME_SIZE];
    index_copy_name(item->name, name);
    int found = copy_open(dirfd, name, &copy, err);
    if (found <= 0 || strcmp(copy.head->url, item->url) != 0)
        return found < 0 ? -1 : 0;
    *ret = copy;
    copy.map = NULL;
    return 1;
}

/* Memory for one build: everything is freed at once, at its end. An allocation that fails sets
 * `failed`, which the caller looks at where a step ends; texts are never null, so that nothing in
 * between has to. */
#ifndef BUILD_ARENA_H
#define BUILD_ARENA_H

#include <stdbool.h>
#include <stddef.h>

struct arena {
    struct arena_block *blocks;
    bool failed;
};

#define ARENA_INIT                                                                                 \
    {                                                                                              \
        0                                                                                          \
    }
#define ARENA_AUTO __attribute__((cleanup(arena_free))) struct arena

void arena_free(struct arena *a);

/* Zeroed memory for `n` items of `size` bytes; null when there is none. */
void *arena_alloc(struct arena *a, size_t n, size_t size);

/* Room for item number `n` of an array that grows one by one: the array, moved where it had to be.
 * Null when there is none; `items` is as it was then. */
void *arena_grow(struct arena *a, void *items, size_t n, size_t size);

/* Copies of texts; "" when memory has run out. */
const char *arena_str(struct arena *a, const char *text);
const char *arena_mem(struct arena *a, const char *text, size_t n);
__attribute__((format(printf, 2, 3))) const char *arena_fmt(struct arena *a, const char *fmt, ...);

/* A list of texts, ending in null: an argument vector. */
struct strv {
    const char **items;
    size_t n;
};
void strv_add(struct arena *a, struct strv *v, const char *text);
__attribute__((format(printf, 3, 4))) void strv_fmt(struct arena *a, struct strv *v,
                                                    const char *fmt, ...);
void strv_add_all(struct arena *a, struct strv *v, const struct strv *more);

#endif

/* Memory in blocks, handed out from their ends. Nothing is given back before the arena itself goes,
 * so a list that grows leaves its earlier copies behind: at most as much again, which a build can
 * afford. */
#include "build/arena.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ARENA_BLOCK = 65536, ARENA_ALIGN = 16 };

/* The data is aligned for every type, whatever the size of what stands before it. */
struct arena_block {
    struct arena_block *next;
    size_t used, size;
    _Alignas(ARENA_ALIGN) char data[];
};

void arena_free(struct arena *a)
{
    while (a->blocks != NULL) {
        struct arena_block *next = a->blocks->next;
        free(a->blocks);
        a->blocks = next;
    }
}

/* Blocks are zeroed once, here: what is handed out of them never was anything else. */
static struct arena_block *block_new(struct arena *a, size_t size)
{
    struct arena_block *block = calloc(1, sizeof *block + size);
    if (block == NULL) {
        a->failed = true;
        return NULL;
    }
    block->size = size;
    block->next = a->blocks;
    a->blocks = block;
    return block;
}

void *arena_alloc(struct arena *a, size_t n, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(n, size, &bytes) || bytes > SIZE_MAX / 4) {
        a->failed = true;
        return NULL;
    }
    bytes = (bytes + ARENA_ALIGN) / ARENA_ALIGN * ARENA_ALIGN;
    struct arena_block *block = a->blocks;
    if (block == NULL || block->size - block->used < bytes)
        block = block_new(a, bytes > ARENA_BLOCK ? bytes : ARENA_BLOCK);
    if (block == NULL)
        return NULL;
    void *memory = block->data + block->used;
    block->used += bytes;
    return memory;
}

/* Doubles when the count reaches a power of two. The count alone says how much room there is. */
void *arena_grow(struct arena *a, void *items, size_t n, size_t size)
{
    bool full = n == 0 || (n >= 8 && (n & (n - 1)) == 0);
    if (!full)
        return items;
    void *bigger = arena_alloc(a, n < 8 ? 8 : 2 * n, size);
    if (bigger != NULL && n > 0)
        memcpy(bigger, items, n * size);
    return bigger;
}

const char *arena_mem(struct arena *a, const char *text, size_t n)
{
    char *copy = arena_alloc(a, n + 1, 1);
    if (copy == NULL)
        return "";
    memcpy(copy, text, n);
    return copy;
}

const char *arena_str(struct arena *a, const char *text)
{
    return arena_mem(a, text, strlen(text));
}

__attribute__((format(printf, 2, 0))) static const char *arena_vfmt(struct arena *a,
                                                                    const char *fmt, va_list ap)
{
    char *text = NULL;
    int n = vasprintf(&text, fmt, ap);
    if (n < 0) {
        a->failed = true;
        return "";
    }
    const char *copy = arena_mem(a, text, (size_t)n);
    free(text);
    return copy;
}

const char *arena_fmt(struct arena *a, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    const char *text = arena_vfmt(a, fmt, ap);
    va_end(ap);
    return text;
}

void strv_add(struct arena *a, struct strv *v, const char *text)
{
    const char **items = arena_grow(a, v->items, v->n, sizeof *items);
    /* The slot behind the last text holds the null: it is made before it is needed. */
    if (items == NULL)
        return;
    v->items = items;
    items = arena_grow(a, items, v->n + 1, sizeof *items);
    if (items == NULL)
        return;
    v->items = items;
    v->items[v->n++] = text;
    v->items[v->n] = NULL;
}

void strv_fmt(struct arena *a, struct strv *v, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    strv_add(a, v, arena_vfmt(a, fmt, ap));
    va_end(ap);
}

void strv_add_all(struct arena *a, struct strv *v, const struct strv *more)
{
    for (size_t i = 0; i < more->n; i++)
        strv_add(a, v, more->items[i]);
}

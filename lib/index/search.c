/* A search goes through all lines of all copies. They are folded block by block, so that small
 * letters can be looked for by memmem(3), which goes through a million plugins in a tenth of a
 * second; a table of words would be quicker, larger than the lines, and find whole words only. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/scope.h"
#include "index/list.h"
#include "modload/index.h"

/* A line is shorter: see index/plugin.h. */
enum { BLOCK_BYTES = 1 << 16, WORD_MAX = 256, FOLD_STEP = 64 };

enum rank { RANK_EXACT, RANK_BEGINS, RANK_NAME, RANK_DESCRIPTION };

struct hit {
    const char *line;
    uint32_t copy;
    uint32_t rank;
};

struct search {
    char word[WORD_MAX + 1]; /* folded */
    size_t n;
    const struct index_list *list;
    struct copy *copy; /* of each in the list; may be none */
    struct hit *hit;
    size_t n_hits, cap;
    struct ml_error *err;
};

static void search_free(struct search *s)
{
    for (size_t i = 0; s->copy != NULL && i < s->list->n; i++)
        copy_close(&s->copy[i]);
    free(s->copy);
    free(s->hit);
}

/* As names are folded, for descriptions too. */
static inline unsigned char fold_byte(unsigned char c)
{
    unsigned char letter = (unsigned char)(c - 'A') < 26 ? 0x20 : 0;
    unsigned char dash = c == '_' ? '_' ^ '-' : 0;
    return c ^ letter ^ dash;
}

/* So many at a time that compilers make vectors of the inner loop. */
static void fold(unsigned char *restrict to, const unsigned char *restrict from, size_t n)
{
    size_t i = 0;
    for (; i + FOLD_STEP <= n; i += FOLD_STEP)
        for (size_t k = 0; k < FOLD_STEP; k++)
            to[i + k] = fold_byte(from[i + k]);
    for (; i < n; i++)
        to[i] = fold_byte(from[i]);
}

/* ---- one line ---- */

static bool has(const char *text, size_t n, const struct search *s)
{
    return memmem(text, n, s->word, s->n) != NULL;
}

/* Where in a folded line the word is, if it is where it counts. -1 when it is elsewhere. */
static int line_rank(const struct search *s, const char *line, size_t n)
{
    const char *tab = memchr(line, '\t', n);
    const char *next = tab ? memchr(tab + 1, '\t', n - (size_t)(tab + 1 - line)) : NULL;
    if (next == NULL)
        return -1;
    size_t key = (size_t)(tab - line);
    if (key == s->n && memcmp(line, s->word, key) == 0)
        return RANK_EXACT;
    if (key > s->n && memcmp(line, s->word, s->n) == 0)
        return RANK_BEGINS;
    if (has(line, key, s))
        return RANK_NAME;
    return has(tab + 1, (size_t)(next - tab - 1), s) ? RANK_DESCRIPTION : -1;
}

static int hit_add(struct search *s, const char *line, size_t copy, int rank)
{
    if (s->n_hits == s->cap) {
        size_t cap = s->cap ? s->cap * 2 : 64;
        struct hit *more = reallocarray(s->hit, cap, sizeof *more);
        if (more == NULL)
            return ml_error_memory(s->err);
        s->hit = more;
        s->cap = cap;
    }
    s->hit[s->n_hits++] = (struct hit){line, (uint32_t)copy, (uint32_t)rank};
    return 0;
}

/* ---- all lines ---- */

/* `from` is where `block` came from. */
static int block_search(struct search *s, size_t copy, const char *from, const char *block,
                        size_t n)
{
    const char *at = block, *end = block + n, *found;
    while (at < end && (found = memmem(at, (size_t)(end - at), s->word, s->n)) != NULL) {
        const char *newline = memrchr(at, '\n', (size_t)(found - at));
        const char *line = newline != NULL ? newline + 1 : at;
        const char *next = memchr(found, '\n', (size_t)(end - found));
        next = next != NULL ? next : end;
        int rank = line_rank(s, line, (size_t)(next - line));
        if (rank >= 0 && hit_add(s, from + (line - block), copy, rank) < 0)
            return -1;
        at = next + 1;
    }
    return 0;
}

static int copy_search(struct search *s, size_t i)
{
    static _Thread_local char block[BLOCK_BYTES];
    const struct copy *copy = &s->copy[i];
    const char *at = copy->lines, *end = copy->texts;
    while (at < end) {
        size_t n = (size_t)(end - at) < sizeof block ? (size_t)(end - at) : sizeof block;
        const char *newline = memrchr(at, '\n', n);
        if (newline == NULL)
            return copy_damaged(s->err);
        n = (size_t)(newline + 1 - at);
        fold((unsigned char *)block, (const unsigned char *)at, n);
        if (block_search(s, i, at, block, n) < 0)
            return -1;
        at += n;
    }
    return 0;
}

/* ---- what was found ---- */

static int hit_compare(const void *a, const void *b)
{
    const struct hit *x = a, *y = b;
    if (x->rank != y->rank)
        return x->rank < y->rank ? -1 : 1;
    if (x->copy != y->copy)
        return x->copy < y->copy ? -1 : 1;
    return x->line < y->line ? -1 : x->line > y->line;
}

static const char *text_of(char *to, size_t size, struct copy_text text)
{
    size_t n = text.n < size ? text.n : size - 1;
    memcpy(to, text.at, n);
    to[n] = '\0';
    return to;
}

static int64_t hits_tell(struct search *s,
                         int (*each)(const struct ml_index_match *match, void *arg), void *arg)
{
    char name[ML_NAME_SIZE], version[ML_VERSION_SIZE], description[INDEX_DESCRIPTION_MAX + 1];
    for (size_t i = 0; i < s->n_hits; i++) {
        struct copy_line line;
        const struct hit *hit = &s->hit[i];
        const char *at = hit->line;
        if (copy_line_next(&s->copy[hit->copy], &at, &line) <= 0)
            return copy_damaged(s->err);
        const struct ml_index_match match = {
            .index = s->list->items[hit->copy].name,
            .name = text_of(name, sizeof name, line.name),
            .version = text_of(version, sizeof version, line.version),
            .description = text_of(description, sizeof description, line.description),
        };
        if (each(&match, arg) != 0)
            return -2;
    }
    return (int64_t)s->n_hits;
}

/* ---- the whole ---- */

static int word_take(struct search *s, const char *word)
{
    size_t n = strlen(word);
    if (n == 0 || !index_text_good(word, WORD_MAX)) {
        ml_error_set(s->err, ML_DATA, "bad_word",
                     "a search is for 1 to %d bytes of UTF-8 without control characters", WORD_MAX);
        return ml_error_hint(s->err, "give a word: modload search json");
    }
    fold((unsigned char *)s->word, (const unsigned char *)word, n);
    s->n = n;
    return 0;
}

static int no_index(struct ml_error *err)
{
    ml_error_set(err, ML_NO_INPUT, "no_index", "no index is followed");
    return ml_error_hint(err, "follow one: modload index add URL");
}

/* An index without a copy has nothing to find: said by who looks at it (modload index list). */
static int copies_search(struct search *s)
{
    AUTO_CLOSE int dirfd = index_cache_open(s->err);
    if (dirfd < 0)
        return -1;
    s->copy = calloc(s->list->n, sizeof *s->copy);
    if (s->copy == NULL)
        return ml_error_memory(s->err);
    for (size_t i = 0; i < s->list->n; i++) {
        int found = index_item_open(dirfd, &s->list->items[i], &s->copy[i], s->err);
        if (found < 0 || (found > 0 && copy_search(s, i) < 0))
            return ml_error_wrap(s->err, "index '%s'", s->list->items[i].name);
    }
    if (s->n_hits > 1)
        qsort(s->hit, s->n_hits, sizeof *s->hit, hit_compare);
    return 0;
}

int64_t ml_index_search(const char *word,
                        int (*each)(const struct ml_index_match *match, void *arg), void *arg,
                        struct ml_error *err)
{
    ARENA_AUTO a = ARENA_INIT;
    struct index_list list;
    __attribute__((cleanup(search_free))) struct search s = {.list = &list, .err = err};
    if (word_take(&s, word) < 0 || index_list_read(&a, &list, err) < 0)
        return -1;
    if (list.n == 0)
        return no_index(err);
    return copies_search(&s) < 0 ? -1 : hits_tell(&s, each, arg);
}

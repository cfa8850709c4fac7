/* Registries of any size, for scripts/bench-scale:
 *
 *     scale specs FIRST COUNT BUNDLE...    lines for `register --many`: the keys number FIRST to
 *                                          FIRST + COUNT - 1, each with one of the bundles
 *     scale keys COUNT N                   N of the first COUNT keys, at random
 *     scale lookup HOME KEYS N             looks up N keys of that file, in this process; prints
 *                                          how many nanoseconds one took
 *
 * A key is the same for a number each time, so that no list of them has to be kept. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "modload/modload.h"

enum { BATCHES = 5, NAMED = 10 };

/* splitmix64 (public domain, Sebastiano Vigna): number `i` of its stream. */
static uint64_t mixed(uint64_t i)
{
    uint64_t z = (i + 1) * 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

static void key_of(uint64_t number, char uuid[ML_UUID_SIZE])
{
    struct ml_key key;
    uint64_t halves[2] = {mixed(2 * number), mixed(2 * number + 1)};
    memcpy(key.bytes, halves, sizeof key.bytes);
    ml_key_to_uuid(&key, uuid);
}

static uint64_t number_of(const char *text)
{
    return strtoull(text, NULL, 10);
}

/* Every tenth entry has a name: names are kept apart from entries. */
static int specs(char **args, int n)
{
    uint64_t first = number_of(args[0]), count = number_of(args[1]);
    for (uint64_t i = first; i < first + count; i++) {
        char uuid[ML_UUID_SIZE];
        key_of(i, uuid);
        printf("{\"key\":\"%s\",\"bundle\":\"%s\"", uuid, args[2 + i % (uint64_t)(n - 2)]);
        if (i % NAMED == 0)
            printf(",\"name\":\"entry-%" PRIu64 "\"", i);
        puts("}");
    }
    return fflush(stdout) == 0 ? 0 : 74;
}

static int keys(char **args, int n)
{
    uint64_t count = number_of(args[0]), wanted = number_of(args[1]);
    for (uint64_t i = 0; i < wanted; i++) {
        char uuid[ML_UUID_SIZE];
        key_of(mixed(~i) % count, uuid);
        puts(uuid);
    }
    return fflush(stdout) == 0 ? 0 : 74;
}

/* ---- looking up ---- */

struct key_list {
    struct ml_key *item;
    size_t n;
};

static int keys_read(const char *path, struct key_list *ret)
{
    char line[64];
    FILE *file = fopen(path, "re");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        struct ml_key *more = realloc(ret->item, (ret->n + 1) * sizeof *more);
        if (more == NULL)
            break;
        ret->item = more;
        line[strcspn(line, "\n")] = '\0';
        ret->n += ml_key_from_uuid(line, &ret->item[ret->n], NULL) == 0;
    }
    if (file != NULL)
        fclose(file);
    return ret->n > 0 ? 0 : -1;
}

static double now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* How long one lookup took, or a negative number. */
static double batch(struct ml_ctx *ctx, const struct key_list *list, size_t n)
{
    char bundle[ML_BUNDLE_ID_SIZE];
    struct ml_error err = ML_ERROR_INIT;
    double start = now_ns();
    for (size_t i = 0; i < n; i++)
        if (ml_lookup(ctx, &list->item[i % list->n], bundle, &err) < 0) {
            fprintf(stderr, "scale: %s\n", err.message);
            return -1;
        }
    return n ? (now_ns() - start) / (double)n : 0;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The first batch opens the registry; the median counts. */
static int lookup(char **args, int n)
{
    struct ml_ctx_options options = {.home = args[0]};
    struct ml_ctx *ctx;
    struct key_list list = {0};
    double took[BATCHES];
    if (keys_read(args[1], &list) < 0 || ml_ctx_new(&options, &ctx, NULL) < 0)
        return 66;
    for (int i = 0; i < BATCHES; i++)
        if ((took[i] = batch(ctx, &list, number_of(args[2]) / BATCHES)) < 0)
            return 66;
    qsort(took, BATCHES, sizeof *took, by_size);
    printf("%.0f\n", took[BATCHES / 2]);
    ml_ctx_free(ctx);
    free(list.item);
    return 0;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        int args;
        int (*run)(char **args, int n);
    } commands[] = {{"specs", 3, specs}, {"keys", 2, keys}, {"lookup", 3, lookup}};
    for (size_t i = 0; argc > 1 && i < sizeof commands / sizeof *commands; i++)
        if (strcmp(argv[1], commands[i].name) == 0 && argc - 2 >= commands[i].args)
            return commands[i].run(argv + 2, argc - 2);
    fprintf(stderr,
            "usage: scale specs FIRST COUNT BUNDLE... | keys COUNT N | lookup HOME KEYS N\n");
    return 64;
}

/* Runs a fuzz target without a fuzzer: replay DIRECTORY|FILE... Each seed of a directory is run as
 * it is, cut off at every byte, with its bits flipped, and with parts changed, taken out, doubled
 * and taken from other seeds. The changes come from a fixed generator: every run of this program
 * does the same. A file is run once, as it is: what a fuzzer, or this program, has kept.
 *
 * TAP on standard output, a test per seed. Each is run in a process of its own, so that a crash is
 * one failed test; the input that was running is then kept beside this program. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fuzz.h"

/* Sanitizers look at each run the better, and take their time: fewer changes are tried then. */
#ifdef __SANITIZE_ADDRESS__
enum { FUZZ_SLOWNESS = 5 };
#else
enum { FUZZ_SLOWNESS = 1 };
#endif

enum { INPUT_MAX = 1 << 18, CUTS_MAX = 8192 / FUZZ_SLOWNESS, RUN_SECONDS = 30 };

/* A reference, and no weak definition: the compiler would take the value of a constant from here.
 */
extern const unsigned fuzz_runs __attribute__((weak));

struct seed {
    char *path;
    const char *name; /* the last part of the path */
    uint8_t *data;
    size_t size;
    bool once; /* was named as a file */
};

struct seeds {
    struct seed *item;
    size_t n;
};

/* What a child is running: its parent keeps it when the child dies of it. */
struct running {
    unsigned long runs;
    size_t size;
    uint8_t data[INPUT_MAX];
};

static struct running *running;
static unsigned runs_max; /* of each kind of change */
static uint64_t random_state;

/* splitmix64 (public domain, Sebastiano Vigna). */
static size_t random_below(size_t n)
{
    uint64_t z = random_state += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    z ^= z >> 31;
    return n ? (size_t)(z % n) : 0;
}

/* ---- changes ---- */

/* Runs what lies in `running`, from memory that ends where the input does. */
static void run(void)
{
    uint8_t *exact = malloc(running->size);
    CHECK(exact != NULL || running->size == 0);
    if (running->size > 0)
        memcpy(exact, running->data, running->size);
    running->runs++;
    alarm(RUN_SECONDS); /* an input that takes longer hangs, and dies of it */
    CHECK(LLVMFuzzerTestOneInput(exact, running->size) == 0);
    free(exact);
}

static void take(const struct seed *seed, size_t size)
{
    memcpy(running->data, seed->data, size);
    running->size = size;
}

static void run_truncations(const struct seed *seed)
{
    size_t steps = seed->size < CUTS_MAX ? seed->size : CUTS_MAX;
    for (size_t i = 0; i < steps; i++) {
        take(seed, i * seed->size / steps);
        run();
    }
}

static void run_flips(const struct seed *seed)
{
    size_t bits = 8 * seed->size, n = bits < runs_max ? bits : runs_max;
    for (size_t i = 0; i < n; i++) {
        size_t bit = n == bits ? i : random_below(bits);
        take(seed, seed->size);
        running->data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        run();
    }
}

/* Puts `n` bytes in the place of `gone` ones. Passed over where they would not fit. */
static void replace(size_t at, size_t gone, const uint8_t *with, size_t n)
{
    uint8_t *data = running->data;
    size_t rest = running->size - at - gone;
    if (at + n + rest > INPUT_MAX)
        return;
    uint8_t *copy = malloc(n + 1);
    CHECK(copy != NULL);
    memcpy(copy, with, n); /* it may be a part of what moves */
    memmove(data + at + n, data + at + gone, rest);
    memcpy(data + at, copy, n);
    running->size = at + n + rest;
    free(copy);
}

/* Bytes that mean something to one reader or another; longer ones are numbers at their limits. */
static void replace_by_known(size_t at, size_t gone)
{
    static const struct {
        const char *bytes;
        size_t n;
    } known[] = {{"\0", 1},         {"\n", 1},
                 {" ", 1},          {"\"", 1},
                 {"\\", 1},         {"/", 1},
                 {"-", 1},          {"%", 1},
                 {"@", 1},          {"../", 3},
                 {"9", 1},          {"\x7f", 1},
                 {"\x80", 1},       {"\xff", 1},
                 {"\xc2\x9b", 2},   {"{", 1},
                 {"[[[[[[[[", 8},   {"\\u0000", 6},
                 {"0x", 2},         {"1e999", 5},
                 {"\0\0", 2},       {"\xff\xff\xff\xff", 4},
                 {"\0\0\0\x80", 4}, {"\xff\xff\xff\xff\xff\xff\xff\x7f", 8}};
    size_t i = random_below(sizeof known / sizeof *known);
    replace(at, gone, (const uint8_t *)known[i].bytes, known[i].n);
}

static void change(const struct seeds *seeds)
{
    size_t size = running->size, at = random_below(size + 1);
    size_t left = size - at, n = random_below((left < 64 ? left : 64) + 1);
    size_t there = random_below(size - n + 1);
    uint8_t byte = (uint8_t)random_below(256);
    const struct seed *other = &seeds->item[random_below(seeds->n)];
    switch (random_below(7)) {
    case 0:
        replace(at, left ? 1 : 0, &byte, 1);
        break;
    case 1:
        replace_by_known(at, 0);
        break;
    case 2:
        replace_by_known(at, n);
        break;
    case 3:
        replace(at, n, &byte, 0);
        break;
    case 4: /* once more, somewhere */
        replace(there, 0, running->data + at, n);
        break;
    case 5: /* over something else */
        replace(there, n, running->data + at, n);
        break;
    case 6: /* the beginning of this one, the end of another */
        at = random_below(other->size + 1);
        replace(there, size - there, other->data + at, other->size - at);
        break;
    }
}

static void run_changes(const struct seeds *seeds, const struct seed *seed)
{
    for (unsigned i = 0; i < runs_max; i++) {
        take(seed, seed->size);
        for (size_t n = 1 + random_below(4); n > 0; n--)
            change(seeds);
        run();
    }
}

/* ---- a seed ---- */

static int count_fds(void)
{
    int n = 0;
    DIR *dir = opendir("/proc/self/fd");
    CHECK(dir != NULL);
    while (readdir(dir) != NULL)
        n++;
    closedir(dir);
    return n;
}

/* In a process of its own. The first run may open what a target keeps for all of them. */
static void run_seed(const struct seeds *seeds, const struct seed *seed)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    random_state = seed->size;
    take(seed, seed->size);
    run();
    int fds = count_fds();
    if (!seed->once) {
        run_truncations(seed);
        run_flips(seed);
        run_changes(seeds, seed);
    }
    CHECK(count_fds() == fds);
    exit(0); /* not _exit(2): a sanitizer looks for leaks */
}

/* Keeps the input that a child died of, and says how to run it again. */
static void keep(const char *program, const struct seed *seed)
{
    char path[4096];
    snprintf(path, sizeof path, "%s-%s.crash", program, seed->name);
    FILE *file = fopen(path, "we");
    if (file == NULL || fwrite(running->data, 1, running->size, file) != running->size)
        printf("# cannot keep the input: %s\n", strerror(errno));
    else
        printf("# run %lu; again: %s %s\n", running->runs, program, path);
    if (file != NULL)
        fclose(file);
}

static bool test_seed(const char *program, const struct seeds *seeds, size_t at)
{
    const struct seed *seed = &seeds->item[at];
    int status;
    running->runs = 0;
    fflush(stdout);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0)
        run_seed(seeds, seed);
    while (waitpid(pid, &status, 0) < 0)
        CHECK(errno == EINTR);
    printf("%s %zu %s: %lu runs\n", status == 0 ? "ok" : "not ok", at + 1, seed->name,
           running->runs);
    if (status == 0)
        return true;
    if (WIFSIGNALED(status))
        printf("# it died of signal %d (%s)\n", WTERMSIG(status), strsignal(WTERMSIG(status)));
    keep(program, seed);
    return false;
}

/* ---- all of them ---- */

static void seeds_add(struct seeds *seeds, const char *path, bool once)
{
    FILE *file = fopen(path, "re");
    struct seed seed = {.path = strdup(path), .data = malloc(INPUT_MAX + 1), .once = once};
    seeds->item = realloc(seeds->item, (seeds->n + 1) * sizeof *seeds->item);
    if (file == NULL || seeds->item == NULL || seed.path == NULL || seed.data == NULL) {
        fprintf(stderr, "replay: cannot read '%s': %s\n", path, strerror(errno));
        exit(66);
    }
    seed.size = fread(seed.data, 1, INPUT_MAX + 1, file);
    fclose(file);
    if (seed.size > INPUT_MAX / 2) {
        fprintf(stderr, "replay: '%s' is too large for a seed\n", path);
        exit(65);
    }
    const char *slash = strrchr(seed.path, '/');
    seed.name = slash ? slash + 1 : seed.path;
    seeds->item[seeds->n++] = seed;
}

static int not_hidden(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static void seeds_read(struct seeds *seeds, const char *path)
{
    struct dirent **names;
    int n = scandir(path, &names, not_hidden, alphasort);
    if (n < 0 && errno == ENOTDIR) {
        seeds_add(seeds, path, true);
        return;
    }
    for (int i = 0; i < n; i++) {
        char file[4096];
        snprintf(file, sizeof file, "%s/%s", path, names[i]->d_name);
        seeds_add(seeds, file, false);
        free(names[i]);
    }
    if (n >= 0)
        free(names);
}

static void seeds_free(struct seeds *seeds)
{
    for (size_t i = 0; i < seeds->n; i++) {
        free(seeds->item[i].path);
        free(seeds->item[i].data);
    }
    free(seeds->item);
}

int main(int argc, char **argv)
{
    struct seeds seeds = {0};
    size_t failed = 0;
    runs_max = (&fuzz_runs != NULL ? fuzz_runs : FUZZ_RUNS) / FUZZ_SLOWNESS;
    for (int i = 1; i < argc; i++)
        seeds_read(&seeds, argv[i]);
    if (seeds.n == 0) {
        fprintf(stderr, "usage: %s DIRECTORY|FILE... (of seeds)\n", argv[0]);
        return 64;
    }
    /* In memory, where there is such a place: a registry is synced to the disk as it is made. A
     * child that dies leaves its own place to us. */
    if (access("/dev/shm", W_OK) == 0)
        setenv("TMPDIR", "/dev/shm", 1);
    setenv("TMPDIR", fuzz_place(), 1);
    running =
        mmap(NULL, sizeof *running, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(running != MAP_FAILED);
    printf("1..%zu\n", seeds.n);
    for (size_t i = 0; i < seeds.n; i++)
        failed += !test_seed(argv[0], &seeds, i);
    munmap(running, sizeof *running);
    seeds_free(&seeds);
    return failed != 0;
}

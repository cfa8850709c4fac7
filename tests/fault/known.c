/* A table of hashes with open addressing; the low bits of a hash are what is known of it. */
#include "known.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/fs.h"
#include "layout.h"
#include "report.h"
#include "tree.h"

enum { SLOTS = 1 << 16, TRIES = 64, WHAT = 7, FILE_MAX = 1 << 26 };

struct known {
    uint64_t slot[SLOTS]; /* 0 is a free one */
};

struct known *known_new(void)
{
    void *p =
        mmap(NULL, sizeof(struct known), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        give_up("cannot share memory: %s", strerror(errno));
    return p;
}

void known_free(struct known *known)
{
    if (known != NULL)
        munmap(known, sizeof *known);
}

/* ---- what is in a home ---- */

struct summing {
    const char *home;
    uint64_t sum;
};

static uint64_t hash_file(const char *home, const char *path, uint64_t hash)
{
    char full[PATH_ROOM];
    BUF_AUTO data = BUF_INIT;
    path_make(full, "%s/%s", home, path);
    if (fs_read_file(AT_FDCWD, full, &data, FILE_MAX) < 0)
        give_up("cannot read '%s': %s", full, strerror(errno));
    return fnv(hash, buf_text(&data), data.len);
}

/* The sum does not depend on the order in which a directory has its names. */
static void add_one(const char *path, unsigned mode, const char *target, void *arg)
{
    struct summing *s = arg;
    uint64_t hash = fnv(FNV_INIT, path, strlen(path) + 1);
    hash = fnv(hash, &mode, sizeof mode);
    hash = fnv(hash, target, strlen(target));
    bool counts = S_ISREG(mode) && !layout_is_litter(path);
    s->sum += counts ? hash_file(s->home, path, hash) : hash;
}

/* A home that is missing is another one than one that is empty. */
uint64_t known_hash(const char *home, uint64_t besides)
{
    struct stat st;
    struct summing s = {.home = home, .sum = lstat(home, &st) == 0 ? st.st_mode : 0};
    tree_walk(home, add_one, &s);
    const uint64_t parts[] = {s.sum, besides};
    return fnv(FNV_INIT, parts, sizeof parts);
}

/* ---- the table ---- */

static uint64_t load(const struct known *known, size_t i)
{
    return __atomic_load_n(&known->slot[i % SLOTS], __ATOMIC_RELAXED);
}

unsigned known_find(const struct known *known, uint64_t hash)
{
    for (size_t i = 0; i < TRIES; i++) {
        uint64_t slot = load(known, hash / SLOTS + i);
        if (slot == 0)
            return 0;
        if ((slot ^ hash) <= WHAT)
            return (unsigned)(slot & WHAT);
    }
    return 0;
}

void known_add(struct known *known, uint64_t hash, unsigned what)
{
    uint64_t wish = (hash & ~(uint64_t)WHAT) | what;
    for (size_t i = 0; i < TRIES; i++) {
        uint64_t *slot = &known->slot[(hash / SLOTS + i) % SLOTS], was = 0;
        if (__atomic_compare_exchange_n(slot, &was, wish, false, __ATOMIC_RELAXED,
                                        __ATOMIC_RELAXED) ||
            was == wish)
            return;
    }
}

/* Pages of slots. Some MiB of address space that take memory only where they are written to; a
 * forked process copies no page tables for them, since they are shared (fork(2), copy_page_range).
 */
#include "worker/slot.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static size_t page(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

void *slot_table(void)
{
    void *p = mmap(NULL, SLOTS * page(), PROT_READ | PROT_WRITE,
                   MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return p == MAP_FAILED ? NULL : p;
}

struct slot *slot_at(void *table, size_t i)
{
    return (struct slot *)(void *)((char *)table + i * page());
}

void slot_keep(void *table, size_t i)
{
    char *first = table, *own = first + i * page(), *end = first + SLOTS * page();
    if (own > first)
        munmap(first, (size_t)(own - first));
    if (own + page() < end)
        munmap(own + page(), (size_t)(end - own) - page());
}

void slot_drop(struct slot *slot)
{
    munmap(slot, page());
}

void slot_name(struct slot *slot, const char *function)
{
    size_t n = strnlen(function, SLOT_TEXT - 1);
    memcpy(slot->function, function, n);
    slot->function[n] = '\0';
}

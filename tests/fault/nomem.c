/* Loaded before libc (LD_PRELOAD): lets the n-th request for memory fail that the program makes
 * from its main() on. NOMEM_AT is n, 0 for none; with NOMEM_ON all that follow fail as well.
 * NOMEM_COUNT names a file that is told how many there were. What the program starts is spared, and
 * so is libcrypto: that of OpenSSL 3.0 dies of a lock that it did not get. */
#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *p, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);

static struct {
    int begun, on, at, n;
    char count[256];
    char *spared, *spared_end; /* the code whose requests do not count */
} state;

static int fails(const void *caller)
{
    const char *code = caller;
    if (!state.begun || (code >= state.spared && code < state.spared_end))
        return 0;
    int n = __atomic_add_fetch(&state.n, 1, __ATOMIC_RELAXED);
    if (state.at == 0 || n < state.at || (n > state.at && !state.on))
        return 0;
    errno = ENOMEM;
    return 1;
}

void *malloc(size_t size)
{
    return fails(__builtin_return_address(0)) ? NULL : __libc_malloc(size);
}

void *calloc(size_t n, size_t size)
{
    return fails(__builtin_return_address(0)) ? NULL : __libc_calloc(n, size);
}

void *realloc(void *p, size_t size)
{
    return fails(__builtin_return_address(0)) ? NULL : __libc_realloc(p, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
    return fails(__builtin_return_address(0)) ? NULL : __libc_memalign(alignment, size);
}

int posix_memalign(void **ret, size_t alignment, size_t size)
{
    void *p = fails(__builtin_return_address(0)) ? NULL : __libc_memalign(alignment, size);
    if (p == NULL)
        return ENOMEM;
    *ret = p;
    return 0;
}

/* Libc itself asks for memory before main(): that is not the program's. */
typedef int start_main(int (*main)(int, char **, char **), int argc, char **argv,
                       void (*init)(void), void (*fini)(void), void (*rtld_fini)(void),
                       void *stack_end);

start_main __libc_start_main;

static int find_spared(struct dl_phdr_info *info, size_t size, void *arg)
{
    if (strstr(info->dlpi_name, "/libcrypto.so") == NULL)
        return 0;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &info->dlpi_phdr[i];
        if (part->p_type != PT_LOAD || (part->p_flags & PF_X) == 0)
            continue;
        state.spared = (char *)info->dlpi_addr + part->p_vaddr;
        state.spared_end = state.spared + part->p_memsz;
    }
    return 1;
}

static int (*real_main)(int argc, char **argv, char **envp);

static int begin(int argc, char **argv, char **envp)
{
    const char *at = getenv("NOMEM_AT"), *count = getenv("NOMEM_COUNT");
    state.at = at ? atoi(at) : 0;
    state.on = getenv("NOMEM_ON") != NULL;
    snprintf(state.count, sizeof state.count, "%s", count ? count : "");
    unsetenv("LD_PRELOAD");
    unsetenv("NOMEM_AT");
    unsetenv("NOMEM_ON");
    unsetenv("NOMEM_COUNT");
    dl_iterate_phdr(find_spared, NULL);
    state.begun = 1;
    return real_main(argc, argv, envp);
}

int __libc_start_main(int (*main)(int, char **, char **), int argc, char **argv, void (*init)(void),
                      void (*fini)(void), void (*rtld_fini)(void), void *stack_end)
{
    start_main *real = (start_main *)dlsym(RTLD_NEXT, "__libc_start_main");
    real_main = main;
    return real(begin, argc, argv, init, fini, rtld_fini, stack_end);
}

__attribute__((destructor)) static void tell(void)
{
    state.begun = 0;
    FILE *file = state.count[0] ? fopen(state.count, "we") : NULL;
    if (file == NULL)
        return;
    fprintf(file, "%d\n", state.n);
    fclose(file);
}

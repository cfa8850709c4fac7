/* Loaded before libc (LD_PRELOAD): lets the n-th request for memory fail that the program makes
 * from its main() on. NOMEM_AT is n, 0 for none; with NOMEM_ON all that follow fail as well.
 * NOMEM_COUNT names a file that is told how many there were. What the program starts is spared, and
 * so are libcrypto, of which that of OpenSSL 3.0 dies of a lock that it did not get, and libdw, of
 * which that of elfutils 0.188 reads an abbreviation for which it had no room. Where archives are
 * packed or unpacked, so are the loader, which ends the process with 127, libarchive, of which that
 * of 3.6 takes a text that it could not convert for one, and libzstd, of which that of 1.5 frees
 * what it has not got. */
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
    struct {
        char *begin, *end;
    } spared[4]; /* code whose requests do not count */
    int n_spared;
    int packs; /* the command reads or writes archives */
} state;

/* They are mapped when they are needed first. */
static int is_packer(const void *caller)
{
    Dl_info info;
    return dladdr(caller, &info) != 0 && (strstr(info.dli_fname, "/libarchive.so") != NULL ||
                                          strstr(info.dli_fname, "/libzstd.so") != NULL ||
                                          strstr(info.dli_fname, "/ld-linux") != NULL);
}

static int fails(const void *caller)
{
    const char *code = caller;
    if (!state.begun)
        return 0;
    for (int i = 0; i < state.n_spared; i++)
        if (code >= state.spared[i].begin && code < state.spared[i].end)
            return 0;
    if (state.packs && is_packer(caller))
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
    int room = sizeof state.spared / sizeof *state.spared;
    if (strstr(info->dlpi_name, arg) == NULL)
        return 0;
    for (int i = 0; i < info->dlpi_phnum && state.n_spared < room; i++) {
        const ElfW(Phdr) *part = &info->dlpi_phdr[i];
        if (part->p_type != PT_LOAD || (part->p_flags & PF_X) == 0)
            continue;
        char *begin = (char *)info->dlpi_addr + part->p_vaddr;
        state.spared[state.n_spared].begin = begin;
        state.spared[state.n_spared++].end = begin + part->p_memsz;
    }
    return 0;
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
    dl_iterate_phdr(find_spared, "/libcrypto.so");
    dl_iterate_phdr(find_spared, "/libdw.so");
    for (int i = 1; i < argc; i++)
        state.packs = state.packs || strcmp(argv[i], "export") == 0 ||
                      strcmp(argv[i], "import") == 0 || strstr(argv[i], ".pack") != NULL;
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

/* By the sonames that the headers stand for: libarchive's has been 13 since 3.0, and in
 * libunistring what is used here is the same in 2 (Debian 12) and 5 (Debian 13). */
#include "archive/lib.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

struct symbol {
    const char *name;
    size_t at; /* in struct lib */
};

#define SYMBOL(f) {#f, offsetof(struct lib, f)},
static const struct symbol archive_symbols[] = {LIBARCHIVE_FUNCTIONS(SYMBOL)};
static const struct symbol unistring_symbols[] = {
    LIBUNISTRING_FUNCTIONS(SYMBOL){"uninorm_nfc", offsetof(struct lib, nfc)}};
#undef SYMBOL

/* Every name is looked up now: one that is missing must not be found out in the middle of an
 * archive. POSIX wants a pointer to a function to fit into one to data (dlsym, XSH 2018). */
static int symbols_find(void *handle, const struct symbol *symbols, size_t n, struct lib *lib)
{
    for (size_t i = 0; i < n; i++) {
        void **at = (void **)(void *)((char *)lib + symbols[i].at);
        *at = dlsym(handle, symbols[i].name);
        if (*at == NULL)
            return -1;
    }
    return 0;
}

static int missing(const char *library, struct ml_error *err)
{
    const char *why = dlerror();
    if (errno == ENOMEM)
        return ml_error_memory(err);
    ml_error_set(err, ML_NO_INPUT, "no_libarchive", "archives need %s, which cannot be loaded: %s",
                 library, why ? why : "no reason given");
    return ml_error_hint(err, "install it (apt install libarchive13 libunistring2), or use a "
                              "directory instead");
}

static int load(struct lib *lib, struct ml_error *err)
{
    errno = 0; /* the loader has words for what went wrong, and no number */
    void *archive = dlopen("libarchive.so.13", RTLD_NOW | RTLD_LOCAL);
    if (archive == NULL || symbols_find(archive, archive_symbols,
                                        sizeof archive_symbols / sizeof *archive_symbols, lib) < 0)
        return missing("libarchive", err);
    errno = 0;
    void *unistring = dlopen("libunistring.so.5", RTLD_NOW | RTLD_LOCAL);
    if (unistring == NULL)
        unistring = dlopen("libunistring.so.2", RTLD_NOW | RTLD_LOCAL);
    if (unistring == NULL ||
        symbols_find(unistring, unistring_symbols,
                     sizeof unistring_symbols / sizeof *unistring_symbols, lib) < 0)
        return missing("libunistring", err);
    lib->utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
    return 0;
}

/* A failure is not kept: whoever installs what is missing need not start again. */
const struct lib *lib_load(struct ml_error *err)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static struct lib lib;
    static _Atomic(bool) loaded;
    if (atomic_load(&loaded))
        return &lib;
    pthread_mutex_lock(&lock);
    bool done = atomic_load(&loaded) || load(&lib, err) == 0;
    atomic_store(&loaded, done);
    pthread_mutex_unlock(&lock);
    return done ? &lib : NULL;
}

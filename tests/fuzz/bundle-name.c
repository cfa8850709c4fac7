/* The file `name` of a bundle: the plugin's name and version. What is taken is a name that may go
 * into a path, and is what the first line says. */
#include <stdlib.h>
#include <string.h>

#include "client/context.h"
#include "registry.h"

const unsigned fuzz_runs = 300;

static void check_name(const uint8_t *data, size_t size, const char *name, const char *version)
{
    size_t n = strlen(name);
    char *line = fuzz_line(&data, &size);
    CHECK(store_name_valid(name) && memchr(version, '\0', STORE_NAME_SIZE) != NULL);
    CHECK(strncmp(line, name, n) == 0 && line[n] == '@' && strcmp(line + n + 1, version) == 0);
    free(line);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ml_ctx *ctx = fuzz_registry();
    struct store *store;
    char name[STORE_NAME_SIZE], version[STORE_NAME_SIZE];
    struct ml_error err = ML_ERROR_INIT;
    CHECK(ctx_store(ctx, false, &store, NULL) == 0);
    fuzz_replace(fuzz_bundle(), "name", data, size);
    if (store_bundle_name(store, FUZZ_BUNDLE, name, version, &err) == 0)
        check_name(data, size, name, version);
    else
        fuzz_refused(&err);
    CHECK(err.status == 0 || err.status == ML_REFUSED);
    return 0;
}

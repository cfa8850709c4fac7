/* SHA256SUMS, as its two readers see it: the builder, who asks whether a bundle is whole, and the
 * worker, who asks it about one file. Both say yes only where the right line is there. */
#include "worker/object.c"

#include "build/digest.h"
#include "build/sound.h"
#include "client/context.h"
#include "registry.h"

const unsigned fuzz_runs = 200;

/* Files of the bundle, with what they hold; the object is none that could be mapped. */
static const char *const files[][2] = {
    {"plugin.so", "no object\n"}, {"manifest.json", "{}\n"}, {"name", "math@1.0.0\n"}};
static char right[3][128]; /* the line of each, with its end */

static void files_write(void)
{
    for (size_t i = 0; i < 3 && right[2][0] == '\0'; i++) {
        char hex[DIGEST_HEX_SIZE];
        const char *text = files[i][1];
        fuzz_replace(fuzz_bundle(), files[i][0], (const uint8_t *)text, strlen(text));
        CHECK(digest_data(text, strlen(text), hex) == 0);
        snprintf(right[i], sizeof right[i], "%s  %s\n", hex, files[i][0]);
    }
}

static bool has_line(const char *sums, const char *line)
{
    const char *at = strstr(sums, line);
    while (at != NULL && at != sums && at[-1] != '\n')
        at = strstr(at + 1, line);
    return at != NULL;
}

/* The worker goes on to map what is none: that is how far right lines let it. */
static void check_worker(const char *sums)
{
    struct object object;
    struct ml_error err = ML_ERROR_INIT;
    size_t lines = 0, n = 0;
    for (size_t i = 0; i < 3; i++) {
        lines += has_line(sums, right[i]);
        n += strlen(right[i]);
    }
    CHECK(object_map(fuzz_bundle(), &object, &err) < 0);
    fuzz_refused(&err);
    if (lines == 3 && strlen(sums) == n)
        CHECK(err.status == ML_DATA);
    else
        CHECK(err.status == ML_REFUSED || (err.status == ML_DATA && has_line(sums, right[0])));
}

/* Every line counts, so that what is sound has all three, each of them once. */
static void check_builder(struct ml_ctx *ctx, const char *sums)
{
    struct store *store;
    CHECK(ctx_store(ctx, false, &store, NULL) == 0);
    if (!bundle_is_sound(store, FUZZ_BUNDLE))
        return;
    for (const char *line = sums; *line != '\0';
         line += strcspn(line, "\n"), line += *line == '\n') {
        bool known = false;
        for (size_t i = 0; i < 3; i++)
            known = known || strncmp(line, right[i], HEX_DIGEST) == 0;
        CHECK(known);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ml_ctx *ctx = fuzz_registry();
    files_write();
    fuzz_replace(fuzz_bundle(), "SHA256SUMS", data, size);
    char *sums = fuzz_text(data, size);
    check_worker(sums);
    check_builder(ctx, sums);
    free(sums);
    return 0;
}

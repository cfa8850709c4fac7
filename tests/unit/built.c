#include "built.h"

#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>

void built_done(struct built *built)
{
    ml_bundle_info_free(built->info);
    built->info = NULL;
}

struct ml_build_request built_request(void)
{
    return (struct ml_build_request){.timeout_ms = 30000, .diagnostics_fd = -1, .cancel_fd = -1};
}

static void words_read(int fd, struct built *ret)
{
    ssize_t n = pread(fd, ret->words, sizeof ret->words - 1, 0);
    ret->words[n < 0 ? 0 : n] = '\0';
}

void built_run(const struct place *place, struct ml_build_request *request, struct built *ret)
{
    struct ml_ctx_options options = {.home = place_path(place, "home"),
                                     .runtime_dir = place_path(place, "run")};
    struct ml_ctx *ctx;
    memset(ret, 0, sizeof *ret);
    assert_int_equal(ml_ctx_new(&options, &ctx, NULL), 0);
    int fd = openat(place->fd, "words", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    request->diagnostics_fd = fd;
    if (ml_build(ctx, request, &ret->info, &ret->err) < 0) {
        ret->status = ret->err.status;
        ret->info = NULL;
        assert_int_not_equal(ret->status, 0);
    }
    words_read(fd, ret);
    close(fd);
    ml_ctx_free(ctx);
}

void built_path(const struct place *place, const char *path, struct built *ret)
{
    struct ml_build_request request = built_request();
    request.sources = &path;
    request.n_sources = 1;
    built_run(place, &request, ret);
}

void built_text(const struct place *place, const char *text, struct built *ret)
{
    struct ml_build_request request = built_request();
    request.text = text;
    request.text_size = strlen(text);
    built_run(place, &request, ret);
}

void built_write(const struct place *place, const char *path, const char *text)
{
    char dir[256];
    for (const char *slash = path; (slash = strchr(slash, '/')) != NULL; slash++) {
        snprintf(dir, sizeof dir, "%.*s", (int)(slash - path), path);
        mkdirat(place->fd, dir, 0700);
    }
    int fd = openat(place->fd, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

const struct ml_built_function *built_function(const struct built *built, const char *name)
{
    for (size_t i = 0; built->info != NULL && i < built->info->n_functions; i++)
        if (strcmp(built->info->functions[i].name, name) == 0)
            return &built->info->functions[i];
    return NULL;
}

const char *built_skipped(const struct built *built, const char *name)
{
    for (size_t i = 0; built->info != NULL && i < built->info->n_skipped; i++)
        if (strcmp(built->info->skipped[i].name, name) == 0)
            return built->info->skipped[i].reason;
    return NULL;
}

const char *built_file(const struct place *place, const struct built *built, const char *path)
{
    char leaf[256];
    snprintf(leaf, sizeof leaf, "home/bundles/%s/%s", built->info->bundle, path);
    return place_path(place, leaf);
}

static int counted;

static int count_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    counted++;
    return 0;
}

int built_count(const struct place *place, const char *path)
{
    counted = -1; /* itself */
    nftw(place_path(place, path), count_one, 16, FTW_PHYS);
    return counted < 0 ? 0 : counted;
}

const char *built_read(const char *path)
{
    static char text[65536];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof text - 1);
    text[n < 0 ? 0 : n] = '\0';
    if (fd >= 0)
        close(fd);
    return text;
}

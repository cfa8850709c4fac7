/* Archives, read in this process: whatever they hold, there are only plain files and directories
 * afterwards, with modes and names that are ours, beneath the one directory that was given, and
 * within the limits. What was made before a failure stays, so the same goes for that. */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive/parse.h"
#include "base/fs.h"
#include "base/scope.h"
#include "fuzz.h"

const unsigned fuzz_runs = 1000;

static const struct archive_limits limits = {.total_bytes = 1 << 20,
                                             .file_bytes = 1 << 18,
                                             .entries = 64,
                                             .ratio = 50,
                                             .free_bytes = 1 << 16};

static struct {
    unsigned entries;
    uint64_t bytes;
} found;

/* A name of one thing: no control character, and not "..", whatever came before it. */
static void check_name(const char *name)
{
    CHECK(strcmp(name, ".git") != 0 && strlen(name) <= ARCHIVE_NAME_MAX);
    for (; *name != '\0'; name++)
        CHECK((unsigned char)*name >= ' ' && *name != 0x7f);
}

static int see(const char *path, const struct stat *st, int type, struct FTW *at)
{
    if (at->level == 0)
        return 0;
    check_name(path + at->base);
    CHECK(at->level <= ARCHIVE_DEPTH_MAX && st->st_nlink > 0);
    if (type == FTW_D) {
        CHECK((st->st_mode & 07777) == 0700);
    } else {
        CHECK(type == FTW_F && S_ISREG(st->st_mode) && (st->st_mode & 07777) == 0600);
        CHECK(st->st_nlink == 1 && (uint64_t)st->st_size <= limits.file_bytes);
        found.bytes += (uint64_t)st->st_size;
    }
    found.entries++;
    return 0;
}

static void check_status(const struct ml_error *err)
{
    fuzz_refused(err);
    CHECK(err->status == ML_DATA || err->status == ML_REFUSED || err->status == ML_LIMIT);
}

/* The place has this directory, and nothing else. */
static int place_make(char path[512])
{
    CHECK(fs_remove_tree(fuzz_place_fd(), "out") == 0 || errno == ENOENT);
    CHECK(mkdirat(fuzz_place_fd(), "out", 0700) == 0);
    snprintf(path, 512, "%s/out", fuzz_place());
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CHECK(fd >= 0);
    return fd;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[512];
    struct stat place;
    struct ml_error err = ML_ERROR_INIT;
    AUTO_CLOSE int fd = fuzz_file(data, size);
    AUTO_CLOSE int out = place_make(path);
    int status = archive_parse(fd, out, &limits, &err);
    if (status < 0)
        check_status(&err);
    else
        CHECK(archive_is(fd));
    memset(&found, 0, sizeof found);
    CHECK(nftw(path, see, 16, FTW_PHYS) == 0);
    CHECK(found.entries <= limits.entries && found.bytes <= limits.total_bytes);
    CHECK(fstat(fuzz_place_fd(), &place) == 0 && place.st_nlink == 3); /* beside it is nothing */
    return 0;
}

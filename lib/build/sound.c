/* A build that finds its bundle filed already must not hand out a damaged one: what is built anew
 * would be the same, so the way to mend a bundle is to build it again. */
#include "build/sound.h"

#include <fcntl.h>
#include <string.h>

#include "base/fs.h"
#include "base/scope.h"
#include "build/digest.h"

enum { SUMS_MAX = 1 << 22, HEX = DIGEST_HEX_SIZE - 1 };

/* One line is 64 hex digits, two blanks and a path (the form of coreutils' sha256sum). */
static bool line_is_true(int bundle, const char *line)
{
    char hex[DIGEST_HEX_SIZE];
    const char *path = line + HEX + 2;
    if (strlen(line) <= HEX + 2 || path[0] == '/' || strstr(path, "..") != NULL)
        return false;
    AUTO_CLOSE int fd = openat(bundle, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    return fd >= 0 && digest_fd(fd, hex) == 0 && strncmp(line, hex, HEX) == 0;
}

bool bundle_is_sound(struct store *store, const char *id)
{
    static const char *const needed[] = {"plugin.so", "manifest.json", "name"};
    size_t found = 0;
    BUF_AUTO sums = BUF_INIT;
    AUTO_CLOSE int bundle = store_bundle_open(store, id, NULL);
    if (bundle < 0 || fs_read_file(bundle, "SHA256SUMS", &sums, SUMS_MAX) < 0)
        return false;
    for (char *line = sums.data, *next; *line != '\0'; line = next) {
        next = line + strcspn(line, "\n");
        if (*next != '\0')
            *next++ = '\0';
        if (!line_is_true(bundle, line))
            return false;
        for (size_t i = 0; i < sizeof needed / sizeof *needed; i++)
            found += strcmp(line + HEX + 2, needed[i]) == 0;
    }
    return found == sizeof needed / sizeof *needed;
}

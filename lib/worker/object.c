#include "worker/object.h"

/* The low-level SHA-256 of libcrypto is the part of it that links alone: the one-shot functions
 * bring in providers and 0.7 ms at every start. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <linux/openat2.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/scope.h"
#include "modload/plugin.h"

/* SHA256SUMS has a line per source: 4 MiB are some 30000 of them */
enum { SUMS_MAX = 1 << 22, HEX_DIGEST = 2 * SHA256_DIGEST_LENGTH };

/* The objects of the bundle: the host's table goes into each that asks for one. */
static void *handles[2];
static const char *names[2];
static size_t n_handles;

/* Lower-case hex, as in SHA256SUMS. Block by block, so that the worker never holds an object that
 * it also maps. */
static int digest_of(int fd, char hex[HEX_DIGEST + 1])
{
    unsigned char chunk[65536], digest[SHA256_DIGEST_LENGTH];
    SHA256_CTX sha;
    ssize_t n;
    SHA256_Init(&sha);
    for (off_t at = 0; (n = pread(fd, chunk, sizeof chunk, at)) != 0; at += n) {
        if (n < 0)
            return -1;
        SHA256_Update(&sha, chunk, (size_t)n);
    }
    SHA256_Final(digest, &sha);
    for (int i = 0; i < SHA256_DIGEST_LENGTH; i++)
        snprintf(hex + 2 * i, 3, "%02x", digest[i]);
    return 0;
}

/* Whether `sums` has the line "<hex>  <name>". The line end is part of what is compared:
 * "plugin.so" is not the beginning of another name. */
static bool sums_agree(const char *sums, const char *hex, const char *name)
{
    char line[HEX_DIGEST + 64];
    int n = snprintf(line, sizeof line, "%s  %s\n", hex, name);
    for (const char *p = sums; p != NULL && *p != '\0'; p = strchr(p, '\n'), p = p ? p + 1 : NULL)
        if (strncmp(p, line, (size_t)n) == 0)
            return true;
    return false;
}

static int damaged(const char *name, struct ml_error *err)
{
    ml_error_set(err, ML_REFUSED, "damaged", "the bundle is damaged: '%s' is not what was filed",
                 name);
    return ml_error_hint(err, "run: modload verify --repair; or build and register it again");
}

/* What ld.so says begins with a path that means nothing to people. It is the path that we gave it,
 * by way of the descriptor: the reason is what comes behind. */
static int cannot_map(const char *name, const char *why, struct ml_error *err)
{
    const char *text = why ? why : "unknown reason";
    const char *colon = strncmp(text, "/proc/self/fd/", 14) == 0 ? strstr(text, ": ") : NULL;
    ml_error_set(err, ML_DATA, "cannot_map", "cannot map '%s': %s", name, colon ? colon + 2 : text);
    return ml_error_hint(err, "is a library that it needs missing on this machine?");
}

/* What leads out of the bundle, or over a link, is not what was filed (openat2(2)). */
static int open_file(int bundle_fd, const char *name)
{
    const struct open_how how = {.flags = O_RDONLY | O_NONBLOCK | O_CLOEXEC,
                                 .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS};
    return (int)syscall(SYS_openat2, bundle_fd, name, &how, sizeof how);
}

/* `line` begins with the digest that it must have. */
static int check_file(int bundle_fd, const char *name, const char *line, struct ml_error *err)
{
    char hex[HEX_DIGEST + 1];
    AUTO_CLOSE int fd = open_file(bundle_fd, name);
    bool read = fd >= 0 && digest_of(fd, hex) == 0;
    if (!read && errno != ENOENT && errno != ENOTDIR && errno != ELOOP && errno != EXDEV &&
        errno != EISDIR)
        return ml_error_errno(err, 0, errno, "cannot read the bundle's '%s'", name);
    return read && memcmp(line, hex, HEX_DIGEST) == 0 ? 0 : damaged(name, err);
}

/* The name in a line, without the marks that coreutils puts where one has a newline or a backslash
 * in it (the line then begins with a backslash). False: it is none. */
static bool name_of(const char *line, size_t n, bool marked, char name[PATH_MAX])
{
    size_t len = 0;
    for (size_t i = 0; i < n && len < PATH_MAX - 1; i++) {
        bool mark = marked && line[i] == '\\' && ++i < n;
        name[len++] = !mark ? line[i] : line[i] == 'n' ? '\n' : line[i] == 'r' ? '\r' : line[i];
    }
    name[len] = '\0';
    return len > 0 && len < PATH_MAX - 1 && strlen(name) == len;
}

/* All that is in the list but the object, which is checked as it is mapped: what a bundle says of
 * itself counts as much as its code, and so do the sources, out of which the code is to be made
 * again when it is damaged one day. */
static int check_rest(int bundle_fd, const char *sums, struct ml_error *err)
{
    enum { BEFORE = HEX_DIGEST + 2 };
    char name[PATH_MAX];
    for (const char *line = sums, *end; *line != '\0'; line = end + 1) {
        bool marked = *line == '\\';
        line += marked;
        end = strchr(line, '\n');
        if (end == NULL || end - line <= BEFORE ||
            !name_of(line + BEFORE, (size_t)(end - line) - BEFORE, marked, name))
            return damaged("SHA256SUMS", err);
        if (strcmp(name, "plugin.so") != 0 && check_file(bundle_fd, name, line, err) < 0)
            return -1;
    }
    return 0;
}

/* Opened, checked and mapped through one descriptor, so that what is mapped is what was checked.
 * The caller keeps `*fd` open while it maps more: ld.so knows an object by its path, and would take
 * the next one that gets the same number for this one. That it is one inode does not keep somebody
 * from writing into it after the check; bundles are 0400, and its owner is the user himself. */
static int map_file(int bundle_fd, const char *name, const char *sums, int *fd, void **ret,
                    struct ml_error *err)
{
    char hex[HEX_DIGEST + 1], path[64];
    *fd = openat(bundle_fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (*fd < 0) {
        ml_error_errno(err, ML_REFUSED, errno, "the bundle is damaged: cannot open '%s'", name);
        return ml_error_hint(err, "run: modload verify --repair; or build and register it again");
    }
    if (digest_of(*fd, hex) < 0)
        return ml_error_errno(err, ML_IO, errno, "cannot read '%s'", name);
    if (!sums_agree(sums, hex, name))
        return damaged(name, err);
    snprintf(path, sizeof path, "/proc/self/fd/%d", *fd);
    /* RTLD_NOW: a symbol that is missing is told now, not in the middle of a call. */
    *ret = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (*ret == NULL)
        return cannot_map(name, dlerror(), err);
    names[n_handles] = name;
    handles[n_handles++] = *ret;
    return 0;
}

/* The magic says whether there is anything to read at all; only its first two members are looked
 * at, which all versions share (modload/abi.h). */
static int check_descriptor(const struct ml_descriptor *d, struct ml_error *err)
{
    if (d == NULL || d->magic != ML_ABI_MAGIC)
        return ml_error_set(err, ML_DATA, "no_descriptor",
                            "the object holds no descriptor of modload");
    if (d->version == ML_ABI_VERSION)
        return 0;
    ml_error_set(err, ML_PROTOCOL, "abi",
                 "the bundle was built for plugin ABI %u, this modload has %u", d->version,
                 ML_ABI_VERSION);
    return ml_error_hint(err, d->version > ML_ABI_VERSION
                                  ? "use a newer modload, or build it again"
                                  : "build it again: modload compile SOURCE");
}

/* Limits of another version would be kept wrongly, or not at all. */
static int check_limits(const struct ml_plugin_limits *l, struct ml_error *err)
{
    if (l == NULL || l->version == ML_LIMITS_VERSION)
        return 0;
    ml_error_set(err, ML_PROTOCOL, "abi",
                 "the bundle's limits are of version %u, this modload knows %u", l->version,
                 ML_LIMITS_VERSION);
    return ml_error_hint(err, "use a newer modload, or build it again");
}

/* Once, here, and not in each call: dlsym takes locks and memory, which a call does without. One
 * more than there are functions, since calloc(0) may return null. */
static int resolve_addresses(void *plugin, struct object *object, struct ml_error *err)
{
    const struct ml_descriptor *d = object->descriptor;
    object->address = calloc(d->n_functions + 1, sizeof *object->address);
    if (object->address == NULL)
        return ml_error_memory(err);
    for (uint32_t i = 0; i < d->n_functions; i++)
        object->address[i] =
            d->functions[i].address ? d->functions[i].address : dlsym(plugin, d->functions[i].name);
    return 0;
}

/* Constructors and IFUNC resolvers run in here, before anybody knows whether the object is one of
 * ours: that is why the process is settled first (main.c). The descriptors close when both are
 * mapped; the mappings stay. */
int object_map(int bundle_fd, struct object *ret, struct ml_error *err)
{
    BUF_AUTO sums = BUF_INIT;
    AUTO_CLOSE int plugin_fd = -1;
    AUTO_CLOSE int entry_fd = -1;
    void *plugin, *entry;
    if (fs_read_file(bundle_fd, "SHA256SUMS", &sums, SUMS_MAX) < 0)
        return damaged("SHA256SUMS", err);
    if (check_rest(bundle_fd, buf_text(&sums), err) < 0 ||
        map_file(bundle_fd, "plugin.so", buf_text(&sums), &plugin_fd, &plugin, err) < 0)
        return -1;
    entry = plugin;
    /* A prebuilt object has its stubs and its descriptor in a second file. */
    if (faccessat(bundle_fd, "entry.so", F_OK, AT_SYMLINK_NOFOLLOW) == 0 &&
        map_file(bundle_fd, "entry.so", buf_text(&sums), &entry_fd, &entry, err) < 0)
        return -1;
    ret->descriptor = dlsym(entry, ML_DESCRIPTOR_SYMBOL);
    if (check_descriptor(ret->descriptor, err) < 0)
        return -1;
    ret->limits = dlsym(entry, ML_LIMITS_SYMBOL);
    if (check_limits(ret->limits, err) < 0)
        return -1;
    return resolve_addresses(plugin, ret, err);
}

/* Both objects, since either may have been compiled with modload/plugin.h. RTLD_LOCAL keeps their
 * two variables apart. */
void object_attach(const struct ml_host *host)
{
    for (size_t i = 0; i < n_handles; i++) {
        const struct ml_host **slot = dlsym(handles[i], ML_HOST_SYMBOL);
        if (slot != NULL)
            *slot = host;
    }
}

const char *object_name_at(uintptr_t bias)
{
    struct link_map *map;
    for (size_t i = 0; i < n_handles; i++)
        if (dlinfo(handles[i], RTLD_DI_LINKMAP, &map) == 0 && map->l_addr == bias)
            return names[i];
    return NULL;
}

static int compare_name(const void *key, const void *item)
{
    return strcmp(key, ((const struct ml_function *)item)->name);
}

/* By halves: the builder has sorted the table. */
const struct ml_function *object_find(const struct object *object, const char *name)
{
    const struct ml_descriptor *d = object->descriptor;
    return d->n_functions == 0
               ? NULL
               : bsearch(name, d->functions, d->n_functions, sizeof *d->functions, compare_name);
}

const void *object_address(const struct object *object, const struct ml_function *function)
{
    return object->address[function - object->descriptor->functions];
}

/* From the repository of an index to its copy: what differs from the commit of the copy is fetched
 * into a directory beside it, and made into a new one. One update at a time: the directory of the
 * copies is the lock. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fs.h"
#include "base/scope.h"
#include "fetch/records.h"
#include "index/list.h"
#include "modload/index.h"

/* A million plugins, a kilobyte each, take 2.5 GiB of records and copy, and minutes; ten times that
 * is no index that anybody would make. */
static const struct fetch_limits index_limits = {
    .time_ms = 3600000,
    .idle_ms = 60000,
    .pack_bytes = 4ULL << 30,
    .memory_bytes = 6ULL << 30,
    .cpu_s = 3600,
    .tree = {.total_bytes = 8ULL << 30, .file_bytes = INDEX_FILE_MAX, .entries = 40000000},
};

/* ---- one update ---- */

struct update {
    int dirfd;
    const char *url;
    const struct ml_index_fetch *how;
    struct copy before;
    struct copy_head *head;
    char dir[32]; /* what is fetched is in it, and the new copy until it has its name */
    int fd;
    struct ml_error *err;
};

#define NEW_COPY "copy"

static void update_done(struct update *u)
{
    copy_close(&u->before);
    scope_close(&u->fd);
    free(u->head);
    if (*u->dir != '\0')
        (void)fs_remove_tree(u->dirfd, u->dir); /* else the next update sweeps it */
}

static void on_progress(const struct fetch_progress *p, void *arg)
{
    const struct ml_index_fetch *how = arg;
    if (p->phase == FETCH_RESOLVING)
        how->progress(p->deltas, p->deltas_total, p->bytes, how->arg);
    else if (p->phase == FETCH_EXPORTING)
        how->progress(p->files, 0, p->bytes, how->arg);
    else
        how->progress(p->objects, p->objects_total, p->bytes, how->arg);
}

static int changes_fetch(struct update *u, struct fetch_result *ret)
{
    struct source source;
    if (source_parse(u->url, &source, u->err) < 0)
        return -1;
    const struct fetch_request request = {
        .source = &source,
        .limits = &index_limits,
        .wait_ms = u->how->wait_ms,
        .deadline_ms = -1,
        .cancel_fd = u->how->cancel_fd,
        .progress = u->how->progress ? on_progress : NULL,
        .arg = (void *)u->how,
    };
    return fetch_changes(&request, u->before.map ? u->before.head->commit : "", u->fd, ret, u->err);
}

static int records_map(struct update *u, void **ret, size_t *n)
{
    struct stat st;
    AUTO_CLOSE int fd = openat(u->fd, FETCH_RECORDS_FILE, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0)
        return ml_error_errno(u->err, ML_IO, errno, "cannot read what was fetched");
    *n = (size_t)st.st_size;
    *ret = *n > 0 ? mmap(NULL, *n, PROT_READ, MAP_PRIVATE, fd, 0) : MAP_FAILED;
    if (*ret == MAP_FAILED)
        return ml_error_errno(u->err, ML_LIMIT, *n > 0 ? errno : ENODATA,
                              "cannot read what was fetched");
    return 0;
}

static int copy_write(struct update *u, struct copy_changes *done)
{
    void *map;
    size_t n = 0;
    AUTO_CLOSE int fd =
        openat(u->fd, NEW_COPY, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return ml_error_errno(u->err, ML_CANT_CREATE, errno, "cannot make the copy");
    if (records_map(u, &map, &n) < 0)
        return -1;
    int status = copy_make(&u->before, map, n, u->head, fd, u->how->cancel_fd, done, u->err);
    munmap(map, n);
    return status;
}

static int dir_make(struct update *u)
{
    fs_random_name(u->dir, sizeof u->dir, ".");
    if (mkdirat(u->dirfd, u->dir, 0700) < 0) {
        *u->dir = '\0';
        return ml_error_errno(u->err, ML_CANT_CREATE, errno, "cannot make a directory for it");
    }
    u->fd = openat(u->dirfd, u->dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    u->head = calloc(1, sizeof *u->head);
    if (u->fd < 0)
        return ml_error_errno(u->err, ML_CANT_CREATE, errno, "cannot open the directory for it");
    return u->head == NULL ? ml_error_memory(u->err) : 0;
}

static void index_tell(const struct copy_head *head, const struct copy_changes *done,
                       struct ml_index *ret)
{
    memcpy(ret->commit, head->commit, sizeof ret->commit);
    ret->plugins = head->plugins;
    ret->added = done->added;
    ret->changed = done->changed;
}

/* What is wrong in an index only who keeps it can mend, whatever can be done about a plugin's
 * repository. */
static int failed_hint(const struct update *u)
{
    struct ml_error *err = u->err;
    if (err == NULL)
        return -1;
    bool is_ours = strcmp(err->code, "bad_index") == 0 && *err->hint == '\0';
    if (is_ours || strcmp(err->code, "hostile_repository") == 0 ||
        strcmp(err->code, "repository_too_large") == 0)
        ml_error_hint(err, "who keeps the index has to mend that%s",
                      u->before.map != NULL ? "; the copy from before is kept and used" : "");
    return -1;
}

/* Fetches, and makes the new copy where there is something new. 1 when there is, 0, -1. */
static int update_make(struct update *u, struct ml_index *ret)
{
    struct fetch_result result;
    struct copy_changes done = {0};
    if (dir_make(u) < 0 || changes_fetch(u, &result) < 0)
        return failed_hint(u);
    if (u->before.map != NULL && strcmp(u->before.head->commit, result.commit) == 0) {
        index_tell(u->before.head, &done, ret);
        return 0;
    }
    strcpy(u->head->commit, result.commit);
    snprintf(u->head->url, sizeof u->head->url, "%s", u->url);
    if (copy_write(u, &done) < 0)
        return failed_hint(u);
    index_tell(u->head, &done, ret);
    return 1;
}

static int copy_publish(struct update *u, const char *name)
{
    char file[INDEX_COPY_NAME_SIZE];
    index_copy_name(name, file);
    if (renameat(u->fd, NEW_COPY, u->dirfd, file) < 0 || fs_sync_dir(u->dirfd, ".") < 0)
        return ml_error_errno(u->err, ML_IO, errno, "cannot put the copy in its place");
    return 0;
}

/* 0, or -1 with errno. */
static int copy_unlink(int dirfd, const char *name)
{
    char file[INDEX_COPY_NAME_SIZE];
    index_copy_name(name, file);
    return unlinkat(dirfd, file, 0) < 0 && errno != ENOENT ? -1 : 0;
}

/* ---- all of them ---- */

/* What a killed update has left: nobody else is here. */
static void sweep(int dirfd)
{
    struct dirent *entry;
    int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    AUTO_CLOSEDIR DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (dir == NULL && fd >= 0)
        close(fd);
    while (dir != NULL && (entry = readdir(dir)) != NULL)
        if (entry->d_name[0] == '.' && strspn(entry->d_name, ".") != strlen(entry->d_name) &&
            fs_remove_tree(dirfd, entry->d_name) < 0)
            break; /* it is in nobody's way */
}

static int lock_take(int dirfd, const struct ml_index_fetch *how, struct ml_error *err)
{
    if (fs_lock(dirfd, how->wait_ms, how->cancel_fd) == 0)
        return sweep(dirfd), 0;
    if (errno == ECANCELED)
        return ml_error_set(err, ML_SIGNAL + SIGINT, "cancelled", "it was cancelled");
    if (errno != EWOULDBLOCK)
        return ml_error_errno(err, 0, errno, "cannot lock the copies of the indexes");
    ml_error_set(err, ML_BUSY, NULL, "another modload is updating indexes");
    return ml_error_hint(err, "try again, or wait longer: --wait 10m");
}

/* Those of all copies in one file, for who has no time to go through the copies (client/retired.c).
 * A copy that cannot be read has none: its own update tells that. */
static int retired_write(int dirfd, struct ml_error *err)
{
    ARENA_AUTO a = ARENA_INIT;
    BUF_AUTO lines = BUF_INIT;
    struct index_list list;
    if (index_list_read(&a, &list, err) < 0)
        return -1;
    for (size_t i = 0; i < list.n; i++) {
        COPY_AUTO copy = {.map = NULL};
        struct ml_error ignored;
        if (index_item_open(dirfd, &list.items[i], &copy, &ignored) > 0)
            buf_add(&lines, copy.retired, copy.head->retired);
    }
    if (copy_lines_sort(&lines, err) < 0)
        return -1;
    int status = lines.len > 0
                     ? fs_replace_file(dirfd, ".", INDEX_RETIRED_FILE, lines.data, lines.len, 0600)
                     : unlinkat(dirfd, INDEX_RETIRED_FILE, 0);
    if (status < 0 && (lines.len > 0 || errno != ENOENT))
        return ml_error_errno(err, 0, errno, "cannot write what is retired");
    return 0;
}

/* In the one spelling, and without a ref: an index is followed, not pinned. A path on this machine
 * is kept as it really is. */
static int url_take(const char *text, char url[SOURCE_URL_MAX], struct ml_error *err)
{
    struct source source;
    if (source_parse(text, &source, err) < 0)
        return -1;
    if (source.ref_kind != SOURCE_REF_NONE) {
        ml_error_set(err, ML_DATA, "bad_source", "an index is followed as it is, without a ref");
        return ml_error_hint(err, "give the URL alone");
    }
    if (source.kind == SOURCE_FILE) {
        snprintf(url, SOURCE_URL_MAX, "%s", text);
        return 0;
    }
    AUTO_FREE char *real = source.kind == SOURCE_PATH ? realpath(source.url, NULL) : NULL;
    if (source.kind == SOURCE_PATH && real == NULL) {
        ml_error_errno(err, errno == ENOENT ? ML_NO_INPUT : 0, errno, "cannot look at '%s'",
                       source.url);
        return ml_error_hint(err, "give the URL of a git repository, or a directory with one");
    }
    snprintf(url, SOURCE_URL_MAX, "%s", real != NULL ? real : source.url);
    return 0;
}

static int name_check(const char *name, struct ml_error *err)
{
    if (name == NULL || index_name_good(name))
        return 0;
    return ml_error_set(err, ML_DATA, "bad_name",
                        "'%.64s' cannot be the name of an index: 1 to 64 of A-Z a-z 0-9 _ -, a "
                        "letter or digit first",
                        name);
}

/* It is followed when its copy is whole; who is killed between the two has followed nothing, and a
 * copy too many. The name is looked up first: the copy of one that is followed by it must stay. All
 * who change the list hold the lock of the copies. */
static int add(struct update *u, const char *name, struct ml_index *ret)
{
    int made = update_make(u, ret);
    if (made < 0)
        return -1;
    snprintf(ret->name, sizeof ret->name, "%s", name ? name : u->head->name);
    snprintf(ret->url, sizeof ret->url, "%s", u->url);
    if (index_name_free(ret->name, u->err) < 0 || copy_publish(u, ret->name) < 0)
        return -1;
    if (index_list_change(ret->name, u->url, u->err) < 0) {
        (void)copy_unlink(u->dirfd, ret->name); /* one too many harms nobody */
        return -1;
    }
    return retired_write(u->dirfd, u->err);
}

int ml_index_add(const char *url, const char *name, const struct ml_index_fetch *how,
                 struct ml_index *ret, struct ml_error *err)
{
    char real[SOURCE_URL_MAX];
    struct ml_index index = {0};
    if (name_check(name, err) < 0 || url_take(url, real, err) < 0)
        return -1;
    AUTO_CLOSE int dirfd = index_cache_open(err);
    if (dirfd < 0 || lock_take(dirfd, how, err) < 0)
        return -1;
    struct update u = {.dirfd = dirfd, .url = real, .how = how, .fd = -1, .err = err};
    int status = add(&u, name, &index);
    update_done(&u);
    if (status == 0 && ret != NULL)
        *ret = index;
    return status;
}

/* A copy that is damaged is made anew, as one that is not there. What was published before is not
 * known then. */
static int before_open(struct update *u, const struct index_item *item, struct ml_index *ret)
{
    struct ml_error problem = ML_ERROR_INIT;
    if (index_item_open(u->dirfd, item, &u->before, &problem) >= 0)
        return 0;
    ret->was_damaged = problem.status == ML_DATA;
    if (ret->was_damaged)
        return 0;
    if (u->err != NULL)
        *u->err = problem;
    return -1;
}

static int update_one(int dirfd, const struct index_item *item, const struct ml_index_fetch *how,
                      struct ml_index *ret, struct ml_error *err)
{
    struct update u = {.dirfd = dirfd, .url = item->url, .how = how, .fd = -1, .err = err};
    int made = before_open(&u, item, ret) < 0 ? -1 : update_make(&u, ret);
    if (made > 0 && copy_publish(&u, item->name) < 0)
        made = -1;
    if (made >= 0 && retired_write(dirfd, err) < 0) /* the last one may have been killed before */
        made = -1;
    update_done(&u);
    if (made >= 0)
        return 0;
    return ml_error_wrap(err, "index '%s'", item->name);
}

int ml_index_update(const char *name, const struct ml_index_fetch *how, struct ml_index *ret,
                    struct ml_error *err)
{
    ARENA_AUTO a = ARENA_INIT;
    struct index_list list;
    struct ml_index index = {0};
    AUTO_CLOSE int dirfd = index_cache_open(err);
    if (dirfd < 0 || lock_take(dirfd, how, err) < 0 || index_list_read(&a, &list, err) < 0)
        return -1;
    const struct index_item *item = index_list_find(&list, name, err);
    if (item == NULL)
        return -1;
    snprintf(index.name, sizeof index.name, "%s", item->name);
    snprintf(index.url, sizeof index.url, "%s", item->url);
    if (update_one(dirfd, item, how, &index, err) < 0)
        return -1;
    if (ret != NULL)
        *ret = index;
    return 0;
}

int ml_index_remove(const char *name, struct ml_error *err)
{
    static const struct ml_index_fetch how = {.wait_ms = 10000, .cancel_fd = -1};
    AUTO_CLOSE int dirfd = index_cache_open(err);
    if (dirfd < 0 || lock_take(dirfd, &how, err) < 0 || index_list_change(name, NULL, err) < 0)
        return -1;
    if (copy_unlink(dirfd, name) < 0)
        return ml_error_errno(err, 0, errno, "cannot remove the copy");
    return retired_write(dirfd, err);
}

int ml_indexes(int (*each)(const struct ml_index *index, void *arg), void *arg,
               struct ml_error *err)
{
    ARENA_AUTO a = ARENA_INIT;
    struct index_list list;
    int status = 0;
    if (index_list_read(&a, &list, err) < 0)
        return -1;
    AUTO_CLOSE int dirfd = list.n > 0 ? index_cache_open(err) : -1;
    if (list.n > 0 && dirfd < 0)
        return -1;
    for (size_t i = 0; status == 0 && i < list.n; i++) {
        COPY_AUTO copy = {.map = NULL};
        struct ml_error ignored;
        struct ml_index index = {0};
        static const struct copy_changes none = {0};
        snprintf(index.name, sizeof index.name, "%s", list.items[i].name);
        snprintf(index.url, sizeof index.url, "%s", list.items[i].url);
        if (index_item_open(dirfd, &list.items[i], &copy, &ignored) > 0)
            index_tell(copy.head, &none, &index);
        status = each(&index, arg);
    }
    return status;
}

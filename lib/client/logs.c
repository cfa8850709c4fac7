/* Reading a worker's log, as client/log.h has it, and following it. A plugin may have written there
 * whatever it liked, so what does not look like a record is passed on as a text without a time. */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/scope.h"
#include "client/keeper.h"
#include "client/start.h"

enum {
    CHUNK = 16384,
    TIME_LENGTH = 24,
    KIND_MAX = 15,
    READ_MAX = 1 << 20, /* at once: twice what there can be, if no plugin writes there */
    LOCK_TRIES = 50,
    SILENT_MS = 300, /* between two looks at a worker that is there and cannot be told */
};

struct reader {
    struct ml_ctx *ctx;
    const char *uuid;
    struct log log;  /* -1: not open */
    off_t at;        /* in the first file */
    struct stat old; /* the second one when we last looked: with other times it has other lines */
    char line[LOG_LINE_MAX];
    size_t n;
    int (*each)(const struct ml_log_record *record, void *arg);
    void *arg;
};

/* ---- records ---- */

static int hex(char c)
{
    return isdigit((unsigned char)c) ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* In place. What only looks like an escape stays. */
static size_t unescape(char *text, size_t n)
{
    size_t to = 0;
    for (size_t i = 0; i < n; i++) {
        bool escape = text[i] == '\\' && n - i >= 4 && text[i + 1] == 'x' &&
                      hex(text[i + 2]) >= 0 && hex(text[i + 3]) >= 0;
        text[to++] = escape ? (char)(hex(text[i + 2]) << 4 | hex(text[i + 3])) : text[i];
        i += escape ? 3 : 0;
    }
    return to;
}

/* Whether `text` is like `form`, in which a 0 stands for any digit. */
static bool is_like(const char *text, const char *form)
{
    for (; *form != '\0'; text++, form++)
        if (*form == '0' ? !isdigit((unsigned char)*text) : *text != *form)
            return false;
    return true;
}

/* The length of what stands before the text, both words with a NUL behind them then; 0: it is no
 * record. */
static size_t split(char *line, size_t n, struct ml_log_record *ret)
{
    if (n < TIME_LENGTH + 2 || !is_like(line, "0000-00-00T00:00:00.000Z "))
        return 0;
    char *kind = line + TIME_LENGTH + 1, *end = memchr(kind, ' ', n - TIME_LENGTH - 1);
    if (end == NULL || end == kind || end - kind > KIND_MAX)
        return 0;
    for (const char *p = kind; p < end; p++)
        if (*p < 'a' || *p > 'z')
            return 0;
    line[TIME_LENGTH] = *end = '\0';
    ret->time = line;
    ret->kind = kind;
    return (size_t)(end + 1 - line);
}

static int tell(struct reader *r)
{
    struct ml_log_record record = {.time = "", .kind = ""};
    size_t head = split(r->line, r->n, &record);
    record.text = r->line + head;
    record.size = unescape(r->line + head, r->n - head);
    r->n = 0;
    return r->each(&record, r->arg);
}

/* A line that is longer than ours are is told in parts. */
static int take(struct reader *r, const char *data, size_t n)
{
    int status = 0;
    for (size_t i = 0; i < n && status == 0; i++) {
        bool full = r->n == sizeof r->line;
        if (data[i] == '\n' || full)
            status = tell(r);
        if (data[i] != '\n' && status == 0)
            r->line[r->n++] = data[i];
    }
    return status;
}

/* ---- files ---- */

/* Not the plugin's choice of a file: no link is followed, and a FIFO would wait. */
static int open_one(const struct reader *r, enum run_file file)
{
    char name[RUN_NAME_SIZE];
    struct stat st;
    run_file_name(r->uuid, file, name);
    AUTO_CLOSE int fd =
        openat(r->ctx->run_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    return fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) ? steal_fd(&fd) : -1;
}

static bool open_log(struct reader *r)
{
    r->log = (struct log){open_one(r, RUN_LOG), open_one(r, RUN_LOG_OLD)};
    r->at = 0;
    r->old = (struct stat){0};
    if (r->log.fd >= 0 && r->log.old_fd >= 0)
        return true;
    log_close(&r->log);
    return false;
}

/* Who moves lines holds this lock exclusively, for a moment. A plugin could hold it for ever: then
 * it is done without. */
static void lock_shared(int fd)
{
    for (int i = 0; i < LOCK_TRIES && flock(fd, LOCK_SH | LOCK_NB) < 0; i++)
        clock_sleep_ms(1);
}

static void read_from(int fd, off_t *at, struct buf *out)
{
    ssize_t n;
    while (out->len < READ_MAX && buf_reserve(out, CHUNK) &&
           (n = pread(fd, out->data + out->len, CHUNK, *at)) > 0) {
        *at += n;
        out->len += (size_t)n;
    }
}

/* What is new. When the second file has changed, all that was in the first one was moved there, and
 * what we have not seen of it begins at the same place; at the beginning that is all of it. */
static void fetch(struct reader *r, struct buf *out)
{
    struct stat old;
    lock_shared(r->log.old_fd);
    if (fstat(r->log.old_fd, &old) == 0 &&
        (old.st_size != r->old.st_size || old.st_mtim.tv_sec != r->old.st_mtim.tv_sec ||
         old.st_mtim.tv_nsec != r->old.st_mtim.tv_nsec)) {
        read_from(r->log.old_fd, &r->at, out);
        r->at = 0;
        r->old = old;
    }
    read_from(r->log.fd, &r->at, out);
    flock(r->log.old_fd, LOCK_UN);
}

/* Whether the file that we read still has its name: after a release and another load it has not. */
static bool is_current(const struct reader *r)
{
    struct stat here, there;
    char name[RUN_NAME_SIZE];
    run_file_name(r->uuid, RUN_LOG, name);
    return fstat(r->log.fd, &here) == 0 &&
           (fstatat(r->ctx->run_fd, name, &there, AT_SYMLINK_NOFOLLOW) < 0 ||
            here.st_ino == there.st_ino);
}

/* Tells what is new, as much as is taken at once; whether there may be more. The lock is not held
 * meanwhile: whoever listens to us may take his time. */
static int read_on(struct reader *r, bool *more)
{
    BUF_AUTO data = BUF_INIT;
    *more = false;
    if (r->log.fd < 0 && !open_log(r))
        return 0;
    bool current = is_current(r);
    fetch(r, &data);
    *more = data.len > 0 || !current;
    if (data.len == 0 && !current)
        log_close(&r->log);
    return take(r, data.data, data.len);
}

/* ---- following ---- */

/* A pidfd of the worker, or of its keeper: as long as that does not end, there is something to wait
 * for. -1: there is none; -2: there is one, which cannot be told from another one that takes its
 * place just now. */
static int living(struct reader *r)
{
    struct ml_worker_status status;
    int pidfd = keeper_pidfd(r->ctx, r->uuid);
    if (pidfd < 0)
        pidfd = worker_pidfd(r->ctx, r->uuid);
    if (pidfd >= 0)
        return pidfd;
    const struct query query = {clock_ms() + SILENT_MS, -1, false};
    return worker_query(r->ctx, r->uuid, &query, &status, NULL, NULL) == 0 ? -1 : -2;
}

/* Waits until something is written here, the worker ends, or the caller has had enough (-1). */
static int wait_for_more(int changes, int pidfd, int cancel_fd, int timeout_ms)
{
    char events[4096];
    struct pollfd p[3] = {{.fd = changes, .events = POLLIN},
                          {.fd = pidfd, .events = POLLIN},
                          {.fd = cancel_fd, .events = POLLIN}};
    if (poll(p, 3, timeout_ms) < 0 && errno != EINTR)
        return -1;
    while (read(changes, events, sizeof events) > 0)
        continue;
    return p[2].revents != 0 ? -1 : 0;
}

/* Whether there is a worker is asked before the last look: what it wrote, it wrote before its
 * end. */
static int follow(struct reader *r, int cancel_fd, struct ml_error *err)
{
    AUTO_CLOSE int changes = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (changes < 0 ||
        inotify_add_watch(changes, r->ctx->run_path, IN_MODIFY | IN_CREATE | IN_DELETE) < 0)
        return ml_error_errno(err, 0, errno, "cannot watch '%s'", r->ctx->run_path);
    for (;;) {
        AUTO_CLOSE int pidfd = living(r);
        struct pollfd ended = {.fd = pidfd, .events = POLLIN};
        bool more;
        do {
            int status = read_on(r, &more);
            if (status != 0 || (pidfd == -1 && !more))
                return status;
            int timeout_ms = more ? 0 : pidfd < 0 ? SILENT_MS : -1;
            if (wait_for_more(changes, pidfd, cancel_fd, timeout_ms) < 0)
                return ml_error_set(err, ML_SIGNAL + SIGINT, "cancelled", "cancelled");
        } while (more || (pidfd >= 0 && poll(&ended, 1, 0) == 0));
    }
}

int ml_logs(struct ml_ctx *ctx, const struct ml_key *key, bool wait, int cancel_fd,
            int (*each)(const struct ml_log_record *record, void *arg), void *arg,
            struct ml_error *err)
{
    char uuid[ML_UUID_SIZE];
    struct reader r = {.ctx = ctx, .uuid = uuid, .log = {-1, -1}, .each = each, .arg = arg};
    ml_key_to_uuid(key, uuid);
    int status = ctx_runtime(ctx, false, err);
    if (status < 0)
        return -1;
    if (status > 0) {
        bool more;
        status = read_on(&r, &more);
        if (status == 0 && r.log.fd >= 0 && wait)
            status = follow(&r, cancel_fd, err);
    }
    bool found = r.log.fd >= 0;
    log_close(&r.log);
    if (status == 0 && !found) {
        ml_error_set(err, ML_NOT_LOADED, NULL, "there is no log of %s", uuid);
        return ml_error_hint(err, "it begins with a load, and is gone with a release");
    }
    return status;
}

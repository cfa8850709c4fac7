#include "index/clone.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fs.h"
#include "base/scope.h"
#include "fetch/commit.h"
#include "index/top.h"

void clone_close(struct clone *clone)
{
    scope_close(&clone->fd);
    buf_free(&clone->before);
    *clone = (struct clone)CLONE_INIT;
}

void clone_date(char date[INDEX_DATE_SIZE])
{
    struct tm tm;
    time_t now = time(NULL);
    gmtime_r(&now, &tm);
    if (strftime(date, INDEX_DATE_SIZE, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
        *date = '\0';
}

/* ---- reading ---- */

static int top_check(const struct clone *c, struct ml_error *err)
{
    BUF_AUTO text = BUF_INIT;
    char name[INDEX_NAME_SIZE];
    if (fs_read_file(c->fd, INDEX_TOP, &text, INDEX_FILE_MAX) == 0)
        return index_top_read(&text, name, err) < 0 ? ml_error_wrap(err, "'%s'", c->how->clone) : 0;
    if (errno != ENOENT)
        return ml_error_errno(err, 0, errno, "cannot read '%s/" INDEX_TOP "'", c->how->clone);
    index_none(err, "there is no " INDEX_TOP);
    return ml_error_wrap(err, "'%s'", c->how->clone);
}

static int name_check(const char *name, struct ml_error *err)
{
    if (index_name_good(name))
        return 0;
    ml_error_set(err, ML_DATA, "bad_name", "'%.64s' cannot be the name of a plugin in an index",
                 name);
    return ml_error_hint(err, "1 to 64 of A-Z a-z 0-9 _ -, a letter or digit first, and no name of "
                              "a device (con, nul, com1)");
}

static int file_read(struct arena *a, struct clone *c, struct index_plugin *plugin,
                     struct ml_error *err)
{
    if (fs_read_file(c->fd, c->path, &c->before, INDEX_FILE_MAX) < 0) {
        if (errno != ENOENT)
            return ml_error_errno(err, 0, errno, "cannot read '%s/%s'", c->how->clone, c->path);
        c->is_new = true;
        return 0;
    }
    if (index_plugin_read(a, c->path, buf_text(&c->before), c->before.len, plugin, err) == 0)
        return 1;
    if (err == NULL || strcmp(err->code, "bad_index") != 0)
        return -1;
    return ml_error_hint(err, "is a merge or a rebase going on in it? End it (--abort), begin from "
                              "what is pushed (git fetch, git reset --hard @{upstream}), and run "
                              "this again");
}

int clone_open(struct arena *a, const struct ml_index_commit *how, const char *name,
               struct clone *ret, struct index_plugin *plugin, struct ml_error *err)
{
    char key[INDEX_NAME_SIZE];
    ret->how = how;
    ret->fd = open(how->clone, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (ret->fd < 0) {
        ml_error_errno(err, errno == ENOENT ? ML_NO_INPUT : 0, errno, "cannot open '%s'",
                       how->clone);
        return ml_error_hint(err, "clone the index, and give that: git clone URL DIR");
    }
    if (top_check(ret, err) < 0 || name_check(name, err) < 0)
        return -1;
    index_name_key(name, key);
    index_name_path(key, ret->path);
    return file_read(a, ret, plugin, err);
}

/* ---- who ---- */

static int no_author(struct ml_error *err, const char *what)
{
    ml_error_set(err, ML_USAGE, "no_author", "cannot tell who commits: %s", what);
    return ml_error_hint(err, "give --author 'Name <mail>', or set GIT_AUTHOR_NAME and "
                              "GIT_AUTHOR_EMAIL; git's configuration is not read");
}

/* What git would write, or read, otherwise: these end a name or a line in a commit. */
static int part_take(char *to, size_t size, const char *text, size_t n, struct ml_error *err)
{
    if (n == 0 || n >= size)
        return no_author(err, "a name or a mail address is missing, or too long");
    memcpy(to, text, n);
    to[n] = '\0';
    if (strpbrk(to, "<>\n") != NULL || !index_text_good(to, size))
        return no_author(err, "a name or a mail address has '<', '>' or a control character in it");
    return 0;
}

static int author_take(const char *author, struct fetch_commit *c, struct ml_error *err)
{
    const char *name = getenv("GIT_AUTHOR_NAME"), *mail = getenv("GIT_AUTHOR_EMAIL");
    size_t name_n = name ? strlen(name) : 0, mail_n = mail ? strlen(mail) : 0;
    if (author != NULL) {
        const char *open = strstr(author, " <"), *close = open ? strchr(open, '>') : NULL;
        if (close == NULL || close[1] != '\0')
            return no_author(err, "--author is not 'Name <mail>'");
        name = author;
        name_n = (size_t)(open - author);
        mail = open + 2;
        mail_n = (size_t)(close - mail);
    } else if (name_n == 0 || mail_n == 0) {
        return no_author(err, name_n == 0 ? "GIT_AUTHOR_NAME is not set"
                                          : "GIT_AUTHOR_EMAIL is not set");
    }
    return part_take(c->name, sizeof c->name, name, name_n, err) < 0
               ? -1
               : part_take(c->mail, sizeof c->mail, mail, mail_n, err);
}

/* ---- what ---- */

static bool has_line(const char *text, const char *line, size_t n)
{
    for (const char *at = text; *at != '\0';) {
        size_t length = strcspn(at, "\n");
        if (length == n && memcmp(at, line, n) == 0)
            return true;
        at += length + (at[length] == '\n');
    }
    return false;
}

/* The lines that one has and the other has not: in such a file no two are the same. */
static void lines_tell(struct buf *out, char mark, const char *text, const char *other)
{
    for (const char *at = text; *at != '\0';) {
        size_t n = strcspn(at, "\n");
        if (!has_line(other, at, n)) {
            buf_char(out, mark);
            buf_add(out, at, n);
            buf_char(out, '\n');
        }
        at += n + (at[n] == '\n');
    }
}

static int change_tell(const struct clone *c, const struct index_plugin *plugin,
                       const struct buf *now, struct ml_index_change *ret, struct ml_error *err)
{
    BUF_AUTO out = BUF_INIT;
    lines_tell(&out, '-', buf_text(&c->before), buf_text(now));
    lines_tell(&out, '+', buf_text(now), buf_text(&c->before));
    char *text = buf_steal(&out);
    if (text == NULL)
        return ml_error_memory(err);
    free(ret->lines);
    ret->lines = text;
    snprintf(ret->name, sizeof ret->name, "%s", plugin->name);
    snprintf(ret->path, sizeof ret->path, "%s", c->path);
    return 0;
}

int clone_commit(const struct clone *c, const struct index_plugin *plugin, const char *message,
                 struct ml_index_change *ret, struct ml_error *err)
{
    BUF_AUTO now = BUF_INIT;
    struct fetch_commit what = {.time = time(NULL), .is_new = c->is_new};
    if (index_plugin_write(c->path, plugin, &now, err) < 0 ||
        author_take(c->how->author, &what, err) < 0 || change_tell(c, plugin, &now, ret, err) < 0)
        return -1;
    if (c->how->dry_run)
        return 0;
    snprintf(what.path, sizeof what.path, "%s", c->path);
    snprintf(what.message, sizeof what.message, "%s\n", message);
    what.old_n = (uint32_t)c->before.len;
    what.now_n = (uint32_t)now.len;
    return fetch_commit(c->fd, &what, c->before.data, now.data, ret->commit, err);
}

void ml_index_change_done(struct ml_index_change *change)
{
    free(change->lines);
    free(change->git);
    free(change->git_before);
    change->lines = change->git = change->git_before = NULL;
}

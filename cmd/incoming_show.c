/* What people and programs are shown of a plugin before they agree to it. All texts but ours were
 * written by strangers. */
#include <string.h>
#include <time.h>

#include "base/error.h"
#include "base/size.h"
#include "base/unseen.h"
#include "cmd/incoming.h"

enum { TEXT_MAX = 400, CHANGES_MAX = 12 };

void put_plain(struct buf *out, const char *text, size_t max)
{
    size_t n = 0;
    while (text[n] != '\0' && n < max) {
        size_t unseen = unseen_at(text + n);
        for (size_t i = 0; i < unseen; i++)
            buf_fmt(out, "\\x%02x", (unsigned char)text[n + i]);
        if (unseen == 0)
            buf_char(out, text[n]);
        n += unseen ? unseen : 1;
    }
    if (text[n] != '\0')
        buf_str(out, "...");
}

void time_text(int64_t seconds, char text[32])
{
    time_t t = (time_t)seconds;
    struct tm tm;
    *text = '\0';
    if (gmtime_r(&t, &tm) != NULL && tm.tm_year < 8100 && tm.tm_year > -1000)
        strftime(text, 32, "%Y-%m-%dT%H:%M:%SZ", &tm);
}

static const char *signature_word(enum ml_signature signature)
{
    static const char *const words[] = {"none", "openpgp", "ssh", "x509"};
    return words[signature];
}

/* ---- for people ---- */

static void line(struct buf *out, const char *title, const char *text)
{
    buf_fmt(out, "  %-13s ", title);
    put_plain(out, text, TEXT_MAX);
    buf_char(out, '\n');
}

static void put_source(struct buf *out, const struct ml_package_info *p)
{
    char when[32];
    BUF_AUTO text = BUF_INIT;
    buf_fmt(&text, "%s%s%s", p->source, *p->path ? ", " : "", p->path);
    line(out, "from", buf_text(&text));
    if (!p->git)
        return;
    buf_reset(&text);
    if (*p->tag != '\0')
        buf_fmt(&text, "tag %s", p->tag);
    else if (*p->branch != '\0')
        buf_fmt(&text, "branch %s", p->branch);
    if (*p->ref != '\0' && strcmp(p->ref, p->tag) != 0)
        buf_fmt(&text, "%s(asked for: %s)", text.len ? " " : "", p->ref);
    if (text.len > 0)
        line(out, "version", buf_text(&text));
    time_text(p->time, when);
    buf_reset(&text);
    buf_fmt(&text, "%s of %s, %s", p->commit, when,
            p->signature == ML_UNSIGNED ? "not signed" : "signed (");
    if (p->signature != ML_UNSIGNED)
        buf_fmt(&text, "%s; nobody has checked by whom)", signature_word(p->signature));
    line(out, "commit", buf_text(&text));
}

/* What comes from elsewhere, each with where it comes from: whole, since that is agreed to. */
static void put_submodules(struct buf *out, const struct ml_package_info *p)
{
    for (size_t i = 0; i < p->n_submodules; i++) {
        const struct ml_submodule *one = &p->submodules[i];
        buf_fmt(out, "  %-13s ", i == 0 ? "submodules" : "");
        put_plain(out, one->path, SIZE_MAX);
        buf_str(out, ": ");
        put_plain(out, one->url, SIZE_MAX);
        buf_fmt(out, " at %s\n", one->commit);
    }
}

static void put_changes(struct buf *out, const struct incoming *i)
{
    const struct ml_package_info *now = ml_package_info(i->job.package);
    BUF_AUTO text = BUF_INIT;
    if (i->before == NULL)
        return;
    const struct ml_package_info *before = ml_package_info(i->before);
    if (strcmp(before->license, now->license) != 0) {
        buf_fmt(&text, "%s, was %s", *now->license ? now->license : "none",
                *before->license ? before->license : "none");
        line(out, "new license", buf_text(&text));
    }
    buf_reset(&text);
    if (before->signature != now->signature) {
        buf_fmt(&text, "%s, was %s", signature_word(now->signature),
                signature_word(before->signature));
        line(out, "new signature", buf_text(&text));
        buf_reset(&text);
    }
    buf_fmt(&text, "%zu file%s since %.12s", i->n_changes, i->n_changes == 1 ? "" : "s",
            before->commit);
    line(out, "changed", buf_text(&text));
    for (size_t k = 0; k < i->n_changes && k < CHANGES_MAX; k++) {
        buf_fmt(out, "    %c ", i->changes[k].kind);
        put_plain(out, i->changes[k].path, TEXT_MAX);
        buf_char(out, '\n');
    }
    if (i->n_changes > CHANGES_MAX)
        buf_fmt(out, "    ... and %zu more\n", i->n_changes - CHANGES_MAX);
}

/* A tag that says one version over a manifest that says another is somebody's mistake. */
static void put_mismatch(struct buf *out, const struct ml_package_info *p)
{
    if (*p->release != '\0' && *p->version != '\0' && strcmp(p->release, p->version) != 0)
        line(out, "note", "its manifest has another version than its tag");
}

static void put_one(struct buf *out, const struct incoming *i)
{
    const struct ml_package_info *p = ml_package_info(i->job.package);
    char uuid[ML_UUID_SIZE], size[SIZE_TEXT];
    BUF_AUTO text = BUF_INIT;
    ml_key_to_uuid(&i->key, uuid);
    put_plain(out, p->name, TEXT_MAX);
    buf_fmt(out, " %s\n", *p->version ? p->version : "(its sources say which version)");
    if (*p->description != '\0')
        line(out, "description", p->description);
    put_source(out, p);
    put_submodules(out, p);
    line(out, "license", *p->license ? p->license : "none is named");
    asking_show(out, &i->asking);
    buf_fmt(&text, "%u, %s", p->files, size_round(p->bytes, size));
    line(out, "files", buf_text(&text));
    buf_reset(&text);
    buf_str(&text, uuid);
    if (i->there)
        buf_fmt(&text, ", now %s %s", i->entry.plugin, i->entry.version);
    line(out, "entry", buf_text(&text));
    put_changes(out, i);
    put_mismatch(out, p);
}

/* ---- for programs ---- */

void submodules_json(struct json *j, const struct ml_package_info *p)
{
    json_key(j, "submodules");
    json_open(j, '[');
    for (size_t i = 0; i < p->n_submodules; i++) {
        json_open(j, '{');
        json_pair(j, "path", p->submodules[i].path);
        json_pair(j, "url", p->submodules[i].url);
        json_pair(j, "commit", p->submodules[i].commit);
        json_close(j, '}');
    }
    json_close(j, ']');
}

static void put_change_list(struct json *j, const struct incoming *i)
{
    static const struct {
        char kind;
        const char *word;
    } words[] = {{'+', "added"}, {'-', "removed"}, {'~', "changed"}};
    json_key(j, "changes");
    if (i->before == NULL) {
        json_null(j);
        return;
    }
    json_open(j, '{');
    for (size_t w = 0; w < sizeof words / sizeof *words; w++) {
        json_key(j, words[w].word);
        json_open(j, '[');
        for (size_t k = 0; k < i->n_changes; k++)
            if (i->changes[k].kind == words[w].kind)
                json_string(j, i->changes[k].path);
        json_close(j, ']');
    }
    json_close(j, '}');
}

static void put_package(struct json *j, const struct ml_package_info *p,
                        const struct asking *asking)
{
    char when[32] = "";
    if (p->git)
        time_text(p->time, when);
    json_pair(j, "source", p->source);
    json_pair(j, "path", p->path);
    json_pair(j, "ref", p->ref);
    json_pair(j, "tag", p->tag);
    json_pair(j, "branch", p->branch);
    json_pair(j, "commit", p->commit);
    json_pair(j, "tree", p->tree);
    submodules_json(j, p);
    json_pair(j, "time", when);
    json_pair(j, "signature", signature_word(p->signature));
    json_pair(j, "digest", p->digest);
    json_pair(j, "description", p->description);
    json_pair(j, "license", p->license);
    asking_json(j, asking);
    json_key(j, "files");
    json_uint(j, p->files);
    json_key(j, "bytes");
    json_uint(j, p->bytes);
    json_key(j, "received");
    json_uint(j, p->received);
}

static void put_json(struct json *j, const struct incoming *i)
{
    const struct ml_package_info *p = ml_package_info(i->job.package);
    const struct ml_register_result *r = &i->registered;
    char uuid[ML_UUID_SIZE];
    bool done = *r->bundle != '\0';
    ml_key_to_uuid(&i->key, uuid);
    json_open(j, '{');
    json_pair(j, "uuid", uuid);
    json_pair(j, "plugin", done ? r->plugin : p->name);
    json_pair(j, "version", done ? r->version : p->version);
    json_pair(j, "bundle", r->bundle);
    json_pair(j, "name", r->name);
    json_key(j, "changed");
    json_bool(j, r->changed);
    json_pair(j, "before", i->there ? i->entry.bundle : "");
    put_package(j, p, &i->asking);
    put_change_list(j, i);
    json_close(j, '}');
}

void incoming_json(struct invocation *in, const struct incoming *list, size_t n)
{
    struct json *j = &in->data;
    if (!in->want_json)
        return;
    json_open(j, '{');
    json_key(j, "plugins");
    json_open(j, '[');
    for (size_t i = 0; i < n; i++)
        put_json(j, &list[i]);
    json_close(j, ']');
    json_close(j, '}');
}

int incoming_show(struct invocation *in, const struct incoming *list, size_t n)
{
    BUF_AUTO text = BUF_INIT;
    for (size_t i = 0; i < n; i++)
        put_one(&text, &list[i]);
    if (text.failed)
        return ml_error_memory(&in->err), failed(in);
    if (option_given(in, "dry-run"))
        buf_add(&in->text, text.data, text.len);
    else
        say("%s", buf_text(&text));
    return 0;
}

/* `modload install FILE` of a pack: shown, agreed to, filed or built, tested and registered. No
 * network is asked for anything. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/scope.h"
#include "base/size.h"
#include "cmd/build.h"
#include "cmd/incoming.h"
#include "modload/transfer.h"

enum { TEXT_MAX = 400 };

struct packed {
    struct invocation *in;
    const char *file;
    struct ml_pack *pack;
    const struct ml_pack_info *is;
    char *origin;   /* what the pack says, else the file's own path */
    char *recorded; /* the same, as what is only said */
    struct incoming one;
};

static void packed_free(struct packed *p)
{
    incoming_free(&p->one, 1);
    ml_pack_close(p->pack);
    free(p->origin);
    free(p->recorded);
}

/* ---- what it is ---- */

static int origin_find(struct packed *p)
{
    p->origin = *p->is->origin ? strdup(p->is->origin) : realpath(p->file, NULL);
    if (p->origin == NULL)
        return ml_error_errno(&p->in->err, 0, errno, "cannot tell where '%s' is", p->file);
    p->recorded = ml_origin_claimed(p->origin);
    p->one.from = p->recorded;
    return p->recorded ? 0 : ml_error_memory(&p->in->err);
}

/* Where nobody names one, the entry is that of the place where the plugin came from first. */
static int entry_find(struct packed *p)
{
    struct invocation *in = p->in;
    struct incoming *one = &p->one;
    if (option_value(in, "as", NULL) == NULL && ml_origin_key(p->origin, &one->key, &in->err) < 0)
        return failed(in);
    one->there = ml_entry_read(in->ctx, &one->key, &one->entry, &in->err) == 0;
    if (!one->there && in->err.status != ML_NO_INPUT)
        return failed(in);
    in->err = (struct ml_error)ML_ERROR_INIT;
    const struct ml_bundle_info *says = p->is->says;
    return asking_compare(in, one, (const char *const *)says->capabilities, says->n_capabilities) <
                   0
               ? failed(in)
               : 0;
}

/* What would take the place of a bundle that is damaged was agreed to by nobody. */
static bool is_known(const struct packed *p)
{
    return p->one.there && p->is->here && strcmp(p->one.entry.bundle, p->is->bundle) == 0;
}

/* ---- what is shown ---- */

static void line(struct buf *out, const char *title, const char *text)
{
    buf_fmt(out, "  %-13s ", title);
    put_plain(out, text, TEXT_MAX);
    buf_char(out, '\n');
}

static void put_built(struct buf *out, const struct ml_pack_info *is)
{
    BUF_AUTO text = BUF_INIT;
    if (is->here)
        buf_str(&text, "no: this very bundle is here");
    else if (is->fits)
        buf_str(&text, "no: what was built is in it, as good as whoever packed it");
    else if (is->binary)
        buf_fmt(&text, "yes: what was built is for %s with plugin ABI %u", is->machine, is->abi);
    else
        buf_str(&text, is->prebuilt ? "yes, around its object" : "yes, from its sources");
    line(out, "to be built", buf_text(&text));
}

static void put_all(struct buf *out, const struct packed *p)
{
    const struct ml_pack_info *is = p->is;
    char uuid[ML_UUID_SIZE], size[SIZE_TEXT];
    BUF_AUTO text = BUF_INIT;
    ml_key_to_uuid(&p->one.key, uuid);
    put_plain(out, is->name, TEXT_MAX);
    buf_fmt(out, " %s\n", is->version);
    if (*is->says->description != '\0')
        line(out, "description", is->says->description);
    line(out, "from", p->file);
    if (*is->origin != '\0')
        line(out, "it says from", is->origin);
    line(out, "bundle", is->bundle);
    line(out, "license", *is->says->license ? is->says->license : "none is named");
    asking_show(out, &p->one.asking);
    put_built(out, is);
    buf_fmt(&text, "%zu, %s", is->files, size_round(is->bytes, size));
    line(out, "files", buf_text(&text));
    buf_reset(&text);
    buf_str(&text, uuid);
    if (p->one.there)
        buf_fmt(&text, ", now %s %s", p->one.entry.plugin, p->one.entry.version);
    line(out, "entry", buf_text(&text));
}

static int show(struct packed *p)
{
    struct invocation *in = p->in;
    BUF_AUTO text = BUF_INIT;
    put_all(&text, p);
    if (text.failed)
        return ml_error_memory(&in->err), failed(in);
    if (option_given(in, "dry-run"))
        buf_add(&in->text, text.data, text.len);
    else
        say("%s", buf_text(&text));
    return retired_check(in, p->is->name, p->is->version, p->origin, is_known(p));
}

static int agree(struct packed *p)
{
    struct invocation *in = p->in;
    if (is_known(p))
        return 0;
    if (option_given(in, "yes"))
        return asking_accepted(in, p->is->name, &p->one.asking);
    int yes = incoming_ask(in, asking_question(&p->one, 1, false));
    if (yes > 0)
        return 0;
    if (yes < 0)
        return failed_or_signalled(in);
    ml_error_set(&in->err, ML_REFUSED, "not_agreed", "nobody has agreed to '%s' from '%.200s'",
                 p->is->name, p->file);
    asking_hint(in, &p->one, 1);
    return failed(in);
}

/* ---- what is done ---- */

static int file(struct packed *p)
{
    struct invocation *in = p->in;
    struct build_options o;
    int status = build_options(in, &o);
    if (status != 0)
        return status;
    const struct ml_pack_build how = {o.request.timeout_ms, o.request.diagnostics_fd,
                                      o.request.cancel_fd};
    if (!p->is->fits && !p->is->here)
        note("building %s", p->is->name);
    if (ml_pack_file(p->pack, &how, &p->one.info, &in->err) < 0)
        return failed_or_signalled(in);
    note_skipped_of(p->one.info, &p->one.key);
    return 0;
}

static void put_json(struct packed *p)
{
    struct json *j = &p->in->data;
    const struct ml_register_result *r = &p->one.registered;
    char uuid[ML_UUID_SIZE];
    bool done = *r->bundle != '\0';
    ml_key_to_uuid(&p->one.key, uuid);
    json_open(j, '{');
    json_key(j, "plugins");
    json_open(j, '[');
    json_open(j, '{');
    json_pair(j, "uuid", uuid);
    json_pair(j, "plugin", p->is->name);
    json_pair(j, "version", p->is->version);
    json_pair(j, "bundle", done ? r->bundle : "");
    json_pair(j, "name", r->name);
    json_key(j, "changed");
    json_bool(j, r->changed);
    json_pair(j, "before", p->one.there ? p->one.entry.bundle : "");
    json_pair(j, "source", p->origin);
    json_pair(j, "packed", p->is->bundle);
    json_key(j, "binary");
    json_bool(j, p->is->binary);
    json_pair(j, "description", p->is->says->description);
    json_pair(j, "license", p->is->says->license);
    asking_json(j, &p->one.asking);
    json_key(j, "files");
    json_uint(j, p->is->files);
    json_key(j, "bytes");
    json_uint(j, p->is->bytes);
    json_close(j, '}');
    json_close(j, ']');
    json_close(j, '}');
}

static int take_in(struct packed *p, int fd)
{
    struct invocation *in = p->in;
    bool dry = option_given(in, "dry-run");
    if (ml_pack_open(in->ctx, fd, p->file, watch_signals(in), &p->pack, &in->err) < 0)
        return failed_or_signalled(in);
    p->is = ml_pack_info(p->pack);
    int status = origin_find(p) < 0 ? failed(in) : entry_find(p);
    if (status == 0)
        status = show(p);
    if (status == 0 && !dry)
        status = agree(p);
    if (status == 0 && !dry)
        status = file(p);
    if (status == 0 && !dry)
        status = incoming_test(in, &p->one, 1);
    if (status == 0 && !dry)
        status = incoming_register(in, &p->one, 1);
    if (status == 0)
        put_json(p);
    return status;
}

static int options_check(struct invocation *in)
{
    static const char *const others[] = {"path", "index", "min-age"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (option_given(in, others[i]))
            return usage_error(in, "install: --%s says nothing of a pack", others[i]);
    return 0;
}

int install_pack(struct invocation *in, const char *word)
{
    __attribute__((cleanup(packed_free))) struct packed p = {.in = in, .file = word};
    AUTO_CLOSE int fd = open(word, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    const char *as = option_value(in, "as", NULL);
    int is = fd < 0 ? 0 : ml_pack_is(fd, word, &in->err);
    if (is <= 0) /* what cannot be opened is no file, or others have words for it */
        return is < 0 ? failed(in) : -1;
    p.one.name = option_value(in, "name", NULL);
    int status = options_check(in);
    if (status == 0 && as != NULL)
        status = key_given(in, as, &p.one.key);
    return status == 0 ? take_in(&p, fd) : status;
}

/* Capabilities of what comes in: beside what was agreed to before, shown, and agreed to. --yes is
 * for whatever is shown where nothing was there before; later it is not enough for more than that.
 */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/scope.h"
#include "base/shell-word.h"
#include "cmd/incoming.h"

enum { WORDS_MAX = 300 };

int asking_options(struct invocation *in)
{
    const char *words[OPTIONS_MAX];
    size_t n = option_values(in, "accept", words);
    for (size_t i = 0; i < n; i++)
        if (ml_capability_check(words[i], &in->err) < 0) {
            ml_error_wrap(&in->err, "--accept");
            return failed(in);
        }
    return 0;
}

/* What an entry has and cannot be read was not agreed to. */
int asking_compare(struct invocation *in, struct incoming *one, const char *const *all, size_t n)
{
    struct asking *a = &one->asking;
    if (one->there && !a->again) {
        a->again = true;
        if (ml_bundle_info_read(in->ctx, one->entry.bundle, &one->now, NULL) == 0) {
            a->agreed = (const char *const *)one->now->capabilities;
            a->n_agreed = one->now->n_capabilities;
        }
    }
    a->all = all;
    a->n = n;
    a->more = calloc(n + 1, sizeof *a->more);
    a->gone = calloc(a->n_agreed + 1, sizeof *a->gone);
    if (a->more == NULL || a->gone == NULL)
        return ml_error_memory(&in->err);
    if (!a->again)
        return 0;
    a->n_more = ml_capabilities_beyond(a->agreed, a->n_agreed, all, n, a->more);
    a->n_gone = ml_capabilities_beyond(all, n, a->agreed, a->n_agreed, a->gone);
    return 0;
}

/* ---- showing ---- */

/* A line for each, whole: what is cut off would be agreed to unseen. */
static void put_lines(struct buf *out, const char *title, const char *const *list, size_t n,
                      bool repeat)
{
    for (size_t i = 0; i < n; i++) {
        buf_fmt(out, "  %-13s ", i == 0 || repeat ? title : "");
        put_plain(out, list[i], SIZE_MAX);
        buf_char(out, '\n');
    }
}

void asking_show(struct buf *out, const struct asking *a)
{
    if (a->n == 0)
        buf_fmt(out, "  %-13s none\n", "capabilities");
    put_lines(out, "capabilities", a->all, a->n, false);
    put_lines(out, "new capability", a->more, a->n_more, true);
    put_lines(out, "gone capability", a->gone, a->n_gone, true);
}

void asking_json(struct json *j, const struct asking *a)
{
    json_strings(j, "capabilities", a->all, a->n);
    json_key(j, "capability_changes");
    if (!a->again) {
        json_null(j);
        return;
    }
    json_open(j, '{');
    json_strings(j, "added", a->more, a->n_more);
    json_strings(j, "removed", a->gone, a->n_gone);
    json_close(j, '}');
}

/* ---- agreeing ---- */

static bool asks_more(const struct incoming *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (list[i].asking.n_more > 0)
            return true;
    return false;
}

const char *asking_question(const struct incoming *list, size_t n, bool many)
{
    if (asks_more(list, n))
        return many ? "Some of them ask for more than before. Install them?"
                    : "It asks for more than before. Install it?";
    return many ? "Install them?" : "Install it?";
}

/* The options that agree to them; of more than fit into a hint, how they are written. */
static void put_options(struct buf *out, const char *const *list, size_t n)
{
    BUF_AUTO words = BUF_INIT;
    for (size_t i = 0; i < n; i++) {
        buf_str(&words, " --accept ");
        shell_word(&words, list[i]);
    }
    buf_str(out, words.len <= WORDS_MAX ? buf_text(&words)
                                        : " --accept CAPABILITY for each that is new");
}

int asking_accepted(struct invocation *in, const char *name, const struct asking *a)
{
    const char *accepted[OPTIONS_MAX];
    size_t n_accepted = option_values(in, "accept", accepted);
    BUF_AUTO which = BUF_INIT;
    BUF_AUTO options = BUF_INIT;
    AUTO_FREE const char **rest = calloc(a->n_more + 1, sizeof *rest);
    if (rest == NULL)
        return ml_error_memory(&in->err), failed(in);
    size_t n = ml_capabilities_beyond(accepted, n_accepted, a->more, a->n_more, rest);
    if (n == 0)
        return 0;
    for (size_t i = 0; i < n; i++)
        buf_fmt(&which, "%s'%s'", i > 0 ? ", " : "", rest[i]);
    put_options(&options, rest, n);
    ml_error_set(&in->err, ML_REFUSED, "more_capabilities",
                 "'%.64s' asks for more than was agreed to: %s", name, buf_text(&which));
    ml_error_hint(&in->err, "look at what is shown, then add%s; nothing was built or changed",
                  buf_text(&options));
    return failed(in);
}

int asking_built(struct invocation *in, const struct incoming *one)
{
    const struct asking *a = &one->asking;
    const struct ml_bundle_info *info = one->info;
    AUTO_FREE const char **rest = calloc(info->n_capabilities + 1, sizeof *rest);
    if (rest == NULL)
        return ml_error_memory(&in->err), failed(in);
    if (ml_capabilities_beyond(a->all, a->n, (const char *const *)info->capabilities,
                               info->n_capabilities, rest) == 0)
        return 0;
    ml_error_set(&in->err, ML_BUSY, "source_changed",
                 "'%s' was changed after it was shown: now it asks for '%s'", info->name, rest[0]);
    ml_error_hint(&in->err, "nothing was registered: have it shown again");
    return failed(in);
}

/* What all of them ask for beyond `have`, each once. Null: no memory. */
static const char **all_beyond(const struct incoming *list, size_t n, const char *const *have,
                               size_t n_have, size_t *n_ret)
{
    size_t room = 1;
    for (size_t i = 0; i < n; i++)
        room += list[i].asking.n_more;
    const char **ret = calloc(room, sizeof *ret);
    AUTO_FREE const char **rest = calloc(room, sizeof *rest);
    *n_ret = 0;
    if (ret == NULL || rest == NULL) {
        free(ret);
        return NULL;
    }
    for (size_t i = 0; i < n; i++) {
        const struct asking *a = &list[i].asking;
        size_t more = ml_capabilities_beyond(have, n_have, a->more, a->n_more, rest);
        *n_ret += ml_capabilities_beyond(ret, *n_ret, rest, more, ret + *n_ret);
    }
    return ret;
}

/* The hint with what still has to be said for all of them: one that is for the last of them only
 * would have to be followed again and again. */
static void hint(struct invocation *in, const struct incoming *list, size_t n, const char *first,
                 const char *const *have, size_t n_have)
{
    BUF_AUTO options = BUF_INIT;
    size_t more = 0;
    AUTO_FREE const char **all = all_beyond(list, n, have, n_have, &more);
    if (all != NULL)
        put_options(&options, all, more);
    ml_error_hint(&in->err, "look at what is shown, then add%s%s; nothing was built or changed",
                  first, buf_text(&options));
}

void asking_hint(struct invocation *in, const struct incoming *list, size_t n)
{
    hint(in, list, n, " --yes", NULL, 0);
}

void asking_rest_hint(struct invocation *in, const struct incoming *list, size_t n)
{
    const char *accepted[OPTIONS_MAX];
    size_t n_accepted = option_values(in, "accept", accepted);
    hint(in, list, n, "", accepted, n_accepted);
}

/* Flags that pkg-config gives. A .pc file can hold anything, and flags are code: a few kinds are
 * let in. */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/child.h"
#include "base/error.h"
#include "build/compile.h"
#include "build/flag.h"
#include "build/host.h"
#include "build/word.h"

void packages_split(struct arena *a, const char *text, struct strv *ret)
{
    BUF_AUTO word = BUF_INIT;
    char quote = '\0';
    bool inside = false;
    for (; *text != '\0'; text++) {
        bool blank = strchr(" \t\r\n", *text) != NULL;
        if (quote == '\0' && blank) {
            if (inside)
                strv_add(a, ret, arena_str(a, buf_text(&word)));
            buf_reset(&word);
            inside = false;
            continue;
        }
        inside = true;
        if (*text == '\\' && quote != '\'' && text[1] != '\0')
            buf_char(&word, *++text);
        else if (quote == '\0' && (*text == '"' || *text == '\''))
            quote = *text;
        else if (quote != '\0' && *text == quote)
            quote = '\0';
        else
            buf_char(&word, *text);
    }
    if (inside)
        strv_add(a, ret, arena_str(a, buf_text(&word)));
    a->failed = a->failed || word.failed;
}

/* A directory of a package's. That may lie anywhere: whoever has installed it, or has named it in
 * PKG_CONFIG_PATH, has agreed to what it says. */
static int directory_take(struct build *b, const char *flag, struct strv *flags,
                          struct ml_error *err)
{
    strv_add(b->a, flags, flag);
    return cc_box_read(&b->box, flag + 2, err);
}

/* Puts one word where it belongs. 0 when it belongs nowhere. */
static int flag_take(struct build *b, const char *flag, struct ml_error *err)
{
    if (strncmp(flag, "-I", 2) == 0 && flag[2] != '\0')
        return directory_take(b, flag, &b->paths, err) < 0 ? -1 : 1;
    if (strncmp(flag, "-L", 2) == 0 && flag[2] != '\0')
        return directory_take(b, flag, &b->link_paths, err) < 0 ? -1 : 1;
    if (strncmp(flag, "-l", 2) == 0 && word_library(flag + 2))
        strv_add(b->a, &b->libraries, flag);
    else if (flag_allowed(flag))
        strv_add(b->a, &b->flags, flag);
    else
        return 0;
    if (strcmp(flag, "-pthread") == 0)
        strv_add(b->a, &b->libraries, flag);
    return 1;
}

static int flags_take(struct build *b, const char *text, struct ml_error *err)
{
    struct strv words = {0};
    packages_split(b->a, text, &words);
    for (size_t i = 0; i < words.n; i++) {
        int taken = flag_take(b, words.items[i], err);
        if (taken < 0)
            return -1;
        if (taken > 0)
            continue;
        ml_error_set(err, ML_CONFIG, NULL,
                     "%s: key 'pkg_config': the packages ask for the flag '%s', which is not "
                     "allowed",
                     b->manifest.label, words.items[i]);
        return ml_error_hint(err, "from there -I, -L, -l and what the key 'cflags' may have are "
                                  "taken");
    }
    return b->a->failed ? ml_error_memory(err) : 0;
}

/* The child's error says which program could not be run; the hint says how to get it. */
static int run_failed(const struct build *b, struct ml_error *err)
{
    if (err == NULL)
        return -1;
    if (err->status == ML_TIMEOUT)
        return host_timeout(b, err);
    if (err->status == ML_NO_INPUT)
        return ml_error_hint(err, "apt install pkg-config");
    return -1;
}

/* The names stand behind "--", and word_package() has seen them: none can be an option of
 * pkg-config. */
int packages_add(struct build *b, struct ml_error *err)
{
    const char *program = getenv("PKG_CONFIG");
    struct strv argv = {0};
    if (b->manifest.pkg_config.n == 0)
        return 0;
    strv_add(b->a, &argv, program && *program ? program : "pkg-config");
    strv_add(b->a, &argv, "--cflags");
    strv_add(b->a, &argv, "--libs");
    strv_add(b->a, &argv, "--");
    strv_add_all(b->a, &argv, &b->manifest.pkg_config);
    if (b->a->failed)
        return ml_error_memory(err);
    BUF_AUTO out = BUF_INIT;
    struct child_end end;
    struct child_spec spec;
    host_spec(b, &argv, &spec);
    spec.stdio[2] = b->request->diagnostics_fd;
    if (child_capture(&spec, b->deadline_ms, &out, 65536, &end, err) < 0)
        return run_failed(b, err);
    if (end.code != 0 || end.signal != 0)
        return ml_error_set(err, ML_CONFIG, NULL,
                            "%s: key 'pkg_config': pkg-config does not know all of the packages",
                            b->manifest.label);
    return flags_take(b, buf_text(&out), err);
}

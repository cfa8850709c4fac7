/* The compiler is the user's own choice. What must not happen is that something else than his
 * choice decides what it does: its environment is therefore built from a list, not cleaned by one.
 */
#include "base/cc.h"

#include <stdlib.h>
#include <string.h>

/* Everything else stays out: COMPILER_PATH, GCC_EXEC_PREFIX and LD_* make it run other programs,
 * DEPENDENCIES_OUTPUT makes it write files. HOME is the build's own directory. */
const char *const cc_environment[] = {
    "PATH",
    "USER",
    "LANG",
    "LANGUAGE",
    "LC_ALL",
    "LC_CTYPE",
    "LC_MESSAGES",
    "TERM",
    "COLORTERM",
    "CPATH",
    "C_INCLUDE_PATH",
    "LIBRARY_PATH",
    "PKG_CONFIG_PATH",
    "PKG_CONFIG_LIBDIR",
    "GCC_COLORS",
    "CCACHE_DIR",
    "PKG_CONFIG_SYSROOT_DIR",
    NULL,
};

static const char blanks[] = " \t\n";

const char *cc_text(void)
{
    const char *text = getenv("CC");
    return text != NULL && text[strspn(text, blanks)] != '\0' ? text : "cc";
}

size_t cc_next_word(const char **at)
{
    *at += strspn(*at, blanks);
    return strcspn(*at, blanks);
}

/* Where a user's own files are (XDG Base Directory Specification 0.8). */
#ifndef BASE_XDG_H
#define BASE_XDG_H

enum xdg_kind {
    XDG_CACHE,  /* $XDG_CACHE_HOME, else ~/.cache */
    XDG_CONFIG, /* $XDG_CONFIG_HOME, else ~/.config */
};

/* The path of "modload/LEAF" in it; nothing is made. The caller frees it. Null with errno: ENOENT
 * when neither variable nor HOME says where, ENOMEM. Any thread, while nobody changes the
 * environment. */
char *xdg_path(enum xdg_kind kind, const char *leaf);

#endif

/* modload/doctor.h - what may be wrong with an installation. Volatile: may change with any release
 * before 1.0.
 *
 * Errors, ownership, threads and fork are as in modload/modload.h. */
#ifndef MODLOAD_DOCTOR_H
#define MODLOAD_DOCTOR_H

#include "modload/error.h"
#include "modload/modload.h"

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/* How a thing is. */
enum ml_health {
    /* As it should be. */
    ML_HEALTH_OK,
    /* Works, but not as it could, or not for long. */
    ML_HEALTH_WARNING,
    /* Something that modload is for does not work. */
    ML_HEALTH_PROBLEM,
};

/* One thing that was looked at. The texts are good until the callback returns, are never null, and
 * may hold bytes of paths and of other programs' answers: whoever shows them on a terminal escapes
 * control characters. */
struct ml_finding {
    enum ml_health health;
    /* One or two words: "compiler", "write lock". Several findings may have the same. */
    const char *name;
    /* What was found, or what is wrong. */
    const char *detail;
    /* What to do about it; "" when all is well. */
    const char *hint;
};

/* Looks at everything that modload stands on: its own programs, the compiler, the registry, the
 * runtime directory and the workers in it, the kernel, limits and the environment; and tells `each`
 * of each of them, good or bad, in a fixed order. `each` returns 0 to go on. When `cancel_fd`
 * becomes readable, it is given up; -1: none.
 *
 * Nothing is changed: no registry or directory is made, nothing is swept, and no lock is kept. The
 * compiler is tried in a directory of its own in $TMPDIR or /tmp, which is removed again; modload's
 * own programs are asked for their version. Children are waited for, for 20 seconds each at most;
 * workers for less than a second each.
 *
 * It works where nothing else does: without a home, without a compiler, on a registry of somebody
 * else. `options` are as for ml_ctx_new(), and may be null.
 *
 * Returns 0 when `each` was told of everything, else what it returned; or -1 and ML_LIMIT,
 * ML_SIGNAL + SIGINT (`cancel_fd`). */
int ml_doctor(const struct ml_ctx_options *options, int cancel_fd,
              int (*each)(const struct ml_finding *finding, void *arg), void *arg,
              struct ml_error *err);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif

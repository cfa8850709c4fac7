/* modload/plugin.h - for authors who want more than plain C. Nothing has to be linked.
 *
 *     #include <modload/plugin.h>
 *     ML_PLUGIN("ratio", "1.2.0")
 *     double divide(double a, double b)
 *     {
 *         if (b == 0)
 *             ml_fail("division_by_zero", "cannot divide %g by zero", a);
 *         return a / b;
 *     }
 *
 * Every non-static function whose types modload can carry is callable without this header as well.
 * It is all there is: no library of modload's goes into a plugin, and an object that includes it
 * can still be loaded by any other program. There ml_fail aborts.
 */
#ifndef MODLOAD_PLUGIN_H
#define MODLOAD_PLUGIN_H

#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Names the plugin and gives its version (SemVer 2.0.0). Once per plugin, at file scope. A name is
 * one to 64 of A-Z a-z 0-9 . _ -, and begins with a letter or digit. Without it the name is that of
 * the file and the version 0.0.0.
 *
 * It leaves a text in a section of its own, which is read off the object file: nothing of the
 * plugin runs for it. Two files of one plugin may both have it if they say the same. */
#define ML_PLUGIN(name, version)                                                                   \
    __attribute__((used, section(".modload.identity"))) static const char ml_plugin_identity[] =   \
        name "@" version;

/* What a worker offers to the plugin it maps. `size` is that of the worker's own structure: a
 * member that lies beyond it does not exist in this worker. It is the worker's, const, and valid as
 * long as the process lives. */
struct ml_host {
    /* In bytes. Members are only ever added at the end. */
    uint32_t size;
    /* What ml_fail calls. `ap` stays the caller's. Does not return. */
    void (*fail)(const char *code, const char *fmt, va_list ap);
};

/* Set by the worker before the first call, after constructors have run: null until then, and in
 * programs that are no worker. Weak, so that every file of a plugin may include this header and
 * they all share one variable. Not for authors. */
__attribute__((weak, visibility("default"))) const struct ml_host *ml_plugin_host;

/* Ends the call as a failure: exit status 1, and `code` as its error code for programs
 * ("not_found": 1 to 63 of a-z, 0-9 and _), with a text for people, formatted as by printf. Does
 * not return; what the call had allocated goes with it. May be called from any thread of the call.
 * In a constructor, where there is no call to fail, it aborts.
 *
 * What stdio holds in its buffers is written out first; atexit functions and destructors do not
 * run. Not async-signal-safe. A code that is not such a word is replaced by "plugin_error". */
__attribute__((unused, noreturn, format(printf, 2, 3))) static void ml_fail(const char *code,
                                                                            const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    if (ml_plugin_host != NULL)
        ml_plugin_host->fail(code, fmt, ap);
    va_end(ap);
    abort();
}

#ifdef __cplusplus
}
#endif
#endif

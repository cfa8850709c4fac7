/* The function itself. From its start on nothing in this process is to be trusted, the heap least:
 * nothing is allocated here, and what came of it is judged elsewhere. */
#include "worker/invoke.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/call-end.h"
#include "base/error.h"
#include "base/words.h"

/* The one call at a time; ml_fail has no argument to find it by. */
static struct {
    jmp_buf back;
    struct invoked *ret;
    invoke_ended ended;
} now;

/* Looks through the descriptor, not through dlsym(3): what is not in the descriptor has no
 * signature, and must not be called with a guessed one. */
static void undefined(const struct object *object, const char *name, struct ml_error *err)
{
    struct words_nearest nearest = {0};
    const struct ml_descriptor *d = object->descriptor;
    for (uint32_t i = 0; i < d->n_functions; i++)
        words_consider(&nearest, name, d->functions[i].name);
    call_error_set(err, CALL_UNDEFINED, 0, "%s has no function '%.100s'", d->name, name);
    if (nearest.word != NULL)
        ml_error_hint(err, "did you mean '%s'?", nearest.word);
}

/* `code` and `fmt` are the plugin's: both are cut to what the error holds. What the function had
 * allocated lasts as long as the process. A handler may have called ml_fail, with its signal
 * blocked: the mask is set right here, not saved by each call, which would cost it a system
 * call. */
__attribute__((format(printf, 2, 0))) static void host_fail(const char *code, const char *fmt,
                                                            va_list ap)
{
    struct invoked failed = {.ok = false};
    struct ml_error *err = &failed.err;
    call_error_set(err, CALL_FAILED, 0, "%s", "");
    vsnprintf(err->message, sizeof err->message, fmt, ap);
    snprintf(err->code, sizeof err->code, "%s", code);
    if (code[0] == '\0' ||
        strspn(code, "abcdefghijklmnopqrstuvwxyz0123456789_") != strlen(err->code))
        strcpy(err->code, call_classes[CALL_FAILED].code); /* no word to rely on */
    if ((pid_t)syscall(SYS_gettid) != getpid())            /* the main thread's number: gettid(2) */
        now.ended(&failed);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    *now.ret = failed;
    longjmp(now.back, 1);
}

const struct ml_host call_host = {.size = sizeof call_host, .fail = host_fail};

/* How texts become numbers depends on the rounding mode, and the last call of a session may have
 * changed it. 0x37f and 0x1f80 are what the ABI begins a program with (System V x86-64, 3.4.1). */
static void reset_rounding(void)
{
#if defined(__x86_64__)
    const uint16_t x87 = 0x37f;
    __asm__ volatile("fldcw %0" : : "m"(x87));
    __builtin_ia32_ldmxcsr(0x1f80);
#elif defined(__aarch64__)
    __asm__ volatile("msr fpcr, %0" : : "r"((uint64_t)0));
#endif
}

static void enter(const struct ml_function *function, const void *address, union ml_slot *slots,
                  struct invoked *ret)
{
    union ml_slot result[2] = {{.u = 0}, {.u = 0}};
    if (setjmp(now.back) != 0)
        return;
    function->stub(address, slots, result);
    ret->ok = convert_result(function, result, ret->scratch, &ret->value, &ret->err) == 0;
}

void invoke(const struct object *object, char *const *texts, size_t n, invoke_ended ended,
            struct invoked *ret)
{
    union ml_slot slots[CONVERT_SLOTS];
    const struct ml_function *function = object_find(object, texts[0]);
    const void *address = function ? object_address(object, function) : NULL;
    ret->ok = false;
    now.ret = ret;
    now.ended = ended;
    reset_rounding();
    if (address == NULL)
        undefined(object, texts[0], &ret->err);
    else if (convert_args(function, texts + 1, n - 1, slots, &ret->err) == 0)
        enter(function, address, slots, ret);
}

int invoke_split(char *bytes, size_t size, uint32_t n, char **texts, size_t max)
{
    char *p = bytes, *end = bytes + size;
    if (n == 0 || n > size)
        return -1;
    for (uint32_t i = 0; i < n; i++) {
        if (i < max)
            texts[i] = p;
        p = memchr(p, '\0', (size_t)(end - p));
        if (p++ == NULL)
            return -1;
    }
    return p == end ? (int)n : -1;
}

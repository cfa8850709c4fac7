/* modload-fetch: carries out one order (lib/fetch/message.h), and says what came of it. It is for
 * modload alone, and does nothing without an order. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "archive/lib.h"
#include "base/error.h"
#include "base/limit.h"
#include "fetcher/fetcher.h"
#include "modload/abi.h"
#include "modload/modload.h"

/* The order is a file, so that it is there at once; it must have the size that it has here. */
static int order_read(struct fetch_order *ret, struct ml_error *err)
{
    char more;
    size_t n = 0;
    ssize_t got = 1;
    while (n < sizeof *ret &&
           (got = TEMP_FAILURE_RETRY(read(STDIN_FILENO, (char *)ret + n, sizeof *ret - n))) > 0)
        n += (size_t)got;
    if (n < sizeof *ret || ret->mark != FETCH_MARK ||
        (ret->step != FETCH_STEP_COMMIT && read(STDIN_FILENO, &more, 1) != 0))
        return ml_error_set(err, ML_BUG, NULL, "modload-fetch is for modload alone");
    ret->source.url[sizeof ret->source.url - 1] = '\0';
    ret->source.host[sizeof ret->source.host - 1] = '\0';
    ret->source.ref[sizeof ret->source.ref - 1] = '\0';
    ret->cache[sizeof ret->cache - 1] = '\0';
    ret->commit[sizeof ret->commit - 1] = '\0';
    ret->base[sizeof ret->base - 1] = '\0';
    ret->since[sizeof ret->since - 1] = '\0';
    ret->password.login[sizeof ret->password.login - 1] = '\0';
    ret->password.password[sizeof ret->password.password - 1] = '\0';
    ret->at[sizeof ret->at - 1] = '\0';
    ret->subdir[sizeof ret->subdir - 1] = '\0';
    return 0;
}

/* No process and no thread from here on. libgit2 packs what it fetches from this machine in
 * threads: there, that nothing can be executed has to do. */
static int processes_limit(const struct fetch_order *order, struct ml_error *err)
{
    bool packs = order->step == FETCH_STEP_FETCH && order->source.kind >= SOURCE_FILE;
    return packs ? 0 : limit_lower(RLIMIT_NPROC, 0, err);
}

/* The libraries are loaded before nothing can be loaded any more. */
static int carry_out(struct fetch_order *order, struct fetch_result *ret, struct ml_error *err)
{
    if (order_read(order, err) < 0)
        return -1;
    bool fetches = order->step == FETCH_STEP_FETCH;
    bool names = order->step == FETCH_STEP_EXPORT || order->step == FETCH_STEP_MODULES;
    if ((names && lib_load(err) == NULL) || fetcher_confine(order, err) < 0 ||
        git_begin(order, err) < 0)
        return -1;
    fetcher_counts.phase = fetches ? FETCH_CONNECTING : FETCH_EXPORTING;
    if (fetcher_tell_begin(err) < 0 || processes_limit(order, err) < 0)
        return -1;
    if (fetches)
        return fetcher_fetch(order, ret, err);
    return order->step == FETCH_STEP_CHANGES   ? fetcher_changes(order, ret, err)
           : order->step == FETCH_STEP_MODULES ? fetcher_modules(order, ret, err)
           : order->step == FETCH_STEP_COMMIT  ? fetcher_commit(ret, err)
                                               : fetcher_export(order, ret, err);
}

/* Nothing is written behind the answer, and nothing is left to be released: the process ends where
 * it is. */
int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--version") == 0) /* asked by modload doctor */
        return printf("modload %s (plugin ABI %u)\n", ML_VERSION, ML_ABI_VERSION) < 0;
    static struct fetch_order order;
    struct fetch_result result = {0};
    struct ml_error err = ML_ERROR_INIT;
    int status = carry_out(&order, &result, &err);
    fetcher_tell_counts();
    bool told = status < 0 ? fetcher_tell_error(&err) : fetcher_tell_result(&result);
    _exit(status < 0 || !told);
}

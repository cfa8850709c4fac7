#include "base/limit.h"

#include <errno.h>
#include <sys/resource.h>

#include "base/error.h"
#include "base/statm.h"

#ifdef __has_feature
#define HAS_FEATURE(x) __has_feature(x)
#else
#define HAS_FEATURE(x) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || HAS_FEATURE(address_sanitizer)
enum { SANITIZED = true };
#else
enum { SANITIZED = false };
#endif

/* Never more than what is allowed already, which only root could have. */
int limit_lower(int resource, uint64_t value, struct ml_error *err)
{
    struct rlimit now;
    if (getrlimit(resource, &now) < 0)
        return ml_error_errno(err, ML_LIMIT, errno, "cannot limit the reader");
    uint64_t most = value + (resource == RLIMIT_CPU);
    if (now.rlim_max == RLIM_INFINITY || now.rlim_max > most)
        now.rlim_max = most;
    now.rlim_cur = now.rlim_max < value ? now.rlim_max : value;
    if (setrlimit(resource, &now) < 0)
        return ml_error_errno(err, ML_LIMIT, errno, "cannot limit the reader");
    return 0;
}

int limit_memory(uint64_t bytes, struct ml_error *err)
{
    return SANITIZED ? 0 : limit_lower(RLIMIT_AS, statm_bytes(STATM_ADDRESSES) + bytes, err);
}

uint64_t limit_files_raise(void)
{
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) < 0)
        return 0;
    rlim_t soft = files.rlim_cur;
    files.rlim_cur = files.rlim_max;
    return setrlimit(RLIMIT_NOFILE, &files) < 0 ? soft : files.rlim_max;
}

/* Making and mapping the memory of a session. A memfd that may shrink would let its maker kill
 * whoever maps it, by SIGBUS: hence the seals, which the client insists on (memfd_create(2)). */
#include "client/channel.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/scope.h"

enum { SEALS = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL };

static struct channel *map(int fd)
{
    void *p = mmap(NULL, sizeof(struct channel), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    return p == MAP_FAILED ? NULL : p;
}

int channel_create(struct channel **ret, struct ml_error *err)
{
    AUTO_CLOSE int fd = memfd_create("modload-session", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0 || ftruncate(fd, sizeof(struct channel)) < 0 || fcntl(fd, F_ADD_SEALS, SEALS) < 0 ||
        (*ret = map(fd)) == NULL)
        return ml_error_errno(err, ML_LIMIT, errno, "cannot make a session's memory");
    (*ret)->version = CHANNEL_VERSION;
    return steal_fd(&fd);
}

int channel_map(int fd, struct channel **ret, struct ml_error *err)
{
    struct stat st;
    int seals = fcntl(fd, F_GET_SEALS);
    if (seals < 0 || (seals & SEALS) != SEALS || fstat(fd, &st) < 0 ||
        st.st_size != (off_t)sizeof(struct channel))
        return ml_error_set(err, ML_PROTOCOL, NULL, "the worker sent no memory for a session");
    if ((*ret = map(fd)) == NULL)
        return ml_error_errno(err, ML_LIMIT, errno, "cannot map a session's memory");
    if ((*ret)->version == CHANNEL_VERSION)
        return 0;
    channel_unmap(*ret);
    return ml_error_set(err, ML_PROTOCOL, NULL, "the worker is of another version of modload");
}

void channel_unmap(struct channel *channel)
{
    munmap(channel, sizeof *channel);
}

bool channel_may_spin(void)
{
    cpu_set_t set;
    return sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 1;
}

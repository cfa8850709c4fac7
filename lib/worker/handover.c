/* Descriptors go along as SCM_RIGHTS (unix(7)). Both ends are ours until a plugin's function runs,
 * and the message is sent before that. */
#include "worker/handover.h"

#include <string.h>
#include <sys/socket.h>

/* Aligned as CMSG_FIRSTHDR relies on. */
struct control {
    _Alignas(struct cmsghdr) char space[CMSG_SPACE(HANDOVER_FDS * sizeof(int))];
};

int handover_send(int socket, struct handover *what, const int fds[HANDOVER_FDS])
{
    struct control control = {{0}};
    int sent[HANDOVER_FDS];
    size_t n = 0;
    what->present = 0;
    for (int i = 0; i < HANDOVER_FDS; i++) {
        if (fds[i] < 0)
            continue;
        what->present |= 1U << i;
        sent[n++] = fds[i];
    }
    struct iovec iov = {what, sizeof *what};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = control.space,
                         .msg_controllen = CMSG_SPACE(n * sizeof(int))};
    struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(n * sizeof(int));
    memcpy(CMSG_DATA(c), sent, n * sizeof(int));
    return sendmsg(socket, &msg, MSG_NOSIGNAL) < 0 ? -1 : 0;
}

int handover_receive(int socket, struct handover *what, int fds[HANDOVER_FDS])
{
    struct control control;
    struct iovec iov = {what, sizeof *what};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = control.space,
                         .msg_controllen = sizeof control.space};
    memset(fds, -1, HANDOVER_FDS * sizeof *fds);
    if (recvmsg(socket, &msg, MSG_CMSG_CLOEXEC) != (ssize_t)sizeof *what)
        return -1;
    struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
    if (c == NULL || c->cmsg_type != SCM_RIGHTS ||
        c->cmsg_len > CMSG_LEN(HANDOVER_FDS * sizeof(int)))
        return -1;
    int got[HANDOVER_FDS];
    size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int), at = 0;
    memcpy(got, CMSG_DATA(c), n * sizeof(int));
    for (int i = 0; i < HANDOVER_FDS && at < n; i++)
        if (what->present & 1U << i)
            fds[i] = got[at++];
    return 0;
}

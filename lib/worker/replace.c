/* One worker takes the place of another, and no client notices: the sockets stay the same, with all
 * who wait there, and so does the lock, since flock belongs to the open file and not to a process
 * (flock(2)). The old worker
 *
 *     is asked whether it may be replaced     (RELOAD, TURN: one at a time)
 *     makes no more spares, and sends what it has when none is left     (HAND, HANDED)
 *     lets go of it when the new one has it     (TAKEN, YOURS)
 *
 * and serves on, as if nothing had been asked, when the connection ends or SWITCH_MS pass before
 * the last step. So whichever of the two, or of those who started them, dies at whichever moment:
 * there is one worker. Between the second step and the last, clients wait. */
#include <errno.h>
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/scope.h"
#include "client/context.h"
#include "client/start.h"
#include "client/wire.h"
#include "worker/state.h"

/* ---- giving ---- */

static bool grant_turn(struct worker *w, int conn)
{
    uint32_t granted = !w->draining && (w->turn < 0 || w->turn == conn);
    if (granted)
        w->turn = conn;
    return wire_send(conn, WIRE_TURN, &granted, sizeof granted, NULL, 0) == 0;
}

/* The starter sees to it that the spare gets a client, if none comes (client/start.c: knock). */
static bool begin_to_give(struct worker *w)
{
    w->giving = GIVING;
    w->give_until = clock_ms() + SWITCH_MS;
    w->due = -1;
    return true;
}

/* Our copies of what is the other's now. What we keep of the lifeline tells when he has gone. */
static void let_go(struct worker *w)
{
    close(steal_fd(&w->lock));
    close(steal_fd(&w->control));
    close(steal_fd(&w->call));
    close(steal_fd(&w->lifeline[1]));
    w->giving = KEEPING;
    w->turn = -1;
    w->replaced = true;
    w->draining = true;
    w->why = "another one has taken its place";
}

/* He has all, and it is his with the word that says so: if that cannot be said, he is gone. The
 * record lock is the process's own, and has to be free before he takes it. */
static bool give_up(struct worker *w, int conn)
{
    struct flock none = {.l_type = F_UNLCK, .l_whence = SEEK_SET};
    fcntl(w->lock, F_SETLK, &none);
    if (wire_send(conn, WIRE_YOURS, NULL, 0, NULL, 0) < 0) {
        worker_show(w->lock);
        return false;
    }
    let_go(w);
    return true;
}

bool replace_serve(struct worker *w, int conn, uint16_t type)
{
    if (type == WIRE_RELOAD && w->giving == KEEPING)
        return grant_turn(w, conn);
    if (conn != w->turn)
        return false;
    if (type == WIRE_HAND && w->giving == KEEPING)
        return begin_to_give(w);
    return type == WIRE_TAKEN && w->giving == GIVEN && give_up(w, conn);
}

void replace_cancel(struct worker *w)
{
    if (w->turn < 0)
        return;
    shutdown(w->turn, SHUT_RDWR); /* it is dropped when it is looked at next */
    w->turn = -1;
    w->giving = KEEPING;
    w->due = worker_spare_due(w, 0);
}

void replace_go_on(struct worker *w)
{
    const int sockets[] = {w->lock, w->control, w->call};
    if (w->giving != KEEPING && clock_ms() >= w->give_until)
        replace_cancel(w);
    if (w->giving != GIVING || w->spare != 0)
        return;
    w->giving = GIVEN;
    if (wire_send(w->turn, WIRE_HANDED, NULL, 0, sockets, 3) < 0 ||
        wire_send(w->turn, WIRE_HANDED, NULL, 0, w->lifeline, 2) < 0)
        replace_cancel(w);
}

/* ---- taking ---- */

/* The next frame, which has to be this one, with so many descriptors. 1; 0 when the other side has
 * gone, or is late; -1: it is another. Descriptors that do not fit in our table any more, since a
 * plugin's constructor has filled it, do not come (unix(7), MSG_CTRUNC). */
static int expect(int fd, enum wire_type type, int fds[WIRE_FDS], size_t n_wanted)
{
    struct wire_head head;
    size_t n_fds = 0;
    BUF_AUTO payload = BUF_INIT;
    if (wire_receive(fd, &head, &payload, fds, &n_fds, -1, clock_ms() + SWITCH_WAIT_MS) <= 0)
        return 0;
    if (head.type == type && n_fds == n_wanted)
        return 1;
    for (size_t i = 0; i < n_fds; i++)
        close(fds[i]);
    return -1;
}

static bool is_listener(int fd)
{
    int listens = 0;
    socklen_t size = sizeof listens;
    return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) == 0 && listens;
}

/* A plugin may have its worker in its hands: what comes from there is looked at. With another lock
 * than that of the key, whoever loads it next would start a second worker. */
static bool usable(const struct worker *w, const int fds[3])
{
    struct stat here, there;
    char name[RUN_NAME_SIZE];
    run_file_name(w->setup->uuid, RUN_LOCK, name);
    return fstat(fds[0], &here) == 0 &&
           fstatat(w->setup->run_dir, name, &there, AT_SYMLINK_NOFOLLOW) == 0 &&
           here.st_dev == there.st_dev && here.st_ino == there.st_ino && is_listener(fds[1]) &&
           is_listener(fds[2]);
}

static void replace_fd(int *place, int fd)
{
    close(*place);
    *place = fd;
}

/* As expect(). What was in their places until now are placeholders. */
static int receive_all(struct worker *w, int old)
{
    int fds[WIRE_FDS], lifeline[WIRE_FDS];
    int got = expect(old, WIRE_HANDED, fds, 3);
    if (got > 0)
        got = expect(old, WIRE_HANDED, lifeline, 2);
    if (got <= 0 || !usable(w, fds))
        return got <= 0 ? got : -1;
    replace_fd(&w->lock, fds[0]);
    replace_fd(&w->control, fds[1]);
    replace_fd(&w->call, fds[2]);
    replace_fd(&w->lifeline[0], lifeline[0]);
    replace_fd(&w->lifeline[1], lifeline[1]);
    return 1;
}

/* The starter may have gone, or may go: from TAKEN on we do not follow it any more, for the old
 * worker may have let go already. What is open after a failure is closed by our end. */
int replace_take(struct worker *w, struct ml_error *err)
{
    int fds[WIRE_FDS];
    if (expect(w->setup->ready, WIRE_TAKE, fds, 1) <= 0)
        _exit(1);
    AUTO_CLOSE int old = fds[0];
    int got = receive_all(w, old);
    if (got < 0)
        return ml_error_set(err, ML_PROTOCOL, NULL,
                            "the worker that is there does not hand over what it has");
    prctl(PR_SET_PDEATHSIG, 0);
    if (got > 0 && wire_send(old, WIRE_TAKEN, NULL, 0, NULL, 0) == 0 &&
        expect(old, WIRE_YOURS, fds, 0) > 0)
        return worker_show(w->lock) < 0
                   ? ml_error_errno(err, ML_REFUSED, errno, "the worker cannot lock its lock file")
                   : 0;
    return ml_error_set(err, ML_NOT_LOADED, "worker_gone",
                        "the worker that was to be replaced went away");
}

/* What the parts of the doctor share. Each looks at one thing and tells what it found; none of them
 * fails: what cannot be looked at is a finding, too. */
#ifndef CLIENT_DOCTOR_H
#define CLIENT_DOCTOR_H

#include "base/buf.h"
#include "client/context.h"
#include "modload/doctor.h"

struct doctor {
    int (*each)(const struct ml_finding *finding, void *arg);
    void *arg;
    int cancel_fd;
    int stopped;  /* what `each` returned, if that was not 0: nothing more is told */
    bool pending; /* a finding waits for its hint */
    struct ml_finding finding;
    struct buf detail, hint;
    bool failed;         /* memory is out */
    struct ml_ctx *ctx;  /* null: no home can be told */
    struct ml_error why; /* then */
};

/* Tells of a finding. It goes out when the next one comes, or at the end. */
__attribute__((format(printf, 4, 5))) void doctor_tell(struct doctor *d, enum ml_health health,
                                                       const char *name, const char *fmt, ...);

/* Whether somebody wants it to end. */
bool doctor_cancelled(const struct doctor *d);

/* What to do about the finding that was told last. */
__attribute__((format(printf, 2, 3))) void doctor_hint(struct doctor *d, const char *fmt, ...);

/* An error of another function as a finding. */
void doctor_error(struct doctor *d, enum ml_health health, const char *name,
                  const struct ml_error *err);

/* The parts, in the order in which they are told. */
void doctor_programs(struct doctor *d);
void doctor_compiler(struct doctor *d);
void doctor_registry(struct doctor *d);
void doctor_runtime(struct doctor *d);
void doctor_kernel(struct doctor *d);
void doctor_limits(struct doctor *d);
void doctor_environment(struct doctor *d);

/* What a file system is called, by its number of statfs(2); null when it is not known here. */
struct doctor_fs {
    const char *name;
    bool renames; /* renameat2(2) knows its flags */
    bool local;   /* locks hold for everybody who can see it */
    bool lasting; /* what was synced is there after a restart */
};
const struct doctor_fs *doctor_fs_find(long type);

/* The nearest directory above that is there. The caller frees it; null when memory is out. */
char *doctor_nearest(const char *path);

#endif

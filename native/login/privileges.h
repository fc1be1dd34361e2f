/* The privileges of this process: root while needed, then permanently the caller's. */
#ifndef PRIVILEGES_H
#define PRIVILEGES_H

#include <stdbool.h>
#include <sys/types.h>

struct caller {
    uid_t uid;
    gid_t gid;
    /* This process has root's privileges. */
    bool privileged;
};

/* Determines the caller. False: this program is setuid or setgid in an unsupported way. */
bool privileges_caller(struct caller *caller);

/* Makes a privileged process root's only, so that its caller cannot signal it or its children. False: errno
 * has the reason. */
bool privileges_hold(const struct caller *caller);

/* Switches to the caller permanently and checks it; the caller still cannot trace this process. False: errno
 * has the reason. */
bool privileges_drop(const struct caller *caller);

#endif

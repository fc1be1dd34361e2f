/* Whose process this is: root while it must be, the caller's for good before it talks to anybody. */
#ifndef PRIVILEGES_H
#define PRIVILEGES_H

#include <stdbool.h>
#include <sys/types.h>

struct caller {
    uid_t uid;
    gid_t gid;
    /* This process has root's privileges, whoever called it. */
    bool privileged;
};

/* Finds out who calls. False: this program is setuid or setgid in a way that it is not made for. */
bool privileges_caller(struct caller *caller);

/* Makes a privileged process root's alone, so that its caller can't send signals to it or to what it starts.
 * False: errno says why. */
bool privileges_hold(const struct caller *caller);

/* Becomes the caller for good, and proves it; the caller can't look into this process even then. False: errno
 * says why. */
bool privileges_drop(const struct caller *caller);

#endif

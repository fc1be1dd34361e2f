/* What the ways to an engine have in common: descriptors that are nobody's standard ones, and time. */
#ifndef SYSTEM_H
#define SYSTEM_H

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <time.h>
#include <unistd.h>

/* Standard descriptors may be closed in the host; what takes their place would be written to by others. */
static inline int system_lift(int fd) {
    if (fd < 0 || fd > 2)
        return fd;
    int lifted = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    int error = errno;
    close(fd);
    errno = error;
    return lifted;
}

static inline void system_close(int *fd) {
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

/* Milliseconds since some moment in the past. */
static inline int64_t system_now(void) {
    struct timespec now = {0, 0};
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

#endif

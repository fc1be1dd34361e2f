#include "system.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

int system_lift(int fd) {
    if (fd < 0 || fd >= SYSTEM_LOWEST_FD)
        return fd;
    int lifted = fcntl(fd, F_DUPFD_CLOEXEC, SYSTEM_LOWEST_FD);
    /* Closes it without changing errno. */
    close(fd);
    return lifted;
}

void system_close(int *fd) {
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

int64_t system_now(void) {
    struct timespec now = {0, 0};
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

bool system_secure_descriptors(void) {
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        if (fcntl(fd, F_GETFD) < 0 && (errno != EBADF || open("/dev/null", O_RDWR | O_NOCTTY) != fd))
            return false;
    }
    return true;
}

int system_open(const char *path, struct stat *status) {
    /* O_NONBLOCK: a FIFO in place of the file must not block the login. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd >= 0 && fstat(fd, status) < 0)
        system_close(&fd);
    return fd;
}

ssize_t system_read(int fd, char *text, size_t size) {
    size_t length = 0;
    while (length < size) {
        ssize_t step = read(fd, text + length, size - length);
        if (step < 0 && errno == EINTR)
            continue;
        if (step < 0)
            return -1;
        if (step == 0)
            break;
        length += (size_t)step;
    }
    return (ssize_t)length;
}

bool system_is_trusted(const struct stat *status, bool own) {
    bool owned = own && status->st_uid == geteuid() && getuid() == geteuid();
    return (status->st_uid == 0 || owned) && (status->st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

int system_open_directory(const char *path, bool own, const char **name, char *why, size_t why_size) {
    char directory[PATH_MAX];
    struct stat status;
    const char *slash = strrchr(path, '/');

    if (path[0] != '/' || slash[1] == '\0' || strlen(path) >= sizeof directory) {
        snprintf(why, why_size, "%.200s is not the absolute path of a file", path);
        errno = EINVAL;
        return -1;
    }
    snprintf(directory, sizeof directory, "%.*s", slash == path ? 1 : (int)(slash - path), path);
    *name = slash + 1;
    int fd = system_lift(open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (fd < 0 || fstat(fd, &status) < 0) {
        snprintf(why, why_size, "directory %.200s: %s", directory, strerror(errno));
    } else if (!system_is_trusted(&status, own)) {
        snprintf(why, why_size, "directory %.200s must be owned by root and writable by nobody else",
                 directory);
        system_close(&fd);
        errno = EPERM;
    }
    return fd;
}

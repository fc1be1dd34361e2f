#include "resident.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "bridge.h"
#include "system.h"

/* The user that a resident engine runs as, where systemd does not listen for it. */
#define RESIDENT_USER "duo"

/* How often a full queue is tried again. */
#define RETRY_MS 20

/* Passwd entries that are longer are nobody's that is meant here. */
#define MAX_ENTRY 65536

/* Opens the directory that holds the socket, if it is root's alone. `name` becomes the socket's name in it.
 */
static int open_directory(const char *path, const char **name, char *why, size_t why_size) {
    char directory[PATH_MAX];
    struct stat status;
    const char *slash = strrchr(path, '/');

    if (path[0] != '/' || slash[1] == '\0' || strlen(path) >= sizeof directory) {
        snprintf(why, why_size, "that is no absolute path of a socket");
        return -1;
    }
    size_t length = slash == path ? 1 : (size_t)(slash - path);
    memcpy(directory, path, length);
    directory[length] = '\0';
    *name = slash + 1;

    int fd = system_lift(open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (fd < 0) {
        if (errno != ENOENT)
            snprintf(why, why_size, "its directory: %s", strerror(errno));
        return -1;
    }
    if (fstat(fd, &status) < 0 || status.st_uid != 0 || (status.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
        snprintf(why, why_size, "its directory must be owned by root and writable by nobody else");
        close(fd);
        return -1;
    }
    return fd;
}

static bool is_socket(int directory, const char *name, char *why, size_t why_size) {
    struct stat status;
    if (fstatat(directory, name, &status, AT_SYMLINK_NOFOLLOW) < 0) {
        if (errno != ENOENT)
            snprintf(why, why_size, "%s", strerror(errno));
        return false;
    }
    if (!S_ISSOCK(status.st_mode)) {
        snprintf(why, why_size, "it is no socket");
        return false;
    }
    return true;
}

/* A socket of this kind connects at once or not at all; while the queue is full it is tried again, but not
 * long. */
static bool connect_within(int fd, const struct sockaddr_un *address, char *why, size_t why_size) {
    int64_t end = system_now() + BRIDGE_CONNECT_MS;
    while (connect(fd, (const struct sockaddr *)address, sizeof *address) < 0) {
        if (errno == EISCONN)
            break;
        if (errno == ENOENT) {
            snprintf(why, why_size, "it can't be reached, since /proc is not mounted here");
            return false;
        }
        if (errno != EAGAIN && errno != EINTR) {
            snprintf(why, why_size, "%s", strerror(errno));
            return false;
        }
        if (system_now() >= end) {
            snprintf(why, why_size, "it takes no connection, its queue is full");
            return false;
        }
        (void)poll(NULL, 0, RETRY_MS);
    }
    return true;
}

static bool is_engine_user(uid_t uid) {
    struct passwd entry;
    struct passwd *result = NULL;
    if (uid == 0)
        return true;
    char *buffer = malloc(MAX_ENTRY);
    if (buffer == NULL)
        return false;
    bool same = getpwnam_r(RESIDENT_USER, &entry, buffer, MAX_ENTRY, &result) == 0 && result != NULL &&
                result->pw_uid == uid;
    free(buffer);
    return same;
}

/* Who listens: root (systemd, for the engine) or the engine's user. The kernel says so, not the path. */
static bool judge_listener(int fd, char *why, size_t why_size) {
    struct ucred peer;
    socklen_t size = sizeof peer;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0) {
        snprintf(why, why_size, "who listens there can't be known: %s", strerror(errno));
        return false;
    }
    if (!is_engine_user(peer.uid)) {
        snprintf(why, why_size, "uid %u listens there, which is neither root nor %s", (unsigned)peer.uid,
                 RESIDENT_USER);
        return false;
    }
    return true;
}

int resident_connect(const char *path, char *why, size_t why_size) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const char *name = NULL;
    int directory = -1;
    int fd = -1;
    int result = -1;

    why[0] = '\0';
    directory = open_directory(path, &name, why, why_size);
    if (directory < 0 || !is_socket(directory, name, why, why_size))
        goto out;
    /* By way of the directory that was judged, whatever its path leads to by now. */
    int length = snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/%s", directory, name);
    if (length < 0 || (size_t)length >= sizeof address.sun_path) {
        snprintf(why, why_size, "its name is too long");
        goto out;
    }
    fd = system_lift(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (fd < 0) {
        snprintf(why, why_size, "%s", strerror(errno));
        goto out;
    }
    if (!connect_within(fd, &address, why, why_size) || !judge_listener(fd, why, why_size))
        goto out;
    result = fd;
    fd = -1;
out:
    system_close(&fd);
    system_close(&directory);
    return result;
}

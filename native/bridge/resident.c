#include "resident.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "account.h"
#include "bridge.h"
#include "system.h"

/* The user of a resident engine that is not started by systemd. */
#define RESIDENT_USER "duo"

/* Milliseconds between attempts while the queue is full. */
#define RETRY_MS 20

static bool is_socket(int directory, const char *name, char *why, size_t why_size) {
    struct stat status;
    if (fstatat(directory, name, &status, AT_SYMLINK_NOFOLLOW) < 0) {
        if (errno != ENOENT)
            snprintf(why, why_size, "%s", strerror(errno));
        return false;
    }
    if (!S_ISSOCK(status.st_mode))
        snprintf(why, why_size, "it is not a socket");
    return S_ISSOCK(status.st_mode);
}

/* A Unix socket connects at once or not at all. While the queue is full the attempt is repeated for a limited
 * time. */
static bool connect_within(int fd, const struct sockaddr_un *address, char *why, size_t why_size) {
    int64_t end = system_now() + BRIDGE_CONNECT_MS;
    while (connect(fd, (const struct sockaddr *)address, sizeof *address) < 0 && errno != EISCONN) {
        if ((errno != EAGAIN && errno != EINTR) || system_now() >= end) {
            snprintf(why, why_size, "%s",
                     errno == EAGAIN   ? "it takes no connection, its queue is full"
                     : errno == ENOENT ? "it can't be reached, since /proc is not mounted here"
                                       : strerror(errno));
            return false;
        }
        (void)poll(NULL, 0, RETRY_MS);
    }
    return true;
}

/* Checks that root (systemd) or the engine's user listens. The kernel reports it, so the path does not
 * matter. */
static bool judge_listener(int fd, char *why, size_t why_size) {
    struct ucred peer;
    socklen_t size = sizeof peer;
    uid_t uid;
    gid_t gid;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0) {
        snprintf(why, why_size, "who listens there can't be known: %s", strerror(errno));
        return false;
    }
    if (peer.uid == 0 || (account_ids(RESIDENT_USER, &uid, &gid) && uid == peer.uid))
        return true;
    snprintf(why, why_size, "uid %u listens there, which is neither root nor %s", (unsigned)peer.uid,
             RESIDENT_USER);
    return false;
}

int resident_connect(const char *path, char *why, size_t why_size) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const char *name = NULL;
    int fd = -1;

    int directory = system_open_directory(path, false, &name, why, why_size);
    if (directory < 0 && errno != ENOENT)
        return -1;
    why[0] = '\0';
    if (directory < 0 || !is_socket(directory, name, why, why_size))
        goto out;
    /* Connects through the checked directory, even if its path has changed. */
    int length = snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/%s", directory, name);
    if (length < 0 || (size_t)length >= sizeof address.sun_path) {
        snprintf(why, why_size, "its name is too long");
        goto out;
    }
    fd = system_lift(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (fd < 0)
        snprintf(why, why_size, "%s", strerror(errno));
    else if (!connect_within(fd, &address, why, why_size) || !judge_listener(fd, why, why_size))
        system_close(&fd);
out:
    system_close(&directory);
    return fd;
}

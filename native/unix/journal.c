#include "journal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <syslog.h>
#include <unistd.h>

#ifndef JOURNAL_SOCKET
#define JOURNAL_SOCKET "/run/systemd/journal/socket"
#endif

static bool is_line(const char *text) {
    return strchr(text, '\n') == NULL;
}

/* Lines DUO_NAME=VALUE. The engine has fewer privileges than this program: it must not set the fields of
 * others, such as MESSAGE or SYSLOG_IDENTIFIER. */
static bool are_fields(const char *text) {
    if (*text == '\0')
        return false;
    while (*text != '\0') {
        const char *end = strchr(text, '\n');
        size_t name = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_");
        if (end == NULL || strncmp(text, "DUO_", 4) != 0 || text[name] != '=')
            return false;
        text = end + 1;
    }
    return true;
}

bool journal_send(int priority, const char *prefix, const char *message, const char *fields) {
    char head[512];
    size_t length = strlen(fields);
    if (!is_line(prefix) || !is_line(message) || !are_fields(fields))
        return false;
    int written = snprintf(
        head, sizeof head, "PRIORITY=%d\nSYSLOG_FACILITY=%d\nSYSLOG_IDENTIFIER=%s\nSYSLOG_PID=%d\nMESSAGE=%s",
        priority, LOG_FAC(LOG_AUTHPRIV), program_invocation_short_name, (int)getpid(), prefix);
    if (written < 0 || (size_t)written >= sizeof head)
        return false;
    struct iovec parts[] = {
        {head, (size_t)written},
        {(char *)message, strlen(message)},
        {"\n", 1},
        {(char *)fields, length},
    };
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = JOURNAL_SOCKET};
    const struct msghdr datagram = {.msg_name = &address,
                                    .msg_namelen = sizeof address,
                                    .msg_iov = parts,
                                    .msg_iovlen = sizeof parts / sizeof *parts};
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    bool sent = sendmsg(fd, &datagram, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0;
    close(fd);
    return sent;
}

#include "terminal.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

/* Milliseconds between checks whether the login still waits. */
#define TICK_MS 100

static bool wait_ready(int fd, short events, terminal_wanted wanted, const void *context) {
    while (wanted == NULL || wanted(context)) {
        struct pollfd end = {.fd = fd, .events = events};
        int ready = poll(&end, 1, wanted == NULL ? -1 : TICK_MS);
        if (ready > 0)
            return true;
        if (ready < 0 && errno != EINTR)
            return false;
    }
    return false;
}

bool terminal_write(int fd, const char *text, terminal_wanted wanted, const void *context) {
    size_t left = strlen(text);
    while (left > 0) {
        ssize_t step = write(fd, text, left);
        if (step >= 0) {
            text += step;
            left -= (size_t)step;
        } else if (errno == EAGAIN ? !wait_ready(fd, POLLOUT, wanted, context) : errno != EINTR) {
            return false;
        }
    }
    return true;
}

/* Byte by byte: what follows the line belongs to another reader. */
int terminal_read_line(int fd, const char *ends, char *line, size_t size, terminal_wanted wanted,
                       const void *context) {
    size_t length = 0;
    line[0] = '\0';
    while (wait_ready(fd, POLLIN, wanted, context)) {
        char byte;
        ssize_t step = read(fd, &byte, 1);
        if (step < 0 && (errno == EINTR || errno == EAGAIN))
            continue;
        if (step <= 0)
            return step < 0 ? -1 : 0;
        if (byte != '\0' && strchr(ends, byte) != NULL)
            return byte;
        if (length + 1 < size) {
            line[length++] = byte == '\0' ? '?' : byte;
            line[length] = '\0';
        }
    }
    return -1;
}

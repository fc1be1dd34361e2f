#include "terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "bridge.h"
#include "line.h"
#include "system.h"

/* The longest line of a terminal. */
#define MAX_LINE 4097

bool terminal_secure_descriptors(void) {
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        if (fcntl(fd, F_GETFD) < 0 && (errno != EBADF || open("/dev/null", O_RDWR | O_NOCTTY) != fd))
            return false;
    }
    return true;
}

static bool is_watched(const void *context) {
    (void)context;
    return bridge_pending_signal() == 0 && !terminal_gone();
}

void terminal_show(const char *text) {
    (void)line_put(STDOUT_FILENO, text, is_watched, NULL);
}

static bool is_awaited(const void *until) {
    return bridge_pending_signal() == 0 && system_now() < *(const int64_t *)until;
}

static char *read_line(int64_t until) {
    char *line = malloc(MAX_LINE);
    if (line == NULL || line_get(STDIN_FILENO, "\r\n", line, MAX_LINE, is_awaited, &until) > 0)
        return line;
    explicit_bzero(line, MAX_LINE);
    free(line);
    return NULL;
}

char *terminal_ask(const char *text, bool echo, int64_t until) {
    struct termios before;
    bool hidden = false;
    if (!echo && tcgetattr(STDIN_FILENO, &before) == 0) {
        struct termios quiet = before;
        quiet.c_lflag &= ~(tcflag_t)ECHO;
        hidden = tcsetattr(STDIN_FILENO, TCSADRAIN, &quiet) == 0;
    }
    /* Shown when further input is no longer visible. */
    terminal_show(text);
    char *answer = read_line(until);
    if (hidden)
        (void)tcsetattr(STDIN_FILENO, TCSADRAIN, &before);
    /* The next output begins on a new line; after a signal the caller does that. */
    if (hidden || (answer == NULL && bridge_pending_signal() == 0))
        terminal_show("\n");
    return answer;
}

bool terminal_gone(void) {
    struct pollfd ends[] = {{.fd = STDIN_FILENO}, {.fd = STDOUT_FILENO}};
    return poll(ends, 2, 0) == 2 && (ends[0].revents & (POLLHUP | POLLERR)) != 0 &&
           (ends[1].revents & (POLLHUP | POLLERR)) != 0;
}

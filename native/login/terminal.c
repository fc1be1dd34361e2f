#include "terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "bridge.h"

/* How often a prompt looks for signals that are held back. */
#define TICK_MS 100

/* A terminal's own longest line. What is longer than a factor can be is still read to its end, for it must
 * not reach the shell. */
#define MAX_LINE 4096

bool terminal_secure_descriptors(void) {
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        if (fcntl(fd, F_GETFD) < 0 && (errno != EBADF || open("/dev/null", O_RDWR | O_NOCTTY) != fd))
            return false;
    }
    return true;
}

int64_t terminal_now(void) {
    struct timespec now;
    if (clock_gettime(CLOCK_MONOTONIC, &now) < 0)
        return INT64_MAX;
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void terminal_show(const char *text) {
    size_t length = strlen(text);
    while (length > 0) {
        ssize_t step = write(STDOUT_FILENO, text, length);
        if (step > 0) {
            text += step;
            length -= (size_t)step;
        } else if (step < 0 && errno == EAGAIN) {
            struct pollfd output = {.fd = STDOUT_FILENO, .events = POLLOUT};
            if (bridge_pending_signal() != 0 || terminal_gone())
                return;
            (void)poll(&output, 1, TICK_MS);
        } else if (step >= 0 || errno != EINTR) {
            return;
        }
    }
}

/* True: there is something to read, or the end of it. */
static bool wait_for_input(int64_t until) {
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
    for (;;) {
        if (bridge_pending_signal() != 0 || terminal_now() >= until)
            return false;
        int ready = poll(&input, 1, TICK_MS);
        if (ready > 0)
            return true;
        if (ready < 0 && errno != EINTR)
            return false;
    }
}

/* Byte by byte: what is typed ahead behind the line break is the shell's. */
static char *read_line(int64_t until) {
    char *line = malloc(MAX_LINE + 1);
    size_t length = 0;
    while (line != NULL && wait_for_input(until)) {
        char byte;
        ssize_t step = read(STDIN_FILENO, &byte, 1);
        if (step < 0 && (errno == EINTR || errno == EAGAIN))
            continue;
        if (step <= 0)
            break;
        if (byte == '\n' || byte == '\r') {
            line[length] = '\0';
            return line;
        }
        if (length < MAX_LINE)
            line[length++] = byte == '\0' ? '?' : byte;
    }
    if (line != NULL)
        explicit_bzero(line, length);
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
    /* Shown when nothing typed in reply can be seen any more. */
    terminal_show(text);
    char *answer = read_line(until);
    if (hidden)
        (void)tcsetattr(STDIN_FILENO, TCSADRAIN, &before);
    /* What comes next starts on a line of its own; after a signal, that is its caller's affair. */
    if (hidden || (answer == NULL && bridge_pending_signal() == 0))
        terminal_show("\n");
    return answer;
}

bool terminal_gone(void) {
    struct pollfd ends[] = {{.fd = STDIN_FILENO}, {.fd = STDOUT_FILENO}};
    return poll(ends, 2, 0) == 2 && (ends[0].revents & (POLLHUP | POLLERR)) != 0 &&
           (ends[1].revents & (POLLHUP | POLLERR)) != 0;
}

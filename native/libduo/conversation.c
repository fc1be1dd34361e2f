#include "conversation.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "terminal.h"

struct terminal {
    int input;
    int output;
    /* Own descriptors of the terminal, not the program's. */
    bool own;
};

static struct terminal terminal_open(void) {
    int fd = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (fd >= 0)
        return (struct terminal){fd, fd, true};
    /* The program's buffered output comes first. */
    (void)fflush(stdout);
    return (struct terminal){STDIN_FILENO, STDOUT_FILENO, false};
}

static void terminal_close(const struct terminal *terminal) {
    if (terminal->own)
        close(terminal->input);
}

/* A closed standard output is an error here, without SIGPIPE. */
static bool put(int fd, const char *text) {
    const struct timespec now = {0, 0};
    sigset_t pipe_signal;
    sigset_t pending;
    sigset_t before;
    sigemptyset(&pipe_signal);
    sigaddset(&pipe_signal, SIGPIPE);
    sigemptyset(&pending);
    (void)sigpending(&pending);
    if (pthread_sigmask(SIG_BLOCK, &pipe_signal, &before) != 0)
        return false;
    bool written = terminal_write(fd, text, NULL, NULL);
    if (!written && errno == EPIPE && sigismember(&pending, SIGPIPE) == 0)
        (void)sigtimedwait(&pipe_signal, NULL, &now);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return written;
}

/* A line without a line break counts, unless it is empty. */
static bool get(int fd, char *buf, size_t bufsz) {
    int end = terminal_read_line(fd, "\n", buf, bufsz, NULL, NULL);
    return end > 0 || (end == 0 && buf[0] != '\0');
}

char *conversation_prompt(void *conv_arg, const char *prompt, char *buf, size_t bufsz) {
    struct terminal terminal = terminal_open();
    (void)conv_arg;
    bool answered = put(terminal.output, prompt) && get(terminal.input, buf, bufsz);
    terminal_close(&terminal);
    return answered ? buf : NULL;
}

void conversation_status(void *conv_arg, const char *msg) {
    struct terminal terminal = terminal_open();
    (void)conv_arg;
    if (put(terminal.output, msg))
        (void)put(terminal.output, "\n");
    terminal_close(&terminal);
}

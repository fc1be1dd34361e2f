#include "conversation.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bridge.h"
#include "system.h"
#include "terminal.h"

/* The longest line that a terminal sends. */
#define MAX_LINE 4097

static bool is_watched(const void *context) {
    (void)context;
    return bridge_pending_signal() == 0 && !conversation_gone();
}

void conversation_show(const char *text) {
    (void)terminal_write(STDOUT_FILENO, text, is_watched, NULL);
}

static bool is_awaited(const void *until) {
    return bridge_pending_signal() == 0 && system_now() < *(const int64_t *)until;
}

static char *read_line(int64_t until) {
    char *line = malloc(MAX_LINE);
    if (line == NULL || terminal_read_line(STDIN_FILENO, "\r\n", line, MAX_LINE, is_awaited, &until) > 0)
        return line;
    explicit_bzero(line, MAX_LINE);
    free(line);
    return NULL;
}

char *conversation_ask(const char *text, int64_t until) {
    conversation_show(text);
    char *answer = read_line(until);
    /* The next output begins on a new line; after a signal the caller does that. */
    if (answer == NULL && bridge_pending_signal() == 0)
        conversation_show("\n");
    return answer;
}

bool conversation_gone(void) {
    struct pollfd ends[] = {{.fd = STDIN_FILENO}, {.fd = STDOUT_FILENO}};
    return poll(ends, 2, 0) == 2 && (ends[0].revents & (POLLHUP | POLLERR)) != 0 &&
           (ends[1].revents & (POLLHUP | POLLERR)) != 0;
}

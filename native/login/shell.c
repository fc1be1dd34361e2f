#include "shell.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conversation.h"

#define MOTD "/etc/motd"

char *shell_join(char *const words[]) {
    size_t size = 1;
    for (size_t i = 0; words[i] != NULL; i++)
        size += strlen(words[i]) + 1;
    char *joined = malloc(size);
    if (joined == NULL)
        return NULL;
    char *end = joined;
    for (size_t i = 0; words[i] != NULL; i++) {
        if (i > 0)
            *end++ = ' ';
        end = stpcpy(end, words[i]);
    }
    *end = '\0';
    return joined;
}

void shell_show_motd(void) {
    char part[1024];
    ssize_t step;
    int fd = open(MOTD, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0)
        return;
    while ((step = read(fd, part, sizeof part - 1)) > 0) {
        part[step] = '\0';
        conversation_show(part);
    }
    close(fd);
}

void shell_execute(const char *shell, const char *command) {
    const char *slash = strrchr(shell, '/');
    const char *name = slash == NULL ? shell : slash + 1;
    if (command != NULL) {
        char *const arguments[] = {(char *)name, (char *)"-c", (char *)command, NULL};
        execv(shell, arguments);
        return;
    }
    char *login_name = NULL;
    if (asprintf(&login_name, "-%s", name) < 0)
        return;
    char *const arguments[] = {login_name, NULL};
    execv(shell, arguments);
    int error = errno;
    free(login_name);
    errno = error;
}

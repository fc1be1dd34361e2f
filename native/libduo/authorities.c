#include "authorities.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "frame.h"

#define BEGIN "-----BEGIN CERTIFICATE-----"
#define END "-----END CERTIFICATE-----"
#define BASE64 "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/= \t\r\n"

bool authorities_usable(const char *pem, const char **why) {
    if (strlen(pem) > FRAME_MAX_AUTHORITIES) {
        *why = "the text is too long";
        return false;
    }
    for (const char *at = strstr(pem, BEGIN); at != NULL; at = strstr(at, BEGIN)) {
        at += strlen(BEGIN);
        size_t length = strspn(at, BASE64);
        if (length > 2 && strncmp(at + length, END, strlen(END)) == 0)
            return true;
    }
    *why = "there is no certificate in it";
    return false;
}

char *authorities_read(const char *path) {
    const size_t capacity = FRAME_MAX_AUTHORITIES + 2;
    char *text = NULL;
    size_t length = 0;
    struct stat status;
    const char *why;
    bool done = false;
    int error = EINVAL;
    int fd;

    /* O_NONBLOCK: a fifo in the file's place must not hold the program up. */
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &status) < 0) {
        error = errno;
        goto out;
    }
    if (!S_ISREG(status.st_mode))
        goto out;
    if (status.st_size > FRAME_MAX_AUTHORITIES) {
        error = EFBIG;
        goto out;
    }
    text = malloc(capacity);
    if (text == NULL) {
        error = ENOMEM;
        goto out;
    }
    while (length < capacity - 1) {
        ssize_t step = read(fd, text + length, capacity - 1 - length);
        if (step < 0 && errno == EINTR)
            continue;
        if (step < 0) {
            error = errno;
            goto out;
        }
        if (step == 0)
            break;
        length += (size_t)step;
    }
    text[length] = '\0';
    done = strlen(text) == length && authorities_usable(text, &why);
    /* A handle lives long: it keeps no more than it needs. */
    char *fitting = done ? realloc(text, length + 1) : NULL;
    if (fitting != NULL)
        text = fitting;
out:
    if (fd >= 0)
        close(fd);
    if (!done) {
        free(text);
        text = NULL;
        errno = error;
    }
    return text;
}

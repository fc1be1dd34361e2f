#include "authorities.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "frame.h"
#include "system.h"

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
    *why = "it contains no certificate";
    return false;
}

char *authorities_read(const char *path) {
    char *text = NULL;
    char *fitting = NULL;
    struct stat status;
    const char *why;
    int error = EINVAL;

    int fd = system_open(path, &status);
    if (fd < 0)
        return NULL;
    if (!S_ISREG(status.st_mode))
        goto out;
    text = malloc(FRAME_MAX_AUTHORITIES + 2);
    ssize_t length = text == NULL ? -1 : system_read(fd, text, FRAME_MAX_AUTHORITIES + 1);
    if (length < 0 || length > FRAME_MAX_AUTHORITIES) {
        error = length < 0 ? errno : EFBIG;
        goto out;
    }
    text[length] = '\0';
    /* A handle exists for a long time, so unused memory is freed. */
    if (strlen(text) == (size_t)length && authorities_usable(text, &why)) {
        fitting = strdup(text);
        error = errno;
    }
out:
    system_close(&fd);
    free(text);
    errno = error;
    return fitting;
}

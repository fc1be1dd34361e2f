#include "login_uid.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#ifndef LOGIN_UID_PATH
#define LOGIN_UID_PATH "/proc/self/loginuid"
#endif

bool login_uid_read(uint32_t *uid) {
    /* The longest number, a newline, and one more byte. */
    char text[sizeof "4294967295\n" + 1];
    char *end = NULL;
    bool known = false;
    ssize_t length = 0;
    int fd = open(LOGIN_UID_PATH, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        goto out;
    do
        length = read(fd, text, sizeof text - 1);
    while (length < 0 && errno == EINTR);
    if (length <= 0 || (size_t)length == sizeof text - 1 || text[0] < '0' || text[0] > '9')
        goto out;
    text[length] = '\0';
    errno = 0;
    unsigned long value = strtoul(text, &end, 10);
    if (errno != 0 || value > UINT32_MAX || (*end != '\0' && *end != '\n'))
        goto out;
    *uid = (uint32_t)value;
    known = true;
out:
    if (fd >= 0)
        close(fd);
    return known;
}

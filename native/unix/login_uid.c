#include "login_uid.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "system.h"

#ifndef LOGIN_UID_PATH
#define LOGIN_UID_PATH "/proc/self/loginuid"
#endif
#ifndef LOGIN_SESSION_PATH
#define LOGIN_SESSION_PATH "/proc/self/sessionid"
#endif

static bool read_number(const char *name, uint32_t *number) {
    /* The longest number, a newline, and one more byte. */
    char text[sizeof "4294967295\n" + 1];
    char *end = NULL;
    struct stat status;
    int fd = system_open(name, &status);
    ssize_t length = fd < 0 ? -1 : system_read(fd, text, sizeof text - 1);
    system_close(&fd);
    if (length <= 0 || (size_t)length == sizeof text - 1 || text[0] < '0' || text[0] > '9')
        return false;
    text[length] = '\0';
    errno = 0;
    unsigned long value = strtoul(text, &end, 10);
    if (errno != 0 || value > UINT32_MAX || (*end != '\0' && *end != '\n'))
        return false;
    *number = (uint32_t)value;
    return true;
}

bool login_uid_read(uint32_t *uid) {
    return read_number(LOGIN_UID_PATH, uid);
}

bool login_session_read(uint32_t *session) {
    return read_number(LOGIN_SESSION_PATH, session);
}

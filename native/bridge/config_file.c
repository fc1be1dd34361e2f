#include "config_file.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "frame.h"

static void name_of(uid_t uid, char *name, size_t size) {
    struct passwd entry;
    struct passwd *result = NULL;
    char buffer[4096];
    if (getpwuid_r(uid, &entry, buffer, sizeof buffer, &result) == 0 && result != NULL)
        snprintf(name, size, "%s", result->pw_name);
    else
        snprintf(name, size, "%u", (unsigned)uid);
}

/* Judges what was opened, not what a path says. */
static bool judge(int fd, const char *path, char *why, size_t why_size) {
    struct stat status;
    if (fstat(fd, &status) < 0) {
        snprintf(why, why_size, "Couldn't open %s: %s", path, strerror(errno));
        return false;
    }
    if (!S_ISREG(status.st_mode)) {
        snprintf(why, why_size, "Couldn't open %s: it is no regular file", path);
        return false;
    }
    if (status.st_uid != geteuid() || (status.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
        char owner[64];
        name_of(geteuid(), owner, sizeof owner);
        snprintf(why, why_size, "%s must be readable only by user '%s'", path, owner);
        return false;
    }
    if (status.st_size > FRAME_MAX_CONFIG) {
        snprintf(why, why_size, "%s is longer than %d bytes", path, FRAME_MAX_CONFIG);
        return false;
    }
    return true;
}

bool config_file_read(struct config_file *file, const char *path, char *why, size_t why_size) {
    const size_t capacity = FRAME_MAX_CONFIG + 1;
    bool done = false;
    int fd = -1;
    int error;

    *file = (struct config_file){NULL, 0};
    /* O_NONBLOCK: a fifo in the file's place must not hold the login up. */
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0) {
        snprintf(why, why_size, "Couldn't open %s: %s", path, strerror(errno));
        goto out;
    }
    if (!judge(fd, path, why, why_size)) {
        errno = EPERM;
        goto out;
    }
    file->text = malloc(capacity);
    if (file->text == NULL) {
        snprintf(why, why_size, "Couldn't open %s: out of memory", path);
        goto out;
    }
    while (file->length < capacity) {
        ssize_t step = read(fd, file->text + file->length, capacity - file->length);
        if (step < 0 && errno == EINTR)
            continue;
        if (step < 0) {
            snprintf(why, why_size, "Couldn't open %s: %s", path, strerror(errno));
            goto out;
        }
        if (step == 0)
            break;
        file->length += (size_t)step;
    }
    if (file->length > FRAME_MAX_CONFIG)
        snprintf(why, why_size, "%s is longer than %d bytes", path, FRAME_MAX_CONFIG);
    else if (memchr(file->text, '\0', file->length) != NULL)
        snprintf(why, why_size, "%s holds a NUL byte: it is no configuration", path);
    else
        done = true;
out:
    error = errno;
    if (fd >= 0)
        close(fd);
    if (!done)
        config_file_free(file);
    errno = error;
    return done;
}

void config_file_free(struct config_file *file) {
    if (file->text != NULL) {
        explicit_bzero(file->text, FRAME_MAX_CONFIG + 1);
        free(file->text);
    }
    *file = (struct config_file){NULL, 0};
}

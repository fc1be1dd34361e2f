#include "config_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "account.h"
#include "frame.h"
#include "system.h"

/* Checks the open file, not its path. */
static bool judge(const struct stat *status, const char *path, char *why, size_t why_size) {
    if (!S_ISREG(status->st_mode)) {
        snprintf(why, why_size, "Couldn't open %s: it is not a regular file", path);
        return false;
    }
    if (status->st_uid != geteuid() || (status->st_mode & (S_IRWXG | S_IRWXO)) != 0) {
        struct account owner;
        char number[16];
        snprintf(number, sizeof number, "%u", (unsigned)geteuid());
        snprintf(why, why_size, "%s must be readable only by user '%s'", path,
                 account_by_uid(&owner, geteuid()) ? owner.name : number);
        account_free(&owner);
        return false;
    }
    return true;
}

bool config_file_read(struct config_file *file, const char *path, char *why, size_t why_size) {
    struct stat status;
    bool done = false;

    *file = (struct config_file){NULL, 0};
    int fd = system_open(path, &status);
    if (fd < 0) {
        snprintf(why, why_size, "Couldn't open %s: %s", path, strerror(errno));
        return false;
    }
    if (!judge(&status, path, why, why_size))
        goto out;
    file->text = malloc(FRAME_MAX_CONFIG + 1);
    ssize_t length = file->text == NULL ? -1 : system_read(fd, file->text, FRAME_MAX_CONFIG + 1);
    if (length < 0)
        snprintf(why, why_size, "Couldn't open %s: %s", path, strerror(errno));
    else if (length > FRAME_MAX_CONFIG)
        snprintf(why, why_size, "%s is longer than %d bytes", path, FRAME_MAX_CONFIG);
    else if (memchr(file->text, '\0', (size_t)length) != NULL)
        snprintf(why, why_size, "%s holds a NUL byte: it is not a configuration", path);
    else
        done = true;
    file->length = length < 0 ? 0 : (size_t)length;
out:
    system_close(&fd);
    if (!done)
        config_file_free(file);
    /* The open succeeded, so errno must not say EACCES. */
    errno = EPERM;
    return done;
}

void config_file_free(struct config_file *file) {
    if (file->text != NULL) {
        explicit_bzero(file->text, FRAME_MAX_CONFIG + 1);
        free(file->text);
    }
    *file = (struct config_file){NULL, 0};
}

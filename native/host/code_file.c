#include "code_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "system.h"

/* A used code must not come back after a crash. */
static bool write_through(int directory) {
    int fd = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool done = fd >= 0 && fsync(fd) == 0;
    system_close(&fd);
    return done;
}

bool code_file_remove(const char *name, char *why, size_t why_size) {
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789";
    const char *last;
    if (name[0] == '\0' || name[strspn(name, allowed)] != '\0') {
        snprintf(why, why_size, "the engine named an invalid break-glass code");
        return false;
    }
    int directory = system_open_directory(CODE_DIRECTORY "/code", true, &last, why, why_size);
    if (directory < 0)
        return false;
    bool removed = unlinkat(directory, name, 0) == 0 && write_through(directory);
    if (!removed)
        snprintf(why, why_size, "break-glass code %s can't be removed: %s", name, strerror(errno));
    system_close(&directory);
    return removed;
}

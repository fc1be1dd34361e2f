/* Calls to the operating system that several files use. */
#ifndef SYSTEM_H
#define SYSTEM_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

/* Moves a descriptor above those that an engine uses, because the standard ones may be closed. */
#define SYSTEM_LOWEST_FD 10
int system_lift(int fd);

void system_close(int *fd);

/* Milliseconds of the monotonic clock. */
int64_t system_now(void);

/* Opens /dev/null for closed standard descriptors, so that no other file gets their numbers. False: that
 * failed. */
bool system_secure_descriptors(void);

/* Opens a file for reading, with its status. -1: errno has the reason. */
int system_open(const char *path, struct stat *status);

/* Reads until the end of the file, at most size bytes. -1: errno has the reason. */
ssize_t system_read(int fd, char *text, size_t size);

/* True when only root can change the file, or, with `own`, only root and this process's user. */
bool system_is_trusted(const struct stat *status, bool own);

/* Opens the directory of an absolute path if it is trusted; *name becomes the last part of the path. -1: *why
 * has the reason, and errno is ENOENT when it does not exist. */
int system_open_directory(const char *path, bool own, const char **name, char *why, size_t why_size);

#endif

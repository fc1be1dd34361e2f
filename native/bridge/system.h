/* What more than one part asks of the operating system. */
#ifndef SYSTEM_H
#define SYSTEM_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

/* Moves a new descriptor above those that an engine has: standard ones may be closed in the host. */
#define SYSTEM_LOWEST_FD 10
int system_lift(int fd);

void system_close(int *fd);

/* Milliseconds of a clock that never goes back. */
int64_t system_now(void);

/* The ids of a user for an engine. False: there is no such user, or it is root. */
bool system_user_ids(const char *name, uid_t *uid, gid_t *gid);

/* Opens a file to be read, and says what it is. -1: errno says why not. */
int system_open(const char *path, struct stat *status);

/* Reads until the end of the file, but never more than size bytes. -1: errno says why not. */
ssize_t system_read(int fd, char *text, size_t size);

/* True when only root can change the file; or, where `own`, only root and this process's user. */
bool system_is_trusted(const struct stat *status, bool own);

/* Opens the directory in an absolute path if it is trusted; *name becomes the last part of the path. -1: *why
 * says why not, and errno is ENOENT where there is none. */
int system_open_directory(const char *path, bool own, const char **name, char *why, size_t why_size);

#endif

/* config_file.c: which files are read, and the messages about the others. */
#include "config_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"

int check_failures = 0;

static char directory[] = "/tmp/config-test-XXXXXX";
static char path[256];

static void write_file(const char *text, size_t length, mode_t mode) {
    unlink(path);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, mode);
    CHECK(fd >= 0 && write(fd, text, length) == (ssize_t)length, "%s", strerror(errno));
    close(fd);
    chmod(path, mode);
}

static void check_refused(const char *name, const char *why_part) {
    struct config_file file;
    char why[512] = "";
    CHECK(!config_file_read(&file, name, why, sizeof why), "%s was read", name);
    CHECK(file.text == NULL && file.length == 0, "something is left of it");
    CHECK(strstr(why, why_part) != NULL, "%s", why);
}

int main(void) {
    struct config_file file;
    char why[512] = "";
    char *big = malloc(65537);
    if (big == NULL || mkdtemp(directory) == NULL)
        return 2;
    memset(big, ';', 65537);
    snprintf(path, sizeof path, "%s/pam_duo.conf", directory);

    write_file("[duo]\n", 6, 0600);
    CHECK(config_file_read(&file, path, why, sizeof why), "%s", why);
    CHECK(file.length == 6 && memcmp(file.text, "[duo]\n", 6) == 0, "another text");
    config_file_free(&file);
    CHECK(file.text == NULL, "freed");
    write_file("", 0, 0400);
    CHECK(config_file_read(&file, path, why, sizeof why) && file.length == 0, "an empty file");
    config_file_free(&file);
    write_file(big, 65536, 0600);
    CHECK(config_file_read(&file, path, why, sizeof why) && file.length == 65536, "64 KiB");
    config_file_free(&file);

    write_file(big, 65537, 0600);
    check_refused(path, "is longer than 65536 bytes");
    write_file("a\0b", 3, 0600);
    check_refused(path, "holds a NUL byte");
    write_file("[duo]\n", 6, 0640);
    check_refused(path, "must be readable only by user '");
    write_file("[duo]\n", 6, 0604);
    check_refused(path, "must be readable only by user '");
    if (geteuid() == 0) {
        write_file("[duo]\n", 6, 0600);
        CHECK(chown(path, 12345, 12345) == 0, "%s", strerror(errno));
        check_refused(path, "must be readable only by user 'root'");
    } else {
        fprintf(stderr, "skipped: a file of another user's takes root\n");
    }
    unlink(path);
    check_refused(path, "Couldn't open");
    check_refused(path, "No such file or directory");
    check_refused(directory, "it is not a regular file");
    check_refused("/dev/zero", "it is not a regular file");
    CHECK(mkfifo(path, 0600) == 0, "%s", strerror(errno));
    check_refused(path, "it is not a regular file");
    unlink(path);
    char target[300];
    snprintf(target, sizeof target, "%s/target", directory);
    rename(path, target);
    write_file("[duo]\n", 6, 0600);
    rename(path, target);
    CHECK(symlink(target, path) == 0, "%s", strerror(errno));
    CHECK(config_file_read(&file, path, why, sizeof why), "a link to a good file: %s", why);
    config_file_free(&file);
    chmod(target, 0644);
    check_refused(path, "must be readable only by user '");
    unlink(path);
    unlink(target);
    rmdir(directory);
    free(big);
    return check_failures == 0 ? 0 : 1;
}

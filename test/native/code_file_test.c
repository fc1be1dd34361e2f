/* code_file.c, with a directory of its own. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CODE_DIRECTORY "/tmp/duo_ts_code_file_test"
#include "../../native/host/code_file.c"
#include "check.h"

int check_failures = 0;

static bool removes(const char *name, const char *expected) {
    char why[256] = "";
    bool removed = code_file_remove(name, why, sizeof why);
    CHECK(strstr(why, expected) != NULL, "'%s' for '%s'", why, name);
    return removed;
}

int main(void) {
    static const char *const invalid[] = {"",      ".",    "..",    "../abcd", "ab/cd",
                                          "/abcd", "ABCD", "ab cd", "ab\n",    "\xc3\xa4"};
    (void)unlink(CODE_DIRECTORY "/abcd");
    (void)rmdir(CODE_DIRECTORY);
    CHECK(!removes("abcd", "directory " CODE_DIRECTORY ": "), "without a directory");
    if (mkdir(CODE_DIRECTORY, 0755) < 0)
        return 2;
    CHECK(!removes("abcd", "break-glass code abcd can't be removed: "), "without a file");
    int fd = open(CODE_DIRECTORY "/abcd", O_CREAT | O_WRONLY, 0600);
    close(fd);
    for (size_t i = 0; i < sizeof invalid / sizeof *invalid; i++)
        CHECK(!removes(invalid[i], "the engine named an invalid break-glass code"), "'%s'", invalid[i]);
    if (chmod(CODE_DIRECTORY, 0777) < 0)
        return 2;
    CHECK(!removes("abcd", "must be owned by root and writable by nobody else"), "a directory of everybody");
    if (chmod(CODE_DIRECTORY, 0755) < 0)
        return 2;
    CHECK(removes("abcd", ""), "a code");
    CHECK(access(CODE_DIRECTORY "/abcd", F_OK) < 0, "the file is still there");
    CHECK(!removes("abcd", "can't be removed"), "a used code");
    (void)rmdir(CODE_DIRECTORY);
    return check_failures == 0 ? 0 : 1;
}

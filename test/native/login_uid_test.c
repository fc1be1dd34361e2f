/* login_uid.c, with a file in place of the kernel's. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char path[] = "/tmp/login_uid_test.XXXXXX";
#define LOGIN_UID_PATH path
#define LOGIN_SESSION_PATH path
#include "../../native/unix/login_uid.c"
#include "check.h"

int check_failures = 0;

static bool reads(const char *text, uint32_t *uid) {
    int fd = open(path, O_WRONLY | O_TRUNC);
    if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
        abort();
    close(fd);
    return login_uid_read(uid);
}

int main(void) {
    static const char *const nonsense[] = {"",
                                           "\n",
                                           "-1",
                                           "+1",
                                           " 1",
                                           "x",
                                           "1000x",
                                           "4294967296",
                                           "99999999999",
                                           "1 2",
                                           "000000000000000000000"};
    static const struct {
        const char *text;
        uint32_t uid;
    } good[] = {
        {"0", 0}, {"1000", 1000}, {"1000\n", 1000}, {"4294967295", UINT32_MAX}, {"4294967295\n", UINT32_MAX}};
    uint32_t uid = 7;
    int fd = mkstemp(path);
    if (fd < 0)
        return 2;
    close(fd);
    for (size_t i = 0; i < sizeof nonsense / sizeof *nonsense; i++)
        CHECK(!reads(nonsense[i], &uid) && uid == 7, "'%s' became %u", nonsense[i], uid);
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        CHECK(reads(good[i].text, &uid) && uid == good[i].uid, "'%s' became %u", good[i].text, uid);
    CHECK(reads("8\n", &uid) && login_session_read(&uid) && uid == 8, "a session became %u", uid);
    unlink(path);
    uid = 7;
    CHECK(!login_uid_read(&uid) && uid == 7, "a file that is not there became %u", uid);
    return check_failures == 0 ? 0 : 1;
}

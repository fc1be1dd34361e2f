/* journal.c, with a socket in place of journald's. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define JOURNAL_SOCKET "/tmp/journal_test.sock"
#include "../../native/unix/journal.c"
#include "check.h"

int check_failures = 0;

int main(void) {
    static const char *const bad[] = {
        "",
        "DUO_USER=alice",
        "DUO_USER=alice\nMESSAGE=forged\n",
        "SYSLOG_IDENTIFIER=sudo\n",
        "DUO_USER\n",
        "DUO_user=alice\n",
        "DUO_USER=a\n\n",
        "XDUO_A=b\n",
    };
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = JOURNAL_SOCKET};
    char received[4096] = "";

    unlink(JOURNAL_SOCKET);
    CHECK(!journal_send(6, "p: ", "m", "DUO_A=b\n"), "sent without a socket");
    int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) < 0)
        abort();
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        CHECK(!journal_send(6, "", "m", bad[i]), "sent bad fields: %s", bad[i]);
    CHECK(!journal_send(6, "", "two\nlines", "DUO_A=b\n"), "sent a message of two lines");
    CHECK(!journal_send(6, "two\nlines", "m", "DUO_A=b\n"), "sent a prefix of two lines");
    CHECK(recv(fd, received, sizeof received - 1, MSG_DONTWAIT) < 0, "received: %s", received);

    CHECK(journal_send(4, "pam_duo_ts(sshd:auth): ", "Failed", "DUO_USER=alice\nDUO_PING_MS=7\n"),
          "not sent");
    ssize_t length = recv(fd, received, sizeof received - 1, MSG_DONTWAIT);
    received[length < 0 ? 0 : length] = '\0';
    CHECK(strstr(received, "PRIORITY=4\nSYSLOG_FACILITY=10\nSYSLOG_IDENTIFIER=") == received, "%s", received);
    CHECK(strstr(received, "\nMESSAGE=pam_duo_ts(sshd:auth): Failed\nDUO_USER=alice\nDUO_PING_MS=7\n") !=
              NULL,
          "%s", received);
    /* A socket that nobody reads fills up. */
    int sent = 0;
    while (sent < 100000 && journal_send(6, "", "m", "DUO_A=b\n"))
        sent++;
    CHECK(sent < 100000, "never full");
    close(fd);
    unlink(JOURNAL_SOCKET);
    return check_failures == 0 ? 0 : 1;
}

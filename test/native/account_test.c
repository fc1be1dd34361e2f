/* Groups whose names the name service can't tell. */
#include <errno.h>
#include <grp.h>
#include <stdbool.h>
#include <string.h>

#include "account.h"
#include "check.h"

int check_failures;

/* What the name service answers. */
static int answer;

int __wrap_getgrgid_r(gid_t gid, struct group *entry, char *buffer, size_t size, struct group **result);

int __wrap_getgrgid_r(gid_t gid, struct group *entry, char *buffer, size_t size, struct group **result) {
    (void)gid, (void)entry, (void)buffer, (void)size;
    *result = NULL;
    return answer;
}

static void look_up(int error, bool unknown) {
    struct bridge_account account;
    answer = error;
    CHECK(account_by_uid(&account, 0), "uid 0");
    CHECK((account.groups_error == NULL) == unknown, "%s: %s", strerror(error),
          account.groups_error == NULL ? "no error" : account.groups_error);
    if (unknown)
        CHECK(account.group_count > 0 && strcmp(account.groups[0], "0") == 0, "%s", strerror(error));
    account_free(&account);
}

int main(void) {
    static const int none[] = {0, ENOENT, ESRCH, EBADF, EPERM};
    static const int failures[] = {EIO, EMFILE, ENFILE, ENOMEM, EAGAIN, EINTR, ERANGE, ECONNREFUSED};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        look_up(none[i], true);
    for (size_t i = 0; i < sizeof failures / sizeof *failures; i++)
        look_up(failures[i], false);
    return check_failures == 0 ? 0 : 1;
}

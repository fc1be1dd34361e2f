/* Groups whose names the name service cannot return, and users that it cannot look up. */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdbool.h>
#include <string.h>
#include <sys/resource.h>

#include "account.h"
#include "check.h"

int check_failures;

/* The answer of the name service. LARGE: a group of some hundred thousand members. */
#define LARGE (-1)
#define LARGE_SIZE (8 * 1024 * 1024)
static int answer;

int __wrap_getgrgid_r(gid_t gid, struct group *entry, char *buffer, size_t size, struct group **result);

int __wrap_getgrgid_r(gid_t gid, struct group *entry, char *buffer, size_t size, struct group **result) {
    static char name[] = "everybody";
    (void)gid, (void)buffer;
    *result = NULL;
    if (answer != LARGE)
        return answer;
    if (size < LARGE_SIZE)
        return ERANGE;
    entry->gr_name = name;
    *result = entry;
    return 0;
}

/* Its answer about a user; -1: the system's own name service. */
static int user_answer = -1;

int __real_getpwnam_r(const char *name, struct passwd *entry, char *buffer, size_t size,
                      struct passwd **result);
int __wrap_getpwnam_r(const char *name, struct passwd *entry, char *buffer, size_t size,
                      struct passwd **result);

int __wrap_getpwnam_r(const char *name, struct passwd *entry, char *buffer, size_t size,
                      struct passwd **result) {
    if (user_answer < 0)
        return __real_getpwnam_r(name, entry, buffer, size, result);
    *result = NULL;
    return user_answer;
}

static void look_up_user(int error, bool unknown) {
    struct account account;
    user_answer = error;
    CHECK(!account_by_name(&account, "root") && account.name == NULL, "%s", strerror(error));
    CHECK((account.error == NULL) == unknown, "%s: %s", strerror(error),
          account.error == NULL ? "no error" : account.error);
    account_free(&account);
    user_answer = -1;
}

/* A group without a name may require a second factor, like one whose name cannot be looked up. */
static void look_up(int error) {
    struct account account;
    struct account_groups groups;
    answer = error;
    CHECK(account_by_uid(&account, 0), "uid 0");
    account_groups_read(&groups, &account);
    CHECK(groups.error != NULL, "%s", strerror(error));
    account_groups_free(&groups);
    account_free(&account);
}

int main(void) {
    static const int none[] = {0, ENOENT, ESRCH, EBADF, EPERM};
    static const int failures[] = {EIO, EMFILE, ENFILE, ENOMEM, EAGAIN, EINTR, ERANGE, ECONNREFUSED};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        look_up(none[i]);
        look_up_user(none[i], true);
    }
    for (size_t i = 0; i < sizeof failures / sizeof *failures; i++) {
        look_up(failures[i]);
        look_up_user(failures[i], false);
    }
    struct account account;
    answer = LARGE;
    struct account_groups groups;
    CHECK(account_by_uid(&account, 0), "uid 0");
    account_groups_read(&groups, &account);
    CHECK(groups.error == NULL && groups.count > 0 && strcmp(groups.names[0], "everybody") == 0,
          "a large group");
    account_groups_free(&groups);
    account_free(&account);
    /* The error of a name service that could open no file. */
    struct rlimit few;
    CHECK(getrlimit(RLIMIT_NOFILE, &few) == 0, "%s", strerror(errno));
    few.rlim_cur = 8;
    CHECK(setrlimit(RLIMIT_NOFILE, &few) == 0, "%s", strerror(errno));
    look_up_user(0, false);
    return check_failures == 0 ? 0 : 1;
}

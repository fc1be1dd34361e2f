#include "account.h"

#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <netdb.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

/* Room for a directory service's entry: a group contains its members. Unused memory costs nothing. */
#define ENTRY_SIZE ((size_t)16 * 1024 * 1024)
#define MAX_GROUPS 65536

/* The errors that getpwnam_r(3) and getgrgid_r(3) may return for a missing entry. */
static bool means_unknown(int error) {
    return error == 0 || error == ENOENT || error == ESRCH || error == EBADF || error == EPERM;
}

/* NULL: the group has no name, or the name service failed. The name could matter for `groups`. */
static char *group_name(gid_t gid, char *buffer) {
    struct group entry;
    struct group *result = NULL;
    if (getgrgid_r(gid, &entry, buffer, ENTRY_SIZE, &result) != 0 || result == NULL)
        return NULL;
    return strdup(result->gr_name);
}

/* With less than this a name service can fail silently and leave out groups. */
#define MIN_MEMORY (64UL * 1024 * 1024)
#define MIN_FILES 16

/* The caller of a setuid program chose its limits, and could hide the group that requires a second factor.
 * Returns NULL, or the resource that is too small. */
static const char *lacks_room(void) {
    static const int memory[] = {RLIMIT_AS, RLIMIT_DATA};
    int files[MIN_FILES];
    int opened = 0;
    for (size_t i = 0; i < sizeof memory / sizeof *memory; i++) {
        struct rlimit limit;
        if (getrlimit((__rlimit_resource_t)memory[i], &limit) < 0 || limit.rlim_cur < MIN_MEMORY)
            return "the memory limit of this process is too small";
    }
    while (opened < MIN_FILES && (files[opened] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) >= 0)
        opened++;
    for (int i = 0; i < opened; i++)
        close(files[i]);
    return opened == MIN_FILES ? NULL : "this process has too few descriptors left";
}

/* NULL, or why the groups could not be read. */
static const char *read_groups(struct bridge_account *account, gid_t primary, char *buffer) {
    const char *error = lacks_room();
    int count = MAX_GROUPS;
    if (error != NULL)
        return error;
    error = "out of memory";
    gid_t *gids = calloc(MAX_GROUPS, sizeof *gids);
    if (gids == NULL)
        goto out;
    if (getgrouplist(account->name, primary, gids, &count) < 0) {
        error = "there are too many groups, or the name service failed";
        goto out;
    }
    account->groups = calloc((size_t)count + 1, sizeof *account->groups);
    if (account->groups == NULL)
        goto out;
    error = NULL;
    for (int i = 0; i < count && error == NULL; i++) {
        account->groups[i] = group_name(gids[i], buffer);
        if (account->groups[i] == NULL)
            error = "a group of the user has no name that can be looked up";
        else
            account->group_count++;
    }
out:
    free(gids);
    return error;
}

/* NULL, or why the entry in the buffer could not be copied. */
static const char *fill(struct bridge_account *account, const struct passwd *entry, char *buffer) {
    gid_t primary = entry->pw_gid;
    account->name = strdup(entry->pw_name);
    account->gecos = strdup(entry->pw_gecos == NULL ? "" : entry->pw_gecos);
    account->uid = entry->pw_uid;
    if (account->name == NULL || account->gecos == NULL) {
        account_free(account);
        return "out of memory";
    }
    account->groups_error = read_groups(account, primary, buffer);
    return NULL;
}

/* By name, or by uid if the name is NULL. "No such user" is accepted only from a name service with enough
 * resources: PAM stacks may let unknown users pass. */
static bool look_up(struct bridge_account *account, const char *name, uid_t uid) {
    struct passwd entry;
    struct passwd *result = NULL;
    char *buffer = malloc(ENTRY_SIZE);
    memset(account, 0, sizeof *account);
    if (buffer == NULL) {
        account->error = "out of memory";
        return false;
    }
    int error = name != NULL ? getpwnam_r(name, &entry, buffer, ENTRY_SIZE, &result)
                             : getpwuid_r(uid, &entry, buffer, ENTRY_SIZE, &result);
    if (error == 0 && result != NULL)
        account->error = fill(account, result, buffer);
    else
        account->error = means_unknown(error) ? lacks_room() : "the passwd entry can't be read";
    free(buffer);
    return account->name != NULL;
}

bool account_by_name(struct bridge_account *account, const char *name) {
    return look_up(account, name, 0);
}

bool account_by_uid(struct bridge_account *account, uid_t uid) {
    return look_up(account, NULL, uid);
}

void account_free(struct bridge_account *account) {
    for (size_t i = 0; i < account->group_count; i++)
        free(account->groups[i]);
    free(account->groups);
    free(account->name);
    free(account->gecos);
    memset(account, 0, sizeof *account);
}

char *account_host_name(void) {
    char name[HOST_NAME_MAX + 1];
    struct addrinfo hints;
    struct addrinfo *found = NULL;
    char *result = NULL;

    if (gethostname(name, sizeof name) < 0)
        return strdup("localhost");
    name[sizeof name - 1] = '\0';
    memset(&hints, 0, sizeof hints);
    hints.ai_flags = AI_CANONNAME;
    hints.ai_socktype = SOCK_STREAM;
    /* A name with a dot counts as canonical, so that no login waits for a name server. */
    if (strchr(name, '.') == NULL && getaddrinfo(name, NULL, &hints, &found) == 0 &&
        found->ai_canonname != NULL)
        result = strdup(found->ai_canonname);
    if (found != NULL)
        freeaddrinfo(found);
    return result != NULL ? result : strdup(name);
}

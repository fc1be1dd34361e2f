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
static const char *read_groups(struct account_groups *groups, const struct account *account, char *buffer,
                               gid_t *gids) {
    int count = MAX_GROUPS;
    if (buffer == NULL || gids == NULL)
        return "out of memory";
    if (getgrouplist(account->name, account->gid, gids, &count) < 0)
        return "there are too many groups, or the name service failed";
    groups->names = calloc((size_t)count + 1, sizeof *groups->names);
    if (groups->names == NULL)
        return "out of memory";
    for (; groups->count < (size_t)count; groups->count++) {
        groups->names[groups->count] = group_name(gids[groups->count], buffer);
        if (groups->names[groups->count] == NULL)
            return "a group of the user has no name that can be looked up";
    }
    return NULL;
}

void account_groups_read(struct account_groups *groups, const struct account *account) {
    memset(groups, 0, sizeof *groups);
    groups->error = lacks_room();
    if (groups->error != NULL)
        return;
    char *buffer = malloc(ENTRY_SIZE);
    gid_t *gids = calloc(MAX_GROUPS, sizeof *gids);
    groups->error = read_groups(groups, account, buffer, gids);
    free(gids);
    free(buffer);
}

void account_groups_free(struct account_groups *groups) {
    for (size_t i = 0; i < groups->count; i++)
        free(groups->names[i]);
    free(groups->names);
    memset(groups, 0, sizeof *groups);
}

/* NULL, or why the entry could not be copied. */
static const char *copy(struct account *account, const struct passwd *entry) {
    bool has_shell = entry->pw_shell != NULL && entry->pw_shell[0] != '\0';
    account->name = strdup(entry->pw_name);
    account->gecos = strdup(entry->pw_gecos == NULL ? "" : entry->pw_gecos);
    account->shell = strdup(has_shell ? entry->pw_shell : "/bin/sh");
    account->uid = entry->pw_uid;
    account->gid = entry->pw_gid;
    if (account->name != NULL && account->gecos != NULL && account->shell != NULL)
        return NULL;
    account_free(account);
    return "out of memory";
}

/* By name, or by uid if the name is NULL. "No such user" is accepted only from a name service with enough
 * resources: PAM stacks may let unknown users pass. */
static bool look_up(struct account *account, const char *name, uid_t uid) {
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
        account->error = copy(account, result);
    else
        account->error = means_unknown(error) ? lacks_room() : "the passwd entry can't be read";
    free(buffer);
    return account->name != NULL;
}

bool account_by_name(struct account *account, const char *name) {
    return look_up(account, name, 0);
}

bool account_by_uid(struct account *account, uid_t uid) {
    return look_up(account, NULL, uid);
}

bool account_ids(const char *name, uid_t *uid, gid_t *gid) {
    struct account account;
    if (!account_by_name(&account, name))
        return false;
    *uid = account.uid;
    *gid = account.gid;
    account_free(&account);
    return *uid != 0 && *gid != 0;
}

void account_free(struct account *account) {
    free(account->name);
    free(account->gecos);
    free(account->shell);
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

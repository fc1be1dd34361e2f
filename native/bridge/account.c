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

/* Entries of a directory service can be long (a group has its members in it); past this they are refused. */
#define MAX_ENTRY (16 * 1024 * 1024)
#define MAX_GROUPS 65536

/* getpwnam_r(3), getgrgid_r(3): what they may return for an entry that does not exist. */
static bool means_unknown(int error) {
    return error == 0 || error == ENOENT || error == ESRCH || error == EBADF || error == EPERM;
}

/* NULL: the group has no name, or the name service could not say. The name may be one that matters. */
static char *group_name(gid_t gid) {
    struct group entry;
    struct group *result = NULL;
    char *name = NULL;
    int error = ERANGE;
    for (size_t size = 1024; error == ERANGE && size <= MAX_ENTRY; size *= 4) {
        char *buffer = malloc(size);
        if (buffer == NULL)
            return NULL;
        error = getgrgid_r(gid, &entry, buffer, size, &result);
        if (error == 0 && result != NULL)
            name = strdup(result->gr_name);
        free(buffer);
    }
    return name;
}

/* With less than this, a name service can fail to ask, and what it could not ask is left out in silence. */
#define MIN_MEMORY (64UL * 1024 * 1024)
#define MIN_FILES 16

/* Who calls a setuid host has chosen its limits, and may have few groups to show by it: a group that is
 * missing can be the one that needs a second factor. NULL, or what there is too little of. */
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
static const char *read_groups(struct bridge_account *account, gid_t primary) {
    int count = 64;
    gid_t *gids = NULL;
    const char *error = lacks_room();

    if (error != NULL)
        return error;
    error = "out of memory";
    for (;;) {
        int wanted = count;
        gid_t *grown = realloc(gids, (size_t)count * sizeof *gids);
        if (grown == NULL)
            goto out;
        gids = grown;
        if (getgrouplist(account->name, primary, gids, &wanted) >= 0) {
            count = wanted;
            break;
        }
        count = wanted > count ? wanted : count * 2;
        if (count > MAX_GROUPS) {
            error = "too many groups";
            goto out;
        }
    }
    account->groups = calloc((size_t)count + 1, sizeof *account->groups);
    if (account->groups == NULL)
        goto out;
    for (int i = 0; i < count; i++) {
        account->groups[account->group_count] = group_name(gids[i]);
        if (account->groups[account->group_count] == NULL) {
            error = "a group of the user has no name that can be looked up";
            goto out;
        }
        account->group_count++;
    }
    error = NULL;
out:
    free(gids);
    return error;
}

/* NULL, or why the entry could not be kept. */
static const char *fill(struct bridge_account *account, const struct passwd *entry) {
    account->name = strdup(entry->pw_name);
    account->gecos = strdup(entry->pw_gecos == NULL ? "" : entry->pw_gecos);
    account->uid = entry->pw_uid;
    if (account->name == NULL || account->gecos == NULL) {
        account_free(account);
        return "out of memory";
    }
    account->groups_error = read_groups(account, entry->pw_gid);
    return NULL;
}

/* By name where there is one, else by uid. That there is nobody is believed only of a name service that had
 * what it needs to look: PAM stacks may let pass whom nobody knows. */
static bool look_up(struct bridge_account *account, const char *name, uid_t uid) {
    int error = ERANGE;
    memset(account, 0, sizeof *account);
    for (size_t size = 4096; error == ERANGE && size <= MAX_ENTRY; size *= 4) {
        struct passwd entry;
        struct passwd *result = NULL;
        char *buffer = malloc(size);
        if (buffer == NULL) {
            account->error = "out of memory";
            return false;
        }
        error = name != NULL ? getpwnam_r(name, &entry, buffer, size, &result)
                             : getpwuid_r(uid, &entry, buffer, size, &result);
        if (error == 0 && result != NULL)
            account->error = fill(account, result);
        free(buffer);
    }
    if (account->name == NULL && account->error == NULL)
        account->error = means_unknown(error) ? lacks_room() : "the passwd entry can't be read";
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
    /* A name with a dot is taken for canonical: no login waits for a name server to say so. */
    if (strchr(name, '.') == NULL && getaddrinfo(name, NULL, &hints, &found) == 0 &&
        found->ai_canonname != NULL)
        result = strdup(found->ai_canonname);
    if (found != NULL)
        freeaddrinfo(found);
    return result != NULL ? result : strdup(name);
}

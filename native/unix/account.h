/* passwd entries and group names from the name service. */
#ifndef ACCOUNT_H
#define ACCOUNT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* A passwd entry. name is NULL when there is none, or when error says why it is unknown. */
struct account {
    char *name;
    const char *error;
    uid_t uid;
    gid_t gid;
    char *gecos;
    char *shell;
};

/* The names of a user's groups, or why they could not be read. */
struct account_groups {
    char **names;
    size_t count;
    const char *error;
};

/* Looks a user up. False: the user does not exist, or account->error has the reason. */
bool account_by_name(struct account *account, const char *name);
bool account_by_uid(struct account *account, uid_t uid);
void account_free(struct account *account);

/* The ids of an engine's user. False: it does not exist or is root. */
bool account_ids(const char *name, uid_t *uid, gid_t *gid);

void account_groups_read(struct account_groups *groups, const struct account *account);
void account_groups_free(struct account_groups *groups);

/* The canonical name of this machine, to be freed; NULL when out of memory. */
char *account_host_name(void);

#endif

/* passwd entries and group names from the name service. */
#ifndef ACCOUNT_H
#define ACCOUNT_H

#include <stdbool.h>
#include <sys/types.h>

#include "bridge.h"

/* Looks a user up. False: the user does not exist, or account->error has the reason; the account's name stays
 * NULL. */
bool account_by_name(struct bridge_account *account, const char *name);
bool account_by_uid(struct bridge_account *account, uid_t uid);

void account_free(struct bridge_account *account);

/* The canonical name of this machine, to be freed; NULL when out of memory. */
char *account_host_name(void);

#endif

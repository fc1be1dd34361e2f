/* passwd entries and group names, from the host's name service. */
#ifndef ACCOUNT_H
#define ACCOUNT_H

#include <stdbool.h>
#include <sys/types.h>

#include "bridge.h"

/* Looks a user up. False: there is no such user, or the name service can't say (then account->error is the
 * reason); the account's name stays NULL. */
bool account_by_name(struct bridge_account *account, const char *name);
bool account_by_uid(struct bridge_account *account, uid_t uid);

void account_free(struct bridge_account *account);

/* The canonical name of this host, to be freed; NULL when there is no memory. */
char *account_host_name(void);

#endif

/* The kernel's login uid: which user's login this process belongs to. */
#ifndef LOGIN_UID_H
#define LOGIN_UID_H

#include <stdbool.h>
#include <stdint.h>

/* False: it can't be known (no audit support, no /proc), and *uid is untouched. UINT32_MAX: none is set. */
bool login_uid_read(uint32_t *uid);

#endif

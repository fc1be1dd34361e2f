/* The kernel's login uid: the user whose login session this process belongs to. */
#ifndef LOGIN_UID_H
#define LOGIN_UID_H

#include <stdbool.h>
#include <stdint.h>

/* False: unknown (no audit support, no /proc), and *uid is unchanged. UINT32_MAX: not set. */
bool login_uid_read(uint32_t *uid);

#endif

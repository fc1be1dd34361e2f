/* The kernel's audit session of this process, and the user who logged in to it. Users can change neither. */
#ifndef LOGIN_UID_H
#define LOGIN_UID_H

#include <stdbool.h>
#include <stdint.h>

/* False: unknown (no audit support, no /proc), and *uid is unchanged. UINT32_MAX: not set. */
bool login_uid_read(uint32_t *uid);
/* The same for the number of the session, which is unique until the next boot. */
bool login_session_read(uint32_t *session);

#endif

/* Connects to a resident engine, one process for many logins. */
#ifndef RESIDENT_H
#define RESIDENT_H

#include <stddef.h>

/* Connects to the socket at path within BRIDGE_CONNECT_MS and checks who listens. Returns the non-blocking
 * connection. -1: *why has the reason, and is "" when no engine is installed there. */
int resident_connect(const char *path, char *why, size_t why_size);

#endif

/* The way to a resident engine: one process that serves many logins. */
#ifndef RESIDENT_H
#define RESIDENT_H

#include <stddef.h>

/* Connects to the socket at path, without waiting longer than BRIDGE_CONNECT_MS, and judges who listens
 * there. Returns the connection, which does not block. -1: *why says why not, and is "" when no engine is
 * installed there. */
int resident_connect(const char *path, char *why, size_t why_size);

#endif

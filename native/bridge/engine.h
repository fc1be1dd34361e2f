/* The private engine: one process for one login, started, watched and ended by the host. */
#ifndef ENGINE_H
#define ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct engine {
    pid_t pid;
    int pidfd;
    /* The host's end of the login's socket. */
    int socket;
    /* Tells what the child could not do before it became the engine. */
    int report;
    /* The user that it runs as; a constant. NULL: the host's own. */
    const char *user;
};

#define ENGINE_NONE ((struct engine){.pid = -1, .pidfd = -1, .socket = -1, .report = -1, .user = NULL})

/* Starts the program at path as an engine. False: *why holds the reason, and nothing is left running. */
bool engine_start(struct engine *engine, const char *path, char *why, size_t why_size);

/* Ends it if it runs, closes its descriptors, and says in `how` how it ended ("exited with 1", "was killed by
 * signal 9", "could not be executed: Permission denied"); `how` may be NULL. */
void engine_end(struct engine *engine, bool at_once, char *how, size_t how_size);

#endif

/* The private engine: one process for one login, started, watched and ended by the host. */
#ifndef ENGINE_H
#define ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct engine {
    /* The keeper: a child of the host's that the host does not see, and the engine's parent. */
    pid_t pid;
    int pidfd;
    /* The host's end of the login's socket. */
    int socket;
    /* Tells what the engine could not do before it became one, and how it ended. */
    int report;
    /* The user that it runs as; a constant. NULL: the host's own. */
    const char *user;
};

#define ENGINE_NONE ((struct engine){.pid = -1, .pidfd = -1, .socket = -1, .report = -1, .user = NULL})

/* Starts the program at path as an engine. False: *why holds the reason, and nothing is left running. */
bool engine_start(struct engine *engine, const char *path, char *why, size_t why_size);

/* Ends it if it runs, and closes its descriptors. Unless at_once it may end by itself for a moment, and `how`
 * (not NULL) says how it did: "it exited with 1", "it was killed by signal 9", "it could not be executed:
 * Permission denied". Returns the signal that ended it or its keeper by itself; 0 for none. */
int engine_end(struct engine *engine, bool at_once, char *how, size_t how_size);

#endif

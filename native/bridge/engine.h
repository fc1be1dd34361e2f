/* A private engine: one process for one login. */
#ifndef ENGINE_H
#define ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct engine {
    /* The keeper. */
    pid_t pid;
    /* This process's ends of the login's socket and of the keeper's report. */
    int socket;
    int report;
    /* The engine's user, a constant. NULL: the user of this process. */
    const char *user;
};

#define ENGINE_NONE ((struct engine){.pid = -1, .socket = -1, .report = -1, .user = NULL})

/* Starts the program at path as an engine. False: *why has the reason, and no process remains. */
bool engine_start(struct engine *engine, const char *path, char *why, size_t why_size);

/* Ends the engine and closes its descriptors. If `how` is not NULL, the engine may first end by itself for a
 * moment, and `how` says how it did: "it exited with 1", "it was killed by signal 9", "it could not be
 * executed: Permission denied". Returns the signal that ended it or its keeper; 0 for none. */
int engine_end(struct engine *engine, char *how, size_t how_size);

#endif

/* The keeper: a child that the host does not see, and the engine's parent. */
#ifndef KEEPER_H
#define KEEPER_H

#include <stdbool.h>
#include <sys/types.h>

struct keeper_plan {
    /* The program that becomes the engine, the engine's end of the login's socket, the keeper's end of the
     * report's socket: none of them below SYSTEM_LOWEST_FD. */
    int program;
    int socket;
    int report;
    /* The host is root: keeper and engine become this user. */
    bool drop;
    uid_t uid;
    gid_t gid;
    /* Who ends when its parent does. */
    pid_t parent;
};

/* What the first report is about. The host sees the end of the keeper as the end of the report's socket. */
enum keeper_event {
    KEEPER_PREPARE,
    KEEPER_EXECUTE,
    KEEPER_EXITED,
    KEEPER_KILLED,
};

struct keeper_report {
    enum keeper_event event;
    /* errno, the engine's exit status, or the signal that ended it. */
    int value;
};

/* What a new process does that shares the host's memory, with every signal blocked: starts the engine, waits
 * for its end, and brings it about when the host's end of the report is shut down or gone. */
_Noreturn void keeper_run(struct keeper_plan *plan);

#endif

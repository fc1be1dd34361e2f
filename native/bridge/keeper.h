/* The keeper: the hidden child of the PAM application, and the engine's parent. */
#ifndef KEEPER_H
#define KEEPER_H

#include <stdbool.h>
#include <sys/types.h>

struct keeper_plan {
    /* The program of the engine, the engine's end of the login's socket, and the keeper's end of the report
     * socket, all at least SYSTEM_LOWEST_FD. */
    int program;
    int socket;
    int report;
    /* The process runs as root: keeper and engine switch to this user. */
    bool drop;
    uid_t uid;
    gid_t gid;
    /* The process that ends when its parent does. */
    pid_t parent;
};

/* The subject of the first report. The end of the report socket shows the end of the keeper. */
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

/* The main function of a process that shares the PAM application's memory, with every signal blocked: starts
 * the engine, waits for its end, and kills it when the other end of the report socket is shut down or closed.
 */
_Noreturn void keeper_run(struct keeper_plan *plan);

#endif

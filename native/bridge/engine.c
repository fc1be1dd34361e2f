#include "engine.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "account.h"
#include "bridge.h"
#include "keeper.h"
#include "system.h"

/* Milliseconds for an engine to end by itself after it closed the connection, and after SIGKILL. */
#define LEAVE_MS 500
#define KILL_MS 5000

/* ---- start ---- */

/* Opens the program, and checks the open file and its directory. */
static int open_program(const char *path, char *why, size_t why_size) {
    struct stat status;
    const char *name;
    int directory = system_open_directory(path, true, &name, why, why_size);
    if (directory < 0)
        return -1;
    int program = system_lift(openat(directory, name, O_PATH | O_NOFOLLOW | O_CLOEXEC));
    bool good = false;
    if (program < 0 || fstat(program, &status) < 0)
        snprintf(why, why_size, "%.200s: %s", path, strerror(errno));
    else if (!S_ISREG(status.st_mode))
        snprintf(why, why_size, "%.200s is not a regular file", path);
    else if (!system_is_trusted(&status, true))
        snprintf(why, why_size, "%.200s must be owned by root and writable by nobody else", path);
    else
        good = true;
    system_close(&directory);
    if (!good)
        system_close(&program);
    return program;
}

/* Finds the user to run as. */
static bool plan_user(struct keeper_plan *plan, const char **user, char *why, size_t why_size) {
    static const char *const names[] = {BRIDGE_PRIVATE_USER, "nobody"};
    plan->drop = geteuid() == 0;
    if (!plan->drop && getuid() == geteuid() && getgid() == getegid())
        return true;
    if (!plan->drop) {
        /* Without that user the engine would run with its caller's privileges. */
        snprintf(why, why_size,
                 "a host that is setuid or setgid to another user than root can't run an engine");
        return false;
    }
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        *user = names[i];
        if (account_ids(names[i], &plan->uid, &plan->gid))
            return true;
    }
    snprintf(why, why_size, "there is neither a user %s nor a user %s to run it as", names[0], names[1]);
    return false;
}

/* A socket pair; false: errno has the reason. */
static bool make_ends(int *host, int *child) {
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
        return false;
    *host = system_lift(ends[0]);
    *child = system_lift(ends[1]);
    return *host >= 0 && *child >= 0;
}

/* The PAM application's wait() does not see this child, and its end sends no signal: it has no exit signal.
 * exec would set one (SIGCHLD), so the keeper does not exec. */
static pid_t spawn(struct keeper_plan *plan) {
    sigset_t all;
    sigset_t before;
    int cancellation;
    /* Signal handlers must not run in the child, and it must not be cancelled like the thread that created
     * it. */
    sigfillset(&all);
    if (pthread_sigmask(SIG_SETMASK, &all, &before) != 0)
        return -1;
    (void)pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancellation);
    pid_t pid = (pid_t)syscall(SYS_clone, 0UL, NULL, NULL, NULL, NULL);
    if (pid == 0)
        keeper_run(plan);
    /* These keep errno. */
    (void)pthread_setcancelstate(cancellation, NULL);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return pid;
}

bool engine_start(struct engine *engine, const char *path, char *why, size_t why_size) {
    struct keeper_plan plan = {.program = -1, .socket = -1, .report = -1, .parent = getpid()};

    *engine = ENGINE_NONE;
    plan.program = open_program(path, why, why_size);
    if (plan.program < 0 || !plan_user(&plan, &engine->user, why, why_size))
        goto out;
    if (make_ends(&engine->socket, &plan.socket) && make_ends(&engine->report, &plan.report))
        engine->pid = spawn(&plan);
    if (engine->pid < 0)
        snprintf(why, why_size, "no process could be made: %s", strerror(errno));
out:
    system_close(&plan.program);
    system_close(&plan.socket);
    system_close(&plan.report);
    if (engine->pid < 0)
        (void)engine_end(engine, NULL, 0);
    return engine->pid > 0;
}

/* ---- end ---- */

/* Waits for a report, despite signals. 0: the keeper has ended; below 0: it has not, and there is no report.
 */
static ssize_t receive_report(const struct engine *engine, struct keeper_report *report, int milliseconds) {
    const struct timespec patience = {milliseconds / 1000, milliseconds % 1000 * 1000000L};
    struct pollfd awaited = {.fd = engine->report, .events = POLLIN};
    sigset_t all;
    sigfillset(&all);
    if (ppoll(&awaited, 1, &patience, &all) <= 0)
        return -1;
    return recv(engine->report, report, sizeof *report, MSG_DONTWAIT);
}

/* Waits for the keeper, for a limited time: a killed process may hang in a device. A PAM application that
 * waits for every child may have reaped it. */
static bool gather(const struct engine *engine, siginfo_t *info) {
    struct keeper_report ignored;
    ssize_t size;
    do
        size = receive_report(engine, &ignored, KILL_MS);
    while (size > 0);
    if (size < 0)
        return false;
    while (waitid(P_PID, (id_t)engine->pid, info, WEXITED | __WALL) < 0 && errno == EINTR)
        continue;
    return true;
}

/* Returns the signal that ended the engine. */
static int describe(const struct keeper_report *report, char *how, size_t how_size) {
    switch (report->event) {
    case KEEPER_PREPARE:
        snprintf(how, how_size, "its process could not be prepared: %s", strerror(report->value));
        return 0;
    case KEEPER_EXECUTE:
        snprintf(how, how_size, "it could not be executed: %s", strerror(report->value));
        return 0;
    case KEEPER_EXITED:
        snprintf(how, how_size, "it exited with %d", report->value);
        return 0;
    case KEEPER_KILLED:
        snprintf(how, how_size, "it was killed by signal %d", report->value);
        return report->value;
    }
    return 0;
}

int engine_end(struct engine *engine, char *how, size_t how_size) {
    struct keeper_report report;
    siginfo_t info = {0};
    ssize_t size = -1;
    int killed_by = 0;

    system_close(&engine->socket);
    if (how != NULL)
        how[0] = '\0';
    if (engine->pid > 0) {
        if (how != NULL)
            size = receive_report(engine, &report, LEAVE_MS);
        if (size == (ssize_t)sizeof report)
            killed_by = describe(&report, how, how_size);
        (void)shutdown(engine->report, SHUT_WR);
        if (!gather(engine, &info) && kill(engine->pid, SIGKILL) == 0)
            (void)gather(engine, &info);
        if (size == 0 && info.si_pid != 0 && info.si_code != CLD_EXITED) {
            killed_by = info.si_status;
            snprintf(how, how_size, "its keeper was killed by signal %d", killed_by);
        }
    }
    system_close(&engine->report);
    *engine = ENGINE_NONE;
    return killed_by;
}

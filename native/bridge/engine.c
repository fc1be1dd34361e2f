#include "engine.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <libgen.h>
#include <limits.h>
#include <linux/capability.h>
#include <linux/close_range.h>
#include <linux/keyctl.h>
#include <poll.h>
#include <pthread.h>
#include <pwd.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "system.h"

#ifndef CLONE_PIDFD
#define CLONE_PIDFD 0x00001000
#endif
#ifndef P_PIDFD
#define P_PIDFD 3
#endif
#ifndef __WALL
#define __WALL 0x40000000
#endif

/* The user that engines of a privileged host run as, and the one to make do with. */
#define ENGINE_USER "duo"
#define ENGINE_USER_FALLBACK "nobody"

/* Below this many descriptors a resolver can't open its files, and a name that exists seems not to. */
#define ENGINE_MIN_FILES 64

/* Milliseconds for an engine that hung up to end by itself, and for one that was killed. */
#define ENGINE_LEAVE_MS 500
#define ENGINE_KILL_MS 5000

/* Where the child keeps what it will need, out of the way of 0 to 4. */
#define ENGINE_HIGH_FD 10
#define ENGINE_SOCKET_FD 3
#define ENGINE_PROGRAM_FD 4

/* What the child was doing when it failed. */
enum engine_step {
    STEP_FILES,
    STEP_LIMITS,
    STEP_SCHEDULING,
    STEP_USER,
    STEP_PRIVILEGES,
    STEP_PARENT,
    STEP_START,
    STEP_EXECUTE,
    STEP_ENDED,
};

/* What the keeper and the engine-to-be tell the host. */
struct engine_report {
    int step;
    /* errno, or how it ended: siginfo's code and status. */
    int error;
    int code;
    int status;
};

struct engine_plan {
    int program;
    int socket;
    int report;
    bool drop;
    uid_t uid;
    gid_t gid;
    bool privileged;
    pid_t parent;
};

static const char *step_name(int step) {
    switch (step) {
    case STEP_FILES:
        return "its descriptors could not be set";
    case STEP_LIMITS:
        return "its resource limits are too small or could not be set";
    case STEP_SCHEDULING:
        return "it could not be scheduled like any other process";
    case STEP_USER:
        return "its user or its capabilities could not be changed";
    case STEP_PRIVILEGES:
        return "it could not give up privileges";
    case STEP_PARENT:
        return "its host is gone";
    case STEP_START:
        return "no process could be made";
    case STEP_EXECUTE:
        return "it could not be executed";
    default:
        return "it failed";
    }
}

/* ---- the child: system calls only, since another thread of the host may hold any lock ---- */

static _Noreturn void child_fail(const struct engine_plan *plan, int report_fd, enum engine_step step) {
    struct engine_report report = {(int)step, errno, 0, 0};
    ssize_t written = write(report_fd >= 0 ? report_fd : plan->report, &report, sizeof report);
    _exit(written == (ssize_t)sizeof report ? 125 : 124);
}

/* Signals as a fresh process has them: what the host ignores or blocks would be inherited. */
static void child_reset_signals(void) {
    struct sigaction plain;
    memset(&plain, 0, sizeof plain);
    plain.sa_handler = SIG_DFL;
    for (int number = 1; number < NSIG; number++)
        (void)sigaction(number, &plain, NULL);
    sigset_t none;
    sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
}

static bool set_limit(int resource, rlim_t wanted, bool privileged) {
    struct rlimit limit;
    if (getrlimit((__rlimit_resource_t)resource, &limit) < 0)
        return false;
    if (privileged && limit.rlim_max != RLIM_INFINITY &&
        (wanted == RLIM_INFINITY || limit.rlim_max < wanted)) {
        struct rlimit raised = {wanted, wanted};
        if (setrlimit((__rlimit_resource_t)resource, &raised) == 0)
            return true;
    }
    limit.rlim_cur = limit.rlim_max == RLIM_INFINITY || wanted < limit.rlim_max ? wanted : limit.rlim_max;
    return setrlimit((__rlimit_resource_t)resource, &limit) == 0;
}

/* Whoever calls a setuid host has chosen its limits. They may keep a login from working; here they are undone
 * where that is allowed, and refused where they are so small that the engine could mistake them for Duo's
 * absence. */
static bool child_set_limits(bool privileged) {
    static const int unlimited[] = {RLIMIT_AS, RLIMIT_DATA, RLIMIT_FSIZE, RLIMIT_CPU, RLIMIT_NPROC};
    for (size_t i = 0; i < sizeof unlimited / sizeof *unlimited; i++) {
        if (!set_limit(unlimited[i], RLIM_INFINITY, privileged))
            return false;
    }
    if (!set_limit(RLIMIT_STACK, 8 * 1024 * 1024, privileged) || !set_limit(RLIMIT_NOFILE, 1024, privileged))
        return false;
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) < 0)
        return false;
    if (files.rlim_cur < ENGINE_MIN_FILES) {
        errno = EMFILE;
        return false;
    }
    /* One byte, not none: a core_pattern that is a pipe ignores 0 and heeds 1. */
    struct rlimit core = {1, 1};
    struct rlimit none = {0, 0};
    return setrlimit(RLIMIT_CORE, &core) == 0 || setrlimit(RLIMIT_CORE, &none) == 0;
}

/* Whoever calls a setuid host has chosen how it is scheduled, too. An engine that hardly ever runs would take
 * its own slowness for Duo's absence. */
static bool child_set_scheduling(bool privileged) {
    const struct sched_param plain = {.sched_priority = 0};
    unsigned char all[128];
    memset(all, 0xff, sizeof all);
    /* Raw, since sched_setscheduler and getpriority are wrapped by some C libraries. */
    bool scheduled = syscall(SYS_sched_setscheduler, 0, SCHED_OTHER, &plain) == 0;
    /* The system call counts backwards, from 40 to 1: 20 is a nice value of 0. In a container without
     * CAP_SYS_NICE none can be had back: what its first process runs with is what its administrator chose,
     * not a caller. */
    long nice = syscall(SYS_getpriority, PRIO_PROCESS, 0);
    if (nice < 0 || (nice < 20 && syscall(SYS_setpriority, PRIO_PROCESS, 0, 0) < 0 &&
                     nice < syscall(SYS_getpriority, PRIO_PROCESS, 1)))
        scheduled = false;
    /* Within what the machine or the container allows at all. */
    if (syscall(SYS_sched_setaffinity, 0, sizeof all, all) < 0)
        scheduled = false;
    (void)prctl(PR_SET_TIMERSLACK, 50000UL, 0, 0, 0);
    (void)syscall(SYS_ioprio_set, 1 /* IOPRIO_WHO_PROCESS */, 0, 0);
    (void)personality(PER_LINUX);
    return scheduled || !privileged;
}

static bool child_close(unsigned int first, unsigned int last) {
    if (first > last || syscall(SYS_close_range, first, last, 0) == 0)
        return true;
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) < 0)
        return false;
    rlim_t end = files.rlim_max == RLIM_INFINITY || files.rlim_max > 1048576 ? 1048576 : files.rlim_max;
    for (rlim_t fd = first; fd < end && fd <= last; fd++)
        close((int)fd);
    return true;
}

/* Closes what is the host's: it may have more open than the engine's limit allows, and then nothing could be
 * opened here. */
static bool child_close_others(const struct engine_plan *plan) {
    const int kept[] = {plan->socket, plan->program, plan->report};
    unsigned int first = 0;
    for (;;) {
        unsigned int next = ~0U;
        for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) {
            if ((unsigned int)kept[i] >= first && (unsigned int)kept[i] < next)
                next = (unsigned int)kept[i];
        }
        if (next == ~0U)
            return child_close(first, next);
        if (next > first && !child_close(first, next - 1))
            return false;
        first = next + 1;
    }
}

/* 0 to 2: nothing; 3: the socket; 4: the program, closed by execution; 5: the report, closed by execution. */
static int child_set_files(const struct engine_plan *plan) {
    if (!child_close_others(plan))
        return -1;
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    int high_null = null < 0 ? -1 : fcntl(null, F_DUPFD_CLOEXEC, ENGINE_HIGH_FD);
    int socket = fcntl(plan->socket, F_DUPFD_CLOEXEC, ENGINE_HIGH_FD);
    int program = fcntl(plan->program, F_DUPFD_CLOEXEC, ENGINE_HIGH_FD);
    int report = fcntl(plan->report, F_DUPFD_CLOEXEC, ENGINE_HIGH_FD);
    if (high_null < 0 || socket < 0 || program < 0 || report < 0)
        return -1;
    for (int fd = 0; fd <= 2; fd++) {
        if (dup2(high_null, fd) < 0)
            return -1;
    }
    if (dup2(socket, ENGINE_SOCKET_FD) < 0 || dup3(program, ENGINE_PROGRAM_FD, O_CLOEXEC) < 0 ||
        dup3(report, ENGINE_PROGRAM_FD + 1, O_CLOEXEC) < 0)
        return -1;
    return child_close(ENGINE_PROGRAM_FD + 2, ~0U) ? ENGINE_PROGRAM_FD + 1 : -1;
}

/* Raw calls: glibc's would first ask every thread of the host to follow, and those are not here. */
static bool child_change_user(uid_t uid, gid_t gid) {
    return syscall(SYS_setgroups, 0, NULL) == 0 && syscall(SYS_setresgid, gid, gid, gid) == 0 &&
           syscall(SYS_setresuid, uid, uid, uid) == 0;
}

/* A change of user takes no capability away where securebits say so, and none happens where a service that is
 * not root was given some: ambient ones would be the engine's. */
static bool child_drop_capabilities(void) {
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3];
    struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3];
    memset(none, 0, sizeof none);
    memset(sets, 0xff, sizeof sets);
    /* A sandbox may forbid capset to a service that has nothing to give up. */
    if (syscall(SYS_capget, &header, sets) == 0 && memcmp(sets, none, sizeof sets) == 0)
        return true;
    /* What is no longer inheritable is no longer ambient. */
    return syscall(SYS_capset, &header, none) == 0;
}

/* Becomes the engine's user, if there is one, and nobody's deputy. */
static bool child_drop(const struct engine_plan *plan) {
    if (plan->drop && !child_change_user(plan->uid, plan->gid))
        return false;
    if (!child_drop_capabilities())
        return false;
    /* Dropped for good: there must be no way back. */
    if (plan->drop && (syscall(SYS_setresuid, -1, 0, -1) == 0 || syscall(SYS_setresuid, 0, -1, -1) == 0 ||
                       syscall(SYS_setresgid, -1, 0, -1) == 0 || syscall(SYS_setresgid, 0, -1, -1) == 0)) {
        errno = EPERM;
        return false;
    }
    return true;
}

static _Noreturn void child_run(const struct engine_plan *plan) {
    static char *const arguments[] = {(char *)"duo-ts", (char *)"engine", NULL};
    static char *const environment[] = {(char *)"PATH=/usr/bin:/bin", (char *)"LANG=C.UTF-8",
                                        (char *)"HOME=/", NULL};
    child_reset_signals();
    if (!child_set_limits(plan->privileged))
        child_fail(plan, -1, STEP_LIMITS);
    if (!child_set_scheduling(plan->privileged))
        child_fail(plan, -1, STEP_SCHEDULING);
    int report = child_set_files(plan);
    if (report < 0)
        child_fail(plan, -1, STEP_FILES);
    /* A session of its own: ^C at the terminal is the host's affair. */
    (void)setsid();
    (void)umask(077);
    if (chdir("/") < 0)
        child_fail(plan, report, STEP_FILES);
    if (!child_drop(plan))
        child_fail(plan, report, STEP_USER);
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        child_fail(plan, report, STEP_PRIVILEGES);
    /* After the change of user, which would undo it. The host may have died before. */
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || syscall(SYS_getppid) != plan->parent)
        child_fail(plan, report, STEP_PARENT);
    (void)syscall(SYS_execveat, ENGINE_PROGRAM_FD, "", arguments, environment, AT_EMPTY_PATH);
    child_fail(plan, report, STEP_EXECUTE);
}

/* ---- the keeper: between host and engine ---- */

/* Waits for the engine's end, and brings it about (unless `wanted`, at once) when the host wants it to, or is
 * gone: a host that has given up its privileges can't send a signal here, but its end of the report closes
 * with it. An engine-to-be that is still root can't be killed by a keeper that is not: that is tried again.
 */
static _Noreturn void keeper_wait(pid_t engine, int report_fd, int signal_fd, bool wanted) {
    struct engine_report report = {STEP_ENDED, 0, 0, 0};
    struct pollfd awaited[] = {{.fd = signal_fd, .events = POLLIN}, {.fd = report_fd}};
    siginfo_t info;
    memset(&info, 0, sizeof info);
    while (info.si_pid == 0) {
        struct signalfd_siginfo got;
        if (poll(awaited, 2, wanted ? -1 : 5) < 0)
            wanted = false;
        if ((awaited[1].revents & POLLERR) != 0) {
            awaited[1].fd = -1;
            wanted = false;
        }
        if ((awaited[0].revents & POLLIN) != 0 && read(signal_fd, &got, sizeof got) == (ssize_t)sizeof got &&
            got.ssi_signo == SIGTERM)
            wanted = false;
        if (!wanted)
            (void)kill(engine, SIGKILL);
        if (waitid(P_PID, (id_t)engine, &info, WEXITED | WNOHANG | __WALL) < 0)
            _exit(1);
    }
    report.code = info.si_code;
    report.status = info.si_status;
    ssize_t written = write(report_fd, &report, sizeof report);
    _exit(written == (ssize_t)sizeof report ? 0 : 1);
}

/*
 * A process that is started to execute a program becomes visible by it: execution makes SIGCHLD its exit
 * signal, whatever was asked for. So the host's child is this one, which never executes anything; it starts
 * the engine, and gathers it.
 */
static _Noreturn void keeper_run(struct engine_plan *plan) {
    struct sigaction plain;
    sigset_t awaited;
    sigemptyset(&awaited);
    sigaddset(&awaited, SIGCHLD);
    sigaddset(&awaited, SIGTERM);
    memset(&plain, 0, sizeof plain);
    plain.sa_handler = SIG_DFL;
    (void)prctl(PR_SET_NAME, "duo-ts-keeper");
    /* Whoever calls a setuid host may signal, slow down and renice what has his real uid. */
    if (plan->privileged && syscall(SYS_setresuid, 0, 0, 0) < 0)
        child_fail(plan, -1, STEP_USER);
    /* What is in the host's session keyring is open to whoever inherits that: keys of root's or of the
     * user's. The new one is made by root, since a user may have only so many. Where there are no keyrings
     * there is nothing to inherit. */
    (void)syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL);
    /* It holds a copy of the host's memory: nobody may look into it. */
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 || sigaction(SIGCHLD, &plain, NULL) < 0)
        child_fail(plan, -1, STEP_PRIVILEGES);
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || syscall(SYS_getppid) != plan->parent)
        child_fail(plan, -1, STEP_PARENT);
    (void)setsid();
    plan->parent = (pid_t)syscall(SYS_getpid);
    pid_t engine = (pid_t)syscall(SYS_clone, (unsigned long)SIGCHLD, NULL, NULL, NULL, NULL);
    if (engine == 0)
        child_run(plan);
    if (engine < 0)
        child_fail(plan, -1, STEP_START);
    /* Not a descriptor of the host's may stay open here: neither its terminal nor the engine's end of the
     * socket. */
    bool good = chdir("/") == 0 && dup3(plan->report, 0, O_CLOEXEC) == 0 && child_close(1, ~0U);
    int signals = good ? signalfd(-1, &awaited, SFD_CLOEXEC) : -1;
    /* What it is for takes no privileges, and its host may have none soon. The change of user undoes what was
     * set before. */
    good = signals >= 0 && child_drop(plan) && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0 &&
           prctl(PR_SET_PDEATHSIG, SIGKILL) == 0;
    keeper_wait(engine, 0, signals, good);
}

/* ---- the host ---- */

static bool is_safe(const struct stat *status) {
    bool own = status->st_uid == geteuid() && getuid() == geteuid();
    return (status->st_uid == 0 || own) && (status->st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

/* Opens the program and judges what was opened, and the directory that it was found in. */
static int open_program(const char *path, char *why, size_t why_size) {
    char directory_copy[PATH_MAX];
    char name_copy[PATH_MAX];
    struct stat status;
    int directory = -1;
    int program = -1;
    int result = -1;

    if (path[0] != '/' || strlen(path) >= sizeof directory_copy) {
        snprintf(why, why_size, "%.200s is no absolute path", path);
        return -1;
    }
    memcpy(directory_copy, path, strlen(path) + 1);
    memcpy(name_copy, path, strlen(path) + 1);
    const char *directory_name = dirname(directory_copy);
    const char *name = basename(name_copy);

    directory = system_lift(open(directory_name, O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (directory < 0 || fstat(directory, &status) < 0) {
        snprintf(why, why_size, "directory %.200s: %s", directory_name, strerror(errno));
        goto out;
    }
    if (!is_safe(&status)) {
        snprintf(why, why_size, "directory %.200s must be owned by root and writable by nobody else",
                 directory_name);
        goto out;
    }
    program = system_lift(openat(directory, name, O_PATH | O_NOFOLLOW | O_CLOEXEC));
    if (program < 0 || fstat(program, &status) < 0) {
        snprintf(why, why_size, "%.200s: %s", path, strerror(errno));
        goto out;
    }
    if (!S_ISREG(status.st_mode)) {
        snprintf(why, why_size, "%.200s is no regular file", path);
        goto out;
    }
    if (!is_safe(&status)) {
        snprintf(why, why_size, "%.200s must be owned by root and writable by nobody else", path);
        goto out;
    }
    result = program;
    program = -1;
out:
    system_close(&program);
    system_close(&directory);
    return result;
}

/* Finds the user to run as. */
static bool plan_user(struct engine_plan *plan, struct engine *engine, char *why, size_t why_size) {
    static const char *const names[] = {ENGINE_USER, ENGINE_USER_FALLBACK};
    char *buffer = NULL;
    bool found = false;
    const size_t size = 65536;

    plan->privileged = geteuid() == 0;
    if (!plan->privileged) {
        /* An unprivileged host that is setuid to somebody would run the engine with its caller's trust. */
        found = getuid() == geteuid() && getgid() == getegid();
        if (!found)
            snprintf(why, why_size,
                     "a host that is setuid or setgid to another user than root can't run an engine");
        return found;
    }
    buffer = malloc(size);
    if (buffer == NULL) {
        snprintf(why, why_size, "out of memory");
        return false;
    }
    for (size_t i = 0; i < sizeof names / sizeof *names && !found; i++) {
        struct passwd entry;
        struct passwd *result = NULL;
        if (getpwnam_r(names[i], &entry, buffer, size, &result) == 0 && result != NULL &&
            result->pw_uid != 0 && result->pw_gid != 0) {
            plan->drop = true;
            plan->uid = result->pw_uid;
            plan->gid = result->pw_gid;
            engine->user = names[i];
            found = true;
        }
    }
    if (!found)
        snprintf(why, why_size, "there is neither a user %s nor a user %s to run it as", ENGINE_USER,
                 ENGINE_USER_FALLBACK);
    free(buffer);
    return found;
}

/* A child that the host's wait() does not see: its end sends no signal. Kernels before 5.2 give no pidfd. */
static pid_t spawn(int *pidfd) {
    *pidfd = -1;
    return (pid_t)syscall(SYS_clone, (unsigned long)CLONE_PIDFD, NULL, pidfd, NULL, NULL);
}

bool engine_start(struct engine *engine, const char *path, char *why, size_t why_size) {
    struct engine_plan plan = {.program = -1, .socket = -1, .report = -1, .parent = getpid()};
    int sockets[2] = {-1, -1};
    int reports[2] = {-1, -1};
    sigset_t all;
    sigset_t before;
    bool started = false;

    *engine = ENGINE_NONE;
    plan.program = open_program(path, why, why_size);
    if (plan.program < 0 || !plan_user(&plan, engine, why, why_size))
        goto out;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) < 0 || pipe2(reports, O_CLOEXEC) < 0 ||
        fcntl(sockets[0], F_SETFL, O_NONBLOCK) < 0 || fcntl(reports[0], F_SETFL, O_NONBLOCK) < 0) {
        snprintf(why, why_size, "%s", strerror(errno));
        goto out;
    }
    for (int i = 0; i < 2; i++) {
        sockets[i] = system_lift(sockets[i]);
        reports[i] = system_lift(reports[i]);
    }
    if (sockets[0] < 0 || sockets[1] < 0 || reports[0] < 0 || reports[1] < 0) {
        snprintf(why, why_size, "%s", strerror(errno));
        goto out;
    }
    plan.socket = sockets[1];
    plan.report = reports[1];

    /* No handler of the host's may run in the keeper, which waits for its signals, nor in the engine-to-be.
     */
    sigfillset(&all);
    if (pthread_sigmask(SIG_SETMASK, &all, &before) != 0) {
        snprintf(why, why_size, "signals could not be blocked");
        goto out;
    }
    /* Nor may they end like the thread that made them, should somebody cancel it: with the host's own
     * handlers. */
    int cancellation;
    (void)pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancellation);
    pid_t pid = spawn(&engine->pidfd);
    if (pid == 0)
        keeper_run(&plan);
    int error = errno;
    (void)pthread_setcancelstate(cancellation, NULL);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (pid < 0) {
        snprintf(why, why_size, "no process could be made: %s", strerror(error));
        goto out;
    }
    engine->pid = pid;
    engine->pidfd = system_lift(engine->pidfd);
    engine->socket = sockets[0];
    engine->report = reports[0];
    sockets[0] = -1;
    reports[0] = -1;
    started = true;
out:
    for (int i = 0; i < 2; i++) {
        system_close(&sockets[i]);
        system_close(&reports[i]);
    }
    system_close(&plan.program);
    return started;
}

/* A host that gathers every child may have taken this one: then its number can be another process's by now.
 */
static void send_signal(const struct engine *engine, int number) {
    bool sent = engine->pidfd >= 0 && syscall(SYS_pidfd_send_signal, engine->pidfd, number, NULL, 0) == 0;
    if (!sent && (engine->pidfd < 0 || errno != ESRCH))
        (void)kill(engine->pid, number);
}

/* True when the keeper has ended; it is gathered by this. A signal that ended it goes to *killed_by. */
static bool reap(const struct engine *engine, int *killed_by) {
    siginfo_t info;
    int result;
    memset(&info, 0, sizeof info);
    do {
        result = -1;
        errno = EINVAL;
        if (engine->pidfd >= 0)
            result = waitid((idtype_t)P_PIDFD, (id_t)engine->pidfd, &info, WEXITED | WNOHANG | __WALL);
        if (result < 0 && errno == EINVAL)
            result = waitid(P_PID, (id_t)engine->pid, &info, WEXITED | WNOHANG | __WALL);
    } while (result < 0 && errno == EINTR);
    if (result == 0 && info.si_pid != 0 && info.si_code != CLD_EXITED)
        *killed_by = info.si_status;
    return result < 0 || info.si_pid != 0;
}

/* Waits until the keeper has ended, but not forever: not even a killed process ends while a device holds it.
 */
static bool reap_within(const struct engine *engine, int milliseconds, int *killed_by) {
    int64_t end = system_now() + milliseconds;
    while (!reap(engine, killed_by)) {
        int64_t left = end - system_now();
        if (left <= 0)
            return false;
        struct pollfd ended = {.fd = engine->pidfd, .events = POLLIN};
        /* Without a pidfd (-1 is left out of the poll) this is a short sleep. */
        (void)poll(&ended, 1, engine->pidfd < 0 || left < 5 ? 5 : (int)left);
    }
    return true;
}

/* How it ended, and the signal that ended it or its keeper. */
static int describe(const struct engine *engine, int killed_by, char *how, size_t how_size) {
    struct engine_report report;
    while (read(engine->report, &report, sizeof report) == (ssize_t)sizeof report) {
        /* What it could not do says more than how it ended. */
        if (how[0] != '\0')
            break;
        if (report.step != STEP_ENDED) {
            snprintf(how, how_size, "%s: %s", step_name(report.step), strerror(report.error));
        } else if (report.code == CLD_EXITED) {
            snprintf(how, how_size, "it exited with %d", report.status);
        } else {
            snprintf(how, how_size, "it was killed by signal %d", report.status);
            return report.status;
        }
    }
    if (how[0] == '\0' && killed_by != 0)
        snprintf(how, how_size, "its keeper was killed by signal %d", killed_by);
    return killed_by;
}

int engine_end(struct engine *engine, bool at_once, char *how, size_t how_size) {
    int killed_by = 0;
    int result = 0;
    if (how != NULL && how_size > 0)
        how[0] = '\0';
    if (engine->pid > 0) {
        bool reaped = !at_once && reap_within(engine, ENGINE_LEAVE_MS, &killed_by);
        if (reaped && how != NULL)
            result = describe(engine, killed_by, how, how_size);
        if (!reaped) {
            send_signal(engine, SIGTERM);
            /* The same, from a host that may not send signals to it. */
            system_close(&engine->report);
            reaped = reap_within(engine, ENGINE_KILL_MS, &killed_by);
        }
        if (!reaped) {
            /* It takes the engine with it. */
            send_signal(engine, SIGKILL);
            (void)reap_within(engine, ENGINE_KILL_MS, &killed_by);
        }
    }
    system_close(&engine->socket);
    system_close(&engine->report);
    system_close(&engine->pidfd);
    *engine = ENGINE_NONE;
    return result;
}

/* Only system calls: another thread of the PAM application may hold any lock. Some are raw, because the C
 * library's versions would synchronise with all threads. */
#include "keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/keyctl.h>
#include <linux/sched.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* Descriptors besides 0 to 2. The last two are closed by exec. */
enum { SOCKET_FD = 3, PROGRAM_FD = 4, REPORT_FD = 5 };

static _Noreturn void report(int fd, enum keeper_event event, int value) {
    struct keeper_report report = {event, value};
    ssize_t written = write(fd, &report, sizeof report);
    _exit(written == (ssize_t)sizeof report ? 0 : 1);
}

/* The engine would inherit ignored signals, and the PAM application's handlers must not run here. */
static void reset_handlers(void) {
    const struct sigaction plain = {.sa_handler = SIG_DFL};
    for (int number = 1; number < NSIG; number++)
        (void)sigaction(number, &plain, NULL);
}

/* Raises limits that a login needs. If that is not allowed the engine may fail, which is a denial. */
static void set_limits(void) {
    static const struct {
        int resource;
        rlim_t value;
    } wanted[] = {{RLIMIT_AS, RLIM_INFINITY},
                  {RLIMIT_DATA, RLIM_INFINITY},
                  {RLIMIT_NPROC, RLIM_INFINITY},
                  {RLIMIT_NOFILE, 1024},
                  /* One byte instead of zero: a core_pattern with a pipe ignores a limit of 0, but not 1. */
                  {RLIMIT_CORE, 1}};
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        struct rlimit limit = {wanted[i].value, wanted[i].value};
        (void)setrlimit((__rlimit_resource_t)wanted[i].resource, &limit);
    }
}

static bool set_files(struct keeper_plan *plan) {
    if (dup2(plan->socket, SOCKET_FD) < 0 || dup3(plan->program, PROGRAM_FD, O_CLOEXEC) < 0 ||
        dup3(plan->report, REPORT_FD, O_CLOEXEC) < 0)
        return false;
    plan->report = REPORT_FD;
    if (syscall(SYS_close_range, REPORT_FD + 1, ~0U, 0) < 0)
        return false;
    (void)close(0);
    return open("/dev/null", O_RDWR) == 0 && dup2(0, 1) == 1 && dup2(0, 2) == 2;
}

/* With securebits a change of user keeps capabilities, and without root there is no change of user. Clearing
 * the inheritable set also clears the ambient set. */
static bool drop_capabilities(void) {
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {{0}};
    struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3];
    memset(sets, 0xff, sizeof sets);
    if (syscall(SYS_capset, &header, none) == 0)
        return true;
    /* A sandbox may forbid this to a service without capabilities. */
    return syscall(SYS_capget, &header, sets) == 0 && memcmp(sets, none, sizeof sets) == 0;
}

/* Switches to the engine's user permanently, if there is one, and checks that there is no way back. */
static bool change_user(const struct keeper_plan *plan) {
    if (plan->drop &&
        (syscall(SYS_setgroups, 0, NULL) < 0 || syscall(SYS_setresgid, plan->gid, plan->gid, plan->gid) < 0 ||
         syscall(SYS_setresuid, plan->uid, plan->uid, plan->uid) < 0))
        return false;
    if (!drop_capabilities())
        return false;
    return !plan->drop || (syscall(SYS_setuid, 0) < 0 && syscall(SYS_setgid, 0) < 0);
}

/* Must follow the change of user, which resets it. The parent may have ended before. */
static bool end_with_parent(const struct keeper_plan *plan) {
    errno = ESRCH;
    return prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && syscall(SYS_getppid) == plan->parent;
}

/* The engine's AppArmor profile, where it is loaded. SELinux's policy itself names the transition. */
static void request_profile(void) {
    static const char wanted[] = "exec duo-ts-engine";
    int fd = open("/proc/self/attr/apparmor/exec", O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    if (write(fd, wanted, sizeof wanted - 1) < 0)
        errno = 0; /* Without the profile, engines are not confined. */
    (void)close(fd);
}

static _Noreturn void become_engine(const struct keeper_plan *plan) {
    static char *const arguments[] = {(char *)"duo-ts", (char *)"engine", NULL};
    static char *const environment[] = {(char *)"PATH=/usr/bin:/bin", (char *)"LANG=C.UTF-8",
                                        (char *)"HOME=/", NULL};
    sigset_t none;
    sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    (void)setsid();
    request_profile();
    if (end_with_parent(plan))
        (void)syscall(SYS_execveat, PROGRAM_FD, "", arguments, environment, AT_EMPTY_PATH);
    report(plan->report, KEEPER_EXECUTE, errno);
}

/* Waits for the engine's end, and kills it when the PAM application requests that or ends. */
static _Noreturn void watch(pid_t engine, int pidfd) {
    struct pollfd awaited[] = {{.fd = pidfd, .events = POLLIN}, {.fd = REPORT_FD, .events = POLLIN}};
    siginfo_t info = {0};
    while (info.si_pid == 0) {
        (void)poll(awaited, 2, -1);
        if (awaited[1].revents != 0) {
            (void)kill(engine, SIGKILL);
            awaited[1].fd = -1;
        }
        if (waitid(P_PID, (id_t)engine, &info, WEXITED | WNOHANG | __WALL) < 0)
            _exit(1);
    }
    report(REPORT_FD, info.si_code == CLD_EXITED ? KEEPER_EXITED : KEEPER_KILLED, info.si_status);
}

/* False: errno has the reason. */
static bool prepare(struct keeper_plan *plan) {
    /* The caller of a setuid program can signal processes with its real uid. */
    if (plan->drop && syscall(SYS_setresuid, 0, 0, 0) < 0)
        return false;
    /* Processes that inherit the session keyring can read its keys. Root creates the new one, because users
     * have quotas. Without keyring support there is nothing to inherit. */
    (void)syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL);
    set_limits();
    (void)umask(077);
    /* Processes of the same session could signal this one. */
    (void)setsid();
    /* This process holds a copy of the PAM application's memory, so nobody may trace it. */
    return chdir("/") == 0 && set_files(plan) && change_user(plan) &&
           prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           end_with_parent(plan);
}

_Noreturn void keeper_run(struct keeper_plan *plan) {
    int pidfd = -1;
    reset_handlers();
    (void)prctl(PR_SET_NAME, "duo-ts-keeper");
    if (!prepare(plan))
        report(plan->report, KEEPER_PREPARE, errno);
    plan->parent = (pid_t)syscall(SYS_getpid);
    pid_t engine =
        (pid_t)syscall(SYS_clone, (unsigned long)(SIGCHLD | CLONE_PIDFD), NULL, &pidfd, NULL, NULL);
    if (engine == 0)
        become_engine(plan);
    if (engine < 0)
        report(plan->report, KEEPER_PREPARE, errno);
    (void)close(SOCKET_FD);
    (void)close(PROGRAM_FD);
    watch(engine, pidfd);
}

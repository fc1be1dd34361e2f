/* bridge_login with faulty engines, in difficult processes: bridge_test FAKE_ENGINE */
#include "bridge.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/keyctl.h>
#include <linux/securebits.h>
#include <pthread.h>
#include <pwd.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "check.h"

int check_failures = 0;

static char directory[] = "/tmp/bridge-test-XXXXXX";
static const char *fake;
static char last_log[512];
static size_t logs;
static size_t log_bytes;
/* The path of the resident engine's socket, for the tests that have one. */
static const char *socket_path;
static char account_name[] = "root";

static char *host_prompt(void *context, const char *text) {
    (void)text;
    return context == NULL ? NULL : strdup(context);
}

static void host_status(void *context, const char *text) {
    (void)context, (void)text;
}

static void host_log(void *context, int priority, enum bridge_channel channel, const char *text,
                     const char *fields) {
    (void)context, (void)priority, (void)channel, (void)fields;
    if (strstr(text, "no system user duo-private") != NULL)
        return;
    logs++;
    log_bytes += strlen(text);
    snprintf(last_log, sizeof last_log, "%s", text);
}

static void login_path(const char *path, const char *answer, struct bridge_verdict *verdict) {
    const struct bridge_facts facts = {
        .program = "pam",
        .service = "test",
        .user = "alice",
        .account = {.name = account_name},
        .config_path = "/etc/duo/pam_duo.conf",
        .config_text = "[duo]\n",
        .config_length = 6,
        .host_name = "host",
    };
    const struct bridge_host host = {
        .context = (void *)answer, .prompt = host_prompt, .status = host_status, .log = host_log};
    last_log[0] = '\0';
    const struct bridge_engines engines = {.path = path, .socket = socket_path};
    bridge_login(&facts, &host, &engines, verdict);
}

/* The path of the fake engine under the name that selects its fault. */
static void place(const char *mode, char *path, size_t size) {
    snprintf(path, size, "%s/%s", directory, mode);
    if (access(path, X_OK) == 0)
        return;
    int from = open(fake, O_RDONLY | O_CLOEXEC);
    int to = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0755);
    char buffer[65536];
    ssize_t step;
    while ((step = read(from, buffer, sizeof buffer)) > 0) {
        if (write(to, buffer, (size_t)step) != step)
            abort();
    }
    close(from);
    close(to);
}

static struct bridge_verdict login(const char *mode, const char *answer) {
    struct bridge_verdict verdict;
    char path[4096];
    place(mode, path, sizeof path);
    login_path(path, answer, &verdict);
    return verdict;
}

/* The number of engines, zombies included. */
static int engines(void) {
    int count = 0;
    DIR *proc = opendir("/proc");
    struct dirent *entry;
    while (proc != NULL && (entry = readdir(proc)) != NULL) {
        char path[300];
        char line[64] = "";
        snprintf(path, sizeof path, "/proc/%.20s/stat", entry->d_name);
        FILE *file = fopen(path, "re");
        if (file == NULL)
            continue;
        int pid = 0;
        int parent = 0;
        char state = '?';
        if (fscanf(file, "%d (%63[^)]) %c %d", &pid, line, &state, &parent) == 4 && parent == getpid())
            count++;
        fclose(file);
    }
    if (proc != NULL)
        closedir(proc);
    return count;
}

static int open_files(void) {
    int count = 0;
    for (int fd = 0; fd < 256; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

static void test_misbehaviour(void) {
    static const struct {
        const char *mode;
        const char *error;
    } cases[] = {
        {"exit", "the engine ended without a verdict: it exited with 5"},
        {"hang", "the engine did not respond and was killed"},
        {"verdict-first", "the engine violated the protocol: no HELLO"},
        {"version", "speaks protocol version 3"},
        {"garbage", "the engine violated the protocol: a frame that is too long"},
        {"hello-exit", "the engine ended without a verdict: it exited with 0"},
        {"hello-abort", "the engine ended without a verdict: it was killed by signal 6"},
        {"hello-hang", "the engine did not respond and was killed"},
        {"hello-twice", "the engine violated the protocol: a second HELLO"},
        {"heartbeat", "the engine gave no verdict in time"},
        {"flood", "the engine gave no verdict in time"},
        {"hello-garbage", "the engine violated the protocol: a frame of unknown type"},
        {"truncated", "the engine ended without a verdict"},
        {"oversized", "the engine violated the protocol: a frame that is too long"},
        {"type", "the engine violated the protocol: a frame of unknown type"},
        {"verdict-empty", "the engine violated the protocol: a frame without a required field"},
        {"verdict-0", "the engine violated the protocol: an invalid verdict"},
        {"verdict-8", "the engine violated the protocol: an invalid verdict"},
        {"log-priority", "the engine violated the protocol: an invalid log line"},
        {"prompt-exit", "the engine ended without a verdict: it exited with 0"},
        {"prompt-hang", "the engine did not respond and was killed"},
        {"prompt-deaf", "the engine did not respond and was killed"},
        {"prompt-first", "the engine violated the protocol: a conversation before NEEDS"},
        {"needs-twice", "the engine violated the protocol: a NEEDS that can't be met"},
        {"needs-2", "the engine violated the protocol: a NEEDS that can't be met"},
        {"needs-3", "the engine violated the protocol: a NEEDS that can't be met"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int files = open_files();
        struct bridge_verdict verdict = login(cases[i].mode, "open sesame");
        CHECK(verdict.outcome == BRIDGE_SERVICE_ERROR, "%s: outcome %d", cases[i].mode, verdict.outcome);
        CHECK(!verdict.from_engine, "%s", cases[i].mode);
        CHECK(strstr(verdict.error, cases[i].error) != NULL, "%s: %s", cases[i].mode, verdict.error);
        CHECK(engines() == 0, "%s: an engine is left", cases[i].mode);
        CHECK(open_files() == files, "%s: descriptors leak", cases[i].mode);
    }
}

static void test_good(void) {
    /* The engine must not inherit open descriptors: `about` checks it. */
    int left_open = fcntl(open("/dev/null", O_RDONLY | O_CLOEXEC), F_DUPFD, 40);
    CHECK(left_open >= 40 && fcntl(left_open, F_GETFD) == 0, "a descriptor without FD_CLOEXEC");
    int files = open_files();
    CHECK(login("pass", NULL).outcome == BRIDGE_PASS, "pass");
    CHECK(login("prompt", "open sesame").outcome == BRIDGE_PASS, "the right answer");
    CHECK(login("prompt", NULL).outcome != BRIDGE_PASS, "no answer");
    CHECK(login("needs-1", NULL).outcome == BRIDGE_PASS, "the groups of the account");
    setenv("SECRET", "x", 1);
    CHECK(login("about", NULL).outcome == BRIDGE_PASS, "about");
    CHECK(strcmp(last_log, "core=1 files=1 pgid=1 sid=1 env=clean") == 0, "%s", last_log);
    CHECK(engines() == 0, "an engine is left");
    CHECK(open_files() == files, "descriptors leak");
}

static void test_judged(void) {
    struct bridge_verdict verdict;
    char path[4096];
    char link[4096];
    place("pass", path, sizeof path);

    login_path("/nowhere/at/all", NULL, &verdict);
    CHECK(verdict.outcome == BRIDGE_SERVICE_ERROR, "a missing engine");
    CHECK(strstr(verdict.error, "No such file") != NULL, "%s", verdict.error);
    login_path("build/duo-ts", NULL, &verdict);
    CHECK(verdict.outcome == BRIDGE_SERVICE_ERROR && strstr(verdict.error, "absolute") != NULL, "%s",
          verdict.error);
    login_path("/tmp", NULL, &verdict);
    CHECK(verdict.outcome == BRIDGE_SERVICE_ERROR, "a directory");
    snprintf(link, sizeof link, "%s/link", directory);
    CHECK(symlink(path, link) == 0, "%s", strerror(errno));
    login_path(link, NULL, &verdict);
    CHECK(verdict.outcome == BRIDGE_SERVICE_ERROR, "a symbolic link");
    chmod(path, 0775);
    login_path(path, NULL, &verdict);
    CHECK(strstr(verdict.error, "writable by nobody else") != NULL, "%s", verdict.error);
    chmod(path, 0757);
    login_path(path, NULL, &verdict);
    CHECK(verdict.outcome == BRIDGE_SERVICE_ERROR, "writable by all");
    chmod(path, 0755);
    chmod(directory, 0775);
    login_path(path, NULL, &verdict);
    CHECK(strstr(verdict.error, "directory") != NULL, "%s", verdict.error);
    chmod(directory, 0755);
    chmod(path, 0644);
    login_path(path, NULL, &verdict);
    CHECK(strstr(verdict.error, "it could not be executed: Permission denied") != NULL, "%s", verdict.error);
    chmod(path, 0755);
    if (geteuid() == 0) {
        CHECK(chown(path, 12345, 0) == 0, "%s", strerror(errno));
        login_path(path, NULL, &verdict);
        CHECK(verdict.outcome == BRIDGE_SERVICE_ERROR, "another's file");
        CHECK(chown(path, 0, 0) == 0 && chmod(path, 0755) == 0, "%s", strerror(errno));
    } else {
        fprintf(stderr, "skipped: a file of another user's takes root\n");
    }
    login_path(path, NULL, &verdict);
    CHECK(verdict.outcome == BRIDGE_PASS, "%s", verdict.error);
}

/* What a compromised engine may write, show and ask. */
static void test_talkative(void) {
    static const struct {
        const char *mode;
        const char *error;
    } cases[] = {
        {"logs-100", NULL},        {"logs-101", "the engine sent too many log lines"},
        {"log-bytes-65536", NULL}, {"log-bytes-65537", "the engine sent too many log lines"},
        {"statuses-1000", NULL},   {"statuses-1001", "the engine sent too many status lines"},
        {"prompts-100", NULL},     {"prompts-101", "the engine sent too many prompts"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        logs = 0;
        log_bytes = 0;
        struct bridge_verdict verdict = login(cases[i].mode, "open sesame");
        bool passed = verdict.from_engine && verdict.outcome == BRIDGE_PASS;
        bool denied = !verdict.from_engine && verdict.outcome == BRIDGE_SERVICE_ERROR;
        CHECK(cases[i].error == NULL ? passed : denied && strcmp(verdict.error, cases[i].error) == 0,
              "%s: %d: %s", cases[i].mode, verdict.outcome, verdict.error);
        CHECK(logs <= 100 && log_bytes <= 65536, "%s: %zu lines, %zu bytes", cases[i].mode, logs, log_bytes);
        CHECK(engines() == 0, "%s: an engine is left", cases[i].mode);
    }
}

/* ---- difficult hosts ---- */

static void *reap_all(void *stop) {
    int *seen = stop;
    while (!__atomic_load_n(&seen[0], __ATOMIC_ACQUIRE)) {
        if (waitpid(-1, NULL, WNOHANG) > 0)
            seen[1]++;
        usleep(100);
    }
    return NULL;
}

static volatile sig_atomic_t children_ended;

static void on_child(int number) {
    (void)number;
    children_ended = children_ended + 1;
}

/* A handler of SIGCHLD is called only for the process's own children, and stays installed. */
static void host_with_children(void) {
    static const char *const modes[] = {"pass", "exit", "garbage", "hello-abort"};
    struct sigaction action = {.sa_handler = on_child};
    struct sigaction after;
    sigaction(SIGCHLD, &action, NULL);
    pid_t own = fork();
    if (own == 0)
        _exit(3);
    while (children_ended == 0)
        usleep(1000);
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++)
        (void)login(modes[i], NULL);
    CHECK(children_ended == 1, "%d signals for one child", (int)children_ended);
    CHECK(sigaction(SIGCHLD, NULL, &after) == 0 && after.sa_handler == on_child, "another handler");
    int status = 0;
    CHECK(waitpid(-1, &status, 0) == own && WEXITSTATUS(status) == 3,
          "the host's own child was taken from it");
    CHECK(waitpid(-1, NULL, 0) < 0 && errno == ECHILD, "a child that is not the host's own");
}

static void test_children(void) {
    int shared[2] = {0, 0};
    pthread_t reaper;
    signal(SIGCHLD, SIG_IGN);
    CHECK(login("pass", NULL).outcome == BRIDGE_PASS, "SIGCHLD ignored");
    CHECK(strstr(login("exit", NULL).error, "it exited with 5") != NULL,
          "SIGCHLD ignored, and still the status");
    signal(SIGCHLD, SIG_DFL);
    pthread_create(&reaper, NULL, reap_all, shared);
    for (int i = 0; i < 20; i++)
        CHECK(login("pass", NULL).outcome == BRIDGE_PASS, "a host that reaps");
    __atomic_store_n(&shared[0], 1, __ATOMIC_RELEASE);
    pthread_join(reaper, NULL);
    CHECK(shared[1] == 0, "the host saw %d children that were not its own", shared[1]);
}

static void *disturb(void *stop) {
    while (!__atomic_load_n((int *)stop, __ATOMIC_ACQUIRE)) {
        free(malloc(1000));
        (void)getpwnam("root");
    }
    return NULL;
}

static void *one_of_many(void *argument) {
    struct bridge_verdict verdict;
    login_path(argument, NULL, &verdict);
    return (void *)(verdict.outcome == BRIDGE_PASS ? (intptr_t)1 : (intptr_t)0);
}

static void test_threads(void) {
    pthread_t noise;
    pthread_t logins[8];
    int stop = 0;
    char path[4096];
    place("pass", path, sizeof path);
    pthread_create(&noise, NULL, disturb, &stop);
    for (int round = 0; round < 4; round++) {
        for (size_t i = 0; i < sizeof logins / sizeof *logins; i++)
            pthread_create(&logins[i], NULL, one_of_many, path);
        for (size_t i = 0; i < sizeof logins / sizeof *logins; i++) {
            void *good = NULL;
            pthread_join(logins[i], &good);
            CHECK(good != NULL, "a login among many");
        }
    }
    __atomic_store_n(&stop, 1, __ATOMIC_RELEASE);
    pthread_join(noise, NULL);
}

/* Runs a test in its own process, which it changes for good; false when one of its checks failed. */
static bool in_child(void (*host)(void)) {
    pid_t pid = fork();
    if (pid == 0) {
        check_failures = 0;
        host();
        _exit(check_failures == 0 ? 0 : 1);
    }
    int status = 0;
    return waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void host_without_files(void) {
    int log = fcntl(2, F_DUPFD_CLOEXEC, 100);
    struct bridge_verdict verdict;
    close(0);
    close(1);
    close(2);
    verdict = login("pass", NULL);
    bool nothing = fcntl(0, F_GETFD) < 0 && fcntl(1, F_GETFD) < 0 && fcntl(2, F_GETFD) < 0;
    dup2(log, 2);
    CHECK(verdict.outcome == BRIDGE_PASS, "%s", verdict.error);
    CHECK(nothing, "something of ours stands where the standard descriptors were");
}

static void host_with_signals(void) {
    sigset_t some;
    sigset_t pending;
    sigemptyset(&some);
    sigaddset(&some, SIGINT);
    sigaddset(&some, SIGHUP);
    sigprocmask(SIG_BLOCK, &some, NULL);
    signal(SIGHUP, SIG_IGN);
    raise(SIGHUP);
    CHECK(login("pass", NULL).outcome == BRIDGE_PASS, "a signal that the host ignores is none");
    signal(SIGUSR1, SIG_IGN);
    CHECK(login("signals", NULL).outcome == BRIDGE_PASS,
          "the engine inherits what the host ignores or blocks");
    raise(SIGINT);
    struct timespec begun;
    struct timespec ended;
    clock_gettime(CLOCK_MONOTONIC, &begun);
    struct bridge_verdict verdict = login("heartbeat", NULL);
    clock_gettime(CLOCK_MONOTONIC, &ended);
    /* A login waits five seconds for a keeper that cannot end its engine. */
    CHECK(ended.tv_sec - begun.tv_sec < 5, "cancelled before the engine had changed its user: %d s",
          (int)(ended.tv_sec - begun.tv_sec));
    CHECK(verdict.outcome == BRIDGE_ABORTED && verdict.signal == SIGINT, "%d: %s", verdict.outcome,
          verdict.error);
    CHECK(strcmp(verdict.error, "cancelled by SIGINT") == 0, "%s", verdict.error);
    sigpending(&pending);
    CHECK(sigismember(&pending, SIGINT) == 1, "the signal is the host's, and must stay");
    CHECK(engines() == 0, "an engine is left");
}

static timer_t interrupter;
static struct itimerspec pause_before;
static int interruptions;

/* Each pause is a little longer than the one before: fork() starts again when it is interrupted, and would
   never end on a machine where it takes longer than a fixed pause. */
static void on_alarm(int number) {
    (void)number;
    interruptions++;
    pause_before.it_value.tv_nsec += pause_before.it_value.tv_nsec / 16;
    timer_settime(interrupter, 0, &pause_before, NULL);
}

static void host_with_handlers(void) {
    struct sigaction action = {.sa_handler = on_alarm};
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGALRM};
    const struct itimerspec off = {{0, 0}, {0, 0}};
    sigaction(SIGALRM, &action, NULL);
    CHECK(timer_create(CLOCK_MONOTONIC, &event, &interrupter) == 0, "%s", strerror(errno));
    for (int i = 0; i < 5; i++) {
        pause_before.it_value.tv_nsec = 200000;
        timer_settime(interrupter, 0, &pause_before, NULL);
        struct bridge_verdict verdict = login("prompt", "open sesame");
        timer_settime(interrupter, 0, &off, NULL);
        CHECK(verdict.outcome == BRIDGE_PASS, "a host that is interrupted all the time: %d: %s",
              verdict.outcome, verdict.error);
    }
    CHECK(interruptions > 5, "only %d interruptions", interruptions);
    timer_delete(interrupter);
}

static void host_with_limits(void) {
    static const struct {
        int resource;
        rlim_t value;
    } limits[] = {
        {RLIMIT_NOFILE, 3}, {RLIMIT_NOFILE, 8}, {RLIMIT_NOFILE, 12},   {RLIMIT_AS, 1 << 20},
        {RLIMIT_FSIZE, 0},  {RLIMIT_NPROC, 0},  {RLIMIT_STACK, 65536}, {RLIMIT_DATA, 4096},
    };
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            struct rlimit limit = {limits[i].value, limits[i].value};
            setrlimit((__rlimit_resource_t)limits[i].resource, &limit);
            struct bridge_verdict verdict = login("verdict-0", NULL);
            _exit(verdict.outcome == BRIDGE_PASS ? 42 : 0);
        }
        int status = 0;
        CHECK(waitpid(pid, &status, 0) == pid && !(WIFEXITED(status) && WEXITSTATUS(status) == 42),
              "limit %zu", i);
    }
}

static void host_with_keys(void) {
    long keyring = syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL);
    if (keyring < 0) {
        fprintf(stderr, "skipped: keyrings: %s\n", strerror(errno));
        return;
    }
    long key = syscall(SYS_add_key, "user", "duo-ts-test", "secret", 6, KEY_SPEC_SESSION_KEYRING);
    CHECK(key > 0, "%s", strerror(errno));
    struct bridge_verdict verdict = login("keyring", NULL);
    CHECK(verdict.outcome == BRIDGE_PASS, "%d: %s", verdict.outcome, verdict.error);
    CHECK(syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING, 0) == keyring,
          "the host's keyring is another");
}

/* These become the only capabilities of this process, and inheritable. */
static bool set_capabilities(uint32_t wanted) {
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3];
    memset(sets, 0, sizeof sets);
    sets[0].effective = sets[0].permitted = sets[0].inheritable = wanted;
    return syscall(SYS_capset, &header, sets) == 0;
}

/* A service that is not root and has an inheritable capability. */
static void host_with_capabilities(void) {
    const uint32_t bind = (uint32_t)1 << CAP_NET_BIND_SERVICE;
    char path[4096];
    place("capabilities", path, sizeof path);
    CHECK(prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) == 0 && setresgid(65534, 65534, 65534) == 0 &&
              setresuid(65534, 65534, 65534) == 0 && set_capabilities(bind) &&
              prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_NET_BIND_SERVICE, 0, 0) == 0,
          "%s", strerror(errno));
    struct bridge_verdict verdict = login("capabilities", NULL);
    CHECK(verdict.outcome == BRIDGE_PASS, "%d: %s", verdict.outcome, verdict.error);
}

/* Root that keeps its capabilities when it changes its user. */
static void host_with_securebits(void) {
    CHECK(prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP | SECBIT_KEEP_CAPS, 0, 0, 0) == 0, "%s",
          strerror(errno));
    struct bridge_verdict verdict = login("capabilities", NULL);
    CHECK(verdict.outcome == BRIDGE_PASS, "%d: %s", verdict.outcome, verdict.error);
}

/* More capabilities than the engine may have. */
static void host_with_many_files(void) {
    struct rlimit limit;
    CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0, "%s", strerror(errno));
    limit.rlim_cur = 1500;
    CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0, "%s", strerror(errno));
    for (int i = 0; i < 1300; i++)
        CHECK(open("/dev/null", O_RDONLY | O_CLOEXEC) >= 0, "%s", strerror(errno));
    struct bridge_verdict verdict = login("pass", NULL);
    CHECK(verdict.outcome == BRIDGE_PASS, "%s", verdict.error);
}

/* The first child of a process, or 0. */
static pid_t first_child(pid_t parent) {
    char path[64];
    int child = 0;
    snprintf(path, sizeof path, "/proc/%d/task/%d/children", parent, parent);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return 0;
    if (fscanf(file, "%d", &child) != 1)
        child = 0;
    fclose(file);
    return child;
}

/* True when the process executes the program at path. */
static bool executes(pid_t pid, const char *path) {
    char link[64];
    char target[4096] = "";
    snprintf(link, sizeof link, "/proc/%d/exe", pid);
    ssize_t length = readlink(link, target, sizeof target - 1);
    return length > 0 && strcmp(target, path) == 0;
}

/* The process is killed while the engine runs; the engine must end soon after. */
static void test_killed_host(void) {
    CHECK(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0, "%s", strerror(errno));
    char path[4096];
    place("heartbeat", path, sizeof path);
    pid_t host = fork();
    if (host == 0) {
        struct bridge_verdict verdict;
        login_path(path, NULL, &verdict);
        _exit(0);
    }
    pid_t engine = 0;
    while (!executes(engine, path)) {
        pid_t keeper = first_child(host);
        engine = keeper > 0 ? first_child(keeper) : 0;
        usleep(1000);
    }
    kill(host, SIGKILL);
    waitpid(host, NULL, 0);
    /*
     * Keeper and engine are now children of this process: waitid reports their end. It would wait forever
     * for one that does not end.
     */
    bool gone = false;
    for (int tries = 0; tries < 10000 && !gone; tries++) {
        siginfo_t info;
        gone = waitid(P_ALL, 0, &info, WEXITED | WNOHANG | __WALL) < 0 && errno == ECHILD;
        usleep(1000);
    }
    CHECK(gone, "keeper or engine live on without their host");
    CHECK(kill(engine, 0) < 0 && errno == ESRCH, "the engine lives on without its host");
}

int main(int argc, char **argv) {
    if (argc != 2 || mkdtemp(directory) == NULL || chmod(directory, 0755) < 0)
        return 2;
    fake = argv[1];
    /* Without this a write that raises SIGPIPE would end the tests. */
    signal(SIGPIPE, SIG_DFL);
    test_good();
    test_misbehaviour();
    test_talkative();
    test_judged();
    test_children();
    test_threads();
    CHECK(in_child(host_without_files), "a host without standard descriptors");
    CHECK(in_child(host_with_many_files), "a host with many descriptors");
    CHECK(in_child(host_with_signals), "a host that blocks signals");
    CHECK(in_child(host_with_children), "a host that handles SIGCHLD");
    CHECK(in_child(host_with_handlers), "a host that handles signals");
    CHECK(in_child(host_with_keys), "a host with a session keyring");
    if (geteuid() == 0) {
        CHECK(in_child(host_with_capabilities), "a host that hands a capability on");
        CHECK(in_child(host_with_securebits), "a host whose capabilities outlast its user");
    } else {
        fprintf(stderr, "skipped: capabilities take root\n");
    }
    host_with_limits();
    test_killed_host();

    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", directory);
    return system(command) == 0 && check_failures == 0 ? 0 : 1;
}

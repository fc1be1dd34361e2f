/*
 * bridge_login with good and bad resident engines, and a private one to fall back on: resident_test
 * FAKE_ENGINE
 */
#include "bridge.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

int check_failures = 0;

static char directory[] = "/tmp/resident-test-XXXXXX";
/* The socket's own directory, whose permissions the tests change. */
static char socket_directory[48];
static char socket_path[64];
static const char *fake;
static char last_log[1024];
static int prompts;

static char *host_prompt(void *context, const char *text) {
    (void)context, (void)text;
    prompts++;
    return strdup("open sesame");
}

static void host_status(void *context, const char *text) {
    (void)context, (void)text;
}

static void host_log(void *context, int priority, enum bridge_channel channel, const char *text,
                     const char *fields) {
    (void)context, (void)priority, (void)channel, (void)fields;
    if (strstr(text, "no system user duo-private") == NULL)
        snprintf(last_log, sizeof last_log, "%s", text);
}

/* The path of the fake engine under the name that selects its fault. */
static const char *place(const char *mode) {
    static char path[4096];
    snprintf(path, sizeof path, "%s/%s", directory, mode);
    if (access(path, X_OK) == 0)
        return path;
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
    return path;
}

static struct bridge_verdict login(const char *private_mode, bool mute) {
    const struct bridge_facts facts = {
        .program = "pam",
        .service = "test",
        .user = "alice",
        .silent = mute,
        .config_path = "/etc/duo/pam_duo.conf",
        .config_text = "[duo]\n",
        .config_length = 6,
        .host_name = "host",
    };
    const struct bridge_host host = {.prompt = host_prompt, .status = host_status, .log = host_log};
    const struct bridge_engines engines = {
        .path = private_mode == NULL ? NULL : place(private_mode),
        .socket = socket_path,
    };
    struct bridge_verdict verdict;
    last_log[0] = '\0';
    prompts = 0;
    bridge_login(&facts, &host, &engines, &verdict);
    return verdict;
}

static int listen_here(int backlog) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", socket_path);
    (void)unlink(socket_path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (const struct sockaddr *)&address, sizeof address) < 0 ||
        chmod(socket_path, 0666) < 0 || listen(fd, backlog) < 0)
        abort();
    return fd;
}

/* A fake engine that serves one connection under this uid. */
static pid_t start(const char *mode, uid_t uid) {
    const char *path = place(mode);
    int ready[2];
    char byte;
    if (pipe2(ready, O_CLOEXEC) < 0)
        abort();
    pid_t pid = fork();
    if (pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        int fd;
        if (uid != 0) {
            /* SO_PEERCRED has the ids of the process that called listen. */
            fd = listen_here(1);
            if (setuid(uid) < 0 || listen(fd, 8) < 0)
                abort();
        } else {
            fd = listen_here(8);
        }
        if (write(ready[1], "x", 1) != 1)
            abort();
        int peer = accept(fd, NULL, NULL);
        if (peer < 0 || dup2(peer, 3) < 0)
            abort();
        char *const arguments[] = {(char *)path, NULL};
        execv(path, arguments);
        _exit(9);
    }
    close(ready[1]);
    if (read(ready[0], &byte, 1) != 1)
        abort();
    close(ready[0]);
    return pid;
}

static void stop(pid_t pid) {
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    (void)unlink(socket_path);
}

static int open_files(void) {
    int count = 0;
    for (int fd = 0; fd < 256; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

static const char serves[] = "a private engine serves this login";

static void test_good(void) {
    int files = open_files();
    pid_t pid = start("pass", 0);
    struct bridge_verdict verdict = login("exit", false);
    CHECK(verdict.outcome == BRIDGE_PASS && verdict.from_engine, "%s", verdict.error);
    CHECK(last_log[0] == '\0', "%s", last_log);
    stop(pid);
    pid = start("prompt", 0);
    CHECK(login(NULL, false).outcome == BRIDGE_PASS, "without a private engine");
    stop(pid);
    pid = start("verdict-8", 0);
    CHECK(login(NULL, false).outcome == BRIDGE_SERVICE_ERROR, "nonsense, and nothing else");
    stop(pid);
    verdict = login("pass", false);
    CHECK(verdict.outcome == BRIDGE_PASS, "no resident engine: %s", verdict.error);
    CHECK(last_log[0] == '\0', "nobody missed it: %s", last_log);
    verdict = login(NULL, false);
    CHECK(verdict.outcome == BRIDGE_SERVICE_ERROR && !verdict.from_engine, "no engine at all");
    CHECK(open_files() == files, "descriptors leak");
}

/* The resident engine fails before the prompt: a private one serves the login. */
static void test_retried(void) {
    static const char *const modes[] = {
        "exit",        "hang",       "verdict-first", "version",    "garbage",     "hello-exit",
        "hello-abort", "hello-hang", "hello-twice",   "needs-exit", "needs-twice", "prompt-first",
        "truncated",   "oversized",  "verdict-0",     "verdict-8",  "log-priority"};
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        int files = open_files();
        pid_t pid = start(modes[i], 0);
        struct bridge_verdict verdict = login("pass", false);
        CHECK(verdict.outcome == BRIDGE_PASS && verdict.from_engine, "%s: %s", modes[i], verdict.error);
        CHECK(strstr(last_log, serves) != NULL, "%s: %s", modes[i], last_log);
        stop(pid);
        CHECK(open_files() == files, "%s: descriptors leak", modes[i]);
    }
}

/* Both fail. */
static void test_hopeless(void) {
    pid_t pid = start("hello-exit", 0);
    struct bridge_verdict verdict = login("verdict-0", false);
    CHECK(verdict.outcome == BRIDGE_SERVICE_ERROR && !verdict.from_engine, "%d", verdict.outcome);
    stop(pid);
    pid = start("hello-exit", 0);
    verdict = login(NULL, false);
    CHECK(verdict.outcome == BRIDGE_SERVICE_ERROR && !verdict.from_engine, "%d", verdict.outcome);
    CHECK(strstr(last_log, "nothing else can serve this login") != NULL, "%s", last_log);
    stop(pid);
}

/* It fails after the prompt: the login is denied without a second prompt. */
static void test_denied(void) {
    static const char *const modes[] = {"prompt-exit", "prompt-hang"};
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        pid_t pid = start(modes[i], 0);
        struct bridge_verdict verdict = login("pass", false);
        CHECK(verdict.outcome == BRIDGE_SERVICE_ERROR && !verdict.from_engine, "%s", modes[i]);
        CHECK(strstr(verdict.error, "resident engine") != NULL, "%s: %s", modes[i], verdict.error);
        CHECK(prompts == 1, "%s: asked %d times", modes[i], prompts);
        stop(pid);
    }
    /* A silent application cannot know what the engine has asked. */
    pid_t pid = start("needs-exit", 0);
    CHECK(login("pass", true).outcome == BRIDGE_SERVICE_ERROR, "mute, after NEEDS");
    stop(pid);
    pid = start("hello-exit", 0);
    CHECK(login("pass", true).outcome == BRIDGE_PASS, "mute, before NEEDS");
    stop(pid);
}

static void expect_private(const char *what, const char *why) {
    struct bridge_verdict verdict = login("pass", false);
    CHECK(verdict.outcome == BRIDGE_PASS, "%s: %s", what, verdict.error);
    CHECK(strstr(last_log, why) != NULL && strstr(last_log, serves) != NULL, "%s: %s", what, last_log);
}

static void test_judged(void) {
    pid_t pid = start("pass", 0);
    chmod(socket_directory, 0775);
    expect_private("a directory that a group may write", "/run must be owned by root");
    chmod(socket_directory, 01777);
    expect_private("a directory that everybody may write", "/run must be owned by root");
    chmod(socket_directory, 0755);
    CHECK(chown(socket_directory, 12345, 0) == 0, "%s", strerror(errno));
    expect_private("another's directory", "/run must be owned by root");
    CHECK(chown(socket_directory, 0, 0) == 0, "%s", strerror(errno));
    stop(pid);

    pid = start("pass", 12345);
    expect_private("another's engine", "uid 12345 listens there");
    stop(pid);

    close(listen_here(1));
    expect_private("nobody listens", "Connection refused");
    (void)unlink(socket_path);

    close(open(socket_path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666));
    expect_private("a file", "it is not a socket");
    (void)unlink(socket_path);

    CHECK(symlink("/run/elsewhere", socket_path) == 0, "%s", strerror(errno));
    expect_private("a symbolic link", "it is not a socket");
    (void)unlink(socket_path);
}

/* The engine does not accept and the queue is full: this is reported without a wait. */
static void test_full(void) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int waiting[16];
    size_t count = 0;
    int fd = listen_here(1);
    snprintf(address.sun_path, sizeof address.sun_path, "%s", socket_path);
    for (; count < 16; count++) {
        waiting[count] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (connect(waiting[count], (const struct sockaddr *)&address, sizeof address) < 0)
            break;
    }
    CHECK(count < 16 && errno == EAGAIN, "the queue does not fill");
    expect_private("a full queue", "its queue is full");
    for (size_t i = 0; i <= count && i < 16; i++)
        close(waiting[i]);
    close(fd);
    (void)unlink(socket_path);
}

/* An unprivileged process keeps its secrets to itself. */
static void test_unprivileged(void) {
    pid_t engine = start("pass", 0);
    pid_t pid = fork();
    if (pid == 0) {
        check_failures = 0;
        if (setuid(12345) < 0)
            _exit(2);
        struct bridge_verdict verdict = login(NULL, false);
        CHECK(verdict.outcome == BRIDGE_SERVICE_ERROR, "a configuration of its own");
        _exit(check_failures == 0 ? 0 : 1);
    }
    int status = 0;
    CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0, "%x", status);
    stop(engine);
}

int main(int argc, char **argv) {
    if (argc != 2 || mkdtemp(directory) == NULL || chmod(directory, 0755) < 0)
        return 2;
    if (geteuid() != 0) {
        fprintf(stderr, "skipped: a directory that is root's takes root\n");
        return 0;
    }
    fake = argv[1];
    snprintf(socket_directory, sizeof socket_directory, "%s/run", directory);
    snprintf(socket_path, sizeof socket_path, "%s/engine.sock", socket_directory);
    if (mkdir(socket_directory, 0755) < 0)
        return 2;
    test_good();
    test_retried();
    test_hopeless();
    test_denied();
    test_judged();
    test_full();
    test_unprivileged();

    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", directory);
    return system(command) == 0 && check_failures == 0 ? 0 : 1;
}

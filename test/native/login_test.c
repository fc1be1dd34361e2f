/* The parts of login_duo: environment, prompts, and dropping root. */
#include <errno.h>
#include <fcntl.h>
#include <pty.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "account.h"
#include "check.h"
#include "conversation.h"
#include "environment.h"
#include "privileges.h"
#include "shell.h"
#include "system.h"

int check_failures = 0;

/* ---- environment ---- */

static void test_environment(void) {
    char factor[] = "DUO_PASSCODE=123456";
    char second[] = "DUO_PASSCODE=654321";
    char close_by[] = "DUO_PASSCODES=1";
    char connection[] = "SSH_CONNECTION=192.0.2.7 4711 192.0.2.1 22";
    char command[] = "SSH_ORIGINAL_COMMAND=ls -l";
    char odd[] = "no variable";
    char *variables[] = {factor, close_by, connection, second, odd, command, NULL};
    struct environment taken;
    char address[16];

    environ = variables;
    environment_take(&taken);
    CHECK(environ[0] == NULL, "something is left while it is taken");
    CHECK(taken.factor != NULL && strcmp(taken.factor, "123456") == 0, "the first factor counts");
    CHECK(strcmp(second, "DUO_PASSCODE=") == 0, "the other one is wiped");
    CHECK(strcmp(taken.ssh_original_command, "ls -l") == 0, "%s", taken.ssh_original_command);
    environment_client(&taken, address, sizeof address);
    CHECK(strcmp(address, "192.0.2.7") == 0, "%s", address);
    environment_client(&taken, address, 4);
    CHECK(strcmp(address, "192") == 0, "%s", address);
    environment_forget_factor(&taken);
    CHECK(taken.factor == NULL && strcmp(factor, "DUO_PASSCODE=") == 0, "the factor is wiped");
    environment_restore(&taken);
    CHECK(environ[0] == close_by && environ[1] == connection && environ[2] == odd && environ[3] == command &&
              environ[4] == NULL,
          "the rest comes back in its order");

    char empty_factor[] = "DUO_PASSCODE=";
    char *only_factor[] = {empty_factor, NULL};
    environ = only_factor;
    environment_take(&taken);
    CHECK(taken.factor == NULL, "an empty factor is none");
    environment_client(&taken, address, sizeof address);
    CHECK(address[0] == '\0', "no connection: %s", address);
    environment_restore(&taken);
    CHECK(environ[0] == NULL, "an empty factor is taken out, too");

    environ = NULL;
    environment_take(&taken);
    environment_forget_factor(&taken);
    environment_restore(&taken);
    CHECK(environ == NULL, "no environment at all");
}

static void test_join(void) {
    char *const words[] = {(char *)"echo", (char *)"", (char *)"a  b", NULL};
    char *const none[] = {NULL};
    char *joined = shell_join(words);
    CHECK(joined != NULL && strcmp(joined, "echo  a  b") == 0, "%s", joined);
    free(joined);
    joined = shell_join(none);
    CHECK(joined != NULL && joined[0] == '\0', "%s", joined);
    free(joined);
}

/* ---- terminal: in a child whose standard input and output are a pseudo-terminal ---- */

/*
 * The answer that a child got after `typed` was typed at its prompt; "(none)" for none, "(hung)" when
 * unread input differs from `rest`.
 */
static void ask(const char *typed, const char *expected, const char *rest) {
    int master;
    pid_t pid = forkpty(&master, NULL, NULL, NULL);
    CHECK(pid >= 0, "%s", strerror(errno));
    if (pid == 0) {
        int64_t until = system_now() + (typed == NULL ? 0 : 60000);
        char *answer = conversation_ask("say: ", until);
        bool good = answer == NULL ? expected == NULL : expected != NULL && strcmp(answer, expected) == 0;
        free(answer);
        for (const char *at = rest; good && *at != '\0'; at++) {
            char byte;
            good = read(STDIN_FILENO, &byte, 1) == 1 && byte == *at;
        }
        _exit(good ? 0 : 1);
    }
    char seen[8192];
    size_t length = 0;
    /* Typed only after the prompt, since earlier input could be lost. */
    bool told = typed == NULL;
    for (;;) {
        ssize_t step = read(master, seen + length, sizeof seen - 1 - length);
        if (step <= 0)
            break;
        length += (size_t)step;
        seen[length] = '\0';
        if (!told && strstr(seen, "say: ") != NULL) {
            told = true;
            CHECK(write(master, typed, strlen(typed)) == (ssize_t)strlen(typed), "%s", strerror(errno));
        }
    }
    int status = 0;
    CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0, "%s",
          typed == NULL ? "no time" : typed);
    close(master);
}

static void test_terminal(void) {
    ask("123456\n", "123456", "");
    ask("123456\necho\n", "123456", "echo\n");
    ask("\n", "", "");
    ask("\x04", NULL, "");
    ask(NULL, NULL, "");
}

static void test_interrupted(void) {
    sigset_t held;
    sigset_t before;
    sigemptyset(&held);
    sigaddset(&held, SIGTERM);
    sigprocmask(SIG_BLOCK, &held, &before);
    pid_t pid = fork();
    if (pid == 0) {
        int ends[2];
        int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
        if (pipe(ends) < 0 || dup2(ends[0], STDIN_FILENO) < 0 || dup2(null, STDOUT_FILENO) < 0)
            _exit(2);
        raise(SIGTERM);
        _exit(conversation_ask("say: ", system_now() + 60000) == NULL ? 0 : 1);
    }
    int status = 0;
    CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0,
          "a signal that is held back ends a prompt");
    sigprocmask(SIG_SETMASK, &before, NULL);
}

static void test_gone(void) {
    pid_t pid = fork();
    if (pid == 0) {
        int in[2];
        int out[2];
        if (pipe(in) < 0 || pipe(out) < 0 || dup2(in[0], STDIN_FILENO) < 0 || dup2(out[1], STDOUT_FILENO) < 0)
            _exit(10);
        close(in[0]);
        close(out[1]);
        if (conversation_gone())
            _exit(11);
        close(in[1]);
        if (conversation_gone())
            _exit(12);
        close(out[0]);
        _exit(conversation_gone() ? 0 : 13);
    }
    int status = 0;
    CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0, "gone: %d",
          WEXITSTATUS(status));
}

static void test_descriptors(void) {
    pid_t pid = fork();
    if (pid == 0) {
        close(STDIN_FILENO);
        close(STDOUT_FILENO);
        bool secured = system_secure_descriptors() && fcntl(STDIN_FILENO, F_GETFD) == 0 &&
                       fcntl(STDOUT_FILENO, F_GETFD) == 0;
        _exit(secured ? 0 : 1);
    }
    int status = 0;
    CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0,
          "descriptors that were closed are open");
}

/* ---- privileges ---- */

static void test_privileges(void) {
    const struct caller nobody = {.uid = 65534, .gid = 65534, .privileged = true};
    struct caller caller;
    CHECK(privileges_caller(&caller) && caller.uid == getuid() && caller.privileged == (geteuid() == 0),
          "who calls");
    if (geteuid() != 0) {
        fprintf(stderr, "login_test: giving up root takes root: not tested\n");
        return;
    }
    pid_t pid = fork();
    if (pid == 0) {
        /* The ids of a setuid program at its start. */
        if (setresuid(65534, 0, 0) < 0 || !privileges_caller(&caller) || caller.uid != 65534 ||
            !privileges_hold(&caller) || getuid() != 0)
            _exit(10);
        if (!privileges_drop(&nobody))
            _exit(11);
        if (setuid(0) == 0 || setresuid(-1, 0, -1) == 0 || setgid(0) == 0)
            _exit(12);
        _exit(prctl(PR_GET_DUMPABLE) == 0 ? 0 : 13);
    }
    int status = 0;
    CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0, "drop: %d",
          WEXITSTATUS(status));
    pid = fork();
    if (pid == 0) {
        /* Capabilities that survive the change of user would give root back. */
        if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
            _exit(10);
        _exit(privileges_drop(&nobody) ? 11 : 0);
    }
    CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0, "kept: %d",
          WEXITSTATUS(status));
    pid = fork();
    if (pid == 0) {
        /* Setuid to a user other than root. */
        if (setresuid(65534, 65533, 65533) < 0)
            _exit(10);
        _exit(privileges_caller(&caller) ? 11 : 0);
    }
    CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0, "odd: %d",
          WEXITSTATUS(status));
}

/* A name service that cannot open its files omits groups: this must be an error. */
static void test_groups(void) {
    struct account account;
    struct account_groups groups;
    CHECK(account_by_uid(&account, 0), "%s", account.error);
    account_groups_read(&groups, &account);
    CHECK(groups.error == NULL && groups.count > 0, "%s", groups.error);
    account_groups_free(&groups);
    pid_t pid = fork();
    if (pid == 0) {
        struct rlimit few;
        if (getrlimit(RLIMIT_NOFILE, &few) < 0)
            _exit(10);
        few.rlim_cur = 16;
        if (setrlimit(RLIMIT_NOFILE, &few) < 0)
            _exit(10);
        account_groups_read(&groups, &account);
        bool seen = groups.error != NULL;
        account_groups_free(&groups);
        account_free(&account);
        _exit(seen ? 0 : 11);
    }
    account_free(&account);
    int status = 0;
    CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0, "groups: %d",
          WEXITSTATUS(status));
}

int main(void) {
    char **before = environ;
    test_environment();
    environ = before;
    test_join();
    test_terminal();
    test_interrupted();
    test_gone();
    test_descriptors();
    test_privileges();
    test_groups();
    return check_failures == 0 ? 0 : 1;
}

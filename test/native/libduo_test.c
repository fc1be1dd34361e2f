/* duo(3) with scripted engines, and with programs that misuse it: libduo_test FAKE_ENGINE */
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "check.h"
#include "conversation.h"
#include "handle.h"

int check_failures = 0;

#define SKEY "c0ffee-skey-c0ffee-skey-c0ffee-skey-c0ff"
#define PROXY "http://user:c0ffee-pass@proxy:8080"
#define PEM "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"

static char directory[] = "/tmp/libduo-test-XXXXXX";
static const char *fake;

/* ---- freed memory must not hold a secret ---- */

void *__real_malloc(size_t size);
void __real_free(void *memory);
void *__wrap_malloc(size_t size);
void __wrap_free(void *memory);

static int leaks;
static int frees;

/* Filled, so that every byte read below is initialized. */
void *__wrap_malloc(size_t size) {
    void *memory = __real_malloc(size);
    if (memory != NULL)
        memset(memory, 0, malloc_usable_size(memory));
    return memory;
}

void __wrap_free(void *memory) {
    if (memory != NULL) {
        size_t size = malloc_usable_size(memory);
        __atomic_add_fetch(&frees, 1, __ATOMIC_RELAXED);
        if (memmem(memory, size, "c0ffee", 6) != NULL)
            __atomic_add_fetch(&leaks, 1, __ATOMIC_RELAXED);
    }
    __real_free(memory);
}

/* ---- handles ---- */

/* The path of the fake engine under the name that selects its behaviour. */
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

static duo_t *open_handle(void) {
    duo_t *d = duo_open("DIXXXXXXXXXXXXXXXXXX", SKEY, "test/1.0", NULL);
    CHECK(d != NULL, "%s", strerror(errno));
    duo_set_host(d, "api-xxxxxxxx.duosecurity.com");
    /* Avoids a resident engine of this machine, which would serve root. */
    d->engine_socket = NULL;
    return d;
}

static duo_code_t login(duo_t *d, const char *mode, int flags) {
    char path[4096];
    place(mode, path, sizeof path);
    d->engine_path = path;
    return duo_login(d, "alice", NULL, flags, NULL);
}

/* ---- opening ---- */

static const char *write_file(const char *name, const char *text, size_t length) {
    static char path[4096];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    CHECK(fd >= 0 && write(fd, text, length) == (ssize_t)length, "%s: %s", path, strerror(errno));
    close(fd);
    return path;
}

static void refuse_file(const char *path, int error) {
    errno = 0;
    CHECK(duo_open("ikey", SKEY, "test", path) == NULL, "%s was taken", path);
    CHECK(errno == error, "%s: %s", path, strerror(errno));
}

static void test_open(void) {
    static char long_text[1024 * 1024];
    const char *const bad[] = {
        "",
        "no certificate",
        "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n",
        "-----BEGIN CERTIFICATE-----\nMIIB\n",
        "-----BEGIN CERTIFICATE-----\nMI-IB\n-----END CERTIFICATE-----\n",
        "-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----\n",
    };
    errno = 0;
    CHECK(duo_open(NULL, SKEY, "test", NULL) == NULL && errno == EINVAL, "no ikey");
    CHECK(duo_open("ikey", NULL, "test", NULL) == NULL && errno == EINVAL, "no skey");
    CHECK(duo_open("", SKEY, "test", NULL) == NULL && errno == EINVAL, "an empty ikey");
    CHECK(duo_open("ikey", "", "test", NULL) == NULL && errno == EINVAL, "an empty skey");
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        refuse_file(write_file("bad.pem", bad[i], strlen(bad[i])), EINVAL);
    refuse_file(write_file("nul.pem", PEM "\0", sizeof PEM), EINVAL);
    refuse_file("", ENOENT);
    refuse_file("/nowhere/at/all.pem", ENOENT);
    refuse_file(directory, EINVAL);
    refuse_file("/dev/null", EINVAL);
    memset(long_text, '\n', sizeof long_text);
    memcpy(long_text, PEM, strlen(PEM));
    refuse_file(write_file("long.pem", long_text, sizeof long_text), EFBIG);

    duo_t *d = duo_open("ikey", SKEY, NULL, write_file("good.pem", PEM, strlen(PEM)));
    CHECK(d != NULL && strcmp(d->authorities, PEM) == 0, "a good cafile");
    CHECK(d != NULL && strcmp(d->progname, "libduo_ts") == 0, "a program without a name");
    duo_close(d);
    d = duo_open("ikey", SKEY, NULL, write_file("bundle.pem", long_text, 900 * 1024 - 8192));
    CHECK(d != NULL, "a long cafile: %s", strerror(errno));
    duo_close(d);
}

/* ---- invalid calls ---- */

static void test_null(void) {
    CHECK(duo_login(NULL, "alice", NULL, 0, NULL) == DUO_LIB_ERROR, "no handle");
    CHECK(duo_geterr(NULL) != NULL, "no handle");
    CHECK(duo_set_ca(NULL, PEM) == -1, "no handle");
    duo_set_conv_funcs(NULL, NULL, NULL, NULL);
    duo_set_host(NULL, "host");
    duo_set_ssl_verify(NULL, 0);
    duo_set_http_proxy(NULL, PROXY);
    duo_set_timeout(NULL, 1);
    duo_close(NULL);
}

static void refuse(duo_t *d, const char *user, int flags, duo_code_t code, const char *why) {
    duo_code_t got = duo_login(d, user, NULL, flags, NULL);
    CHECK(got == code, "%d: %s", (int)got, duo_geterr(d));
    CHECK(strstr(duo_geterr(d), why) != NULL, "%s", duo_geterr(d));
}

static void test_parameters(void) {
    duo_t *d = open_handle();
    CHECK(strcmp(duo_geterr(d), "") == 0, "%s", duo_geterr(d));
    d->engine_path = "/nowhere/duo-ts";
    refuse(d, NULL, 0, DUO_CLIENT_ERROR, "need username to authenticate");
    refuse(d, "", 0, DUO_CLIENT_ERROR, "need username to authenticate");
    refuse(d, "alice", 4, DUO_CLIENT_ERROR, "unknown flags: 0x4");
    refuse(d, "al\xffice", 0, DUO_CLIENT_ERROR, "username is not UTF-8");
    refuse(d, "alice", 0, DUO_LIB_ERROR, "the engine can't be started: directory /nowhere: No such file");
    duo_set_conv_funcs(d, NULL, NULL, NULL);
    CHECK(strcmp(duo_geterr(d), "") == 0, "the last call's error stays: %s", duo_geterr(d));
    refuse(d, "alice", DUO_FLAG_SYNC, DUO_CLIENT_ERROR, "nobody can be asked");
    refuse(d, "alice", DUO_FLAG_AUTO, DUO_LIB_ERROR, "the engine can't be started");
    duo_set_host(d, "\xff");
    refuse(d, "alice", DUO_FLAG_AUTO, DUO_CLIENT_ERROR, "hostname is not UTF-8");
    duo_set_host(d, NULL);
    refuse(d, "alice", DUO_FLAG_AUTO, DUO_CLIENT_ERROR, "duo_set_host");
    duo_set_host(d, "");
    refuse(d, "alice", DUO_FLAG_AUTO, DUO_CLIENT_ERROR, "duo_set_host");
    duo_close(d);
}

static void test_authorities(void) {
    duo_t *d = open_handle();
    CHECK(duo_set_ca(d, "no certificate") == -1, "no certificate");
    CHECK(strstr(duo_geterr(d), "it contains no certificate") != NULL, "%s", duo_geterr(d));
    refuse(d, "alice", 0, DUO_LIB_ERROR, "the certificate authorities can't be used");
    CHECK(duo_set_ca(d, PEM) == 0 && strcmp(d->authorities, PEM) == 0, "%s", duo_geterr(d));
    CHECK(login(d, "pass", 0) == DUO_OK, "%s", duo_geterr(d));
    CHECK(duo_set_ca(d, NULL) == 0 && d->authorities == NULL, "%s", duo_geterr(d));
    duo_close(d);
}

/* ---- what the engine receives ---- */

static void test_facts(void) {
    char path[4096];
    duo_t *d = open_handle();
    place("facts", path, sizeof path);
    d->engine_path = path;
    CHECK(duo_login(d, "alice", NULL, 0, NULL) == DUO_LIB_ERROR, "%s", duo_geterr(d));
    CHECK(strcmp(duo_geterr(d), "16=libduo 17=test/1.0 18=alice 22=0 40=0 41=DIXXXXXXXXXXXXXXXXXX 42=" SKEY
                                " 43=api-xxxxxxxx.duosecurity.com 46=0 47=1 ") == 0,
          "%s", duo_geterr(d));
    duo_set_conv_funcs(d, NULL, NULL, NULL);
    duo_set_host(d, "localhost:8443");
    duo_set_ssl_verify(d, 0);
    duo_set_http_proxy(d, PROXY);
    duo_set_timeout(d, 30);
    CHECK(duo_set_ca(d, PEM) == 0, "%s", duo_geterr(d));
    CHECK(duo_login(d, "alice", "198.51.100.7", DUO_FLAG_AUTO, "ls -l") == DUO_LIB_ERROR, "%s",
          duo_geterr(d));
    CHECK(strcmp(duo_geterr(d), "16=libduo 17=test/1.0 18=alice 19=198.51.100.7 22=2 33=ls -l 40=2 "
                                "41=DIXXXXXXXXXXXXXXXXXX 42=" SKEY " 43=localhost:8443 44=" PEM " 45=" PROXY
                                " 46=30 47=0 ") == 0,
          "%s", duo_geterr(d));
    CHECK(duo_login(d, "alice", NULL, DUO_FLAG_AUTO | DUO_FLAG_SYNC, NULL) == DUO_LIB_ERROR, "flags");
    CHECK(strstr(duo_geterr(d), " 40=3 ") != NULL, "%s", duo_geterr(d));
    duo_set_http_proxy(d, NULL);
    duo_set_ssl_verify(d, 7);
    CHECK(duo_login(d, "alice", NULL, DUO_FLAG_AUTO, NULL) == DUO_LIB_ERROR, "%s", duo_geterr(d));
    CHECK(strstr(duo_geterr(d), " 45=") == NULL && strstr(duo_geterr(d), " 47=1 ") != NULL, "%s",
          duo_geterr(d));
    duo_close(d);
}

/* ---- verdicts ---- */

static void test_codes(void) {
    static const struct {
        const char *mode;
        duo_code_t code;
        const char *error;
    } cases[] = {
        {"code-1-0", DUO_OK, ""},
        {"code-2-1", DUO_FAIL, "because"},
        {"code-3-2", DUO_ABORT, "because"},
        {"code-7-3", DUO_LIB_ERROR, "because"},
        {"code-7-4", DUO_CONN_ERROR, "because"},
        {"code-7-5", DUO_CLIENT_ERROR, "because"},
        {"code-7-6", DUO_SERVER_ERROR, "because"},
        {"code-7-0", DUO_LIB_ERROR, "contradicts itself"},
        {"code-3-0", DUO_LIB_ERROR, "contradicts itself"},
        {"code-1-4", DUO_LIB_ERROR, "contradicts itself"},
        {"code-1-7", DUO_LIB_ERROR, "the engine violated the protocol"},
        {"code-0-0", DUO_LIB_ERROR, "the engine violated the protocol"},
        {"code-8-0", DUO_LIB_ERROR, "the engine violated the protocol"},
        {"exit", DUO_LIB_ERROR, "the engine ended without a verdict: it exited with 5"},
        {"hello-exit", DUO_LIB_ERROR, "the engine ended without a verdict: it exited with 0"},
        {"garbage", DUO_LIB_ERROR, "the engine violated the protocol"},
        {"hello-hang", DUO_LIB_ERROR, "the engine did not respond"},
    };
    duo_t *d = open_handle();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        duo_code_t code = login(d, cases[i].mode, DUO_FLAG_AUTO);
        CHECK(code == cases[i].code, "%s: %d", cases[i].mode, (int)code);
        CHECK(strstr(duo_geterr(d), cases[i].error) != NULL, "%s: %s", cases[i].mode, duo_geterr(d));
        CHECK((duo_geterr(d)[0] == '\0') == (code == DUO_OK), "%s: %s", cases[i].mode, duo_geterr(d));
    }
    duo_close(d);
}

/*
 * An engine that closes the connection during a long write: no SIGPIPE, and the reported error is its end.
 */
static void test_hang_up(void) {
    const size_t size = 900 * 1024 - 8192;
    char *text = malloc(size + 1);
    memset(text, '\n', size);
    memcpy(text, PEM, strlen(PEM));
    text[size] = '\0';
    duo_t *d = open_handle();
    CHECK(duo_set_ca(d, text) == 0, "%s", duo_geterr(d));
    CHECK(login(d, "exit", DUO_FLAG_AUTO) == DUO_LIB_ERROR, "%s", duo_geterr(d));
    CHECK(strstr(duo_geterr(d), "it exited with 5") != NULL, "%s", duo_geterr(d));
    free(text);
    duo_close(d);
}

/* A signal that the program blocks ends the login and stays pending for the program. */
static void test_cancelled(void) {
    const struct timespec now = {0, 0};
    sigset_t some;
    sigemptyset(&some);
    sigaddset(&some, SIGINT);
    sigprocmask(SIG_BLOCK, &some, NULL);
    raise(SIGINT);
    duo_t *d = open_handle();
    CHECK(login(d, "heartbeat", DUO_FLAG_AUTO) == DUO_ABORT, "%s", duo_geterr(d));
    CHECK(strcmp(duo_geterr(d), "cancelled by SIGINT") == 0, "%s", duo_geterr(d));
    duo_close(d);
    CHECK(sigtimedwait(&some, NULL, &now) == SIGINT, "the signal is the program's");
    sigprocmask(SIG_UNBLOCK, &some, NULL);
}

/* ---- the conversation ---- */

struct talk {
    const char *answer;
    pthread_t thread;
    size_t size;
    char prompt[64];
    char status[64];
    int statuses;
    bool elsewhere;
};

static char *talk_prompt(void *conv_arg, const char *prompt, char *buf, size_t bufsz) {
    struct talk *talk = conv_arg;
    talk->elsewhere |= pthread_equal(talk->thread, pthread_self()) == 0;
    talk->size = bufsz;
    snprintf(talk->prompt, sizeof talk->prompt, "%s", prompt);
    if (talk->answer == NULL)
        return NULL;
    snprintf(buf, bufsz, "%s", talk->answer);
    return buf;
}

static void talk_status(void *conv_arg, const char *msg) {
    struct talk *talk = conv_arg;
    talk->elsewhere |= pthread_equal(talk->thread, pthread_self()) == 0;
    talk->statuses++;
    snprintf(talk->status, sizeof talk->status, "%s", msg);
}

/* Fills the buffer completely, with the closing NUL. */
static char *rude_prompt(void *conv_arg, const char *prompt, char *buf, size_t bufsz) {
    (void)conv_arg, (void)prompt;
    memset(buf, 'x', bufsz);
    return buf;
}

static void test_conversation(void) {
    struct talk talk = {.answer = "open sesame", .thread = pthread_self()};
    duo_t *d = open_handle();
    duo_set_conv_funcs(d, talk_prompt, talk_status, &talk);
    CHECK(login(d, "talk", 0) == DUO_OK, "%s", duo_geterr(d));
    CHECK(strcmp(talk.prompt, "say it: ") == 0, "%s", talk.prompt);
    CHECK(strcmp(talk.status, "look here") == 0 && talk.statuses == 1, "%s", talk.status);
    CHECK(talk.size > 256 && !talk.elsewhere, "%zu", talk.size);
    talk.answer = "something else";
    CHECK(login(d, "verdict-0", 0) == DUO_LIB_ERROR, "%s", duo_geterr(d));
    talk.answer = NULL;
    talk.statuses = 0;
    CHECK(login(d, "prompt-exit", 0) == DUO_LIB_ERROR, "%s", duo_geterr(d));
    duo_set_conv_funcs(d, rude_prompt, NULL, NULL);
    CHECK(login(d, "prompt-exit", 0) == DUO_LIB_ERROR, "%s", duo_geterr(d));
    talk.answer = "open sesame";
    duo_set_conv_funcs(d, talk_prompt, NULL, &talk);
    CHECK(login(d, "talk", 0) == DUO_OK, "%s", duo_geterr(d));
    CHECK(talk.statuses == 0, "no conv_status, and yet a status");
    duo_close(d);
}

/* ---- without a terminal ---- */

/* A process without a controlling terminal; `input` is its standard input. */
static bool without_terminal(const char *input, void (*body)(void)) {
    pid_t pid = fork();
    if (pid == 0) {
        int in[2];
        int out[2];
        check_failures = 0;
        if (setsid() < 0 || pipe(in) < 0 || pipe(out) < 0 ||
            write(in[1], input, strlen(input)) != (ssize_t)strlen(input))
            _exit(1);
        close(in[1]);
        close(out[0]);
        dup2(in[0], STDIN_FILENO);
        dup2(out[1], STDOUT_FILENO);
        body();
        _exit(check_failures == 0 ? 0 : 1);
    }
    int status = 0;
    return waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* Standard output goes to somebody who reads. */
static void keep_output(void) {
    int out[2];
    CHECK(pipe(out) == 0, "%s", strerror(errno));
    dup2(out[1], STDOUT_FILENO);
}

static void read_lines(void) {
    char buf[8];
    keep_output();
    CHECK(conversation_prompt(NULL, "one: ", buf, sizeof buf) == buf && strcmp(buf, "123456") == 0, "%s",
          buf);
    CHECK(conversation_prompt(NULL, "two: ", buf, sizeof buf) == buf && strcmp(buf, "") == 0, "%s", buf);
    CHECK(conversation_prompt(NULL, "three: ", buf, sizeof buf) == buf && strcmp(buf, "longer ") == 0, "%s",
          buf);
    CHECK(conversation_prompt(NULL, "four: ", buf, sizeof buf) == buf && strcmp(buf, "rest") == 0, "%s", buf);
    CHECK(conversation_prompt(NULL, "five: ", buf, sizeof buf) == NULL, "%s", buf);
}

static void write_to_nobody(void) {
    char buf[8];
    sigset_t pending;
    conversation_status(NULL, "is anybody there?");
    CHECK(conversation_prompt(NULL, "say: ", buf, sizeof buf) == NULL, "a prompt that nobody can see");
    CHECK(sigpending(&pending) == 0 && sigismember(&pending, SIGPIPE) == 0, "a signal is left");
}

/* ---- concurrent logins ---- */

/* Says what went wrong, if it did. */
static int is_expected(duo_t *d, duo_code_t code, duo_code_t wanted) {
    if (code != wanted)
        fprintf(stderr, "code %d instead of %d: %s\n", code, wanted, duo_geterr(d));
    return code == wanted;
}

static void *many_logins(void *argument) {
    struct talk talk = {.answer = "open sesame", .thread = pthread_self()};
    intptr_t good = 0;
    duo_t *d = open_handle();
    (void)argument;
    duo_set_conv_funcs(d, talk_prompt, talk_status, &talk);
    for (int i = 0; i < 2; i++) {
        good += is_expected(d, login(d, "talk", 0), DUO_OK);
        good +=
            is_expected(d, login(d, "code-7-4", 0), DUO_CONN_ERROR) && strcmp(duo_geterr(d), "because") == 0;
    }
    duo_close(d);
    return (void *)(talk.elsewhere ? 0 : good);
}

static void test_threads(void) {
    pthread_t threads[8];
    char path[4096];
    place("talk", path, sizeof path);
    place("code-7-4", path, sizeof path);
    for (size_t i = 0; i < sizeof threads / sizeof *threads; i++)
        CHECK(pthread_create(&threads[i], NULL, many_logins, NULL) == 0, "thread %zu", i);
    for (size_t i = 0; i < sizeof threads / sizeof *threads; i++) {
        void *good = NULL;
        pthread_join(threads[i], &good);
        CHECK((intptr_t)good == 4, "thread %zu: %zd of 4", i, (ssize_t)(intptr_t)good);
    }
}

static void test_secrets(void) {
    duo_t *d = open_handle();
    duo_set_http_proxy(d, PROXY);
    duo_set_http_proxy(d, PROXY);
    CHECK(login(d, "pass", 0) == DUO_OK, "%s", duo_geterr(d));
    int before = frees;
    duo_close(d);
    CHECK(frees - before >= 5, "the test sees no memory being freed");
    CHECK(leaks == 0, "%d blocks were freed with a secret in them", leaks);
    /* Checks that the search finds an existing secret. */
    before = leaks;
    char *secret = malloc(64);
    memcpy(secret, SKEY, sizeof SKEY);
    /* The compiler would remove an unused copy. */
    __asm__ volatile("" : : "r"(secret) : "memory");
    free(secret);
    CHECK(leaks == before + 1, "the test sees no secrets");
}

int main(int argc, char **argv) {
    if (argc != 2 || mkdtemp(directory) == NULL || chmod(directory, 0755) < 0)
        return 2;
    fake = argv[1];
    test_open();
    test_null();
    test_parameters();
    test_authorities();
    test_facts();
    test_codes();
    test_hang_up();
    test_cancelled();
    test_conversation();
    CHECK(without_terminal("123456\n\nlonger than the buffer\nrest", read_lines), "standard input");
    CHECK(without_terminal("123456\n", write_to_nobody), "standard output that nobody reads");
    test_threads();
    test_secrets();

    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", directory);
    return system(command) == 0 && check_failures == 0 ? 0 : 1;
}

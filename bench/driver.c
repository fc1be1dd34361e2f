/*
 * Whole PAM logins, each in a process of its own, so many at a time: driver CONFDIR SERVICE USER TOTAL
 * AT_ONCE
 *
 * Prints one line a login as it ends: its PAM code, wall time in microseconds, and the CPU time in
 * microseconds of its process and of all that it started and gathered. What is asked is answered with the
 * value of DRIVER_ANSWER.
 */
#include <security/pam_appl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct login {
    pid_t pid;
    int64_t begin;
};

static int64_t now_us(void) {
    struct timespec now = {0, 0};
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static int64_t micros(struct timeval time) {
    return (int64_t)time.tv_sec * 1000000 + time.tv_usec;
}

static int converse(int count, const struct pam_message **messages, struct pam_response **responses,
                    void *context) {
    struct pam_response *replies = calloc((size_t)count, sizeof *replies);
    if (replies == NULL)
        return PAM_CONV_ERR;
    for (int i = 0; i < count; i++) {
        int style = messages[i]->msg_style;
        if (style == PAM_PROMPT_ECHO_ON || style == PAM_PROMPT_ECHO_OFF)
            replies[i].resp = strdup(context);
    }
    *responses = replies;
    return PAM_SUCCESS;
}

static int log_in(const char *confdir, const char *service, const char *user) {
    const char *answer = getenv("DRIVER_ANSWER");
    const struct pam_conv conversation = {converse, (void *)(answer == NULL ? "1" : answer)};
    pam_handle_t *pamh = NULL;
    int code = pam_start_confdir(service, user, &conversation, confdir, &pamh);
    if (code != PAM_SUCCESS)
        return code;
    (void)pam_set_item(pamh, PAM_RHOST, "192.0.2.10");
    code = pam_authenticate(pamh, 0);
    (void)pam_end(pamh, code);
    return code;
}

/* Gathers one login that has ended. */
static int gather(struct login *logins, int total) {
    struct rusage usage;
    int status = 0;
    pid_t pid = wait4(-1, &status, 0, &usage);
    int64_t end = now_us();
    if (pid < 0)
        return -1;
    for (int i = 0; i < total; i++) {
        if (logins[i].pid != pid)
            continue;
        printf("%d %lld %lld\n", WIFEXITED(status) ? WEXITSTATUS(status) : 255,
               (long long)(end - logins[i].begin),
               (long long)(micros(usage.ru_utime) + micros(usage.ru_stime)));
        fflush(stdout);
        logins[i].pid = 0;
        return 0;
    }
    return 0;
}

int main(int argc, char **argv) {
    if (argc != 6)
        return 2;
    int total = atoi(argv[4]);
    int at_once = atoi(argv[5]);
    struct login *logins = calloc((size_t)(total > 0 ? total : 1), sizeof *logins);
    int running = 0;
    if (total < 1 || at_once < 1 || logins == NULL)
        return 2;
    for (int i = 0; i < total; i++) {
        if (running == at_once) {
            if (gather(logins, total) < 0)
                return 1;
            running--;
        }
        logins[i].begin = now_us();
        logins[i].pid = fork();
        if (logins[i].pid == 0)
            _exit(log_in(argv[1], argv[2], argv[3]));
        if (logins[i].pid < 0)
            return 1;
        running++;
    }
    while (running-- > 0) {
        if (gather(logins, total) < 0)
            return 1;
    }
    free(logins);
    return 0;
}

/* A program in place of the engine with the fault that its file name selects. */
#include <linux/keyctl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "frame.h"

#define SOCKET 3

static void send_all(const void *data, size_t length) {
    const char *at = data;
    while (length > 0) {
        ssize_t step = write(SOCKET, at, length);
        if (step <= 0)
            _exit(9);
        at += step;
        length -= (size_t)step;
    }
}

static void send_frame(struct frame_writer *frame) {
    if (!frame_end(frame))
        _exit(8);
    send_all(frame->data, frame->length);
    frame_free(frame);
}

static void send_hello(uint32_t version) {
    struct frame_writer frame = {0};
    frame_begin(&frame, FRAME_ENGINE_HELLO);
    frame_number(&frame, TAG_VERSION, version);
    frame_text(&frame, TAG_RELEASE, "fake");
    send_frame(&frame);
}

static void send_needs(uint32_t groups_of) {
    struct frame_writer frame = {0};
    frame_begin(&frame, FRAME_NEEDS);
    frame_number(&frame, TAG_GROUPS_OF, groups_of);
    send_frame(&frame);
}

static void send_verdict(uint32_t outcome) {
    struct frame_writer frame = {0};
    frame_begin(&frame, FRAME_VERDICT);
    frame_number(&frame, TAG_OUTCOME, outcome);
    frame_number(&frame, TAG_CODE, outcome == 1 ? 0 : 1);
    frame_text(&frame, TAG_ERROR, "");
    send_frame(&frame);
}

static void send_code(uint32_t outcome, uint32_t code, const char *error) {
    struct frame_writer frame = {0};
    frame_begin(&frame, FRAME_VERDICT);
    frame_number(&frame, TAG_OUTCOME, outcome);
    frame_number(&frame, TAG_CODE, code);
    frame_text(&frame, TAG_ERROR, error);
    send_frame(&frame);
}

static void send_status(const char *text) {
    struct frame_writer frame = {0};
    frame_begin(&frame, FRAME_STATUS);
    frame_text(&frame, TAG_TEXT, text);
    send_frame(&frame);
}

static void send_prompt(void) {
    struct frame_writer frame = {0};
    frame_begin(&frame, FRAME_PROMPT);
    frame_text(&frame, TAG_TEXT, "say it: ");
    send_frame(&frame);
}

static void send_log(uint32_t priority, const char *text) {
    struct frame_writer frame = {0};
    frame_begin(&frame, FRAME_LOG);
    frame_number(&frame, TAG_PRIORITY, priority);
    frame_text(&frame, TAG_TEXT, text);
    frame_number(&frame, TAG_CHANNEL, 0);
    send_frame(&frame);
}

/* Sends LOG frames with that many bytes in all. */
static void send_log_bytes(size_t bytes) {
    static char text[8192 + 1];
    while (bytes > 0) {
        size_t step = bytes < sizeof text - 1 ? bytes : sizeof text - 1;
        memset(text, 'a', step);
        text[step] = '\0';
        send_log(6, text);
        bytes -= step;
    }
}

/* True for a fault with a type and a number of frames. */
static bool send_many(const char *mode) {
    unsigned logs = 0;
    unsigned statuses = 0;
    unsigned prompts = 0;
    unsigned bytes = 0;
    bool known = sscanf(mode, "logs-%u", &logs) == 1 || sscanf(mode, "statuses-%u", &statuses) == 1 ||
                 sscanf(mode, "prompts-%u", &prompts) == 1 || sscanf(mode, "log-bytes-%u", &bytes) == 1;
    send_log_bytes(bytes);
    while (logs-- > 0)
        send_log(6, "one of many");
    while (statuses-- > 0)
        send_status("one of many");
    while (prompts-- > 0)
        send_prompt();
    return known;
}

static void send_empty(enum frame_type type) {
    struct frame_writer frame = {0};
    frame_begin(&frame, type);
    send_frame(&frame);
}

/* Reads until the received bytes contain these. */
static bool received(const void *expected, size_t size) {
    static char seen[FRAME_MAX_FACTS];
    size_t length = 0;
    for (;;) {
        ssize_t step = read(SOCKET, seen + length, sizeof seen - length);
        if (step <= 0)
            return false;
        length += (size_t)step;
        if (memmem(seen, length, expected, size) != NULL)
            return true;
    }
}

static bool answered(const char *expected) {
    return received(expected, strlen(expected));
}

static uint32_t read_u32(const unsigned char *at) {
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static void read_all(unsigned char *at, size_t length) {
    while (length > 0) {
        ssize_t step = read(SOCKET, at, length);
        if (step <= 0)
            _exit(9);
        at += step;
        length -= (size_t)step;
    }
}

/* Prints the received FACTS as TAG=VALUE, without numbers that vary. */
static void send_facts(void) {
    static unsigned char frame[FRAME_MAX_FACTS];
    static char text[FRAME_MAX];
    uint32_t length = 0;
    for (int i = 0; i < 2; i++) {
        read_all(frame, 4);
        length = read_u32(frame);
        if (length > sizeof frame)
            _exit(9);
        read_all(frame, length);
    }
    for (size_t at = 1, end = 0; at + 5 <= length;) {
        unsigned tag = frame[at];
        uint32_t size = read_u32(frame + at + 1);
        const unsigned char *value = frame + at + 5;
        at += 5 + size;
        if (tag == TAG_CALLER_UID || tag == TAG_DEADLINE || tag == TAG_HOST_NAME)
            continue;
        if (tag == TAG_FLAGS || tag == TAG_LOGIN_FLAGS || tag == TAG_HTTPS_TIMEOUT || tag == TAG_TLS_VERIFY)
            end += (size_t)snprintf(text + end, sizeof text - end, "%u=%u ", tag, read_u32(value));
        else
            end += (size_t)snprintf(text + end, sizeof text - end, "%u=%.*s ", tag, (int)size, value);
        if (end >= sizeof text)
            _exit(9);
    }
    send_code(7, 3, text);
}

static void send_limits(void) {
    char text[256];
    struct rlimit core;
    struct rlimit files;
    getrlimit(RLIMIT_CORE, &core);
    getrlimit(RLIMIT_NOFILE, &files);
    snprintf(text, sizeof text, "core=%d files=%d pgid=%d sid=%d env=%s", core.rlim_cur <= 1,
             files.rlim_cur >= 64, getpgid(0) == getpid(), getsid(0) == getpid(),
             getenv("LD_PRELOAD") == NULL && getenv("SECRET") == NULL ? "clean" : "dirty");
    send_log(6, text);
    for (int fd = 0; fd < 64; fd++) {
        if (fd != SOCKET && fd > 2 && lseek(fd, 0, SEEK_CUR) >= 0)
            send_log(3, "a descriptor that is not its own");
    }
}

/* Inheritable, permitted, effective and ambient. */
static bool has_capabilities(void) {
    char line[256];
    int sets = 0;
    bool some = false;
    FILE *status = fopen("/proc/self/status", "re");
    while (status != NULL && fgets(line, sizeof line, status) != NULL) {
        if (strncmp(line, "Cap", 3) == 0 && strncmp(line, "CapBnd", 6) != 0) {
            sets++;
            some = some || strtoull(line + 7, NULL, 16) != 0;
        }
    }
    return some || sets != 4;
}

int main(void) {
    char path[4096];
    ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
    if (length <= 0)
        return 7;
    path[length] = '\0';
    const char *mode = strrchr(path, '/') + 1;
    struct sigaction ignored;

    if (strcmp(mode, "exit") == 0)
        return 5;
    if (strcmp(mode, "hang") == 0)
        return pause();
    if (strcmp(mode, "verdict-first") == 0) {
        send_verdict(1);
        return pause();
    }
    if (strcmp(mode, "version") == 0) {
        send_hello(FRAME_VERSION + 1);
        return 0;
    }
    if (strcmp(mode, "garbage") == 0) {
        send_all("SSH-2.0-OpenSSH\r\n", 17);
        return pause();
    }
    send_hello(FRAME_VERSION);
    if (strcmp(mode, "hello-exit") == 0)
        return 0;
    unsigned needs;
    if (sscanf(mode, "needs-%u", &needs) == 1) {
        send_needs(needs);
        static const unsigned char group[] = {TAG_GROUP, 0, 0, 0, 4, 'r', 'o', 'o', 't'};
        send_verdict(received(group, sizeof group) ? 1 : 3);
        return pause();
    }
    if (strcmp(mode, "prompt-first") == 0) {
        send_prompt();
        return pause();
    }
    send_needs(0);
    if (strcmp(mode, "needs-exit") == 0)
        return 0;
    unsigned outcome;
    unsigned code;
    if (sscanf(mode, "code-%u-%u", &outcome, &code) == 2) {
        send_code(outcome, code, "because");
        return pause();
    }
    if (send_many(mode)) {
        send_verdict(1);
        return pause();
    }
    if (strcmp(mode, "talk") == 0) {
        send_status("look here");
        send_log(3, "for the log");
    }
    if (strcmp(mode, "hello-abort") == 0)
        abort();
    if (strcmp(mode, "hello-hang") == 0)
        return pause();
    if (strcmp(mode, "hello-twice") == 0)
        send_hello(FRAME_VERSION);
    else if (strcmp(mode, "needs-twice") == 0)
        send_needs(0);
    else if (strcmp(mode, "heartbeat") == 0) {
        for (;;) {
            send_empty(FRAME_HEARTBEAT);
            usleep(20 * 1000);
        }
    } else if (strcmp(mode, "flood") == 0) {
        for (;;)
            send_empty(FRAME_HEARTBEAT);
    } else if (strcmp(mode, "hello-garbage") == 0)
        send_all("\0\0\0\x05garbage", 11);
    else if (strcmp(mode, "truncated") == 0) {
        send_all("\0\0\0\x20\x46", 5);
        return 0;
    } else if (strcmp(mode, "oversized") == 0)
        send_all("\x7f\xff\xff\xff\x46", 5);
    else if (strcmp(mode, "type") == 0)
        send_all("\0\0\0\x01\x7f", 5);
    else if (strcmp(mode, "verdict-empty") == 0)
        send_all("\0\0\0\x01\x46", 5);
    else if (strncmp(mode, "verdict-", 8) == 0)
        send_verdict((uint32_t)strtoul(mode + 8, NULL, 10));
    else if (strcmp(mode, "log-priority") == 0)
        send_log(0, "panic");
    else if (strcmp(mode, "facts") == 0)
        send_facts();
    else if (strcmp(mode, "prompt") == 0 || strcmp(mode, "talk") == 0) {
        send_prompt();
        send_verdict(answered("open sesame") ? 1 : 3);
    } else if (strcmp(mode, "prompt-exit") == 0) {
        send_prompt();
        return 0;
    } else if (strcmp(mode, "prompt-hang") == 0)
        send_prompt();
    else if (strcmp(mode, "prompt-deaf") == 0) {
        /* From here on writes to this end fail with EPIPE. */
        if (answered("alice") && shutdown(SOCKET, SHUT_RD) == 0)
            send_prompt();
    } else if (strcmp(mode, "about") == 0) {
        send_limits();
        send_verdict(1);
    } else if (strcmp(mode, "pass") == 0)
        send_verdict(1);
    else if (strcmp(mode, "capabilities") == 0)
        send_verdict(has_capabilities() ? 3 : 1);
    else if (strcmp(mode, "keyring") == 0)
        send_verdict(
            syscall(SYS_keyctl, KEYCTL_SEARCH, KEY_SPEC_SESSION_KEYRING, "user", "duo-ts-test", 0) < 0 ? 1
                                                                                                       : 3);
    else if (strcmp(mode, "signals") == 0) {
        bool plain = true;
        for (int number = 1; number < 32; number++)
            plain = plain && sigaction(number, NULL, &ignored) == 0 && ignored.sa_handler == SIG_DFL;
        sigset_t blocked;
        sigprocmask(SIG_BLOCK, NULL, &blocked);
        send_verdict(plain && sigisemptyset(&blocked) ? 1 : 3);
    }
    return pause();
}

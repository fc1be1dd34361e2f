#include "bridge.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <syslog.h>
#include <time.h>

#include "engine.h"
#include "frame.h"

/* How often the host looks for signals that it holds back. */
#define TICK_MS 100

_Static_assert(BRIDGE_ENGINE_MARGIN_MS > 0 && BRIDGE_ENGINE_MARGIN_MS < BRIDGE_DEADLINE_MS &&
                   BRIDGE_DEADLINE_MS < 120000,
               "the engine's answer comes before the host's deadline, and that before sshd's LoginGraceTime");

/* The longest answer that fits its frame with room to spare. */
#define MAX_ANSWER 8192

struct bridge {
    const struct bridge_host *host;
    struct bridge_verdict *verdict;
    struct engine engine;
    struct frame_reader reader;
    int64_t deadline;
    int64_t heard;
    bool greeted;
    bool done;
};

static int64_t now_ms(void) {
    struct timespec now;
    if (clock_gettime(CLOCK_MONOTONIC, &now) < 0)
        return INT64_MAX;
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Ends the login without a verdict of the engine's. */
static void fail(struct bridge *login, enum bridge_outcome outcome, const char *why) {
    login->verdict->outcome = outcome;
    login->verdict->from_engine = false;
    snprintf(login->verdict->error, sizeof login->verdict->error, "%s", why);
    login->done = true;
}

static void fail_nonsense(struct bridge *login, const char *what) {
    char why[256];
    snprintf(why, sizeof why, "the engine spoke nonsense: %s", what);
    fail(login, BRIDGE_SERVICE_ERROR, why);
}

/* The engine hung up. How it ended says what went wrong. */
static void fail_gone(struct bridge *login) {
    char how[160];
    char why[256];
    login->verdict->engine_signal = engine_end(&login->engine, false, how, sizeof how);
    snprintf(why, sizeof why, "the engine ended without a verdict%s%s", how[0] == '\0' ? "" : ": ", how);
    fail(login, BRIDGE_SERVICE_ERROR, why);
}

int bridge_pending_signal(void) {
    static const int numbers[] = {SIGINT, SIGQUIT, SIGTERM, SIGHUP};
    sigset_t pending;
    if (sigpending(&pending) < 0)
        return 0;
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        struct sigaction action;
        if (sigismember(&pending, numbers[i]) == 1 && sigaction(numbers[i], NULL, &action) == 0 &&
            action.sa_handler != SIG_IGN)
            return numbers[i];
    }
    return 0;
}

static void send_cancel(struct bridge *login, int number) {
    struct frame_writer frame = {0};
    frame_begin(&frame, FRAME_CANCEL);
    frame_number(&frame, TAG_SIGNAL, (uint32_t)number);
    /* The engine is ended in any case: what does not fit is not waited for. */
    if (frame_end(&frame))
        (void)send(login->engine.socket, frame.data, frame.length, MSG_NOSIGNAL | MSG_DONTWAIT);
    frame_free(&frame);
}

/* Waits for the socket, a signal, or the end of patience. True: the socket is ready. */
static bool wait_ready(struct bridge *login, short events) {
    while (!login->done) {
        int number = bridge_pending_signal();
        if (number != 0) {
            const char *name = sigabbrev_np(number);
            char why[64];
            snprintf(why, sizeof why, "cancelled by SIG%s", name == NULL ? "?" : name);
            send_cancel(login, number);
            login->verdict->signal = number;
            fail(login, BRIDGE_ABORTED, why);
            break;
        }
        const struct bridge_host *host = login->host;
        const char *abandoned = host->abandoned == NULL ? NULL : host->abandoned(host->context);
        if (abandoned != NULL) {
            send_cancel(login, 0);
            fail(login, BRIDGE_ABORTED, abandoned);
            break;
        }
        struct pollfd socket = {.fd = login->engine.socket, .events = events};
        int ready = poll(&socket, 1, TICK_MS);
        if (ready > 0)
            return true;
        if (ready < 0 && errno != EINTR) {
            fail(login, BRIDGE_SERVICE_ERROR, strerror(errno));
            break;
        }
        int64_t now = now_ms();
        if (now >= login->deadline)
            fail(login, BRIDGE_SERVICE_ERROR, "the engine gave no verdict in time");
        else if (now - login->heard >= BRIDGE_SILENCE_MS)
            fail(login, BRIDGE_SERVICE_ERROR, "the engine gave no sign of life and was ended");
    }
    return false;
}

/* False when the login is over. */
static bool send_frame(struct bridge *login, struct frame_writer *frame) {
    size_t sent = 0;
    if (!frame_end(frame)) {
        fail(login, BRIDGE_SERVICE_ERROR, "there is no memory for this login's facts, or they are too long");
        return false;
    }
    while (sent < frame->length) {
        ssize_t step = send(login->engine.socket, frame->data + sent, frame->length - sent, MSG_NOSIGNAL);
        if (step >= 0) {
            sent += (size_t)step;
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            if (!wait_ready(login, POLLOUT))
                return false;
        } else if (errno != EINTR) {
            /* It hung up. What it said before is still to be read, and then its end. */
            return true;
        }
    }
    return true;
}

static void put_account(struct frame_writer *frame, const struct bridge_account *account,
                        const enum frame_tag tags[4]) {
    if (account->name == NULL)
        return;
    frame_text(frame, tags[0], account->name);
    frame_text(frame, tags[1], account->gecos == NULL ? "" : account->gecos);
    for (size_t i = 0; i < account->group_count; i++)
        frame_text(frame, tags[2], account->groups[i]);
    frame_text(frame, tags[3], account->groups_error);
}

static void put_application(struct frame_writer *frame, const struct bridge_application *application) {
    frame_number(frame, TAG_LOGIN_FLAGS, application->flags);
    frame_text(frame, TAG_IKEY, application->ikey);
    frame_text(frame, TAG_SKEY, application->skey);
    frame_text(frame, TAG_API_HOST, application->host);
    frame_text(frame, TAG_AUTHORITIES, application->authorities);
    frame_text(frame, TAG_HTTP_PROXY, application->http_proxy);
    frame_number(frame, TAG_HTTPS_TIMEOUT, application->https_timeout);
    frame_number(frame, TAG_TLS_VERIFY, application->verify ? 1u : 0u);
}

static bool send_facts(struct bridge *login, const struct bridge_facts *facts) {
    static const enum frame_tag account_tags[4] = {TAG_ACCOUNT_NAME, TAG_ACCOUNT_GECOS, TAG_ACCOUNT_GROUP,
                                                   TAG_ACCOUNT_GROUPS_ERROR};
    static const enum frame_tag caller_tags[4] = {TAG_CALLER_NAME, TAG_CALLER_GECOS, TAG_CALLER_GROUP,
                                                  TAG_CALLER_GROUPS_ERROR};
    struct frame_writer frame = {0};

    frame_begin(&frame, FRAME_HOST_HELLO);
    frame_number(&frame, TAG_VERSION, FRAME_VERSION);
    frame_text(&frame, TAG_RELEASE, DUO_TS_RELEASE);
    bool sent = send_frame(login, &frame);
    if (sent) {
        frame_begin(&frame, FRAME_FACTS);
        frame_text(&frame, TAG_PROGRAM, facts->program);
        frame_text(&frame, TAG_SERVICE, facts->service);
        frame_text(&frame, TAG_USER, facts->user);
        frame_text(&frame, TAG_RHOST, facts->rhost);
        frame_text(&frame, TAG_TTY, facts->tty);
        frame_number(&frame, TAG_FLAGS, (facts->silent ? 1u : 0u) | (facts->no_conversation ? 2u : 0u));
        frame_number(&frame, TAG_CALLER_UID, facts->caller_uid);
        if (facts->account.name != NULL)
            frame_number(&frame, TAG_ACCOUNT_UID, facts->account.uid);
        put_account(&frame, &facts->account, account_tags);
        put_account(&frame, &facts->caller, caller_tags);
        frame_text(&frame, TAG_COMMAND, facts->command);
        frame_text(&frame, TAG_CONFIG_PATH, facts->config_path);
        if (facts->config_text != NULL)
            frame_bytes(&frame, TAG_CONFIG_TEXT, facts->config_text, facts->config_length);
        frame_text(&frame, TAG_HOST_NAME, facts->host_name);
        frame_number(&frame, TAG_DEADLINE, BRIDGE_DEADLINE_MS - BRIDGE_ENGINE_MARGIN_MS);
        frame_text(&frame, TAG_DUO_USER, facts->duo_user);
        frame_text(&frame, TAG_ENV_FACTOR, facts->env_factor);
        if (facts->application != NULL)
            put_application(&frame, facts->application);
        sent = send_frame(login, &frame);
    }
    frame_free(&frame);
    return sent;
}

static void answer_prompt(struct bridge *login, const struct frame_message *message) {
    struct frame_writer frame = {0};
    char *text = frame_dup(&message->text);
    char *answer = NULL;
    if (text != NULL)
        answer = login->host->prompt(login->host->context, text, message->echo != 0);
    /* The time that a user takes is not the engine's silence. */
    login->heard = now_ms();
    frame_begin(&frame, FRAME_ANSWER);
    if (answer == NULL || strlen(answer) > MAX_ANSWER)
        frame_number(&frame, TAG_FAILED, 1);
    else
        frame_text(&frame, TAG_TEXT, answer);
    (void)send_frame(login, &frame);
    frame_free(&frame);
    if (answer != NULL) {
        explicit_bzero(answer, strlen(answer));
        free(answer);
    }
    free(text);
}

static void show_status(struct bridge *login, const struct frame_message *message) {
    char *text = frame_dup(&message->text);
    if (text != NULL)
        login->host->status(login->host->context, text);
    free(text);
}

static void write_log(struct bridge *login, const struct frame_message *message) {
    char *text = NULL;
    if (message->channel > BRIDGE_STDERR || message->priority > LOG_DEBUG || message->priority < LOG_ERR) {
        fail_nonsense(login, "a log line of unknown kind");
        return;
    }
    text = frame_dup(&message->text);
    if (text != NULL)
        login->host->log(login->host->context, (int)message->priority, (enum bridge_channel)message->channel,
                         text);
    free(text);
}

static void greet(struct bridge *login, const struct frame_message *message) {
    if (login->greeted) {
        fail_nonsense(login, "a second HELLO");
    } else if (message->version != FRAME_VERSION) {
        char why[256];
        snprintf(
            why, sizeof why,
            "the engine (release %.*s) speaks protocol version %u and this module (release %s) version %u; "
            "install both from one release",
            (int)(message->release.length > 32 ? 32 : message->release.length),
            message->release.present ? message->release.data : "", message->version, DUO_TS_RELEASE,
            (unsigned)FRAME_VERSION);
        fail(login, BRIDGE_SERVICE_ERROR, why);
    }
    login->greeted = true;
}

static void take_verdict(struct bridge *login, const struct frame_message *message) {
    struct bridge_verdict *verdict = login->verdict;
    if (message->outcome < BRIDGE_PASS || message->outcome > BRIDGE_SERVICE_ERROR || message->code > 6) {
        fail_nonsense(login, "a verdict of unknown kind");
        return;
    }
    size_t length =
        message->error.length < sizeof verdict->error ? message->error.length : sizeof verdict->error - 1;
    if (length > 0)
        memcpy(verdict->error, message->error.data, length);
    verdict->error[length] = '\0';
    verdict->code = message->code;
    verdict->motd = message->motd != 0;
    verdict->from_engine = true;
    verdict->outcome = (enum bridge_outcome)message->outcome;
    login->done = true;
}

static void act_on(struct bridge *login, const struct frame_message *message) {
    if (!login->greeted && message->type != FRAME_ENGINE_HELLO) {
        fail_nonsense(login, "no HELLO");
        return;
    }
    switch (message->type) {
    case FRAME_ENGINE_HELLO:
        greet(login, message);
        break;
    case FRAME_PROMPT:
        answer_prompt(login, message);
        break;
    case FRAME_STATUS:
        show_status(login, message);
        break;
    case FRAME_LOG:
        write_log(login, message);
        break;
    case FRAME_HEARTBEAT:
        break;
    case FRAME_VERDICT:
        take_verdict(login, message);
        break;
    default:
        fail_nonsense(login, "a frame that is the host's");
    }
}

static void act_on_all(struct bridge *login) {
    while (!login->done) {
        struct frame_message message;
        const char *why;
        enum frame_result result = frame_next(&login->reader, &message, &why);
        if (result == FRAME_INCOMPLETE)
            return;
        if (result == FRAME_NONSENSE)
            fail_nonsense(login, why);
        else
            act_on(login, &message);
    }
}

static void converse(struct bridge *login) {
    while (!login->done && wait_ready(login, POLLIN)) {
        unsigned char *room;
        size_t size = frame_room(&login->reader, &room);
        ssize_t received = recv(login->engine.socket, room, size, 0);
        if (received > 0) {
            login->heard = now_ms();
            frame_arrived(&login->reader, (size_t)received);
            act_on_all(login);
        } else if (received == 0 || (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)) {
            fail_gone(login);
        }
        if (!login->done && now_ms() >= login->deadline)
            fail(login, BRIDGE_SERVICE_ERROR, "the engine gave no verdict in time");
    }
}

static void end(struct bridge *login) {
    (void)engine_end(&login->engine, true, NULL, 0);
    explicit_bzero(login, sizeof *login);
    free(login);
}

struct bridge *bridge_start(const struct bridge_facts *facts, const struct bridge_host *host,
                            const char *engine_path, struct bridge_verdict *verdict) {
    struct bridge *login = NULL;
    char why[384];
    char message[448];

    memset(verdict, 0, sizeof *verdict);
    verdict->outcome = BRIDGE_SERVICE_ERROR;
    verdict->code = 3;
    login = calloc(1, sizeof *login);
    if (login == NULL) {
        snprintf(verdict->error, sizeof verdict->error, "out of memory");
        return NULL;
    }
    login->host = host;
    login->verdict = verdict;
    login->heard = now_ms();
    login->deadline = login->heard + BRIDGE_DEADLINE_MS;
    if (!engine_start(&login->engine, engine_path, why, sizeof why)) {
        snprintf(message, sizeof message, "the engine can't be started: %s", why);
        fail(login, BRIDGE_SERVICE_ERROR, message);
        goto failed;
    }
    if (login->engine.user != NULL && strcmp(login->engine.user, "duo") != 0) {
        snprintf(message, sizeof message, "there is no system user duo; the engine runs as %s",
                 login->engine.user);
        host->log(host->context, LOG_WARNING, BRIDGE_LOG, message);
    }
    if (!send_facts(login, facts))
        goto failed;
    return login;
failed:
    end(login);
    return NULL;
}

void bridge_finish(struct bridge *login) {
    converse(login);
    end(login);
}

void bridge_login(const struct bridge_facts *facts, const struct bridge_host *host, const char *engine_path,
                  struct bridge_verdict *verdict) {
    struct bridge *login = bridge_start(facts, host, engine_path, verdict);
    if (login != NULL)
        bridge_finish(login);
}

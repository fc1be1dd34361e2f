#include "bridge.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <syslog.h>
#include <unistd.h>

#include "code_file.h"
#include "engine.h"
#include "facts.h"
#include "frame.h"
#include "resident.h"
#include "system.h"

/* Milliseconds between checks for pending blocked signals. */
#define TICK_MS 100

_Static_assert(BRIDGE_ENGINE_MARGIN_MS > 0 && BRIDGE_ENGINE_MARGIN_MS < BRIDGE_DEADLINE_MS &&
                   BRIDGE_DEADLINE_MS < 120000,
               "the engine's answer comes before the host's deadline, and that before sshd's LoginGraceTime");

/* The longest answer; it fits its frame. */
#define MAX_ANSWER 8192

/* The limits of one login, so that a compromised engine cannot fill the log or the screen. */
#define MAX_PROMPTS 100
#define MAX_STATUSES 1000
#define MAX_LOGS 100
#define MAX_LOG_BYTES 65536

struct bridge {
    const struct bridge_host *host;
    /* Until the login is ready. */
    const struct bridge_facts *facts;
    struct bridge_verdict *verdict;
    /* The private engine; unused with a resident one. */
    struct engine engine;
    /* Where the engine is reached. */
    int socket;
    /* The resident engine's socket; NULL with a private one. */
    const char *resident;
    struct frame_reader reader;
    int64_t deadline;
    int64_t last_received;
    size_t prompts;
    size_t statuses;
    size_t logs;
    size_t log_bytes;
    bool greeted;
    /* The engine has every fact that it needs. */
    bool ready;
    /* Nothing that follows is read yet. */
    bool starting;
    /* No other engine may repeat this login, for example because the user was shown something. */
    bool final;
    bool done;
};

/* Ends the login without a verdict of the engine's. */
static void __attribute__((format(printf, 3, 4)))
fail(struct bridge *login, enum bridge_outcome outcome, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(login->verdict->error, sizeof login->verdict->error, format, arguments);
    va_end(arguments);
    login->verdict->outcome = outcome;
    login->verdict->from_engine = false;
    login->done = true;
}

static void fail_protocol(struct bridge *login, const char *what) {
    fail(login, BRIDGE_SERVICE_ERROR, "the engine violated the protocol: %s", what);
}

/* The engine closed the connection. How it ended is the reason. */
static void fail_gone(struct bridge *login) {
    char how[160];
    if (login->resident != NULL) {
        fail(login, BRIDGE_SERVICE_ERROR, "the engine closed the connection without a verdict");
        return;
    }
    login->socket = -1;
    login->verdict->engine_signal = engine_end(&login->engine, how, sizeof how);
    fail(login, BRIDGE_SERVICE_ERROR, "the engine ended without a verdict%s%s", how[0] == '\0' ? "" : ": ",
         how);
}

/* Counts the engine's frames. False: it sent too many, and the login has ended. */
static bool allow(struct bridge *login, size_t *count, size_t more, size_t limit, const char *why) {
    *count += more;
    if (*count <= limit)
        return true;
    fail(login, BRIDGE_SERVICE_ERROR, "%s", why);
    login->final = true;
    return false;
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

/* Sends CANCEL if there is room. The engine ends in any case. */
static void cancel(struct bridge *login, int number, const char *why) {
    struct frame_writer frame = {0};
    frame_begin(&frame, FRAME_CANCEL);
    frame_number(&frame, TAG_SIGNAL, (uint32_t)number);
    if (frame_end(&frame))
        (void)send(login->socket, frame.data, frame.length, MSG_NOSIGNAL | MSG_DONTWAIT);
    frame_free(&frame);
    login->verdict->signal = number;
    fail(login, BRIDGE_ABORTED, "%s%s", number != 0 ? "cancelled by SIG" : "", why);
}

/* Ends the login on a pending signal or when `wanted` says so. */
static void heed_host(struct bridge *login) {
    const struct bridge_host *host = login->host;
    int number = bridge_pending_signal();
    const char *abandoned = host->abandoned == NULL ? NULL : host->abandoned(host->context);
    if (number != 0)
        cancel(login, number, sigabbrev_np(number));
    else if (abandoned != NULL)
        cancel(login, 0, abandoned);
}

/* Ends the login when its time or the engine's time has ended. */
static void heed_clock(struct bridge *login) {
    /* A resident engine is already running, so its HELLO comes at once. */
    int limit = login->resident != NULL && !login->greeted ? BRIDGE_GREETING_MS : BRIDGE_SILENCE_MS;
    int64_t now = system_now();
    if (now >= login->deadline)
        fail(login, BRIDGE_SERVICE_ERROR, "the engine gave no verdict in time");
    else if (now - login->last_received >= limit)
        fail(login, BRIDGE_SERVICE_ERROR, "%s",
             login->resident != NULL ? "the engine did not respond"
                                     : "the engine did not respond and was killed");
}

/* Waits for the socket. False: the login has ended. */
static bool wait_ready(struct bridge *login, short events) {
    for (heed_host(login); !login->done; heed_host(login)) {
        struct pollfd socket = {.fd = login->socket, .events = events};
        int ready = poll(&socket, 1, TICK_MS);
        if (ready > 0)
            return true;
        if (ready < 0 && errno != EINTR)
            fail(login, BRIDGE_SERVICE_ERROR, "%s", strerror(errno));
        else
            heed_clock(login);
    }
    return false;
}

/* False when the login has ended. */
static bool send_frame(struct bridge *login, struct frame_writer *frame) {
    size_t sent = 0;
    if (!frame_end(frame)) {
        fail(login, BRIDGE_SERVICE_ERROR, "there is no memory for this login's facts, or they are too long");
        return false;
    }
    while (sent < frame->length) {
        ssize_t step =
            send(login->socket, frame->data + sent, frame->length - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (step >= 0) {
            sent += (size_t)step;
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            if (!wait_ready(login, POLLOUT))
                return false;
        } else if (errno != EINTR) {
            /* It closed the connection. Frames that it sent before still count. */
            return true;
        }
    }
    return true;
}

static bool send_facts(struct bridge *login, const struct bridge_facts *facts) {
    struct frame_writer frame = {0};
    int64_t left = login->deadline - system_now() - BRIDGE_ENGINE_MARGIN_MS;

    facts_put_hello(&frame);
    bool sent = send_frame(login, &frame);
    if (sent) {
        facts_put(&frame, facts, left > 0 ? (uint32_t)left : 0);
        sent = send_frame(login, &frame);
    }
    frame_free(&frame);
    return sent;
}

static void answer_prompt(struct bridge *login, const struct frame_message *message) {
    struct frame_writer frame = {0};
    char *text = frame_dup(&message->texts[TAG_TEXT]);
    char *answer = NULL;
    login->final = true;
    if (text != NULL)
        answer = login->host->prompt(login->host->context, text);
    /* The time in the user's conversation does not count as silence. */
    login->last_received = system_now();
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
    char *text = frame_dup(&message->texts[TAG_TEXT]);
    login->final = true;
    if (text != NULL)
        login->host->status(login->host->context, text);
    free(text);
}

static void write_log(struct bridge *login, const struct frame_message *message) {
    uint32_t priority = message->numbers[TAG_PRIORITY];
    uint32_t channel = message->numbers[TAG_CHANNEL];
    if (channel > BRIDGE_STDERR || priority > LOG_DEBUG || priority < LOG_ERR) {
        fail_protocol(login, "an invalid log line");
        return;
    }
    char *text = frame_dup(&message->texts[TAG_TEXT]);
    char *fields = message->texts[TAG_FIELDS].data != NULL ? frame_dup(&message->texts[TAG_FIELDS]) : NULL;
    if (text != NULL)
        login->host->log(login->host->context, (int)priority, (enum bridge_channel)channel, text, fields);
    free(fields);
    free(text);
}

static void greet(struct bridge *login, const struct frame_message *message) {
    uint32_t version = message->numbers[TAG_VERSION];
    const struct frame_text_field *release = &message->texts[TAG_RELEASE];
    if (login->greeted)
        fail_protocol(login, "a second HELLO");
    else if (version != FRAME_VERSION)
        fail(login, BRIDGE_SERVICE_ERROR,
             "the engine (release %.*s) speaks protocol version %u and this module (release %s) version %u; "
             "install both from one release",
             release->length > 32 ? 32 : (int)release->length, release->length > 0 ? release->data : "",
             version, DUO_TS_RELEASE, (unsigned)FRAME_VERSION);
    login->greeted = true;
}

/* Sends the groups of the user who authenticates, if the engine needs them. */
static void give_groups(struct bridge *login, const struct frame_message *message) {
    const struct account *accounts[] = {NULL, &login->facts->account, &login->facts->caller};
    uint32_t of = message->numbers[TAG_GROUPS_OF];
    if (login->ready || of > 2 || (of > 0 && accounts[of]->name == NULL)) {
        fail_protocol(login, "a NEEDS that can't be met");
        return;
    }
    login->ready = true;
    if (of == 0)
        return;
    struct frame_writer frame = {0};
    struct account_groups groups;
    account_groups_read(&groups, accounts[of]);
    /* The time of the name service does not count as silence. */
    login->last_received = system_now();
    facts_put_groups(&frame, &groups);
    (void)send_frame(login, &frame);
    frame_free(&frame);
    account_groups_free(&groups);
}

/* Uses up the break-glass code that the verdict relies on. False: the login has ended. */
static bool use_code(struct bridge *login, const struct frame_text_field *file) {
    char why[256] = "out of memory";
    char *name = frame_dup(file);
    bool used = name != NULL && code_file_remove(name, why, sizeof why);
    free(name);
    if (!used)
        fail(login, BRIDGE_SERVICE_ERROR, "%s", why);
    return used;
}

static void take_verdict(struct bridge *login, const struct frame_message *message) {
    struct bridge_verdict *verdict = login->verdict;
    uint32_t outcome = message->numbers[TAG_OUTCOME];
    const struct frame_text_field *error = &message->texts[TAG_ERROR];
    if (outcome < BRIDGE_PASS || outcome > BRIDGE_SERVICE_ERROR || message->numbers[TAG_CODE] > 6) {
        fail_protocol(login, "an invalid verdict");
        return;
    }
    if (message->texts[TAG_CODE_FILE].length > 0 && !use_code(login, &message->texts[TAG_CODE_FILE]))
        return;
    snprintf(verdict->error, sizeof verdict->error, "%.*s", (int)error->length, error->data);
    verdict->code = message->numbers[TAG_CODE];
    verdict->motd = message->numbers[TAG_MOTD] != 0;
    verdict->from_engine = true;
    verdict->outcome = (enum bridge_outcome)outcome;
    login->done = true;
}

static void act_on(struct bridge *login, const struct frame_message *message) {
    if (!login->greeted && message->type != FRAME_ENGINE_HELLO) {
        fail_protocol(login, "no HELLO");
        return;
    }
    if (!login->ready && (message->type == FRAME_PROMPT || message->type == FRAME_STATUS)) {
        fail_protocol(login, "a conversation before NEEDS");
        return;
    }
    switch (message->type) {
    case FRAME_ENGINE_HELLO:
        greet(login, message);
        break;
    case FRAME_NEEDS:
        give_groups(login, message);
        break;
    case FRAME_PROMPT:
        if (allow(login, &login->prompts, 1, MAX_PROMPTS, "the engine sent too many prompts"))
            answer_prompt(login, message);
        break;
    case FRAME_STATUS:
        if (allow(login, &login->statuses, 1, MAX_STATUSES, "the engine sent too many status lines"))
            show_status(login, message);
        break;
    case FRAME_LOG:
        if (allow(login, &login->logs, 1, MAX_LOGS, "the engine sent too many log lines") &&
            allow(login, &login->log_bytes, message->texts[TAG_TEXT].length, MAX_LOG_BYTES,
                  "the engine sent too many log lines"))
            write_log(login, message);
        break;
    case FRAME_HEARTBEAT:
        break;
    case FRAME_VERDICT:
        take_verdict(login, message);
        break;
    default:
        fail_protocol(login, "a frame type of the host");
    }
}

static bool goes_on(const struct bridge *login) {
    return !login->done && !(login->starting && login->ready);
}

static void act_on_all(struct bridge *login) {
    enum frame_result result = FRAME_COMPLETE;
    while (goes_on(login) && result == FRAME_COMPLETE) {
        struct frame_message message;
        const char *why;
        result = frame_next(&login->reader, &message, &why);
        if (result == FRAME_NONSENSE)
            fail_protocol(login, why);
        else if (result == FRAME_COMPLETE)
            act_on(login, &message);
    }
}

static void converse(struct bridge *login) {
    /* Frames that have already arrived. */
    act_on_all(login);
    while (goes_on(login) && wait_ready(login, POLLIN)) {
        unsigned char *room;
        size_t size = frame_room(&login->reader, &room);
        ssize_t received = recv(login->socket, room, size, MSG_DONTWAIT);
        if (received > 0) {
            login->last_received = system_now();
            frame_arrived(&login->reader, (size_t)received);
            act_on_all(login);
        } else if (received == 0 || (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)) {
            fail_gone(login);
        }
        /* The engine may send without end. */
        if (!login->done)
            heed_clock(login);
    }
}

/* ---- selection of an engine ---- */

static void __attribute__((format(printf, 2, 3))) warn(const struct bridge *login, const char *format, ...) {
    char line[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    login->host->log(login->host->context, LOG_WARNING, BRIDGE_LOG, line, NULL);
}

/* Sends the facts and the groups. False: the engine failed, and the verdict has the reason. */
static bool inform(struct bridge *login) {
    login->last_received = system_now();
    login->starting = true;
    if (send_facts(login, login->facts))
        converse(login);
    login->starting = false;
    return !login->done || login->verdict->from_engine;
}

/* False: there is no resident engine, or it failed, and the verdict has the reason ("" when there is none).
 */
static bool start_resident(struct bridge *login, const char *path) {
    char why[384];
    login->resident = path;
    login->socket = resident_connect(path, why, sizeof why);
    if (login->socket < 0) {
        fail(login, BRIDGE_SERVICE_ERROR, "%s", why);
        return false;
    }
    return inform(login);
}

static void leave_resident(struct bridge *login) {
    system_close(&login->socket);
    login->resident = NULL;
    memset(&login->reader, 0, sizeof login->reader);
    login->greeted = login->ready = false;
    login->done = false;
}

static bool start_private(struct bridge *login, const char *path) {
    char why[384];
    if (path == NULL) {
        fail(login, BRIDGE_SERVICE_ERROR, "there is no engine that can serve this login");
        return false;
    }
    if (!engine_start(&login->engine, path, why, sizeof why)) {
        fail(login, BRIDGE_SERVICE_ERROR, "the engine can't be started: %s", why);
        return false;
    }
    login->socket = login->engine.socket;
    if (login->engine.user != NULL && strcmp(login->engine.user, BRIDGE_PRIVATE_USER) != 0)
        warn(login, "there is no system user %s; the engine runs as %s", BRIDGE_PRIVATE_USER,
             login->engine.user);
    return inform(login);
}

/* After the resident engine has failed: repeats the login with a private one, unless it was cancelled, its
 * time has ended, or the user was asked. Without a conversation nobody knows whether the phone rang after
 * NEEDS. */
static bool start_again(struct bridge *login, const struct bridge_engines *engines) {
    const struct bridge_verdict *verdict = login->verdict;
    bool mute = login->facts->silent || login->facts->no_conversation;
    if (verdict->from_engine || verdict->outcome == BRIDGE_ABORTED || login->final ||
        (mute && login->ready) || system_now() >= login->deadline)
        return false;
    if (verdict->error[0] != '\0')
        warn(login, "resident engine %s: %.256s; %s", engines->socket, verdict->error,
             engines->path == NULL ? "nothing else can serve this login"
                                   : "a private engine serves this login");
    leave_resident(login);
    return start_private(login, engines->path);
}

static void end(struct bridge *login) {
    struct bridge_verdict *verdict = login->verdict;
    if (login->resident != NULL) {
        char why[256];
        snprintf(why, sizeof why, "%.255s", verdict->error);
        if (verdict->outcome == BRIDGE_SERVICE_ERROR && !verdict->from_engine)
            fail(login, BRIDGE_SERVICE_ERROR, "resident engine %.200s: %s", login->resident, why);
        leave_resident(login);
    }
    (void)engine_end(&login->engine, NULL, 0);
    explicit_bzero(login, sizeof *login);
    free(login);
}

struct bridge *bridge_start(const struct bridge_facts *facts, const struct bridge_host *host,
                            const struct bridge_engines *engines, struct bridge_verdict *verdict) {
    *verdict = (struct bridge_verdict){.outcome = BRIDGE_SERVICE_ERROR, .code = 3, .error = "out of memory"};
    struct bridge *login = calloc(1, sizeof *login);
    if (login == NULL)
        return NULL;
    login->host = host;
    login->facts = facts;
    login->verdict = verdict;
    login->engine = ENGINE_NONE;
    login->socket = -1;
    login->deadline = system_now() + BRIDGE_DEADLINE_MS;
    /* A resident engine accepts a configuration or an application only from root. */
    bool may_be_resident = geteuid() == 0 || (facts->application == NULL && facts->config_text == NULL);
    bool resident = engines->socket != NULL && may_be_resident;
    if (resident ? start_resident(login, engines->socket) || start_again(login, engines)
                 : start_private(login, engines->path))
        return login;
    end(login);
    return NULL;
}

void bridge_finish(struct bridge *login) {
    converse(login);
    end(login);
}

void bridge_login(const struct bridge_facts *facts, const struct bridge_host *host,
                  const struct bridge_engines *engines, struct bridge_verdict *verdict) {
    struct bridge *login = bridge_start(facts, host, engines, verdict);
    if (login == NULL)
        return;
    converse(login);
    if (login->resident != NULL)
        (void)start_again(login, engines);
    bridge_finish(login);
}

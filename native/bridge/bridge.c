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
#include <time.h>
#include <unistd.h>

#include "engine.h"
#include "facts.h"
#include "frame.h"
#include "resident.h"

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
    /* The private engine; none while a resident one serves. */
    struct engine engine;
    /* Where the engine is reached. */
    int socket;
    /* The resident engine's socket; NULL while a private one serves. */
    const char *resident;
    struct frame_reader reader;
    int64_t deadline;
    int64_t heard;
    bool greeted;
    /* Nothing but the engine's HELLO is wanted yet. */
    bool greeting;
    /* The user was shown something: another engine would ask again. */
    bool shown;
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
    if (login->resident != NULL) {
        fail(login, BRIDGE_SERVICE_ERROR, "the engine hung up without a verdict");
        return;
    }
    login->socket = -1;
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
        (void)send(login->socket, frame.data, frame.length, MSG_NOSIGNAL | MSG_DONTWAIT);
    frame_free(&frame);
}

/* Milliseconds of silence that this engine is granted. One that is resident runs already: it greets at once.
 */
static int64_t patience(const struct bridge *login) {
    return login->resident != NULL && !login->greeted ? BRIDGE_GREETING_MS : BRIDGE_SILENCE_MS;
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
        struct pollfd socket = {.fd = login->socket, .events = events};
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
        else if (now - login->heard >= patience(login))
            fail(login, BRIDGE_SERVICE_ERROR,
                 login->resident != NULL ? "the engine gave no sign of life"
                                         : "the engine gave no sign of life and was ended");
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
        ssize_t step = send(login->socket, frame->data + sent, frame->length - sent, MSG_NOSIGNAL);
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

static bool send_facts(struct bridge *login, const struct bridge_facts *facts) {
    struct frame_writer frame = {0};
    int64_t left = login->deadline - now_ms() - BRIDGE_ENGINE_MARGIN_MS;

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
    char *text = frame_dup(&message->text);
    char *answer = NULL;
    login->shown = true;
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
    login->shown = true;
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
    while (!login->done && !(login->greeting && login->greeted)) {
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
    /* What came with the HELLO is there already. */
    act_on_all(login);
    while (!login->done && !(login->greeting && login->greeted) && wait_ready(login, POLLIN)) {
        unsigned char *room;
        size_t size = frame_room(&login->reader, &room);
        ssize_t received = recv(login->socket, room, size, 0);
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

/* ---- which engine ---- */

static void __attribute__((format(printf, 3, 4)))
write_line(const struct bridge *login, int priority, const char *format, ...) {
    char line[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    login->host->log(login->host->context, priority, BRIDGE_LOG, line);
}

/* A resident engine takes a configuration or an application from root alone; anybody else it asks for
 * neither. */
static bool may_be_resident(const struct bridge_facts *facts) {
    return geteuid() == 0 || (facts->application == NULL && facts->config_text == NULL);
}

/* True when another engine may begin this login again: it was not cancelled, its time is not over, and nobody
 * was asked anything. A host that shows nothing can't tell what was asked once the engine has greeted. */
static bool may_begin_again(const struct bridge *login, const struct bridge_facts *facts) {
    bool mute = facts->silent || facts->no_conversation;
    return !login->verdict->from_engine && login->verdict->outcome != BRIDGE_ABORTED && !login->shown &&
           !(mute && login->greeted) && now_ms() < login->deadline;
}

/* Takes leave of the resident engine. */
static void leave_resident(struct bridge *login) {
    if (login->socket >= 0)
        close(login->socket);
    login->socket = -1;
    login->resident = NULL;
    memset(&login->reader, 0, sizeof login->reader);
    login->greeted = false;
    login->done = false;
}

/* Tells a resident engine the facts, and hears its HELLO. False: there is none, or it failed, and *why says
 * how
 * ("" when there is none). */
static bool start_resident(struct bridge *login, const struct bridge_facts *facts, const char *path,
                           char *why, size_t why_size) {
    login->socket = resident_connect(path, why, why_size);
    if (login->socket < 0)
        return false;
    login->resident = path;
    login->heard = now_ms();
    login->greeting = true;
    if (send_facts(login, facts))
        converse(login);
    login->greeting = false;
    if (login->done)
        snprintf(why, why_size, "%.256s", login->verdict->error);
    return !login->done;
}

static bool start_private(struct bridge *login, const struct bridge_facts *facts, const char *path) {
    char why[384];
    char message[448];
    if (path == NULL) {
        fail(login, BRIDGE_SERVICE_ERROR, "there is no engine that can serve this login");
        return false;
    }
    if (!engine_start(&login->engine, path, why, sizeof why)) {
        snprintf(message, sizeof message, "the engine can't be started: %s", why);
        fail(login, BRIDGE_SERVICE_ERROR, message);
        return false;
    }
    login->socket = login->engine.socket;
    login->heard = now_ms();
    if (login->engine.user != NULL && strcmp(login->engine.user, "duo") != 0)
        write_line(login, LOG_WARNING, "there is no system user duo; the engine runs as %s",
                   login->engine.user);
    return send_facts(login, facts);
}

/* After the resident engine has failed. */
static bool start_private_instead(struct bridge *login, const struct bridge_facts *facts,
                                  const struct bridge_engines *engines, const char *why) {
    write_line(login, LOG_WARNING, "resident engine %s: %s; %s", engines->socket, why,
               engines->path == NULL ? "nothing else can serve this login"
                                     : "a private engine serves this login");
    leave_resident(login);
    return start_private(login, facts, engines->path);
}

static bool start(struct bridge *login, const struct bridge_facts *facts,
                  const struct bridge_engines *engines) {
    char why[384] = "";
    if (engines->socket == NULL || !may_be_resident(facts))
        return start_private(login, facts, engines->path);
    if (start_resident(login, facts, engines->socket, why, sizeof why))
        return true;
    if (why[0] == '\0')
        return start_private(login, facts, engines->path);
    if (login->done && !may_begin_again(login, facts))
        return false;
    return start_private_instead(login, facts, engines, why);
}

static void end(struct bridge *login) {
    const char *resident = login->resident;
    struct bridge_verdict *verdict = login->verdict;
    if (resident != NULL && verdict->outcome == BRIDGE_SERVICE_ERROR && !verdict->from_engine) {
        char why[256];
        snprintf(why, sizeof why, "%.255s", verdict->error);
        snprintf(verdict->error, sizeof verdict->error, "resident engine %.200s: %s", resident, why);
    }
    if (resident != NULL)
        leave_resident(login);
    (void)engine_end(&login->engine, true, NULL, 0);
    explicit_bzero(login, sizeof *login);
    free(login);
}

struct bridge *bridge_start(const struct bridge_facts *facts, const struct bridge_host *host,
                            const struct bridge_engines *engines, struct bridge_verdict *verdict) {
    memset(verdict, 0, sizeof *verdict);
    verdict->outcome = BRIDGE_SERVICE_ERROR;
    verdict->code = 3;
    struct bridge *login = calloc(1, sizeof *login);
    if (login == NULL) {
        snprintf(verdict->error, sizeof verdict->error, "out of memory");
        return NULL;
    }
    login->host = host;
    login->verdict = verdict;
    login->engine = ENGINE_NONE;
    login->socket = -1;
    login->deadline = now_ms() + BRIDGE_DEADLINE_MS;
    if (start(login, facts, engines))
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
    if (login->resident != NULL && may_begin_again(login, facts)) {
        char why[256];
        snprintf(why, sizeof why, "%.255s", verdict->error);
        if (start_private_instead(login, facts, engines, why))
            converse(login);
    }
    end(login);
}

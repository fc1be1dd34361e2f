/* One login on the C side of PROTOCOL.md: facts, conversation, one verdict. */
#ifndef BRIDGE_H
#define BRIDGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "account.h"

/* The installed engine; a build in a checkout uses its own. */
#ifndef DUO_TS_ENGINE
#define DUO_TS_ENGINE "/usr/libexec/duo-ts/duo-ts"
#endif

/* The sockets of the resident engines: for root, and for other users. */
#ifndef DUO_TS_SOCKET
#define DUO_TS_SOCKET "/run/duo-ts/engine.sock"
#endif
#define DUO_TS_USERS_SOCKET "/run/duo-ts/users.sock"

/* The user of a private engine of a PAM application that runs as root. */
#define BRIDGE_PRIVATE_USER "duo-private"

/* Milliseconds. Tests use shorter ones. */
#ifndef BRIDGE_DEADLINE_MS
/* The limit of a login, below sshd's LoginGraceTime. The engine gets less, so that its answer comes first. */
#define BRIDGE_DEADLINE_MS 110000
#define BRIDGE_ENGINE_MARGIN_MS 5000
/* The limit for silence of an engine. */
#define BRIDGE_SILENCE_MS 15000
/* The limits for a resident engine to accept the connection and to send HELLO. */
#define BRIDGE_CONNECT_MS 5000
#define BRIDGE_GREETING_MS 15000
#endif

enum bridge_outcome {
    BRIDGE_NO_OUTCOME = 0,
    BRIDGE_PASS = 1,
    BRIDGE_MAX_TRIES = 2,
    BRIDGE_DENIED = 3,
    BRIDGE_ABORTED = 4,
    BRIDGE_USER_UNKNOWN = 6,
    BRIDGE_SERVICE_ERROR = 7,
};

enum bridge_channel { BRIDGE_LOG = 0, BRIDGE_STDERR = 1 };

/* The Duo application of a libduo program, instead of a configuration. */
struct bridge_application {
    const char *ikey;
    const char *skey;
    /* HOST or HOST:PORT. */
    const char *host;
    /* PEM texts of the authorities that replace Duo's; NULL: Duo's. */
    const char *authorities;
    bool verify;
    /* NULL: none. */
    const char *http_proxy;
    /* Seconds; 0: no limit but the login's. */
    uint32_t https_timeout;
    /* DUO_FLAG_SYNC and DUO_FLAG_AUTO of duo(3). */
    uint32_t flags;
};

struct bridge_facts {
    const char *program;
    const char *service;
    const char *user;
    const char *rhost;
    const char *tty;
    /* PAM_RUSER; NULL: not set. */
    const char *ruser;
    bool silent;
    bool no_conversation;
    uid_t caller_uid;
    /* The kernel's login uid, if known. */
    bool login_uid_known;
    uint32_t login_uid;
    /* The kernel's audit session, if known. */
    bool session_known;
    uint32_t session;
    /* What sshd tells about the methods that have succeeded (SSH_AUTH_INFO_0); NULL: nothing. */
    const char *auth_info;
    /* Duo has let the user in before in this PAM transaction. */
    bool passed_before;
    /* The passwd entries of user and caller_uid. */
    struct account account;
    struct account caller;
    const char *command;
    /* The Duo user name, if the caller may choose it; NULL: the account's. */
    const char *duo_user;
    /* A factor or passcode given in advance; NULL: none. */
    const char *env_factor;
    /* NULL: there is a configuration. */
    const struct bridge_application *application;
    /* NULL: there is no configuration. */
    const char *config_path;
    const char *config_text;
    size_t config_length;
    const char *host_name;
};

/* Calls from the engine to the PAM application. Texts are valid UTF-8. */
struct bridge_host {
    void *context;
    /* Asks. Returns the answer in malloc'd memory, or NULL when there is none. */
    char *(*prompt)(void *context, const char *text);
    void (*status)(void *context, const char *text);
    /* `fields` is for journald, see journal.h; NULL: none. */
    void (*log)(void *context, int priority, enum bridge_channel channel, const char *text,
                const char *fields);
    /* Checked while the login waits: why it must end, or NULL. May be NULL itself. */
    const char *(*abandoned)(void *context);
};

struct bridge_verdict {
    enum bridge_outcome outcome;
    /* duo_code_t of duo(3). */
    uint32_t code;
    /* False: the verdict is not from an engine, and `error` is the reason for the log. */
    bool from_engine;
    /* Whether to show the message of the day. */
    bool motd;
    /* The signal that ended the login; 0 for none. */
    int signal;
    /* The signal that ended the engine or its keeper; 0 for none. */
    int engine_signal;
    char error[512];
};

/* Absolute paths of the engines. */
struct bridge_engines {
    /* The program of a private engine. NULL: do not start one. */
    const char *path;
    /* The socket of the resident engine, which is tried first. NULL: private engines only. */
    const char *socket;
};

/* Runs one login. The verdict starts as a denial and is set on every path. */
void bridge_login(const struct bridge_facts *facts, const struct bridge_host *host,
                  const struct bridge_engines *engines, struct bridge_verdict *verdict);

/* bridge_login in two steps, for a program that drops privileges between them. bridge_start finds an engine,
 * sends the facts and looks up the groups that the engine needs; of `host` it uses only the log. NULL: the
 * login has ended, and the verdict has the reason. bridge_finish runs the conversation and ends the login;
 * host and verdict must still exist. If the resident engine fails in between the login is denied, because no
 * other engine can be started without privileges. */
struct bridge *bridge_start(const struct bridge_facts *facts, const struct bridge_host *host,
                            const struct bridge_engines *engines, struct bridge_verdict *verdict);
void bridge_finish(struct bridge *bridge);

/* A pending blocked signal that would end this process; 0 for none. It stays pending. */
int bridge_pending_signal(void);

#endif

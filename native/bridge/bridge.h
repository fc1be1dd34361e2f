/* One login, from the host's side of PROTOCOL.md: facts, conversation, one verdict. */
#ifndef BRIDGE_H
#define BRIDGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* The engine of an installed system; a build in a checkout has that checkout's. */
#ifndef DUO_TS_ENGINE
#define DUO_TS_ENGINE "/usr/libexec/duo-ts/duo-ts"
#endif

/* Where a resident engine listens for root, if there is one, and where one does for everybody else. */
#ifndef DUO_TS_SOCKET
#define DUO_TS_SOCKET "/run/duo-ts/engine.sock"
#endif
#define DUO_TS_USERS_SOCKET "/run/duo-ts/users.sock"

/* The user that a private engine of a root host runs as. */
#define BRIDGE_PRIVATE_USER "duo-private"

/* Milliseconds. Tests have less patience. */
#ifndef BRIDGE_DEADLINE_MS
/* For a whole login, below sshd's LoginGraceTime; the engine gets less, so that its answer comes first. */
#define BRIDGE_DEADLINE_MS 110000
#define BRIDGE_ENGINE_MARGIN_MS 5000
/* Without a sign of life: then an engine hangs. */
#define BRIDGE_SILENCE_MS 15000
/* For a resident engine to take a connection, and then to say HELLO, before a private one serves. */
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

/* A passwd entry with its groups, as the host's name service gave it. name is NULL when there is none, or
 * error says why that can't be known. */
struct bridge_account {
    char *name;
    const char *error;
    uid_t uid;
    char *gecos;
    char **groups;
    size_t group_count;
    /* Why the groups could not be read; NULL when they were. */
    const char *groups_error;
};

/* The Duo application that a caller of libduo names itself, where others bring a configuration. */
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
    /* PAM_RUSER; NULL: the host names nobody. */
    const char *ruser;
    bool silent;
    bool no_conversation;
    uid_t caller_uid;
    /* The kernel's login uid, where it is known. */
    bool login_uid_known;
    uint32_t login_uid;
    struct bridge_account account;
    struct bridge_account caller;
    const char *command;
    /* The name under which Duo is asked, where a caller may choose it; NULL: the account's. */
    const char *duo_user;
    /* A factor or passcode given beforehand; NULL: none. */
    const char *env_factor;
    /* NULL: a configuration is given. */
    const struct bridge_application *application;
    /* NULL: none is given. */
    const char *config_path;
    const char *config_text;
    size_t config_length;
    const char *host_name;
};

/* What the host does for the engine. Texts are valid UTF-8. */
struct bridge_host {
    void *context;
    /* Asks; returns the answer in malloc'd memory, or NULL when there is none. */
    char *(*prompt)(void *context, const char *text, bool echo);
    void (*status)(void *context, const char *text);
    void (*log)(void *context, int priority, enum bridge_channel channel, const char *text);
    /* Looked at while the login waits: why nobody wants it any more, or NULL. May be NULL itself. */
    const char *(*abandoned)(void *context);
};

struct bridge_verdict {
    enum bridge_outcome outcome;
    /* duo_code_t of duo(3). */
    uint32_t code;
    /* False: the engine gave none, and `error` says why, for the host's log. */
    bool from_engine;
    /* The configuration wants the message of the day shown. */
    bool motd;
    /* The signal that ended the login; 0 for none. */
    int signal;
    /* The signal that ended the engine, or its keeper; 0 for none. */
    int engine_signal;
    char error[512];
};

/* Where engines are: absolute paths. */
struct bridge_engines {
    /* The program that becomes a private engine. NULL: none may be started. */
    const char *path;
    /* The socket of a resident engine, which serves where it can. NULL: private ones alone. */
    const char *socket;
};

/* Runs one login. The verdict starts as a denial and is filled in on every way out. */
void bridge_login(const struct bridge_facts *facts, const struct bridge_host *host,
                  const struct bridge_engines *engines, struct bridge_verdict *verdict);

/* The same in two steps, for a host that gives up its privileges between them. bridge_start finds the engine
 * and tells it the facts; of `host` it uses the log alone. NULL: the login is over, and the verdict says why.
 * bridge_finish converses, and ends what bridge_start began; host and verdict must still be there. A resident
 * engine that fails in between is a denial: without privileges no other can be started. */
struct bridge *bridge_start(const struct bridge_facts *facts, const struct bridge_host *host,
                            const struct bridge_engines *engines, struct bridge_verdict *verdict);
void bridge_finish(struct bridge *bridge);

/* A signal that would end this process if it were not held back; 0 for none. It is left pending. */
int bridge_pending_signal(void);

#endif

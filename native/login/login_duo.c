/* login_duo: the second factor before the user's shell. It does what needs root, drops root permanently, and
 * only then talks to the user. */
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "account.h"
#include "bridge.h"
#include "config_file.h"
#include "conversation.h"
#include "environment.h"
#include "journal.h"
#include "login_uid.h"
#include "privileges.h"
#include "sentence.h"
#include "shell.h"
#include "system.h"

#define PROGRAM "login_duo"
#define DEFAULT_CONFIG "/etc/duo/login_duo.conf"
#define USAGE "Usage: login_duo [-v] [-c config] [-d] [-f duouser] [-h host] [prog [args...]]"

struct launcher {
    struct caller caller;
    struct environment environment;
    /* The caller's, for the shell. */
    sigset_t signals;
    const char *config_path;
    const char *duo_user;
    bool debug;
    /* The client's address; empty: unknown. */
    char client[256];
    /* NULL: a login shell. */
    const char *command;
    /* There is a terminal, so the user can be asked. */
    bool interactive;
    int64_t patience_ends;
    struct account account;
};

/* ---- output and log ---- */

/* Debug output replaces the log, except for users other than root. */
static bool logs(const struct launcher *launcher) {
    return !launcher->debug || (launcher->caller.privileged && launcher->caller.uid != 0);
}

static void __attribute__((format(printf, 3, 4)))
write_log(const struct launcher *launcher, int priority, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    char line[2048];
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    if (launcher->debug)
        fprintf(stderr, "[%d] %s\n", priority, line);
    if (logs(launcher))
        syslog(LOG_AUTHPRIV | priority, "%s", line);
}

/* For the caller, and for the administrator, because the caller cannot correct the configuration. */
static void complain(const struct launcher *launcher, const char *text) {
    fprintf(stderr, "%s\n", text);
    if (logs(launcher))
        syslog(LOG_AUTHPRIV | LOG_ERR, "%s", text);
}

static void log_failure(const struct launcher *launcher, const struct bridge_verdict *verdict) {
    char line[1200];
    bool aborted = verdict->outcome == BRIDGE_ABORTED;
    const char *user = launcher->duo_user != NULL ? launcher->duo_user : launcher->account.name;
    sentence_failure(line, sizeof line, aborted ? "Aborted Duo login" : "Error in Duo login", user,
                     launcher->client, verdict->error);
    write_log(launcher, aborted ? LOG_WARNING : LOG_ERR, "%s", line);
    if (verdict->engine_signal != 0)
        fprintf(stderr, "unprivileged process terminated by signal: %d\n", verdict->engine_signal);
    else if (!aborted && !launcher->debug)
        fprintf(stderr, "%s\n", line);
}

/* ---- calls from the engine ---- */

static char *host_prompt(void *context, const char *text) {
    const struct launcher *launcher = context;
    return launcher->interactive ? conversation_ask(text, launcher->patience_ends) : NULL;
}

static void host_status(void *context, const char *text) {
    const struct launcher *launcher = context;
    if (!launcher->interactive)
        return;
    conversation_show(text);
    conversation_show("\n");
}

static void host_log(void *context, int priority, enum bridge_channel channel, const char *text,
                     const char *fields) {
    const struct launcher *launcher = context;
    if (channel == BRIDGE_STDERR)
        complain(launcher, text);
    else if (fields == NULL || launcher->debug || !journal_send(priority, "", text, fields))
        write_log(launcher, priority, "%s", text);
}

static const char *host_abandoned(void *context) {
    (void)context;
    return conversation_gone() ? "the connection is gone" : NULL;
}

/* ---- options ---- */

static bool read_options(struct launcher *launcher, int argc, char **argv) {
    const char *host = NULL;
    int option;
    while ((option = getopt(argc, argv, "+c:df:h:v")) != -1) {
        switch (option) {
        case 'c':
            launcher->config_path = optarg;
            break;
        case 'd':
            launcher->debug = true;
            break;
        case 'f':
            launcher->duo_user = optarg;
            break;
        case 'h':
            host = optarg;
            break;
        case 'v':
            fprintf(stderr, PROGRAM " %s\n", DUO_TS_RELEASE);
            return false;
        default:
            fprintf(stderr, USAGE "\n");
            return false;
        }
    }
    if (launcher->duo_user != NULL && launcher->duo_user[0] == '\0') {
        fprintf(stderr, "need username to authenticate\n");
        return false;
    }
    bool chosen = launcher->config_path != NULL || launcher->duo_user != NULL;
    if (chosen && launcher->caller.privileged && launcher->caller.uid != 0) {
        fprintf(stderr, "Only root may specify -c or -f\n");
        return false;
    }
    if (launcher->config_path == NULL)
        launcher->config_path = DEFAULT_CONFIG;
    environment_client(&launcher->environment, launcher->client, sizeof launcher->client);
    if (launcher->client[0] == '\0' && host != NULL)
        snprintf(launcher->client, sizeof launcher->client, "%s", host);

    const char *original = launcher->environment.ssh_original_command;
    launcher->interactive = isatty(STDIN_FILENO) == 1 && original == NULL;
    /* The administrator's command takes precedence over the client's. */
    launcher->command = argv[optind] == NULL ? original : shell_join(argv + optind);
    if (argv[optind] != NULL && launcher->command == NULL) {
        fprintf(stderr, PROGRAM ": out of memory\n");
        return false;
    }
    return true;
}

/* ---- as root, if this program is setuid ---- */

static bool find_user(struct launcher *launcher) {
    uid_t uid;
    gid_t gid;
    if (!account_by_uid(&launcher->account, launcher->caller.uid)) {
        complain(launcher, launcher->account.error != NULL ? launcher->account.error : "Who are you?");
        return false;
    }
    if (launcher->caller.privileged && !account_ids(BRIDGE_PRIVATE_USER, &uid, &gid)) {
        complain(launcher, "User '" BRIDGE_PRIVATE_USER "' not found");
        return false;
    }
    return true;
}

/* Blocked during the login: bridge and prompt look for pending signals. */
static bool hold_signals(struct launcher *launcher) {
    sigset_t held;
    sigemptyset(&held);
    sigaddset(&held, SIGINT);
    sigaddset(&held, SIGQUIT);
    sigaddset(&held, SIGTERM);
    sigaddset(&held, SIGHUP);
    return sigprocmask(SIG_BLOCK, &held, &launcher->signals) == 0;
}

/* Reads the configuration, finds an engine and sends the facts. NULL: the error was reported. */
static struct bridge *start(struct launcher *launcher, const struct bridge_host *host,
                            struct bridge_verdict *verdict) {
    struct bridge_facts facts = {
        .program = PROGRAM,
        .service = PROGRAM,
        .user = launcher->account.name,
        .rhost = launcher->client[0] == '\0' ? NULL : launcher->client,
        .tty = launcher->interactive ? ttyname(STDIN_FILENO) : NULL,
        .no_conversation = !launcher->interactive,
        .caller_uid = launcher->caller.uid,
        .account = launcher->account,
        .caller = launcher->account,
        .command = launcher->command,
        .duo_user = launcher->duo_user,
        .env_factor = launcher->environment.factor,
        .config_path = launcher->config_path,
    };
    const struct bridge_engines engines = {.path = DUO_TS_ENGINE, .socket = DUO_TS_SOCKET};
    struct config_file config = {NULL, 0};
    struct bridge *bridge = NULL;
    char *host_name = NULL;
    char why[512];

    if (launcher->debug)
        write_log(launcher, LOG_INFO, "Loading config file %s", launcher->config_path);
    if (!config_file_read(&config, launcher->config_path, why, sizeof why)) {
        complain(launcher, why);
        goto out;
    }
    facts.config_text = config.text;
    facts.config_length = config.length;
    facts.login_uid_known = login_uid_read(&facts.login_uid);
    facts.session_known = login_session_read(&facts.session);
    host_name = account_host_name();
    facts.host_name = host_name == NULL ? "localhost" : host_name;
    bridge = bridge_start(&facts, host, &engines, verdict);
    if (bridge == NULL)
        log_failure(launcher, verdict);
out:
    config_file_free(&config);
    free(host_name);
    environment_forget_factor(&launcher->environment);
    return bridge;
}

/* ---- as the caller ---- */

/* Returns only when the login failed. */
static void log_in(struct launcher *launcher) {
    struct bridge_verdict verdict = {.outcome = BRIDGE_NO_OUTCOME};
    const struct bridge_host host = {
        .context = launcher,
        .prompt = host_prompt,
        .status = host_status,
        .log = host_log,
        .abandoned = host_abandoned,
    };
    /* Slightly longer than the engine's own limit, whose message is better. */
    launcher->patience_ends = system_now() + BRIDGE_DEADLINE_MS - BRIDGE_ENGINE_MARGIN_MS + 1000;
    struct bridge *bridge = start(launcher, &host, &verdict);
    if (bridge == NULL)
        return;
    if (!privileges_drop(&launcher->caller)) {
        char why[128];
        snprintf(why, sizeof why, "couldn't drop privileges: %s", strerror(errno));
        complain(launcher, why);
        /* The engine ends with this process. */
        return;
    }
    environment_restore(&launcher->environment);
    bridge_finish(bridge);
    if (verdict.signal != 0 && launcher->interactive)
        conversation_show("\n");
    if (!verdict.from_engine)
        log_failure(launcher, &verdict);
    if (!verdict.from_engine || verdict.outcome != BRIDGE_PASS)
        return;
    if (verdict.motd && launcher->interactive)
        shell_show_motd();
    /* A pending signal ends this process here, instead of the shell. */
    if (sigprocmask(SIG_SETMASK, &launcher->signals, NULL) < 0)
        return;
    shell_execute(launcher->account.shell, launcher->command);
    fprintf(stderr, "%s: %s\n", launcher->account.shell, strerror(errno));
}

int main(int argc, char **argv) {
    static struct launcher launcher;
    if (argc < 1 || !system_secure_descriptors())
        return EXIT_FAILURE;
    environment_take(&launcher.environment);
    openlog(PROGRAM, LOG_PID, LOG_AUTHPRIV);
    if (!privileges_caller(&launcher.caller)) {
        fprintf(stderr, PROGRAM " may be setuid to root only\n");
        return EXIT_FAILURE;
    }
    if (!read_options(&launcher, argc, argv))
        return EXIT_FAILURE;
    if (!hold_signals(&launcher) || !privileges_hold(&launcher.caller)) {
        fprintf(stderr, PROGRAM ": %s\n", strerror(errno));
        return EXIT_FAILURE;
    }
    if (find_user(&launcher))
        log_in(&launcher);
    return EXIT_FAILURE;
}

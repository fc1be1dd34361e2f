/* pam_duo_ts.so: the entry points of PAM. Sends facts, relays the conversation, and maps one verdict to a PAM
 * code. */
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#define PAM_SM_AUTH
#define PAM_SM_ACCOUNT
#define PAM_SM_SESSION
#define PAM_SM_PASSWORD
#include <security/pam_appl.h>
#include <security/pam_ext.h>
#include <security/pam_modules.h>

#include "account.h"
#include "bridge.h"
#include "config_file.h"
#include "journal.h"
#include "login_uid.h"
#include "sentence.h"

#define DEFAULT_CONFIG "/etc/duo/pam_duo.conf"
#define EXPORT __attribute__((visibility("default")))

struct module {
    pam_handle_t *pamh;
    const char *config_path;
    struct bridge_engines engines;
    bool debug;
    bool silent;
};

/* ---- the log ---- */

static void __attribute__((format(printf, 3, 4)))
write_log(const struct module *module, int priority, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    if (module->debug) {
        char line[2048];
        vsnprintf(line, sizeof line, format, arguments);
        fprintf(stderr, "[%d] %s\n", priority, line);
    } else {
        pam_vsyslog(module->pamh, LOG_AUTHPRIV | priority, format, arguments);
    }
    va_end(arguments);
}

static void log_failure(const struct module *module, int priority, const char *message, const char *user,
                        const char *rhost, const char *why) {
    char line[1200];
    sentence_failure(line, sizeof line, message, user, rhost, why);
    write_log(module, priority, "%s", line);
}

/* The line as pam_syslog writes it, with fields. False: journald does not listen. */
static bool journal_log(const struct module *module, int priority, const char *text, const char *fields) {
    char prefix[256];
    const void *service = NULL;
    if (pam_get_item(module->pamh, PAM_SERVICE, &service) != PAM_SUCCESS || service == NULL)
        return false;
    snprintf(prefix, sizeof prefix, "pam_duo_ts(%s:auth): ", (const char *)service);
    return journal_send(priority, prefix, text, fields);
}

/* ---- calls from the engine ---- */

static char *host_prompt(void *context, const char *text) {
    struct module *module = context;
    char *answer = NULL;
    if (pam_prompt(module->pamh, PAM_PROMPT_ECHO_ON, &answer, "%s", text) != PAM_SUCCESS) {
        free(answer);
        return NULL;
    }
    return answer;
}

static void host_status(void *context, const char *text) {
    struct module *module = context;
    (void)pam_info(module->pamh, "%s", text);
}

static void host_log(void *context, int priority, enum bridge_channel channel, const char *text,
                     const char *fields) {
    struct module *module = context;
    if (channel == BRIDGE_STDERR)
        fprintf(stderr, "%s\n", text);
    else if (fields == NULL || module->debug || !journal_log(module, priority, text, fields))
        write_log(module, priority, "%s", text);
}

/* ---- facts ---- */

/* The value of an argument NAME=VALUE, or NULL. */
static const char *value_of(const char *argument, const char *name) {
    size_t length = strlen(name);
    return strncmp(argument, name, length) == 0 && argument[length] == '=' ? argument + length + 1 : NULL;
}

/* False: an argument is invalid. All invalid ones are logged. */
static bool read_arguments(struct module *module, int argc, const char **argv) {
    bool good = true;
    for (int i = 0; i < argc; i++) {
        if (strcmp(argv[i], "debug") == 0)
            module->debug = true;
    }
    for (int i = 0; i < argc; i++) {
        const char *config = value_of(argv[i], "conf");
        const char *engine = value_of(argv[i], "engine");
        const char *socket = value_of(argv[i], "socket");
        if (config != NULL) {
            module->config_path = strcmp(config, "none") == 0 ? NULL : config;
        } else if (engine != NULL && engine[0] == '/') {
            module->engines.path = engine;
        } else if (socket != NULL && (socket[0] == '/' || strcmp(socket, "none") == 0)) {
            module->engines.socket = socket[0] == '/' ? socket : NULL;
        } else if (strcmp(argv[i], "debug") != 0) {
            write_log(module, LOG_ERR, "Invalid pam_duo option: '%s'", argv[i]);
            good = false;
        }
    }
    return good;
}

static const char *text_item(pam_handle_t *pamh, int item) {
    const void *value = NULL;
    return pam_get_item(pamh, item, &value) == PAM_SUCCESS ? value : NULL;
}

static bool has_conversation(pam_handle_t *pamh) {
    const void *value = NULL;
    if (pam_get_item(pamh, PAM_CONV, &value) != PAM_SUCCESS || value == NULL)
        return false;
    return ((const struct pam_conv *)value)->conv != NULL;
}

/* ---- whether this PAM transaction has passed before ---- */

#define PASSED "pam_duo_ts_passed"

static void free_passed(pam_handle_t *pamh, void *user, int status) {
    (void)pamh, (void)status;
    free(user);
}

/* Without memory, the next login asks Duo again. */
static void note_passed(pam_handle_t *pamh, const char *user) {
    char *copy = strdup(user);
    if (copy != NULL && pam_set_data(pamh, PASSED, copy, free_passed) != PAM_SUCCESS)
        free(copy);
}

static bool has_passed(pam_handle_t *pamh, const char *user) {
    const void *passed = NULL;
    return pam_get_data(pamh, PASSED, &passed) == PAM_SUCCESS && passed != NULL && strcmp(passed, user) == 0;
}

/* ---- the login ---- */

/* The codes of Duo's own module, to which existing stacks refer. Codes that stacks commonly ignore
 * (PAM_AUTHINFO_UNAVAIL, PAM_CRED_UNAVAIL, PAM_IGNORE) would let denied users in. */
static int pam_code(enum bridge_outcome outcome) {
    switch (outcome) {
    case BRIDGE_PASS:
        return PAM_SUCCESS;
    case BRIDGE_MAX_TRIES:
        return PAM_MAXTRIES;
    case BRIDGE_DENIED:
    case BRIDGE_ABORTED:
        return PAM_ABORT;
    case BRIDGE_USER_UNKNOWN:
        return PAM_USER_UNKNOWN;
    case BRIDGE_NO_OUTCOME:
    case BRIDGE_SERVICE_ERROR:
        break;
    }
    return PAM_SERVICE_ERR;
}

static int run_login(struct module *module, const char *user) {
    struct bridge_facts facts = {.program = "pam", .user = user};
    const struct bridge_host host = {
        .context = module, .prompt = host_prompt, .status = host_status, .log = host_log};
    struct config_file config = {NULL, 0};
    struct bridge_verdict verdict = {.outcome = BRIDGE_NO_OUTCOME};
    struct bridge_engines engines = module->engines;
    char *host_name = NULL;
    char why[512];

    facts.service = text_item(module->pamh, PAM_SERVICE);
    facts.rhost = text_item(module->pamh, PAM_RHOST);
    facts.tty = text_item(module->pamh, PAM_TTY);
    facts.ruser = text_item(module->pamh, PAM_RUSER);
    facts.silent = module->silent;
    facts.no_conversation = !has_conversation(module->pamh);
    facts.caller_uid = getuid();
    facts.login_uid_known = login_uid_read(&facts.login_uid);
    facts.session_known = login_session_read(&facts.session);
    if (facts.service == NULL) {
        log_failure(module, LOG_ERR, "Error in Duo login", user, facts.rhost, "the host named no service");
        goto out;
    }
    if (module->config_path == NULL) {
        /* The resident engine has the configuration. */
        engines.path = NULL;
    } else if (config_file_read(&config, module->config_path, why, sizeof why)) {
        facts.config_path = module->config_path;
        facts.config_text = config.text;
        facts.config_length = config.length;
    } else if (errno == EACCES && geteuid() != 0 && engines.socket != NULL &&
               access(engines.socket, F_OK) == 0) {
        /* The resident engine has the configuration, and lets this process's user authenticate if the
         * administrator allows it. */
        engines.path = NULL;
    } else {
        write_log(module, LOG_ERR, "%s", why);
        goto out;
    }
    (void)account_by_name(&facts.account, user);
    (void)account_by_uid(&facts.caller, facts.caller_uid);
    facts.auth_info = pam_getenv(module->pamh, "SSH_AUTH_INFO_0");
    facts.passed_before = has_passed(module->pamh, user);
    /* Set by sudo; every other service ignores it. */
    facts.command = getenv("SUDO_COMMAND");
    host_name = account_host_name();
    facts.host_name = host_name == NULL ? "localhost" : host_name;

    bridge_login(&facts, &host, &engines, &verdict);
    if (verdict.outcome == BRIDGE_PASS && verdict.code == 0)
        note_passed(module->pamh, user);
    if (!verdict.from_engine)
        log_failure(module, verdict.signal != 0 ? LOG_WARNING : LOG_ERR,
                    verdict.signal != 0 ? "Aborted Duo login" : "Error in Duo login", user, facts.rhost,
                    verdict.error);
out:
    config_file_free(&config);
    account_free(&facts.account);
    account_free(&facts.caller);
    free(host_name);
    return pam_code(verdict.outcome);
}

EXPORT int pam_sm_authenticate(pam_handle_t *pamh, int flags, int argc, const char **argv) {
    struct module module = {
        .pamh = pamh,
        .config_path = DEFAULT_CONFIG,
        .engines = {.path = DUO_TS_ENGINE, .socket = geteuid() == 0 ? DUO_TS_SOCKET : DUO_TS_USERS_SOCKET},
        .silent = (flags & PAM_SILENT) != 0,
    };
    const char *user = NULL;

    if (!read_arguments(&module, argc, argv))
        return PAM_SERVICE_ERR;
    int got = pam_get_user(pamh, &user, NULL);
    if (got == PAM_CONV_AGAIN)
        return PAM_INCOMPLETE;
    if (got != PAM_SUCCESS || user == NULL || user[0] == '\0') {
        write_log(&module, LOG_ERR, "Error in Duo login: the host named no user");
        return PAM_USER_UNKNOWN;
    }
    return run_login(&module, user);
}

/* A second factor has no credentials to set. */
EXPORT int pam_sm_setcred(pam_handle_t *pamh, int flags, int argc, const char **argv) {
    (void)pamh, (void)flags, (void)argc, (void)argv;
    return PAM_SUCCESS;
}

EXPORT int pam_sm_acct_mgmt(pam_handle_t *pamh, int flags, int argc, const char **argv) {
    (void)pamh, (void)flags, (void)argc, (void)argv;
    return PAM_SUCCESS;
}

EXPORT int pam_sm_open_session(pam_handle_t *pamh, int flags, int argc, const char **argv) {
    (void)pamh, (void)flags, (void)argc, (void)argv;
    return PAM_SUCCESS;
}

EXPORT int pam_sm_close_session(pam_handle_t *pamh, int flags, int argc, const char **argv) {
    (void)pamh, (void)flags, (void)argc, (void)argv;
    return PAM_SUCCESS;
}

/* There is no password to change. */
EXPORT int pam_sm_chauthtok(pam_handle_t *pamh, int flags, int argc, const char **argv) {
    (void)flags, (void)argc, (void)argv;
    pam_syslog(pamh, LOG_AUTHPRIV | LOG_ERR,
               "pam_duo_ts keeps no passwords: it belongs into auth lines alone");
    return PAM_AUTHTOK_ERR;
}

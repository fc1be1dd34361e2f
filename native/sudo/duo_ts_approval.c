/* duo_ts_approval.so: an approval plugin of sudo's. Asks Duo about each command that sudo's rules allow, also
 * where sudo asks PAM nothing: NOPASSWD and cached credentials. */
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sudo_plugin.h>
#include <syslog.h>

#include "account.h"
#include "bridge.h"
#include "config_file.h"
#include "journal.h"
#include "login_uid.h"
#include "sentence.h"

#define NAME "duo_ts_approval"
#define DEFAULT_CONFIG "/etc/duo/pam_duo.conf"
/* More than Duo shows. */
#define MAX_COMMAND 4096

/* sudo loads a plugin once, and gives no context to its functions. */
static struct plugin {
    sudo_conv_t conversation;
    sudo_printf_t print;
    const char *config_path;
    struct bridge_engines engines;
    const char *user;
    const char *uid;
    const char *tty;
    char error[640];
} plugin;

static void write_log(int priority, const char *text) {
    syslog(LOG_AUTHPRIV | priority, NAME ": %s", text);
}

/* Denies the command with a reason for the user. sudo itself shows and logs it only in parts of its releases.
 */
static int refuse(const char **errstr, const char *why) {
    snprintf(plugin.error, sizeof plugin.error, NAME ": %s", why);
    *errstr = plugin.error;
    (void)plugin.print(SUDO_CONV_ERROR_MSG, "%s\n", plugin.error);
    return 0;
}

/* ---- calls from the engine ---- */

static char *host_prompt(void *context, const char *text) {
    const struct sudo_conv_message message = {
        .msg_type = SUDO_CONV_PROMPT_ECHO_ON | SUDO_CONV_PREFER_TTY, .timeout = 0, .msg = text};
    struct sudo_conv_reply reply = {NULL};
    (void)context;
    if (plugin.conversation(1, &message, &reply, NULL) == 0)
        return reply.reply;
    free(reply.reply);
    return NULL;
}

static void host_status(void *context, const char *text) {
    char line[8200];
    const struct sudo_conv_message message = {
        .msg_type = SUDO_CONV_INFO_MSG | SUDO_CONV_PREFER_TTY, .timeout = 0, .msg = line};
    struct sudo_conv_reply reply = {NULL};
    (void)context;
    snprintf(line, sizeof line, "%s\n", text);
    (void)plugin.conversation(1, &message, &reply, NULL);
    free(reply.reply);
}

static void host_log(void *context, int priority, enum bridge_channel channel, const char *text,
                     const char *fields) {
    (void)context;
    if (channel == BRIDGE_STDERR)
        fprintf(stderr, "%s\n", text);
    else if (fields == NULL || !journal_send(priority, NAME ": ", text, fields))
        write_log(priority, text);
}

/* ---- facts ---- */

/* The value of NAME=VALUE in a list of sudo's, or NULL. */
static const char *value_of(char *const list[], const char *name) {
    size_t length = strlen(name);
    for (size_t i = 0; list != NULL && list[i] != NULL; i++) {
        if (strncmp(list[i], name, length) == 0 && list[i][length] == '=')
            return list[i] + length + 1;
    }
    return NULL;
}

/* The command with its arguments, cut to fit. */
static void put_command(char *line, size_t size, const char *path, char *const arguments[]) {
    size_t length = (size_t)snprintf(line, size, "%s", path == NULL ? "" : path);
    for (size_t i = 1; arguments != NULL && arguments[0] != NULL && arguments[i] != NULL && length < size;
         i++)
        length += (size_t)snprintf(line + length, size - length, " %s", arguments[i]);
}

/* ---- sudo's calls ---- */

static int plugin_open(unsigned int version, sudo_conv_t conversation, sudo_printf_t print,
                       char *const settings[], char *const user_info[], int optind, char *const argv[],
                       char *const envp[], char *const options[], const char **errstr) {
    (void)settings, (void)optind, (void)argv, (void)envp;
    plugin = (struct plugin){
        .conversation = conversation,
        .print = print,
        .config_path = DEFAULT_CONFIG,
        .engines = {.path = DUO_TS_ENGINE, .socket = DUO_TS_SOCKET},
        .user = value_of(user_info, "user"),
        .uid = value_of(user_info, "uid"),
        .tty = value_of(user_info, "tty"),
    };
    if (SUDO_API_VERSION_GET_MAJOR(version) != SUDO_API_VERSION_MAJOR)
        return -1;
    for (size_t i = 0; options != NULL && options[i] != NULL; i++) {
        char *const one[] = {options[i], NULL};
        const char *config = value_of(one, "conf");
        const char *engine = value_of(one, "engine");
        const char *socket = value_of(one, "socket");
        if (config != NULL && config[0] == '/') {
            plugin.config_path = config;
        } else if (engine != NULL && engine[0] == '/') {
            plugin.engines.path = engine;
        } else if (socket != NULL && (socket[0] == '/' || strcmp(socket, "none") == 0)) {
            plugin.engines.socket = socket[0] == '/' ? socket : NULL;
        } else {
            char why[300];
            snprintf(why, sizeof why, "Invalid " NAME " option: '%.200s'", options[i]);
            write_log(LOG_ERR, why);
            (void)refuse(errstr, why);
            return -1;
        }
    }
    return 1;
}

static int plugin_check(char *const command_info[], char *const run_argv[], char *const run_envp[],
                        const char **errstr) {
    char command[MAX_COMMAND];
    struct bridge_facts facts = {
        .program = "pam", .service = "sudo", .user = plugin.user, .command = command};
    const struct bridge_host host = {.prompt = host_prompt, .status = host_status, .log = host_log};
    struct bridge_verdict verdict = {.outcome = BRIDGE_NO_OUTCOME};
    struct config_file config = {NULL, 0};
    char *host_name = NULL;
    char why[512];
    int result = 0;

    (void)run_envp;
    /* sudo's word: its real uid may be another one by now. */
    char *end = NULL;
    unsigned long uid = plugin.uid == NULL ? 0 : strtoul(plugin.uid, &end, 10);
    if (plugin.user == NULL || end == NULL || end == plugin.uid || *end != '\0')
        return refuse(errstr, "sudo named no user");
    /* sudo never authenticates root. */
    if (uid == 0)
        return 1;
    put_command(command, sizeof command, value_of(command_info, "command"), run_argv);
    if (!config_file_read(&config, plugin.config_path, why, sizeof why)) {
        write_log(LOG_ERR, why);
        result = refuse(errstr, why);
        goto out;
    }
    facts.config_path = plugin.config_path;
    facts.config_text = config.text;
    facts.config_length = config.length;
    facts.tty = plugin.tty;
    facts.ruser = plugin.user;
    facts.caller_uid = (uid_t)uid;
    facts.login_uid_known = login_uid_read(&facts.login_uid);
    facts.session_known = login_session_read(&facts.session);
    (void)account_by_name(&facts.account, plugin.user);
    (void)account_by_uid(&facts.caller, facts.caller_uid);
    host_name = account_host_name();
    facts.host_name = host_name == NULL ? "localhost" : host_name;
    bridge_login(&facts, &host, &plugin.engines, &verdict);
    if (!verdict.from_engine) {
        char line[1200];
        sentence_failure(line, sizeof line, verdict.signal != 0 ? "Aborted Duo login" : "Error in Duo login",
                         plugin.user, NULL, verdict.error);
        write_log(verdict.signal != 0 ? LOG_WARNING : LOG_ERR, line);
    }
    if (verdict.outcome == BRIDGE_PASS)
        result = 1;
    else
        result = refuse(errstr, "Duo has not approved this command");
out:
    config_file_free(&config);
    account_free(&facts.account);
    account_free(&facts.caller);
    free(host_name);
    return result;
}

static int plugin_version(int verbose) {
    (void)verbose;
    printf(NAME " %s\n", DUO_TS_RELEASE);
    return 1;
}

__attribute__((visibility("default"))) struct approval_plugin duo_ts_approval = {
    .type = SUDO_APPROVAL_PLUGIN,
    .version = SUDO_API_VERSION,
    .open = plugin_open,
    .check = plugin_check,
    .show_version = plugin_version,
};

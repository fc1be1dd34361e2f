#include "facts.h"

#include <stddef.h>
#include <string.h>

/* More of a command than Duo accepts, but short enough for the frame. */
#define MAX_COMMAND 32768

/* Cuts at the end of a character. */
static void put_command(struct frame_writer *frame, const char *command) {
    if (command == NULL)
        return;
    size_t length = strlen(command);
    if (length > MAX_COMMAND) {
        length = MAX_COMMAND;
        for (int i = 0; i < 3 && ((unsigned char)command[length] & 0xc0) == 0x80; i++)
            length--;
    }
    frame_bytes(frame, TAG_COMMAND, command, length);
}

static void put_account(struct frame_writer *frame, const struct account *account,
                        const enum frame_tag tags[3]) {
    frame_text(frame, tags[0], account->name);
    frame_text(frame, tags[1], account->gecos);
    frame_text(frame, tags[2], account->error);
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

void facts_put_hello(struct frame_writer *frame) {
    frame_begin(frame, FRAME_HOST_HELLO);
    frame_number(frame, TAG_VERSION, FRAME_VERSION);
    frame_text(frame, TAG_RELEASE, DUO_TS_RELEASE);
}

void facts_put(struct frame_writer *frame, const struct bridge_facts *facts, uint32_t deadline) {
    static const enum frame_tag account_tags[] = {TAG_ACCOUNT_NAME, TAG_ACCOUNT_GECOS, TAG_ACCOUNT_ERROR};
    static const enum frame_tag caller_tags[] = {TAG_CALLER_NAME, TAG_CALLER_GECOS, TAG_CALLER_ERROR};
    frame_begin(frame, FRAME_FACTS);
    frame_text(frame, TAG_PROGRAM, facts->program);
    frame_text(frame, TAG_SERVICE, facts->service);
    frame_text(frame, TAG_USER, facts->user);
    frame_text(frame, TAG_RHOST, facts->rhost);
    frame_text(frame, TAG_TTY, facts->tty);
    frame_text(frame, TAG_RUSER, facts->ruser);
    frame_number(frame, TAG_FLAGS,
                 (facts->silent ? 1u : 0u) | (facts->no_conversation ? 2u : 0u) |
                     (facts->passed_before ? 4u : 0u));
    frame_number(frame, TAG_CALLER_UID, facts->caller_uid);
    if (facts->login_uid_known)
        frame_number(frame, TAG_LOGIN_UID, facts->login_uid);
    if (facts->session_known)
        frame_number(frame, TAG_SESSION, facts->session);
    frame_text(frame, TAG_AUTH_INFO, facts->auth_info);
    if (facts->account.name != NULL)
        frame_number(frame, TAG_ACCOUNT_UID, facts->account.uid);
    put_account(frame, &facts->account, account_tags);
    put_account(frame, &facts->caller, caller_tags);
    put_command(frame, facts->command);
    frame_text(frame, TAG_CONFIG_PATH, facts->config_path);
    if (facts->config_text != NULL)
        frame_bytes(frame, TAG_CONFIG_TEXT, facts->config_text, facts->config_length);
    frame_text(frame, TAG_HOST_NAME, facts->host_name);
    frame_number(frame, TAG_DEADLINE, deadline);
    frame_text(frame, TAG_DUO_USER, facts->duo_user);
    frame_text(frame, TAG_ENV_FACTOR, facts->env_factor);
    if (facts->application != NULL)
        put_application(frame, facts->application);
}

void facts_put_groups(struct frame_writer *frame, const struct account_groups *groups) {
    frame_begin(frame, FRAME_GROUPS);
    for (size_t i = 0; i < groups->count; i++)
        frame_text(frame, TAG_GROUP, groups->names[i]);
    frame_text(frame, TAG_GROUPS_ERROR, groups->error);
}

/* duo_login: sends facts to the engine, its prompts to the program, and returns its verdict as a duo_code_t.
 */
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "account.h"
#include "bridge.h"
#include "frame.h"
#include "handle.h"

#define EXPORT __attribute__((visibility("default")))

/* Longer than any factor, so that the engine notices longer answers. */
#define ANSWER_SIZE 1024

static duo_code_t __attribute__((format(printf, 3, 4)))
fail(duo_t *d, duo_code_t code, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(d->error, sizeof d->error, format, arguments);
    va_end(arguments);
    return code;
}

/* ---- calls from the engine ---- */

static char *host_prompt(void *context, const char *text) {
    const duo_t *d = context;
    char answer[ANSWER_SIZE] = "";
    char *copy = NULL;
    if (d->prompt != NULL && d->prompt(d->conv_arg, text, answer, sizeof answer) != NULL) {
        answer[sizeof answer - 1] = '\0';
        copy = strdup(answer);
    }
    explicit_bzero(answer, sizeof answer);
    return copy;
}

static void host_status(void *context, const char *text) {
    const duo_t *d = context;
    if (d->status != NULL)
        d->status(d->conv_arg, text);
}

/* The program decides whether to log: it has the code and duo_geterr. */
static void host_log(void *context, int priority, enum bridge_channel channel, const char *text,
                     const char *fields) {
    (void)context, (void)priority, (void)channel, (void)text, (void)fields;
}

/* ---- the login ---- */

/* The verdict as a code. DUO_OK needs both the outcome and the code of the engine's verdict. */
static duo_code_t judge(duo_t *d, const struct bridge_verdict *verdict) {
    if (!verdict->from_engine)
        return fail(d, verdict->signal != 0 ? DUO_ABORT : DUO_LIB_ERROR, "%s", verdict->error);
    if ((verdict->outcome == BRIDGE_PASS) != (verdict->code == DUO_OK))
        return fail(d, DUO_LIB_ERROR, "the engine violated the protocol: a verdict that contradicts itself");
    switch (verdict->code) {
    case DUO_OK:
        return fail(d, DUO_OK, "%s", "");
    case DUO_FAIL:
    case DUO_ABORT:
    case DUO_CONN_ERROR:
    case DUO_CLIENT_ERROR:
    case DUO_SERVER_ERROR:
        return fail(d, (duo_code_t)verdict->code, "%s", verdict->error);
    default:
        return fail(d, DUO_LIB_ERROR, "%s", verdict->error);
    }
}

static const char *not_a_text(const duo_t *d, const char *username) {
    const struct {
        const char *name;
        const char *value;
    } texts[] = {{"username", username}, {"progname", d->progname}, {"ikey", d->ikey},
                 {"skey", d->skey},      {"hostname", d->host},     {"proxy", d->http_proxy}};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        if (texts[i].value != NULL && !frame_is_text(texts[i].value))
            return texts[i].name;
    }
    return NULL;
}

static duo_code_t run_login(duo_t *d, const char *username, const char *client_ip, int flags,
                            const char *command) {
    const struct bridge_application application = {
        .ikey = d->ikey,
        .skey = d->skey,
        .host = d->host,
        .authorities = d->authorities,
        .verify = d->verify,
        .http_proxy = d->http_proxy,
        .https_timeout = d->timeout,
        .flags = (uint32_t)flags,
    };
    struct bridge_facts facts = {
        .program = "libduo",
        .service = d->progname,
        .user = username,
        .rhost = client_ip,
        .no_conversation = d->prompt == NULL,
        .caller_uid = getuid(),
        .command = command,
        .application = &application,
    };
    const struct bridge_host host = {
        .context = d, .prompt = host_prompt, .status = host_status, .log = host_log};
    struct bridge_verdict verdict = {.outcome = BRIDGE_NO_OUTCOME};
    char *host_name = account_host_name();
    facts.host_name = host_name == NULL || !frame_is_text(host_name) ? "localhost" : host_name;
    const struct bridge_engines engines = {.path = d->engine_path, .socket = d->engine_socket};
    bridge_login(&facts, &host, &engines, &verdict);
    free(host_name);
    return judge(d, &verdict);
}

EXPORT duo_code_t duo_login(duo_t *d, const char *username, const char *client_ip, int flags,
                            const char *command) {
    if (d == NULL)
        return DUO_LIB_ERROR;
    d->error[0] = '\0';
    if (d->out_of_memory)
        return fail(d, DUO_LIB_ERROR, "there was no memory for a setting of this handle");
    if (d->authorities_unusable)
        return fail(d, DUO_LIB_ERROR, "the certificate authorities can't be used");
    if (username == NULL || username[0] == '\0')
        return fail(d, DUO_CLIENT_ERROR, "need username to authenticate");
    if (d->host == NULL || d->host[0] == '\0')
        return fail(d, DUO_CLIENT_ERROR, "need the application's API host to authenticate: see duo_set_host");
    if ((flags & ~(DUO_FLAG_SYNC | DUO_FLAG_AUTO)) != 0)
        return fail(d, DUO_CLIENT_ERROR, "unknown flags: %#x", (unsigned int)flags);
    if (d->prompt == NULL && (flags & DUO_FLAG_AUTO) == 0)
        return fail(d, DUO_CLIENT_ERROR, "need a conv_prompt or DUO_FLAG_AUTO: nobody can be asked");
    const char *name = not_a_text(d, username);
    if (name != NULL)
        return fail(d, DUO_CLIENT_ERROR, "%s is not UTF-8", name);
    return run_login(d, username, client_ip, flags, command);
}

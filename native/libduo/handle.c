#include "handle.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "authorities.h"
#include "bridge.h"
#include "conversation.h"

#define EXPORT __attribute__((visibility("default")))

static void forget(char **text) {
    if (*text != NULL) {
        explicit_bzero(*text, strlen(*text));
        free(*text);
    }
    *text = NULL;
}

/* Copies value (may be NULL) into the setting. */
static void keep(duo_t *d, char **setting, const char *value) {
    char *copy = value == NULL ? NULL : strdup(value);
    forget(setting);
    *setting = copy;
    if (value != NULL && copy == NULL)
        d->out_of_memory = true;
}

EXPORT duo_t *duo_open(const char *ikey, const char *skey, const char *progname, const char *cafile) {
    duo_t *d = NULL;
    if (ikey == NULL || ikey[0] == '\0' || skey == NULL || skey[0] == '\0') {
        errno = EINVAL;
        return NULL;
    }
    d = calloc(1, sizeof *d);
    if (d == NULL)
        return NULL;
    d->verify = true;
    d->prompt = conversation_prompt;
    d->status = conversation_status;
    d->engine_path = DUO_TS_ENGINE;
    d->engine_socket = DUO_TS_SOCKET;
    keep(d, &d->ikey, ikey);
    keep(d, &d->skey, skey);
    keep(d, &d->progname, progname == NULL || progname[0] == '\0' ? "libduo_ts" : progname);
    int error = ENOMEM;
    if (!d->out_of_memory && cafile != NULL) {
        d->authorities = authorities_read(cafile);
        error = errno;
    }
    if (d->out_of_memory || (cafile != NULL && d->authorities == NULL)) {
        duo_close(d);
        errno = error;
        return NULL;
    }
    return d;
}

EXPORT void duo_set_conv_funcs(duo_t *d, duo_prompt conv_prompt, duo_status conv_status, void *conv_arg) {
    if (d == NULL)
        return;
    d->error[0] = '\0';
    d->prompt = conv_prompt;
    d->status = conv_status;
    d->conv_arg = conv_arg;
}

EXPORT void duo_set_host(duo_t *d, const char *hostname) {
    if (d == NULL)
        return;
    d->error[0] = '\0';
    keep(d, &d->host, hostname);
}

EXPORT void duo_set_ssl_verify(duo_t *d, int verify) {
    if (d == NULL)
        return;
    d->error[0] = '\0';
    d->verify = verify != 0;
}

EXPORT void duo_set_http_proxy(duo_t *d, const char *proxy) {
    if (d == NULL)
        return;
    d->error[0] = '\0';
    keep(d, &d->http_proxy, proxy);
}

EXPORT void duo_set_timeout(duo_t *d, unsigned int seconds) {
    if (d == NULL)
        return;
    d->error[0] = '\0';
    d->timeout = seconds;
}

EXPORT int duo_set_ca(duo_t *d, const char *pem) {
    const char *why;
    if (d == NULL)
        return -1;
    d->error[0] = '\0';
    d->authorities_unusable = pem != NULL && !authorities_usable(pem, &why);
    if (d->authorities_unusable) {
        snprintf(d->error, sizeof d->error, "the certificate authorities can't be used: %s", why);
        return -1;
    }
    keep(d, &d->authorities, pem);
    if (d->out_of_memory)
        snprintf(d->error, sizeof d->error, "out of memory");
    return d->out_of_memory ? -1 : 0;
}

EXPORT const char *duo_geterr(duo_t *d) {
    return d == NULL ? "there is no Duo API handle" : d->error;
}

EXPORT void duo_close(duo_t *d) {
    if (d == NULL)
        return;
    forget(&d->ikey);
    forget(&d->skey);
    forget(&d->progname);
    forget(&d->host);
    forget(&d->http_proxy);
    forget(&d->authorities);
    explicit_bzero(d, sizeof *d);
    free(d);
}

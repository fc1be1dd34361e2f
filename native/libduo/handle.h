/* What stands behind a duo_t. */
#ifndef HANDLE_H
#define HANDLE_H

#include <stdbool.h>
#include <stdint.h>

#include "duo.h"

typedef char *(*duo_prompt)(void *conv_arg, const char *prompt, char *buf, size_t bufsz);
typedef void (*duo_status)(void *conv_arg, const char *msg);

struct duo {
    char *ikey;
    char *skey;
    char *progname;
    char *host;
    char *http_proxy;
    /* PEM text; NULL: Duo's own authorities. */
    char *authorities;
    bool verify;
    uint32_t timeout;
    duo_prompt prompt;
    duo_status status;
    void *conv_arg;
    /* A setting could not be kept for want of memory: the handle lets nobody in any more. */
    bool out_of_memory;
    /* Authorities were given that can't be used: nobody gets in until usable ones are. */
    bool authorities_unusable;
    /* Where engines are; others only in tests. */
    const char *engine_path;
    const char *engine_socket;
    char error[512];
};

#endif

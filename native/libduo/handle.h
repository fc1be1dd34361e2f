/* The content of a duo_t. */
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
    /* A setting could not be stored for lack of memory: every login fails. */
    bool out_of_memory;
    /* Invalid authorities were set: every login fails until valid ones are set. */
    bool authorities_unusable;
    /* The engines' paths; tests use others. */
    const char *engine_path;
    const char *engine_socket;
    char error[512];
};

#endif

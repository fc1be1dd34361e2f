/*
 * duo(3): Duo's second factor for C and C++ programs. The manual page duo(3) says more of each function.
 *
 * A handle belongs to one thread at a time. Different handles have nothing to do with each other.
 */
#ifndef DUO_H
#define DUO_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A handle: one Duo application and one conversation. */
typedef struct duo duo_t;

/* How a login ended. Only DUO_OK lets the user in. */
typedef enum {
    DUO_OK = 0,           /* the user authenticated */
    DUO_FAIL = 1,         /* the user failed to authenticate */
    DUO_ABORT = 2,        /* the user is denied by policy, or gave no answer */
    DUO_LIB_ERROR = 3,    /* an unexpected error on this host */
    DUO_CONN_ERROR = 4,   /* Duo's service can't be reached */
    DUO_CLIENT_ERROR = 5, /* a parameter can't be used, or Duo refuses the application */
    DUO_SERVER_ERROR = 6  /* an error of Duo's service */
} duo_code_t;

#define DUO_FLAG_SYNC (1 << 0) /* one status message for a whole try */
#define DUO_FLAG_AUTO (1 << 1) /* the user's default factor, without a prompt */

/* Opens a handle; NULL, with errno set, when there is none. progname and cafile may be NULL. */
duo_t *duo_open(const char *ikey, const char *skey, const char *progname, const char *cafile);

/* Sets the conversation, by default the terminal's. duo_login calls both functions in its caller's thread.
 * conv_prompt shows a text and puts the answer into buf (bufsz bytes with the terminating NUL); it returns
 * buf, or NULL when there is no answer. */
void duo_set_conv_funcs(duo_t *d,
                        char *(*conv_prompt)(void *conv_arg, const char *prompt, char *buf, size_t bufsz),
                        void (*conv_status)(void *conv_arg, const char *msg), void *conv_arg);

/* The API host, HOST or HOST:PORT. Every login needs one. */
void duo_set_host(duo_t *d, const char *hostname);

/* Zero: do not verify certificates. Anyone who can answer in Duo's place can then let anybody in. */
void duo_set_ssl_verify(duo_t *d, int verify);

/* Authenticates a user. client_ip NULL is this machine, "" an unknown client; command NULL is none. */
duo_code_t duo_login(duo_t *d, const char *username, const char *client_ip, int flags, const char *command);

/* The description of the last error; "" when there is none, never NULL. Valid until the handle's next call.
 */
const char *duo_geterr(duo_t *d);

/* Zeroes the keys and frees the handle. */
void duo_close(duo_t *d);

/* Extensions, not in Duo's own library. */

/* The HTTP proxy, [http://][user:password@]host[:port][/]; NULL: none. The environment's is never used. */
void duo_set_http_proxy(duo_t *d, const char *proxy);

/* Seconds to wait for a reply; 0, the default: only the login's limit. */
void duo_set_timeout(duo_t *d, unsigned int seconds);

/* The trusted certificate authorities as PEM text; NULL: Duo's. Returns 0, or -1 when the text holds no
 * certificate: duo_geterr has the reason, and no login succeeds until the function is called with a valid
 * one. */
int duo_set_ca(duo_t *d, const char *pem);

#ifdef __cplusplus
}
#endif

#endif

/* PEM texts of certificate authorities from a program. */
#ifndef AUTHORITIES_H
#define AUTHORITIES_H

#include <stdbool.h>

/* True when the text holds a certificate and fits a frame; the engine checks the certificates. False: *why
 * has the reason. */
bool authorities_usable(const char *pem, const char **why);

/* The file's text, to be freed. NULL: errno has the reason; EINVAL when the file holds no certificate. */
char *authorities_read(const char *path);

#endif

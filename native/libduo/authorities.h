/* PEM texts of certificate authorities that a program brings along. */
#ifndef AUTHORITIES_H
#define AUTHORITIES_H

#include <stdbool.h>

/* True when the text holds a certificate and can be sent to the engine, which judges what the certificates
 * say. Otherwise *why is the reason. */
bool authorities_usable(const char *pem, const char **why);

/* The file's text, to be freed. NULL: errno says why; EINVAL where the file holds no certificate. */
char *authorities_read(const char *path);

#endif

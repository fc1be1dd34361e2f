/* Sends a line to journald with fields, by its native protocol (systemd.io/JOURNAL_NATIVE_PROTOCOL). */
#ifndef DUO_TS_JOURNAL_H
#define DUO_TS_JOURNAL_H

#include <stdbool.h>

/* Logs PREFIX and MESSAGE under this program's name, with facility authpriv. `fields` are lines
 * `DUO_NAME=VALUE`, each with its newline. False: journald does not listen, or a text is not what it should
 * be; nothing was sent. */
bool journal_send(int priority, const char *prefix, const char *message, const char *fields);

#endif

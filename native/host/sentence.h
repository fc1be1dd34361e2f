/* Log lines of the C side, in the form that log parsers expect. */
#ifndef SENTENCE_H
#define SENTENCE_H

#include <stddef.h>

/* MESSAGE for 'USER'[ from HOST]: WHY. Control characters become `?`; rhost may be NULL. */
void sentence_failure(char *line, size_t size, const char *message, const char *user, const char *rhost,
                      const char *why);

#endif

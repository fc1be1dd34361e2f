/* The default conversation: the controlling terminal, or standard input and output. */
#ifndef CONVERSATION_H
#define CONVERSATION_H

#include <stddef.h>

/* conv_prompt and conv_status of duo(3). Echo and signals stay unchanged. */
char *conversation_prompt(void *conv_arg, const char *prompt, char *buf, size_t bufsz);
void conversation_status(void *conv_arg, const char *msg);

#endif

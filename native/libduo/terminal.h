/* The default conversation: the controlling terminal, or standard input and output. */
#ifndef TERMINAL_H
#define TERMINAL_H

#include <stddef.h>

/* conv_prompt and conv_status of duo(3). Echo and signals stay unchanged. */
char *terminal_prompt(void *conv_arg, const char *prompt, char *buf, size_t bufsz);
void terminal_status(void *conv_arg, const char *msg);

#endif

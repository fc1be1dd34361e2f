/* Talking to the person who logs in: status lines and prompts on standard output, answers from standard
 * input. */
#ifndef TERMINAL_H
#define TERMINAL_H

#include <stdbool.h>
#include <stdint.h>

/* Opens /dev/null in place of standard descriptors that are closed: what else would be opened there would be
 * written to. False: that failed. */
bool terminal_secure_descriptors(void);

void terminal_show(const char *text);

/* Shows text and reads a line, without its line break, into malloc'd memory. NULL: there is none, because of
 * the end of file, a signal that is held back, or the end of patience at `until` of system_now. */
char *terminal_ask(const char *text, bool echo, int64_t until);

/* True when nobody is left at the other end of standard input and standard output. */
bool terminal_gone(void);

#endif

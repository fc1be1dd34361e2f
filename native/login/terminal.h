/* The conversation of login_duo: status lines and prompts on standard output, answers from standard input. */
#ifndef TERMINAL_H
#define TERMINAL_H

#include <stdbool.h>
#include <stdint.h>

/* Opens /dev/null for closed standard descriptors, so that no other file gets their numbers. False: that
 * failed. */
bool terminal_secure_descriptors(void);

void terminal_show(const char *text);

/* Shows text and reads a line, without its line break, into malloc'd memory. NULL: end of file, a pending
 * blocked signal, or the time `until` of system_now. */
char *terminal_ask(const char *text, bool echo, int64_t until);

/* True when both standard input and standard output are closed at the other end. */
bool terminal_gone(void);

#endif

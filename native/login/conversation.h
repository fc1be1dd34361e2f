/* The conversation of login_duo: status lines and prompts on standard output, answers from standard input. */
#ifndef CONVERSATION_H
#define CONVERSATION_H

#include <stdbool.h>
#include <stdint.h>

void conversation_show(const char *text);

/* Shows text and reads a line, without its line break, into malloc'd memory. NULL: end of file, a pending
 * blocked signal, or the time `until` of system_now. */
char *conversation_ask(const char *text, int64_t until);

/* True when both standard input and standard output are closed at the other end. */
bool conversation_gone(void);

#endif

/* What a successful login leads to. */
#ifndef SHELL_H
#define SHELL_H

/* The words with a space between each two, as ssh(1) joins them; malloc'd. NULL: there is no memory. */
char *shell_join(char *const words[]);

/* Shows the message of the day, where there is one. */
void shell_show_motd(void);

/* Becomes the shell: a login shell, or one that runs a command (not NULL). Returns only when that failed:
 * errno says why. */
void shell_execute(const char *shell, const char *command);

#endif

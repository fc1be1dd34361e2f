/* The end of a successful login. */
#ifndef SHELL_H
#define SHELL_H

/* Joins the words by single spaces, as ssh(1) does; malloc'd. NULL: out of memory. */
char *shell_join(char *const words[]);

/* Shows the message of the day, if there is one. */
void shell_show_motd(void);

/* Executes the shell: a login shell, or one that runs a command (not NULL). Returns only on failure, with
 * errno. */
void shell_execute(const char *shell, const char *command);

#endif

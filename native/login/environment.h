/* The caller's environment: what login_duo uses, and what the shell gets. */
#ifndef ENVIRONMENT_H
#define ENVIRONMENT_H

struct environment {
    /* The caller's, without DUO_PASSCODE. */
    char **variables;
    /* Values in the caller's memory; NULL: not set. */
    const char *ssh_connection;
    const char *ssh_original_command;
    /* DUO_PASSCODE; NULL when it is not set or empty. */
    char *factor;
};

/* Saves the caller's environment. Until environment_restore this process has an empty one. */
void environment_take(struct environment *taken);

/* Overwrites the factor in this process's memory, where /proc would show it. */
void environment_forget_factor(struct environment *taken);

void environment_restore(const struct environment *taken);

/* The first word of SSH_CONNECTION, cut to the buffer; empty when not set. */
void environment_client(const struct environment *taken, char *address, unsigned long size);

#endif

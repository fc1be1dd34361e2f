/* What the caller's environment says, and the caller's environment for the shell. */
#ifndef ENVIRONMENT_H
#define ENVIRONMENT_H

struct environment {
    /* The caller's, without DUO_PASSCODE. */
    char **variables;
    /* Values, inside the caller's own memory; NULL: not set. */
    const char *ssh_connection;
    const char *ssh_original_command;
    /* DUO_PASSCODE; NULL when it is not set or empty. */
    char *factor;
};

/* Takes the caller's environment away: until environment_restore this process has an empty one. */
void environment_take(struct environment *taken);

/* Overwrites the factor in this process's memory, from where /proc would show it. */
void environment_forget_factor(struct environment *taken);

void environment_restore(const struct environment *taken);

/* The first word of SSH_CONNECTION, cut to the buffer; empty when there is none. */
void environment_client(const struct environment *taken, char *address, unsigned long size);

#endif

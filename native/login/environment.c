#include "environment.h"

#include <string.h>
#include <unistd.h>

/* The variable can occur more than once. */
static void wipe(char *value) {
    explicit_bzero(value, strlen(value));
}

static char *value_of(char *variable, const char *name) {
    size_t length = strlen(name);
    return strncmp(variable, name, length) == 0 && variable[length] == '=' ? variable + length + 1 : NULL;
}

void environment_take(struct environment *taken) {
    static char *none[] = {NULL};
    char **kept = environ;
    memset(taken, 0, sizeof *taken);
    taken->variables = environ;
    for (char **variable = environ; variable != NULL && *variable != NULL; variable++) {
        char *factor = value_of(*variable, "DUO_PASSCODE");
        char *connection = value_of(*variable, "SSH_CONNECTION");
        char *command = value_of(*variable, "SSH_ORIGINAL_COMMAND");
        if (factor != NULL) {
            if (taken->factor == NULL && factor[0] != '\0')
                taken->factor = factor;
            else
                wipe(factor);
            continue;
        }
        if (connection != NULL && taken->ssh_connection == NULL)
            taken->ssh_connection = connection;
        if (command != NULL && taken->ssh_original_command == NULL)
            taken->ssh_original_command = command;
        *kept++ = *variable;
    }
    if (kept != NULL)
        *kept = NULL;
    environ = none;
}

void environment_forget_factor(struct environment *taken) {
    if (taken->factor != NULL)
        wipe(taken->factor);
    taken->factor = NULL;
}

void environment_restore(const struct environment *taken) {
    environ = taken->variables;
}

void environment_client(const struct environment *taken, char *address, unsigned long size) {
    size_t length = 0;
    if (taken->ssh_connection != NULL)
        length = strcspn(taken->ssh_connection, " \t");
    if (length >= size)
        length = size - 1;
    if (length > 0)
        memcpy(address, taken->ssh_connection, length);
    address[length] = '\0';
}

/* Reads a configuration file after checking the open descriptor. */
#ifndef CONFIG_FILE_H
#define CONFIG_FILE_H

#include <stdbool.h>
#include <stddef.h>

struct config_file {
    char *text;
    size_t length;
};

/* Reads the file at path. False: *why has the sentence for the log, and errno is EACCES when this process may
 * not open it. */
bool config_file_read(struct config_file *file, const char *path, char *why, size_t why_size);

/* Zeroes the text, which holds skey. */
void config_file_free(struct config_file *file);

#endif

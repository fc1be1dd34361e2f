/* The files of break-glass codes, which `duo-ts break-glass` makes: one file for each code. */
#ifndef CODE_FILE_H
#define CODE_FILE_H

#include <stdbool.h>
#include <stddef.h>

#ifndef CODE_DIRECTORY
#define CODE_DIRECTORY "/etc/duo/break-glass"
#endif

/* Removes the file of a used code, so that no other login can use it. False: *why has the reason, and this
 * login must not use it either. */
bool code_file_remove(const char *name, char *why, size_t why_size);

#endif

/* Lines to and from a terminal or another descriptor. */
#ifndef TERMINAL_H
#define TERMINAL_H

#include <stdbool.h>
#include <stddef.h>

/* Checked repeatedly while the peer is not ready. False: stop waiting. */
typedef bool (*terminal_wanted)(const void *context);

/* Writes the text. False: it failed (errno), or `wanted` said stop. `wanted` may be NULL. */
bool terminal_write(int fd, const char *text, terminal_wanted wanted, const void *context);

/* Reads until one of `ends` into a C string, cut to its buffer; the rest of a long line is discarded, so that
 * the next prompt does not read it. Returns the end character; 0 at the end of the file; -1 on failure or
 * when `wanted` said stop. `wanted` may be NULL. */
int terminal_read_line(int fd, const char *ends, char *line, size_t size, terminal_wanted wanted,
                       const void *context);

#endif

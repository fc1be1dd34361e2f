/* Lines to and from a terminal, or what stands in its place. */
#ifndef LINE_H
#define LINE_H

#include <stdbool.h>
#include <stddef.h>

/* Asked again and again while the other end is not ready. False: it is waited for no longer. */
typedef bool (*line_wanted)(const void *context);

/* Writes the text. False: that failed, and errno says why, or it is not wanted any more. `wanted` may be
 * NULL.
 */
bool line_put(int fd, const char *text, line_wanted wanted, const void *context);

/* Reads until one of `ends` into a C string, which is cut to its buffer; the rest of a line that is too long
 * is read all the same, or the next prompt would find it. Returns the end that was found; 0 at the end of the
 * file; -1 when that failed or is not wanted any more. `wanted` may be NULL. */
int line_get(int fd, const char *ends, char *line, size_t size, line_wanted wanted, const void *context);

#endif

#include "sentence.h"

#include <stdio.h>

static void clean(char *to, size_t size, const char *from) {
    size_t length = 0;
    for (; from[length] != '\0' && length + 1 < size; length++) {
        unsigned char byte = (unsigned char)from[length];
        to[length] = byte < 0x20 || byte == 0x7f ? '?' : from[length];
    }
    to[length] = '\0';
}

void sentence_failure(char *line, size_t size, const char *message, const char *user, const char *rhost,
                      const char *why) {
    char clean_user[256];
    char clean_host[256];
    char clean_why[512];
    clean(clean_user, sizeof clean_user, user);
    clean(clean_host, sizeof clean_host, rhost == NULL ? "" : rhost);
    clean(clean_why, sizeof clean_why, why);
    snprintf(line, size, "%s for '%s'%s%s: %s", message, clean_user, clean_host[0] == '\0' ? "" : " from ",
             clean_host, clean_why);
}

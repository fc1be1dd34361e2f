/* The symbols that libduo_ts exports: libduo_exports_test LIBRARY */
#include <dlfcn.h>
#include <stddef.h>

#include "check.h"

int check_failures = 0;

int main(int argc, char **argv) {
    static const char *const shown[] = {
        "duo_open",   "duo_set_conv_funcs", "duo_set_host",       "duo_set_ssl_verify", "duo_login",
        "duo_geterr", "duo_close",          "duo_set_http_proxy", "duo_set_timeout",    "duo_set_ca"};
    static const char *const hidden[] = {"bridge_login",    "engine_start",       "frame_next",
                                         "account_by_name", "authorities_usable", "conversation_prompt"};
    if (argc != 2)
        return 2;
    void *library = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
    CHECK(library != NULL, "%s", dlerror());
    if (library == NULL)
        return 1;
    for (size_t i = 0; i < sizeof shown / sizeof *shown; i++) {
        CHECK(dlsym(library, shown[i]) != NULL, "%s is not there", shown[i]);
        CHECK(dlvsym(library, shown[i], "DUO_TS_1.0") != NULL, "%s is of another version", shown[i]);
    }
    for (size_t i = 0; i < sizeof hidden / sizeof *hidden; i++)
        CHECK(dlsym(library, hidden[i]) == NULL, "%s is there", hidden[i]);
    CHECK(dlclose(library) == 0, "%s", dlerror());
    return check_failures == 0 ? 0 : 1;
}

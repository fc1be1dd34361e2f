/* The symbols that the module exports: exports_test MODULE */
#include <dlfcn.h>
#include <security/pam_appl.h>
#include <stddef.h>

#include "check.h"

int check_failures = 0;

int main(int argc, char **argv) {
    static const char *const shown[] = {"pam_sm_authenticate", "pam_sm_setcred",       "pam_sm_acct_mgmt",
                                        "pam_sm_open_session", "pam_sm_close_session", "pam_sm_chauthtok"};
    static const char *const hidden[] = {"bridge_login", "engine_start",     "engine_end",
                                         "frame_next",   "config_file_read", "account_by_name"};
    typedef int (*entry)(pam_handle_t *, int, int, const char **);
    if (argc != 2)
        return 2;
    void *module = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
    CHECK(module != NULL, "%s", dlerror());
    if (module == NULL)
        return 1;
    for (size_t i = 0; i < sizeof shown / sizeof *shown; i++)
        CHECK(dlsym(module, shown[i]) != NULL, "%s is not there", shown[i]);
    for (size_t i = 0; i < sizeof hidden / sizeof *hidden; i++)
        CHECK(dlsym(module, hidden[i]) == NULL, "%s is there", hidden[i]);

    /* The results of entry points without a decision. */
    entry setcred = (entry)dlsym(module, "pam_sm_setcred");
    entry account = (entry)dlsym(module, "pam_sm_acct_mgmt");
    entry open_session = (entry)dlsym(module, "pam_sm_open_session");
    entry close_session = (entry)dlsym(module, "pam_sm_close_session");
    entry password = (entry)dlsym(module, "pam_sm_chauthtok");
    CHECK(setcred(NULL, 0, 0, NULL) == PAM_SUCCESS, "setcred");
    CHECK(account(NULL, 0, 0, NULL) == PAM_SUCCESS, "acct_mgmt");
    CHECK(open_session(NULL, 0, 0, NULL) == PAM_SUCCESS, "open_session");
    CHECK(close_session(NULL, 0, 0, NULL) == PAM_SUCCESS, "close_session");
    CHECK(password(NULL, 0, 0, NULL) == PAM_AUTHTOK_ERR, "chauthtok");
    CHECK(dlclose(module) == 0, "%s", dlerror());
    return check_failures == 0 ? 0 : 1;
}

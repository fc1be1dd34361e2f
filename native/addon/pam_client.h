// A PAM client: logs a user in through libpam on a separate thread, with the conversation in JavaScript.
#ifndef PAM_CLIENT_H
#define PAM_CLIENT_H

#include <napi.h>

Napi::Value pam_client_authenticate(const Napi::CallbackInfo &info);

#endif

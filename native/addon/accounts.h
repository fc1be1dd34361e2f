// Users, their groups and the canonical host name, from the name service.
#ifndef ACCOUNTS_H
#define ACCOUNTS_H

#include <napi.h>

Napi::Value accounts_user_by_name(const Napi::CallbackInfo &info);
Napi::Value accounts_user_by_id(const Napi::CallbackInfo &info);
Napi::Value accounts_groups_of(const Napi::CallbackInfo &info);
Napi::Value accounts_canonical_host_name(const Napi::CallbackInfo &info);

#endif
